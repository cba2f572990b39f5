"""Interpolation along one axis, half-voxel exact; SciPy and SimpleITK as oracles."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from scipy import ndimage

from monai_sr.geometry import VolumeGeometry
from monai_sr.grid import (
    AxisGrid,
    InterpolationKind,
    _blocks,
    _spline_basis,
    apply_along,
    interpolation_matrix,
    product,
)

FACTORS = [1.1, 1.5, 2.0, 2.7, 3.0, 4.0, 6.0]


def grid_for(factor: float, n_lr: int = 20) -> AxisGrid:
    """An edge-aligned pair of grids whose factor is as close to ``factor`` as whole voxels allow."""
    return AxisGrid(n_lr, round(n_lr * factor))


@pytest.mark.parametrize("factor", FACTORS)
def test_edge_aligned_grids_share_their_outer_edges(factor: float) -> None:
    grid = grid_for(factor)
    edges = grid.hr_edges()
    assert edges[0] == pytest.approx(0.0)
    assert edges[-1] == pytest.approx(grid.n_lr)
    # a voxel's centre lies between its edges; index = distance from the outer edge - 0.5
    np.testing.assert_allclose(grid.hr_centres(), (edges[1:] + edges[:-1]) / 2 - 0.5, atol=1e-12)


def test_positions_agree_with_the_geometry_of_the_volume() -> None:
    acquired = VolumeGeometry((4, 4, 7), np.diag([1.0, 1.0, 4.4, 1.0]))
    target = acquired.resampled((4, 4, 19), (1.0, 1.0, 0.4), (0.0, 0.0, -0.3))
    centres = AxisGrid(7, 19, factor=1 / 0.4, start=-0.3).hr_centres()
    for j in (0, 7, 18):
        np.testing.assert_allclose(target.world([1, 2, j]), acquired.world([1, 2, centres[j]]))


@pytest.mark.parametrize("kind", get_args(InterpolationKind))
@pytest.mark.parametrize("factor", FACTORS)
def test_a_constant_stays_constant(factor: float, kind: InterpolationKind) -> None:
    np.testing.assert_allclose(interpolation_matrix(grid_for(factor), kind).sum(axis=1), 1.0, atol=1e-12)


@pytest.mark.parametrize(("kind", "error"), [("linear", 1e-4), ("cubic", 1e-4), ("sinc", 0.02)])
@pytest.mark.parametrize("factor", FACTORS)
def test_a_linear_ramp_stays_where_it_is(factor: float, kind: InterpolationKind, error: float) -> None:
    """A windowed sinc ripples a little on a ramp, but does not shift it."""
    grid = grid_for(factor, 40)
    restored = interpolation_matrix(grid, kind) @ np.arange(40.0)
    inner = slice(int(10 * factor), -int(10 * factor))  # beyond the reach of the mirrored edge
    np.testing.assert_allclose(restored[inner], grid.hr_centres()[inner], atol=error)
    assert abs((restored - grid.hr_centres())[inner].mean()) < 1e-3


@pytest.mark.parametrize(("kind", "order"), [("nearest", 0), ("linear", 1), ("cubic", 3)])
@pytest.mark.parametrize("factor", FACTORS)
def test_equals_scipy_on_a_volume(factor: float, kind: InterpolationKind, order: int) -> None:
    grid = grid_for(factor)
    volume = np.random.default_rng(0).normal(size=(16, grid.n_lr, 15))  # scipy's own prefilter needs a dozen samples
    where = np.meshgrid(np.arange(16.0), grid.hr_centres(), np.arange(15.0), indexing="ij")
    expected = ndimage.map_coordinates(volume, where, order=order, mode="reflect")
    ours = apply_along(interpolation_matrix(grid, kind), torch.from_numpy(volume), 1)
    np.testing.assert_allclose(ours.numpy(), expected, atol=1e-9)


def simpleitk(signal: np.ndarray, grid: AxisGrid, method: int) -> np.ndarray:
    """SimpleITK's resampling of a signal, which it takes as a volume that varies along z only."""
    image = sitk.GetImageFromArray(np.tile(signal[:, None, None], (1, 11, 11)))  # array (z, y, x)
    reference = sitk.Image([11, 11, grid.n_hr], sitk.sitkFloat64)
    reference.SetSpacing([1.0, 1.0, 1.0 / grid.factor])
    reference.SetOrigin([0.0, 0.0, -0.5 + 0.5 / grid.factor])
    return sitk.GetArrayFromImage(sitk.Resample(image, reference, sitk.Transform(), method))[:, 5, 5]


@pytest.mark.parametrize(
    ("kind", "method", "error"),
    [
        ("nearest", sitk.sitkNearestNeighbor, 1e-9),
        ("linear", sitk.sitkLinear, 1e-9),
        ("cubic", sitk.sitkBSpline3, 1e-3),
        ("sinc", sitk.sitkLanczosWindowedSinc, 1e-6),
    ],
)
@pytest.mark.parametrize("factor", [1.4, 2.0, 2.6, 4.0])  # none has a target centre midway: nearest is unique
def test_equals_simpleitk_inside(factor: float, kind: InterpolationKind, method: int, error: float) -> None:
    """Edges differ (SimpleITK mirrors about voxel centres or repeats the last voxel), the inside does not."""
    grid = grid_for(factor, 30)
    signal = np.random.default_rng(1).normal(size=grid.n_lr)
    # SimpleITK does not bring its windowed sinc to a unit sum; a volume of ones tells by how much it is off
    expected = simpleitk(signal, grid, method) / simpleitk(np.ones(grid.n_lr), grid, method)
    ours = interpolation_matrix(grid, kind) @ signal
    inner = slice(int(8 * factor), -int(8 * factor))
    np.testing.assert_allclose(ours[inner], expected[inner], atol=error)


