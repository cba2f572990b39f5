"""A shift of the scale is seen, noise and blur are not taken for one."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from monai_sr.degradation import SliceProfile, degrade
from monai_sr.grid import AxisGrid, apply_along, interpolation_matrix
from monai_sr.metrics import body_bias, body_core, nearest_on, tissue_bias


@pytest.fixture
def ct() -> np.ndarray:
    """Layers of lung, fat, muscle and bone in air, some near the edge of their band, with 30 HU of noise."""
    scan = np.full((40, 40, 40), -1000.0)
    for first, value in ((4, -800.0), (12, -125.0), (20, 25.0), (28, 330.0)):
        scan[first : first + 8, 4:36, 4:36] = value
    return scan + np.random.default_rng(0).normal(0, 30, scan.shape)


def body(scan: np.ndarray) -> np.ndarray:
    mask = np.zeros(scan.shape, bool)
    mask[4:36, 4:36, 4:36] = True
    return mask


def test_a_shift_of_one_tissue_is_found_in_its_band_only(ct: np.ndarray) -> None:
    restored = ct.copy()
    restored[28:36] += 12.0
    bias = tissue_bias(restored, ct, body(ct))
    assert bias["bone"] == pytest.approx(12.0, abs=0.5)
    for band in ("lung", "fat", "soft tissue"):
        assert bias[band] == pytest.approx(0.0, abs=0.5)
    assert body_bias(restored, ct, body(ct)) == pytest.approx(3.0)


def test_denoising_is_no_bias(ct: np.ndarray) -> None:
    """Choosing voxels by their own noisy value would find a bias of several HU in the outer bands."""
    clean = np.round(ndimage.median_filter(ct, 5))
    inner = np.zeros(ct.shape, bool)
    for first in (4, 12, 20, 28):  # away from the layers' borders: a median across them is no denoising
        inner[first + 2 : first + 6, 6:34, 6:34] = True
    for band, value in tissue_bias(clean, ct, inner).items():
        assert value == pytest.approx(0.0, abs=2.0), band


def test_bands_without_voxels_are_left_out(ct: np.ndarray) -> None:
    only_fat = np.full_like(ct, -100.0)
    assert set(tissue_bias(only_fat, only_fat, np.ones(ct.shape, bool))) == {"fat"}


@pytest.mark.parametrize("n_hr", [8, 20, 27])
def test_nearest_is_interpolation_of_order_zero(n_hr: int) -> None:
    array = np.random.default_rng(1).normal(size=(3, 8, 4))
    expected = apply_along(interpolation_matrix(AxisGrid(8, n_hr), "nearest"), torch.from_numpy(array), 1)
    np.testing.assert_allclose(nearest_on(array, (3, n_hr, 4)), expected)


def test_means_over_thick_and_thin_slices_are_means_over_the_same_piece() -> None:
    """The slab average of any thin volume has no bias against it, whatever the mask on the thick grid."""
    rng = np.random.default_rng(2)
    thin = rng.normal(size=(10, 10, 30))
    thick = degrade(torch.from_numpy(thin), AxisGrid(10, 30), SliceProfile("box"), 2).numpy()
    mask = rng.uniform(size=thick.shape) > 0.5
    assert nearest_on(mask, thin.shape).dtype == bool
    assert body_bias(thin, thick, mask) == pytest.approx(0.0, abs=1e-12)


def test_bands_are_found_on_the_acquired_grid() -> None:
    """A band of thin slices would hold the edges of thick ones, where a restored edge is rightly different."""
    thin = np.full((20, 20, 40), -100.0)
    thin[:, :, 22:] = 700.0  # an edge between two thin slices inside one thick one
    thick = degrade(torch.from_numpy(thin), AxisGrid(10, 40), SliceProfile("box"), 2).numpy()
    bias = tissue_bias(thin, thick, np.ones(thick.shape, bool))
    assert bias == pytest.approx({"fat": 0.0, "bone": 0.0}, abs=1e-9)


def test_the_core_leaves_out_the_border_of_the_body_and_not_that_of_the_volume() -> None:
    mask = np.zeros((12, 12, 6), bool)
    mask[3:9, 3:9] = True
    expected = np.zeros_like(mask)
    expected[4:8, 4:8] = True
    assert np.array_equal(body_core(mask), expected)
