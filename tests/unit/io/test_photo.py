"""Photographs: what is read comes back, in depth, colour, transparency and orientation; the rest is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import png
import pytest
import SimpleITK as sitk
import tifffile
from PIL import Image, ImageCms, ImageOps

from monai_sr.io import InputError, read_volume
from monai_sr.io.photo import Photo, read_photo, write_photo
from monai_sr.report.planes import sections

ROWS, COLUMNS = 12, 17
ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def random(channels: int, dtype: type[np.generic] = np.uint8) -> np.ndarray:
    shape = (ROWS, COLUMNS) if channels == 1 else (ROWS, COLUMNS, channels)
    return np.random.default_rng(0).integers(0, np.iinfo(dtype).max + 1, shape, dtype=dtype)


def store(pixels: np.ndarray, path: Path) -> Path:
    """Write with a library that takes no part in our reading, where there is one."""
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    if path.suffix == ".tif":
        tifffile.imwrite(
            path,
            pixels,
            photometric="rgb" if channels > 2 else "minisblack",
            planarconfig="contig" if channels > 1 else None,
            extrasamples=["unassalpha"] if channels in (2, 4) else None,
        )
    elif pixels.dtype == np.uint8:
        Image.fromarray(pixels).save(path)
    else:
        sitk.WriteImage(sitk.GetImageFromArray(pixels, isVector=channels > 1), str(path))
    return path


def stored(path: Path) -> np.ndarray:
    """Read independently: SimpleITK for PNG, but for grey with transparency, which it refuses; tifffile for TIFF."""
    if path.suffix == ".tif":
        return tifffile.imread(path)
    if png.Reader(filename=str(path)).read()[3]["planes"] == 2:
        columns, rows, values, info = png.Reader(filename=str(path)).read()
        return np.array([list(row) for row in values], f"u{info['bitdepth'] // 8}").reshape(rows, columns, 2)
    return sitk.GetArrayFromImage(sitk.ReadImage(str(path)))


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_what_was_read_is_written_back_to_the_last_bit(
    tmp_path: Path, suffix: str, dtype: type[np.generic], channels: int
) -> None:
    pixels = random(channels, dtype)
    file = store(pixels, tmp_path / f"a{suffix}")
    if suffix == ".tif" and channels == 2 and dtype is np.uint16:
        with pytest.raises(InputError, match="of a kind that is read"):  # Pillow does not know it
            read_photo(file)
        return
    photo = read_photo(file)
    assert photo.luma.shape == (COLUMNS, ROWS, 1)
    assert photo.luma.dtype == np.float32
    assert photo.depth == 8 * pixels.dtype.itemsize
    assert photo.suffix == suffix
    assert (photo.chroma is None, photo.alpha is None) == (channels < 3, channels % 2 == 1)
    file = write_photo(photo, tmp_path / f"b{suffix}")
    back = stored(file)
    assert back.dtype == pixels.dtype
    np.testing.assert_array_equal(back, pixels)


def test_luma_and_chroma_are_those_of_jpeg(tmp_path: Path) -> None:
    pixels = random(3)
    photo = read_photo(store(pixels, tmp_path / "a.png"))
    expected = np.asarray(Image.fromarray(pixels).convert("YCbCr")).astype(np.float64).swapaxes(0, 1)
    np.testing.assert_allclose(photo.luma[..., 0] * 255, expected[..., 0], atol=1.0)
    assert photo.chroma is not None
    np.testing.assert_allclose(photo.chroma[0] * 255 + 128, expected[..., 1], atol=1.0)
    np.testing.assert_allclose(photo.chroma[1] * 255 + 128, expected[..., 2], atol=1.0)


def test_grey_stored_as_colour_has_no_colour(tmp_path: Path) -> None:
    grey = random(1)
    photo = read_photo(store(np.stack([grey] * 3, axis=-1), tmp_path / "a.png"))
    np.testing.assert_allclose(photo.luma[..., 0], grey.T / 255.0, atol=1e-7)
    np.testing.assert_allclose(photo.chroma, 0.0, atol=1e-7)


def test_the_luma_is_a_volume_of_one_slice_without_spacing(tmp_path: Path) -> None:
    file = store(random(3), tmp_path / "a.png")
    volume = read_volume(file)
    assert volume.modality == "photo"
    assert volume.array.shape == (COLUMNS, ROWS, 1)
    assert volume.geometry.spacing == (1.0, 1.0, 1.0)
    assert volume.name == "a"
    axial = sections(volume)[0]
    np.testing.assert_array_equal(axial.image, volume.array[..., 0].T)  # upright, wherever slices are drawn
    assert axial.labels == ("", "", "", "")
    assert isinstance(volume.source, Photo)


def test_values_outside_are_clipped_and_others_rounded(tmp_path: Path) -> None:
    luma = np.array([-0.2, 1.3, 100.4 / 255, 100.6 / 255], np.float32).reshape(4, 1, 1)
    file = write_photo(Photo(luma), tmp_path / "a.png")
    assert np.asarray(Image.open(file)).tolist() == [[0, 255, 100, 101]]


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif", "wide.tif"])
def test_the_turn_that_a_camera_noted_is_made(tmp_path: Path, name: str, turn: int) -> None:
    pixels = np.zeros((16, 32, 3), np.uint8)
    pixels[:8, :8], pixels[:8, 16:] = 200, 90
    image = Image.fromarray(pixels)
    exif = image.getexif()
    exif[0x0112] = turn
    if name == "wide.tif":
        wide = pixels.astype(np.uint16) * 257
        tifffile.imwrite(
            tmp_path / name, wide, photometric="rgb", extratags=[(274, 3, 1, turn, True)], resolution=(300, 150),
            resolutionunit="INCH",
        )  # fmt: skip
    else:
        image.save(tmp_path / name, exif=exif, dpi=(300, 150))
    photo = read_photo(tmp_path / name)
    image.getexif()[0x0112] = turn
    upright = np.asarray(ImageOps.exif_transpose(image))
    np.testing.assert_allclose(photo.samples() * 255, upright, atol=2.5)
    assert photo.dpi == pytest.approx((150, 300) if turn > 4 else (300, 150), rel=1e-3)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("colour", [False, True])
def test_profile_and_resolution_are_written(tmp_path: Path, suffix: str, depth: int, colour: bool) -> None:
    luma = np.full((6, 5, 1), 0.5, np.float32)
    chroma = np.zeros((2, 6, 5), np.float32) if colour else None
    photo = Photo(luma, chroma, depth=depth, icc=ICC, dpi=(300.0, 150.0))
    file = write_photo(photo, tmp_path / f"a{suffix}")
    with Image.open(file) as image:
        image.load()
        assert image.info["icc_profile"] == ICC
        assert tuple(map(float, image.info["dpi"])) == pytest.approx((300, 150), rel=1e-3)
    back = read_photo(file)
    assert (back.icc, back.depth) == (ICC, depth)


def test_a_jpeg_becomes_png(tmp_path: Path) -> None:
    Image.fromarray(np.full((16, 16, 3), (200, 30, 60), np.uint8)).save(tmp_path / "a.jpg", quality=95)
    photo = read_photo(tmp_path / "a.jpg")
    assert photo.suffix == ".png"
    file = write_photo(photo, tmp_path / "b.png")
    np.testing.assert_array_equal(np.asarray(Image.open(file)), np.asarray(Image.open(tmp_path / "a.jpg")))


def test_of_a_phones_several_pictures_the_photograph_is_taken(tmp_path: Path) -> None:
    first, second = (Image.fromarray(np.full((16, 16, 3), v, np.uint8)) for v in (60, 200))
    first.save(tmp_path / "a.jpg", format="MPO", save_all=True, append_images=[second])
    photo = read_photo(tmp_path / "a.jpg")
    assert float(photo.luma.mean()) * 255 == pytest.approx(60, abs=1)
    assert "the first" in photo.notes[0]


def test_palette_and_a_transparent_colour(tmp_path: Path) -> None:
    pixels = np.zeros((ROWS, COLUMNS, 3), np.uint8)
    pixels[:, 5:] = (250, 10, 20)
    Image.fromarray(pixels).convert("P").save(tmp_path / "palette.png")
    np.testing.assert_allclose(read_photo(tmp_path / "palette.png").samples() * 255, pixels, atol=50)
    Image.fromarray(pixels).save(tmp_path / "key.png", transparency=(0, 0, 0))
    alpha = read_photo(tmp_path / "key.png").alpha
    assert alpha is not None
    np.testing.assert_array_equal(alpha, np.where(np.arange(COLUMNS) < 5, 0.0, 1.0)[:, None].repeat(ROWS, 1))


def test_wide_files_of_other_layouts(tmp_path: Path) -> None:
    pixels = random(3, np.uint16)
    tifffile.imwrite(
        tmp_path / "planes.tif", np.moveaxis(pixels, -1, 0), photometric="rgb", planarconfig="separate", byteorder=">"
    )
    tifffile.imwrite(tmp_path / "deflate.tif", pixels, photometric="rgb", compression="zlib", predictor=True)
    with (tmp_path / "interlaced.png").open("wb") as stream:
        png.Writer(COLUMNS, ROWS, greyscale=False, bitdepth=16, interlace=True).write(stream, pixels.reshape(ROWS, -1))
    for name in ("planes.tif", "deflate.tif", "interlaced.png"):
        back = read_photo(tmp_path / name).samples() * 65535.0
        np.testing.assert_array_equal(np.rint(back), pixels)
    tifffile.imwrite(tmp_path / "white_is_zero.tif", 65535 - pixels[..., 0], photometric="miniswhite")
    np.testing.assert_array_equal(
        np.rint(read_photo(tmp_path / "white_is_zero.tif").samples()[..., 0] * 65535), pixels[..., 0]
    )


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif", "wide.png", "wide.tif", "deflate.tif"])
def test_a_truncated_photograph_is_refused(tmp_path: Path, name: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 65536, (64, 64, 3), dtype=np.uint16)
    file = tmp_path / name
    if name == "deflate.tif":
        tifffile.imwrite(file, pixels, photometric="rgb", compression="zlib")
    elif name == "a.jpg":
        Image.fromarray((pixels >> 8).astype(np.uint8)).save(file)
    else:
        store(pixels if "wide" in name else (pixels >> 8).astype(np.uint8), file)
    whole = file.read_bytes()
    for kept in (0, 10, len(whole) // 2, len(whole) * 3 // 4):
        file.write_bytes(whole[:kept])
        with pytest.raises(InputError, match="corrupt"):
            read_photo(file)


def test_kinds_of_colour_that_are_refused(tmp_path: Path) -> None:
    Image.new("CMYK", (16, 16)).save(tmp_path / "cmyk.jpg")
    with pytest.raises(InputError, match="pixels of type CMYK; save it as grey or RGB"):
        read_photo(tmp_path / "cmyk.jpg")
    tifffile.imwrite(tmp_path / "associated.tif", random(4, np.uint16), photometric="rgb", extrasamples=["assocalpha"])
    with pytest.raises(InputError, match="no plain transparency"):
        read_photo(tmp_path / "associated.tif")
    tifffile.imwrite(tmp_path / "float.tif", random(3).astype(np.float32), photometric="rgb")
    with pytest.raises(InputError):
        read_photo(tmp_path / "float.tif")
    with pytest.raises(FileNotFoundError):
        read_photo(tmp_path / "none.png")


def test_nothing_is_replaced_unasked_and_other_suffixes_are_refused(tmp_path: Path) -> None:
    photo = Photo(np.zeros((4, 4, 1), np.float32))
    file = write_photo(photo, tmp_path / "a.png")
    before = file.read_bytes()
    with pytest.raises(InputError, match="exists and is not replaced"):
        write_photo(Photo(np.ones((4, 4, 1), np.float32)), file)
    assert file.read_bytes() == before
    write_photo(Photo(np.ones((4, 4, 1), np.float32)), file, overwrite=True)
    assert file.read_bytes() != before
    with pytest.raises(InputError, match=r"written as \.png or \.tif"):
        write_photo(photo, tmp_path / "a.jpg")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.png"]
