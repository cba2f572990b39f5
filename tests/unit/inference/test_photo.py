"""Photographs: the luma goes the way of all scans, colour and opacity follow it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from monai_sr.grid import AxisGrid, apply_along, interpolation_matrix
from monai_sr.inference import super_resolve
from monai_sr.inference.photo import super_resolve_photo
from monai_sr.io import InputError
from monai_sr.io.photo import Photo, read_photo, write_photo


def smooth(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    coarse = np.random.default_rng(seed).uniform(60, 200, (4, 5, *shape[2:]))
    planes = coarse.reshape(4, 5, -1)
    size = (shape[1], shape[0])
    made = [
        np.asarray(Image.fromarray(plane).resize(size, Image.Resampling.BICUBIC)) for plane in planes.transpose(2, 0, 1)
    ]
    return np.clip(np.stack(made, axis=-1).reshape(shape), 0, 255).astype(np.uint8)


@pytest.fixture
def colour(tmp_path: Path) -> Photo:
    Image.fromarray(smooth((24, 30, 4))).save(tmp_path / "a.png", dpi=(72, 144))
    return read_photo(tmp_path / "a.png")


def test_the_luma_is_that_of_super_resolve_and_the_rest_is_cubic(colour: Photo) -> None:
    photo, result = super_resolve_photo(colour, (2, 3), model="none")
    alone = super_resolve(colour.volume, scale=(2, 3, 1), model="none")
    np.testing.assert_array_equal(photo.luma, alone.volume.array)
    assert photo.luma.shape == (60, 72, 1)
    assert photo.chroma is not None and colour.chroma is not None
    assert photo.alpha is not None and colour.alpha is not None
    for fine, plane in (
        (photo.chroma[0], colour.chroma[0]),
        (photo.chroma[1], colour.chroma[1]),
        (photo.alpha, colour.alpha),
    ):
        expected = torch.from_numpy(plane)
        for axis, n in enumerate((60, 72)):
            expected = apply_along(interpolation_matrix(AxisGrid(plane.shape[axis], n)), expected, axis)
        np.testing.assert_allclose(fine, expected.numpy(), atol=1e-6)
    assert photo.dpi == pytest.approx((144, 432), rel=1e-3)
    assert result.volume.source is photo
    assert any("no spacing" in note for note in result.report["notes"])


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_grey_in_colour_stays_grey_and_one_colour_stays_one_hue(tmp_path: Path, suffix: str) -> None:
    grey = smooth((20, 22, 1))[..., 0]
    Image.fromarray(np.stack([grey] * 3, axis=-1)).save(tmp_path / f"grey{suffix}")
    photo, _ = super_resolve_photo(tmp_path / f"grey{suffix}", (2, 2), model="none")
    file = write_photo(photo, tmp_path / f"out{suffix}")
    pixels = np.asarray(Image.open(file))
    assert pixels.shape == (40, 44, 3)
    assert (pixels == pixels[..., :1]).all()
    tinted = np.stack([grey, grey // 2, np.full_like(grey, 40)], axis=-1)
    Image.fromarray(tinted).save(tmp_path / f"tinted{suffix}")
    photo, _ = super_resolve_photo(tmp_path / f"tinted{suffix}", (2, 2), model="none")
    back = photo.samples().reshape(20, 2, 22, 2, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(back * 255, tinted, atol=3)  # averaged over the pixels that were read


def test_what_was_acquired_is_kept_when_seen_through_the_pixel(colour: Photo) -> None:
    photo, _ = super_resolve_photo(colour, (2, 2), model="none")
    seen = photo.luma[..., 0].reshape(30, 2, 24, 2).mean(axis=(1, 3))
    np.testing.assert_allclose(seen, colour.luma[..., 0], atol=2e-3)


def test_factors_that_do_not_divide_say_what_became_of_them(colour: Photo) -> None:
    photo, result = super_resolve_photo(colour, (1.33, 1), model="none")
    assert photo.luma.shape == (40, 24, 1)
    assert any("40 pixels, a factor of 1.3333 instead of 1.33" in note for note in result.report["notes"])
    assert not any(" mm keeps" in note for note in result.report["notes"])


def test_coarser_when_allowed(colour: Photo) -> None:
    photo, _ = super_resolve_photo(colour, (0.5, 0.5), allow_downsample=True, model="none")
    assert photo.chroma is not None and colour.chroma is not None
    assert photo.luma.shape == (15, 12, 1)
    means = colour.chroma.reshape(2, 15, 2, 12, 2).mean(axis=(2, 4))
    np.testing.assert_allclose(photo.chroma, means, atol=1e-5)


@pytest.mark.parametrize(
    ("scale", "said"),
    [
        (None, "has no spacing, so say how much finer it is to become: --scale 4,4"),
        ((4, 4, 1), "takes two factors for a photograph, like 4,4, got 4,4,1"),
        ((8, 8), "a factor of 8 is above the limit of 6"),
        ((0.5, 2), "makes the photograph coarser"),
        ((1, 1.05), "leaves the photograph as it is"),
        ((float("nan"), 2), "above the limit"),
    ],
)
def test_refusals(colour: Photo, scale: tuple[float, ...] | None, said: str) -> None:
    with pytest.raises(InputError, match=said):
        super_resolve_photo(colour, scale, model="none")
