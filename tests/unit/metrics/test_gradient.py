"""Gradient-magnitude similarity against a direct transcription of the paper."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage, signal

from monai_sr.intensity import IntensityRange
from monai_sr.metrics import gradient_similarity

UNIT = IntensityRange(0.0, 1.0)


@pytest.fixture
def pair() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    truth = ndimage.gaussian_filter(rng.normal(size=(30, 34, 28)), 1.5)
    truth = (truth - truth.min()) / np.ptp(truth)
    return ndimage.gaussian_filter(truth, 0.8), truth


def inner(shape: tuple[int, ...]) -> np.ndarray:
    mask = np.zeros(shape, bool)
    mask[(slice(2, -2),) * len(shape)] = True
    return mask


def test_equals_the_paper_in_two_dimensions(pair: tuple[np.ndarray, np.ndarray]) -> None:
    restored, truth = (a[:, :, 14] for a in pair)
    kernel = np.array([[1, 0, -1]] * 3) / 3
    m_r, m_t = (
        np.hypot(signal.convolve2d(a, kernel, "same"), signal.convolve2d(a, kernel.T, "same"))
        for a in (restored, truth)
    )
    local = (2 * m_r * m_t + 0.0026) / (m_r**2 + m_t**2 + 0.0026)
    mask = inner(truth.shape)
    value = gradient_similarity(restored, truth, mask, UNIT)
    assert value == pytest.approx(local[mask].mean(), abs=1e-5)
    assert value < 0.97
    flat = gradient_similarity(restored[..., None], truth[..., None], mask[..., None], UNIT)
    assert flat == pytest.approx(value, abs=1e-7)


def test_a_ramp_of_half_the_slope_in_three_dimensions() -> None:
    """Difference of the two neighbours: 2 x slope, in the interior."""
    truth = np.broadcast_to(np.arange(20.0)[:, None, None] * 0.1, (20, 8, 9))
    expected = (2 * 0.2 * 0.1 + 0.0026) / (0.2**2 + 0.1**2 + 0.0026)
    assert gradient_similarity(0.5 * truth, truth, inner(truth.shape), UNIT) == pytest.approx(expected, abs=1e-6)


def test_blur_and_noise_lower_it_and_a_shift_of_the_scale_does_not(pair: tuple[np.ndarray, np.ndarray]) -> None:
    restored, truth = pair
    mask = np.ones(truth.shape, bool)
    value = gradient_similarity(restored, truth, mask, UNIT)
    assert gradient_similarity(truth, truth, mask, UNIT) == pytest.approx(1.0)
    assert gradient_similarity(ndimage.gaussian_filter(restored, 1.0), truth, mask, UNIT) < value - 0.01
    noisy = truth + np.random.default_rng(1).normal(0, 0.1, truth.shape)
    assert gradient_similarity(noisy, truth, mask, UNIT) < 0.95
    in_hu = gradient_similarity(2000 * restored - 1000, 2000 * truth - 1000, mask, IntensityRange(-1000.0, 1000.0))
    assert in_hu == pytest.approx(value, abs=1e-5)


def test_counts_the_mask_only(pair: tuple[np.ndarray, np.ndarray]) -> None:
    restored, truth = pair
    mask = inner(truth.shape)
    spoiled = restored.copy()
    spoiled[0] = 7.0
    assert gradient_similarity(spoiled, truth, mask, UNIT) == gradient_similarity(restored, truth, mask, UNIT)


def test_other_grids_and_single_voxels_are_refused(pair: tuple[np.ndarray, np.ndarray]) -> None:
    restored, truth = pair
    with pytest.raises(ValueError, match="same grid"):
        gradient_similarity(restored[1:], truth, np.ones(truth.shape, bool), UNIT)
    one = np.ones((1, 1, 1))
    with pytest.raises(ValueError, match="one voxel"):
        gradient_similarity(one, one, one > 0, UNIT)
