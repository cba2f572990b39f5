from __future__ import annotations

import itertools

import numpy as np
import pytest

from monai_sr.data import phantom


def test_the_same_body_on_a_coarse_grid_is_the_mean_of_the_fine_one():
    fine = phantom.ellipsoids((24, 20, 40), (2.0, 2.0, 1.0), oversampling=2)
    thick = phantom.ellipsoids((24, 20, 10), (2.0, 2.0, 4.0), oversampling=8)
    np.testing.assert_allclose(fine.geometry.corners(), thick.geometry.corners(), atol=1e-9)
    mean = fine.array.reshape(24, 20, 10, 4).mean(axis=3)
    # both sample the same sharp edges at other points; away from edges they agree exactly
    assert np.mean(np.abs(mean - thick.array) < 1e-3) > 0.6
    assert np.abs(mean - thick.array).mean() < 15.0


def test_the_body_has_no_symmetry_that_could_hide_a_flip_or_swapped_axes():
    array = phantom.ellipsoids((32, 32, 32), modality="MR").array
    for axis in range(3):
        assert np.abs(array - np.flip(array, axis)).mean() > 5.0
    for order in ((1, 0, 2), (0, 2, 1), (2, 1, 0)):
        assert np.abs(array - array.transpose(order)).mean() > 5.0


@pytest.mark.parametrize(("modality", "background"), [("CT", -1000.0), ("MR", 0.0)])
def test_background_lies_where_the_scanner_has_it(modality, background):
    body = phantom.ellipsoids((16, 16, 16), modality=modality)
    assert body.array[0, 0, 0] == background
    assert body.array.min() >= background
    assert body.array.dtype == np.float32


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_ramp_voxels_hold_their_mean_on_any_grid(axis):
    shape = [4, 4, 4]
    shape[axis] = 12
    fine = phantom.ramp(tuple(shape), axis=axis, limits=(-50.0, 70.0))
    shape[axis] = 3
    thick = phantom.ramp(tuple(shape), axis=axis, limits=(-50.0, 70.0))
    line = np.moveaxis(fine.array, axis, 0)[:, 0, 0]
    np.testing.assert_allclose(line.reshape(3, 4).mean(axis=1), np.moveaxis(thick.array, axis, 0)[:, 0, 0], rtol=1e-6)
    np.testing.assert_allclose(np.diff(line), 10.0, rtol=1e-5)


def test_bars_are_integrated_exactly_over_any_voxel():
    fine = phantom.bars((2, 2, 64), (1.0, 1.0, 0.25), period_mm=4.0)
    assert set(np.unique(fine.array)) == {np.float32(100.0), np.float32(900.0)}
    assert fine.array[0, 0, 0] == 900.0
    thick = phantom.bars((2, 2, 10), (1.0, 1.0, 1.6), period_mm=4.0)
    edges = np.arange(11) * 1.6
    x = (np.arange(160_000) + 0.5) * 1e-4  # a fine quadrature as the oracle
    wave = np.where(x % 4.0 < 2.0, 900.0, 100.0)
    expected = [wave[(x >= a) & (x < b)].mean() for a, b in itertools.pairwise(edges)]
    np.testing.assert_allclose(thick.array[0, 0], expected, atol=0.2)


def test_a_period_of_zero_is_an_error():
    with pytest.raises(ValueError, match="period"):
        phantom.bars((2, 2, 8), period_mm=0.0)
