"""PSNR, SSIM and multi-scale SSIM in the mask and range they state; scikit-image, MONAI, torchmetrics as oracles."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.metrics.regression import compute_ms_ssim, compute_ssim_and_cs
from scipy import ndimage
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from monai_sr.intensity import IntensityRange
from monai_sr.metrics import ms_ssim, psnr, ssim
from monai_sr.metrics.fidelity import MS_SSIM_WEIGHTS

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
    for measure in (psnr, ssim, ms_ssim):
        with pytest.raises(ValueError, match="same grid"):
            measure(restored[1:], truth, np.ones(truth.shape, bool), UNIT)
        with pytest.raises(ValueError, match="no voxel"):
            measure(restored, truth, np.zeros(truth.shape, bool), UNIT)


@pytest.mark.parametrize("shape", [(40, 44, 36), (40, 44, 6), (40, 44)])
def test_ssim_equals_monai(pair: tuple[np.ndarray, np.ndarray], shape: tuple[int, ...]) -> None:
    """The same local map as MONAI's dense window, whatever part of the volume the mask covers."""
    restored, truth = (a[:, :, : shape[2]] if len(shape) == 3 else a[:, :, 18] for a in pair)
    window = [min(11, n - 1 + n % 2) for n in shape]
    tensors = [torch.from_numpy(a)[None, None] for a in (restored, truth)]
    local, _ = compute_ssim_and_cs(*tensors, len(shape), window, (1.5,) * len(shape))
    mask = np.zeros(shape, bool)
    mask[3:20, 12:] = np.random.default_rng(3).uniform(size=mask[3:20, 12:].shape) > 0.5
    centres = mask[tuple(slice(w // 2, n - w // 2) for w, n in zip(window, shape, strict=True))]
    assert ssim(restored, truth, mask, UNIT) == pytest.approx(local[0, 0].numpy()[centres].mean(), abs=1e-5)


def test_a_photograph_may_have_a_third_axis_of_one(pair: tuple[np.ndarray, np.ndarray]) -> None:
    restored, truth = (a[:, :, 18] for a in pair)
    mask = middle(truth.shape)
    for measure in (psnr, ssim, ms_ssim):
        flat = measure(restored, truth, mask, UNIT)
        assert measure(restored[..., None], truth[..., None], mask[..., None], UNIT) == pytest.approx(flat, abs=1e-6)


def scene(shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(4)
    truth = sum(ndimage.gaussian_filter(rng.normal(size=shape), s) * s ** (len(shape) / 2) for s in (1, 3, 9))
    truth = (truth - truth.min()) / np.ptp(truth)
    return ndimage.gaussian_filter(truth, 1.5) + rng.normal(0, 0.02, shape), truth


@pytest.mark.parametrize(("shape", "scales"), [((176, 190), 5), ((99, 103), 4), ((44, 46, 45), 3), ((24, 40, 32), 2)])
def test_ms_ssim_equals_monai(shape: tuple[int, ...], scales: int) -> None:
    restored, truth = scene(shape)
    weights = tuple(np.array(MS_SSIM_WEIGHTS[:scales]) / sum(MS_SSIM_WEIGHTS[:scales]))
    tensors = [torch.from_numpy(a)[None, None] for a in (restored, truth)]
    expected = float(compute_ms_ssim(*tensors, spatial_dims=len(shape), weights=weights))
    assert ms_ssim(restored, truth, np.ones(shape, bool), UNIT) == pytest.approx(expected, abs=1e-4)


def test_ms_ssim_equals_torchmetrics() -> None:
    """Which lets windows of mirrored voxels count at the coarsest scale only; there this scene is hardly changed."""
    functional = pytest.importorskip("torchmetrics.functional.image")
    restored, truth = scene((200, 190))
    tensors = [torch.from_numpy(a)[None, None] for a in (restored, truth)]
    expected = functional.multiscale_structural_similarity_index_measure(
        *tensors, gaussian_kernel=True, sigma=1.5, data_range=1.0, betas=MS_SSIM_WEIGHTS
    )
    value = ms_ssim(restored, truth, np.ones(truth.shape, bool), UNIT)
    assert value < 0.95
    # Wang's weights sum to 1.0001
    assert value == pytest.approx(float(expected), abs=2e-4)


def test_ms_ssim_of_a_thin_volume_is_ssim(pair: tuple[np.ndarray, np.ndarray]) -> None:
    restored, truth = (a[:, :, :14] for a in pair)
    mask = np.ones(truth.shape, bool)
    assert ms_ssim(restored, truth, mask, UNIT) == ssim(restored, truth, mask, UNIT)


def test_ms_ssim_counts_the_mask_only() -> None:
    restored, truth = scene((128, 128))
    mask = middle(truth.shape, 48)
    spoiled = restored.copy()
    spoiled[:8] = 5.0  # beyond half a window of the mask at the coarsest of its 4 scales
    assert ms_ssim(spoiled, truth, mask, UNIT) == pytest.approx(ms_ssim(restored, truth, mask, UNIT), abs=1e-6)
    assert ms_ssim(spoiled, truth, np.ones_like(mask), UNIT) < ms_ssim(restored, truth, np.ones_like(mask), UNIT) - 0.01
    assert ms_ssim(truth, truth, mask, UNIT) == pytest.approx(1.0, abs=1e-6)
    assert ms_ssim(-restored, -truth, mask, IntensityRange(-1.0, 0.0)) < 1.0
