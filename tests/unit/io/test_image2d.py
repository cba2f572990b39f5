"""Two-dimensional training images: depth, orientation, colour, and refusals."""

from __future__ import annotations

from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
from PIL import Image

from monai_sr.io import InputError
from monai_sr.io.image2d import read_image

ROWS, COLUMNS = 6, 9
GREY = np.arange(ROWS * COLUMNS, dtype=np.uint8).reshape(ROWS, COLUMNS)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize(("dtype", "largest"), [(np.uint8, 255), (np.uint16, 65535)])
def test_grey_images_keep_values_depth_and_axes(
    tmp_path: Path, suffix: str, dtype: type[np.generic], largest: int
) -> None:
    pixels = GREY.astype(dtype)
    pixels[0, 1] = largest
    iio.imwrite(tmp_path / f"a{suffix}", pixels)
    image = read_image(tmp_path / f"a{suffix}")
    assert image.array.dtype == np.float32
    assert image.array.shape == (COLUMNS, ROWS)
    np.testing.assert_array_equal(image.array, pixels.T)
    assert (image.max_value, image.notes) == (largest, ())


def test_big_endian_tiff(tmp_path: Path) -> None:
    import tifffile

    pixels = GREY.astype(np.uint16) * 300
    tifffile.imwrite(tmp_path / "a.tif", pixels, byteorder=">")
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").array, pixels.T)


def test_grey_jpeg(tmp_path: Path) -> None:
    Image.fromarray(np.full((16, 24), 77, np.uint8)).save(tmp_path / "a.jpg", quality=95)
    image = read_image(tmp_path / "a.jpg")
    assert image.array.shape == (24, 16)
    np.testing.assert_allclose(image.array, 77, atol=1)


def test_colour_becomes_luma_with_a_note(tmp_path: Path) -> None:
    colour = np.zeros((ROWS, COLUMNS, 3), np.uint8)
    colour[..., 0], colour[0, 0] = 200, (10, 20, 30)
    Image.fromarray(colour).save(tmp_path / "a.png")
    image = read_image(tmp_path / "a.png")
    np.testing.assert_allclose(image.array, np.asarray(Image.fromarray(colour).convert("L")).T, atol=0.51)
    assert "luma" in image.notes[0]


def test_grey_stored_as_colour_is_grey(tmp_path: Path) -> None:
    Image.fromarray(np.stack([GREY] * 3, axis=-1)).save(tmp_path / "rgb.png")
    Image.fromarray(GREY).convert("P").save(tmp_path / "palette.png")
    Image.fromarray(np.stack([GREY, np.full_like(GREY, 255)], axis=-1)).save(tmp_path / "la.png")
    for name in ("rgb.png", "palette.png", "la.png"):
        np.testing.assert_array_equal(read_image(tmp_path / name).array, GREY.T)


def test_the_turn_that_a_camera_noted_is_made(tmp_path: Path) -> None:
    image = Image.fromarray(GREY)
    exif = image.getexif()
    exif[0x0112] = 6  # rotate by 270 degrees to show
    image.save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png").array, np.rot90(GREY, -1).T)


def test_refusals(tmp_path: Path) -> None:
    Image.fromarray(GREY.astype(np.float32)).save(tmp_path / "float.tif")
    with pytest.raises(InputError, match="pixels of type F"):
        read_image(tmp_path / "float.tif")
    Image.fromarray(GREY).save(tmp_path / "stack.tif", save_all=True, append_images=[Image.fromarray(GREY)])
    with pytest.raises(InputError, match="several images"):
        read_image(tmp_path / "stack.tif")
    Image.fromarray(GREY).save(tmp_path / "a.gif")
    with pytest.raises(InputError, match="no PNG, JPEG or TIFF"):
        read_image(tmp_path / "a.gif")
    with pytest.raises(FileNotFoundError):
        read_image(tmp_path / "none.png")


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
def test_a_truncated_image_is_refused(tmp_path: Path, suffix: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / f"whole{suffix}")
    whole = (tmp_path / f"whole{suffix}").read_bytes()
    for kept in (0, 10, len(whole) // 2, len(whole) * 3 // 4):
        (tmp_path / f"part{suffix}").write_bytes(whole[:kept])
        with pytest.raises(InputError, match="corrupt"):
            read_image(tmp_path / f"part{suffix}")


def test_a_header_that_claims_too_many_pixels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(GREY).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 40)
    with pytest.raises(InputError, match="more pixels than"):
        read_image(tmp_path / "a.png")
