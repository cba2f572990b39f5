"""Body mask, intensity range and noise level: calibrated, and robust to one hot voxel and to background."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage
from skimage.filters import threshold_otsu

from monai_sr.intensity import CT_RANGE_HU, IntensityRange, body_mask, estimate_noise, intensity_range

SIZE = 48


def ball(radius: float, size: int = SIZE, centre: tuple[float, ...] | None = None) -> np.ndarray:
    middle = centre or ((size - 1) / 2,) * 3
    axes = np.ogrid[:size, :size, :size]
    return np.asarray(sum((a - c) ** 2 for a, c in zip(axes, middle, strict=True)) < radius**2)


@pytest.fixture
def head() -> np.ndarray:
    """An MR-like ball of tissue, 100 to 900, on a noisy background near 0."""
    rng = np.random.default_rng(0)
    texture = ndimage.gaussian_filter(rng.normal(size=(SIZE,) * 3), 2)
    tissue = 500 + 400 * np.clip(texture / np.abs(texture).max() * 1.5, -1, 1)
    return np.where(ball(18), tissue, np.abs(rng.normal(0, 10, (SIZE,) * 3))).astype(np.float32)


# ---- body mask


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    return 2 * (a & b).sum() / (a.sum() + b.sum())


def test_mask_is_the_head(head: np.ndarray) -> None:
    assert overlap(body_mask(head, "MR"), ball(18)) > 0.99


def test_mask_holds_the_air_inside_and_leaves_the_table_out() -> None:
    ct = np.full((SIZE,) * 3, -1000.0, np.float32)
    ct[ball(18)] = 40.0
    ct[ball(4)] = -1000.0  # an air cavity
    ct[2:4, 10:38, 10:38] = -100.0  # a thin table beside the body
    mask = body_mask(ct, "CT")
    assert mask[SIZE // 2, SIZE // 2, SIZE // 2]
    assert not mask[:5].any()
    assert overlap(mask, ball(18)) > 0.98


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_lungs_that_the_scan_cuts_off_belong_to_the_body(axis: int) -> None:
    x, y = np.ogrid[:SIZE, :SIZE]
    chest = np.full((SIZE, SIZE, 20), -1000.0, np.float32)
    body = (x - 24) ** 2 + (y - 24) ** 2 < 20**2
    lung = (x - 24) ** 2 + (y - 24) ** 2 < 10**2
    chest[body] = 40.0
    chest[lung] = -850.0  # in every slice, so open at both ends of the scan
    mask = body_mask(np.moveaxis(chest, 2, axis), "CT")
    assert overlap(np.moveaxis(mask, axis, 2), np.broadcast_to(body[..., None], chest.shape)) > 0.99


@pytest.mark.parametrize("scale", [1e-3, 1.0, 30.0])
def test_mask_does_not_depend_on_the_scanners_scale(head: np.ndarray, scale: float) -> None:
    assert overlap(body_mask(head * scale, "MR"), body_mask(head, "MR")) > 0.999


def test_mask_survives_negative_background(head: np.ndarray) -> None:
    """Bias-corrected and resampled volumes ring below zero."""
    rng = np.random.default_rng(1)
    shifted = head + np.where(ball(18), 0, rng.normal(-5, 5, head.shape)).astype(np.float32)
    assert overlap(body_mask(shifted, "MR"), ball(18)) > 0.99


@pytest.mark.parametrize("seed", range(5))
def test_holes_are_those_that_scipy_fills(seed: int) -> None:
    values = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(30, 28, 26)), 1.5).astype(np.float32)
    mask = body_mask(values, "MR")
    assert 0.05 < mask.mean() < 0.95
    np.testing.assert_array_equal(ndimage.binary_fill_holes(mask), mask)
    labels, count = ndimage.label(mask)
    assert count == 1
    clipped = np.minimum(values, np.percentile(values, 99.8))
    bright = clipped > 0.5 * threshold_otsu(clipped) + 0.5 * min(0.0, float(np.percentile(clipped, 1)))
    labels, _ = ndimage.label(ndimage.binary_opening(bright))
    largest = labels == np.argmax(np.bincount(labels.ravel())[1:]) + 1
    np.testing.assert_array_equal(mask, ndimage.binary_fill_holes(largest))


@pytest.mark.parametrize("modality", ["CT", "MR"])
def test_the_order_in_memory_decides_nothing(head: np.ndarray, modality: str) -> None:
    scan = head if modality == "MR" else (head / head.max() * 2000 - 1000).astype(np.float32)
    np.testing.assert_array_equal(
        body_mask(np.asfortranarray(scan), modality), body_mask(np.ascontiguousarray(scan), modality)
    )


@pytest.mark.parametrize("modality", ["CT", "MR"])
def test_a_constant_volume_is_all_body(modality: str) -> None:
    assert body_mask(np.full((8, 8, 8), -1000.0 if modality == "CT" else 3.0), modality).all()


def test_mask_works_on_images(head: np.ndarray) -> None:
    image = head[:, :, SIZE // 2]
    assert overlap(body_mask(image, "MR"), ball(18)[:, :, SIZE // 2]) > 0.98


# ---- range


def test_ct_range_is_fixed() -> None:
    scan = np.random.default_rng(0).uniform(-200, 3000, (8, 8, 8))
    assert intensity_range(scan, "CT") == IntensityRange(*CT_RANGE_HU)
    assert IntensityRange(*CT_RANGE_HU).width == 2000.0


def test_mr_range_is_that_of_the_foreground(head: np.ndarray) -> None:
    inside = head[ball(17)]
    scale = intensity_range(head, "MR")
    assert scale.low == pytest.approx(np.percentile(inside, 0.5), rel=0.1, abs=20)
    assert scale.high == pytest.approx(np.percentile(inside, 99.8), rel=0.02)


def test_one_hot_voxel_changes_nothing(head: np.ndarray) -> None:
    hot = head.copy()
    hot[20, 20, 20] = 1e6
    before, after = intensity_range(head, "MR"), intensity_range(hot, "MR")
    assert after.low == pytest.approx(before.low, abs=0.01 * before.width)
    assert after.high == pytest.approx(before.high, abs=0.01 * before.width)
    assert overlap(body_mask(hot, "MR"), body_mask(head, "MR")) > 0.999


def test_the_amount_of_background_changes_little(head: np.ndarray) -> None:
    rng = np.random.default_rng(2)
    wide = np.abs(rng.normal(0, 10, (2 * SIZE,) * 3)).astype(np.float32)
    wide[24:72, 24:72, 24:72] = head
    tight = head[4:-4, 4:-4, 4:-4]
    a, b = intensity_range(tight, "MR"), intensity_range(wide, "MR")
    assert b.low == pytest.approx(a.low, abs=0.02 * a.width)
    assert b.high == pytest.approx(a.high, abs=0.02 * a.width)


def test_ranges_that_are_none_are_refused() -> None:
    with pytest.raises(ValueError, match="constant"):
        intensity_range(np.full((8, 8, 8), 7.0), "MR")
    for low, high in ((1.0, 1.0), (2.0, 1.0), (np.nan, 1.0)):
        with pytest.raises(ValueError, match="finite low < high"):
            IntensityRange(low, high)


# ---- noise


@pytest.mark.parametrize("sigma", [0.5, 20.0, 300.0])
@pytest.mark.parametrize("shape", [(64, 64, 32), (128, 128, 20)])
def test_the_estimator_is_calibrated_on_gaussian_noise(shape: tuple[int, int, int], sigma: float) -> None:
    """Also the proof of its bias constant: without it the estimate would be 19 % low."""
    noise = np.random.default_rng(3).normal(100, sigma, shape)
    assert estimate_noise(noise, np.ones(shape, bool), (0, 1)) == pytest.approx(sigma, rel=0.05)


@pytest.mark.parametrize("axes", [(0, 1), (0, 2), (1, 2)])
def test_planes_and_slow_structure_are_not_noise(axes: tuple[int, int]) -> None:
    x, y, z = np.meshgrid(*[np.linspace(0, 1, SIZE)] * 3, indexing="ij")
    smooth = 300 * x + 200 * y - 100 * z + 50 * np.sin(3 * x) * np.cos(2 * y)
    noisy = smooth + np.random.default_rng(4).normal(0, 5, smooth.shape)
    everywhere = np.ones(smooth.shape, bool)
    assert estimate_noise(smooth, everywhere, axes) < 0.5
    assert estimate_noise(noisy, everywhere, axes) == pytest.approx(5.0, rel=0.06)


def test_edges_and_background_do_not_count(head: np.ndarray) -> None:
    """Half of the head has bars; the quiet half and the mask decide."""
    bars = head.copy()
    bars[:, :24][ball(18)[:, :24]] = 500.0
    bars[:, 24::4][ball(18)[:, 24::4]] = 900.0
    noisy = bars + np.random.default_rng(5).normal(0, 15, head.shape)
    assert estimate_noise(noisy, body_mask(noisy, "MR"), (0, 1)) == pytest.approx(15.0, rel=0.12)


def test_one_hot_voxel_is_no_noise(head: np.ndarray) -> None:
    noisy = head + np.random.default_rng(6).normal(0, 20, head.shape)
    mask = body_mask(noisy, "MR")
    before = estimate_noise(noisy, mask, (0, 1))
    noisy[24, 24, 24] = 1e6
    assert estimate_noise(noisy, mask, (0, 1)) == pytest.approx(before, rel=0.02)


def test_a_body_narrower_than_the_window_still_has_an_estimate() -> None:
    noise = np.random.default_rng(7).normal(0, 3, (32, 32, 16))
    mask = np.zeros(noise.shape, bool)
    mask[14:18, 14:18] = True
    assert estimate_noise(noise, mask, (0, 1)) == pytest.approx(3.0, rel=0.2)


def test_added_noise_is_seen_on_a_real_scan(real_data: Path) -> None:
    """On real anatomy the estimate is an upper bound of what the volume has, and follows what is added to it."""
    scan = nib.load(real_data / "train" / "thick_mr_t1w_oms_long01_study2.nii.gz").get_fdata(dtype=np.float32)
    mask = body_mask(scan, "MR")
    width = intensity_range(scan, "MR", mask).width
    own = estimate_noise(scan, mask, (0, 1))
    assert own < 0.02 * width
    added = 0.03 * width
    noisy = scan + np.random.default_rng(8).normal(0, added, scan.shape)
    assert estimate_noise(noisy, mask, (0, 1)) == pytest.approx(np.hypot(own, added), rel=0.1)


def test_all_of_a_photograph_counts_and_its_range_is_black_to_white():
    picture = np.random.default_rng(0).uniform(0.2, 0.3, (20, 30, 1)).astype(np.float32)
    picture[:5] = 0.0
    assert body_mask(picture, "photo").all()
    scale = intensity_range(picture, "photo")
    assert (scale.low, scale.high) == (0.0, 1.0)


def test_noise_of_a_picture_is_seen_whichever_axes_are_asked_for():
    picture = np.random.default_rng(0).normal(0.5, 0.05, (120, 140, 1)).astype(np.float32)
    mask = body_mask(picture, "photo")
    for axes in ((0, 1), (1, 2), (0, 2)):
        assert estimate_noise(picture, mask, axes) == pytest.approx(0.05, rel=0.05)


@pytest.mark.parametrize("axes", [(0, 1), (1, 2), (0, 2)])
def test_noise_takes_no_memory_that_grows_with_the_slices(axes: tuple[int, int], monkeypatch) -> None:
    """It goes slab by slab, to the same number."""
    scan = np.random.default_rng(0).normal(size=(48, 48, 48)).astype(np.float32)
    mask = np.ones(scan.shape, dtype=bool)
    whole = estimate_noise(scan, mask, axes)
    monkeypatch.setattr("monai_sr.intensity._SLAB_VOXELS", 4 * 48 * 48)
    assert estimate_noise(scan, mask, axes) == whole
    tracemalloc.start()
    estimate_noise(scan, mask, axes)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2.5 * scan.nbytes  # the values inside the mask, and their percentile's copy; not five volumes
