"""PSNR and SSIM in the mask and range they state; scikit-image as oracle."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from monai_sr.intensity import IntensityRange
from monai_sr.metrics import psnr, ssim

UNIT = IntensityRange(0.0, 1.0)


@pytest.fixture
def pair() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    truth = ndimage.gaussian_filter(rng.normal(size=(40, 44, 36)), 1.5)
    truth = (truth - truth.min()) / np.ptp(truth)
    return ndimage.gaussian_filter(truth, 0.8) + rng.normal(0, 0.02, truth.shape), truth


def middle(shape: tuple[int, ...], margin: int = 8) -> np.ndarray:
    mask = np.zeros(shape, bool)
    mask[(slice(margin, -margin),) * len(shape)] = True
    return mask


def test_psnr_equals_scikit_image(pair: tuple[np.ndarray, np.ndarray]) -> None:
    restored, truth = pair
    everywhere = np.ones(truth.shape, bool)
    for scale in (UNIT, IntensityRange(-0.5, 2.0)):
        expected = peak_signal_noise_ratio(truth, restored, data_range=scale.width)
        assert psnr(restored, truth, everywhere, scale) == pytest.approx(expected, abs=1e-5)


def test_psnr_counts_the_mask_only(pair: tuple[np.ndarray, np.ndarray]) -> None:
    restored, truth = pair
    mask = middle(truth.shape)
    expected = peak_signal_noise_ratio(truth[mask], restored[mask], data_range=1.0)
    outside = np.where(mask, restored, 1e6)
    assert psnr(outside, truth, mask, UNIT) == pytest.approx(expected, abs=1e-5)


def test_psnr_of_a_known_error() -> None:
    truth = np.full((4, 4, 4), -1000.0, np.float32)
    assert psnr(truth + 20.0, truth, np.ones(truth.shape, bool), IntensityRange(-1000.0, 1000.0)) == pytest.approx(40.0)
    assert psnr(truth, truth, np.ones(truth.shape, bool), UNIT) == np.inf


@pytest.mark.parametrize("dims", [2, 3])
def test_ssim_equals_scikit_image(pair: tuple[np.ndarray, np.ndarray], dims: int) -> None:
    restored, truth = (a if dims == 3 else a[:, :, 18] for a in pair)
    mask = middle(truth.shape)
    _, local = structural_similarity(
        truth, restored, data_range=1.0, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, full=True
    )
    assert ssim(restored, truth, mask, UNIT) == pytest.approx(local[mask].mean(), abs=1e-4)


def test_ssim_counts_the_mask_only(pair: tuple[np.ndarray, np.ndarray]) -> None:
    restored, truth = pair
    mask = middle(truth.shape, 14)
    spoiled = restored.copy()
    spoiled[:4] = 5.0  # beyond half a window of the mask
    assert ssim(spoiled, truth, mask, UNIT) == pytest.approx(ssim(restored, truth, mask, UNIT), abs=1e-6)
    assert ssim(spoiled, truth, np.ones_like(mask), UNIT) < ssim(restored, truth, np.ones_like(mask), UNIT) - 0.01


def test_ssim_does_not_depend_on_the_scanners_scale(pair: tuple[np.ndarray, np.ndarray]) -> None:
    restored, truth = pair
    mask = middle(truth.shape)
    scaled = ssim(2000 * restored - 1000, 2000 * truth - 1000, mask, IntensityRange(-1000.0, 1000.0))
    assert scaled == pytest.approx(ssim(restored, truth, mask, UNIT), abs=1e-5)


def test_ssim_of_thin_volumes_and_of_equal_ones(pair: tuple[np.ndarray, np.ndarray]) -> None:
    restored, truth = (a[:, :, :6] for a in pair)
    mask = np.ones(truth.shape, bool)
    assert ssim(truth, truth, mask, UNIT) == pytest.approx(1.0, abs=1e-6)
    assert 0.3 < ssim(restored, truth, mask, UNIT) < 1.0


def test_other_grids_and_empty_masks_are_refused(pair: tuple[np.ndarray, np.ndarray]) -> None:
    restored, truth = pair
    for measure in (psnr, ssim):
        with pytest.raises(ValueError, match="same grid"):
            measure(restored[1:], truth, np.ones(truth.shape, bool), UNIT)
        with pytest.raises(ValueError, match="no voxel"):
            measure(restored, truth, np.zeros(truth.shape, bool), UNIT)