def test_the_sinc_mirrors_at_the_outer_edges() -> None:
    """A signal that is its own mirror image is interpolated as if it went on."""
    signal = np.random.default_rng(4).normal(size=6)
    once = interpolation_matrix(AxisGrid(6, 15), "sinc") @ signal
    unfolded = np.concatenate([signal[::-1], signal, signal[::-1], signal, signal[::-1]])
    long = interpolation_matrix(AxisGrid(30, 75), "sinc") @ unfolded
    np.testing.assert_allclose(once, long[15:30], atol=1e-12)


@pytest.mark.parametrize("kind", ["cubic", "sinc"])
def test_it_passes_through_the_samples(kind: InterpolationKind) -> None:
    grid = AxisGrid(15, 45)  # an odd factor puts a target centre on every acquired centre
    signal = np.random.default_rng(2).normal(size=15)
    np.testing.assert_allclose((interpolation_matrix(grid, kind) @ signal)[1::3], signal, atol=1e-9)


@pytest.mark.parametrize("n_lr", [2, 3, 4, 5])
def test_a_few_slices_are_interpolated_as_exactly_as_many(n_lr: int) -> None:
    matrix = interpolation_matrix(AxisGrid(n_lr, 3 * n_lr))
    np.testing.assert_allclose(matrix.sum(axis=1), 1.0, atol=1e-12)
    np.testing.assert_allclose(matrix[1::3], np.eye(n_lr), atol=1e-12)


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_apply_along_changes_one_axis_only(axis: int) -> None:
    matrix = np.random.default_rng(3).normal(size=(7, 5))
    x = torch.randn(5, 5, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    expected = np.moveaxis(np.tensordot(matrix, x.numpy(), axes=(1, axis)), 0, axis)
    np.testing.assert_allclose(apply_along(matrix, x, axis).numpy(), expected, atol=1e-12)


def test_weights_that_are_subnormal_in_float32_are_left_out() -> None:
    """The tails of a Gaussian profile: processors multiply by them many times as slowly, for nothing."""
    matrix = np.array([[1e-40, 0.5, 0.5, 1e-30]])
    assert apply_along(matrix, torch.tensor([3e38, 1.0, 3.0, 3e38]), 0).item() == 2.0


def test_apply_along_keeps_the_type_and_can_be_trained_through() -> None:
    x = torch.randn(2, 3, 10, requires_grad=True)
    y = apply_along(interpolation_matrix(AxisGrid(10, 20)), x, 2)
    assert y.dtype == torch.float32
    y.sum().backward()
    assert x.grad is not None
    np.testing.assert_allclose(x.grad.sum().item(), y.numel(), rtol=1e-5)  # rows sum to 1


@pytest.mark.parametrize("n", [(1, 4), (4, 1)])
def test_an_axis_of_one_sample_is_refused(n: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="at least two samples"):
        AxisGrid(*n)


def test_an_unknown_interpolation_is_refused() -> None:
    with pytest.raises(ValueError, match="nearest, linear, cubic, sinc, got 'spline'"):
        interpolation_matrix(AxisGrid(4, 8), "spline")


def test_a_negative_factor_is_refused() -> None:
    with pytest.raises(ValueError, match="factor must be > 0"):
        AxisGrid(4, 8, factor=-2.0)


@pytest.mark.parametrize("n, factor", [(300, 4.0), (700, 1.37), (512, 0.5)])
def test_long_axes_give_what_the_whole_matrix_gives(n: int, factor: float) -> None:
    """Only the band with the weights is multiplied, forwards and where two matrices become one."""
    matrix = interpolation_matrix(AxisGrid(n, round(n * factor)))
    assert len(list(_blocks(matrix))) > 1
    x = torch.rand(3, n, 2, generator=torch.Generator().manual_seed(0))
    whole = torch.einsum("on,bnc->boc", torch.tensor(matrix), x.double())
    assert (apply_along(matrix, x, 1) - whole).abs().max() < 1e-6
    np.testing.assert_allclose(product(matrix.T, matrix), matrix.T @ matrix, atol=1e-15)


def test_every_weight_of_a_wide_profile_counts_on_long_axes() -> None:
    matrix = np.random.default_rng(0).normal(size=(70, 300))
    x = torch.rand(300, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(apply_along(matrix, x, 0), torch.tensor(matrix.astype(np.float32)) @ x, atol=1e-4)


@pytest.mark.parametrize("order", [0, 1, 3])
@pytest.mark.parametrize("n", [2, 5, 8, 9, 23])
def test_splines_evaluated_together_are_those_evaluated_alone(n: int, order: int) -> None:
    positions = np.linspace(-1.3, n + 0.3, 57)
    alone = [
        ndimage.map_coordinates(one, positions[None], order=order, mode="reflect", prefilter=False) for one in np.eye(n)
    ]
    np.testing.assert_array_equal(_spline_basis(n, positions, order), np.stack(alone, axis=1))
