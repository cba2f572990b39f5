"""Total variation: the objective falls, the data are explained, edges come out sharper than the cubic's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import optimize

from monai_sr.data.phantom import ellipsoids
from monai_sr.degradation import SliceProfile, degradation_matrix, degrade, total_variation, tv_weight
from monai_sr.grid import AxisGrid, apply_along, interpolation_matrix

Coarse = list[tuple[int, AxisGrid, SliceProfile]]

ONE: Coarse = [(2, AxisGrid(12, 24), SliceProfile("box"))]
TWO: Coarse = [(0, AxisGrid(8, 24), SliceProfile("gaussian")), (1, AxisGrid(12, 24), SliceProfile("gaussian"))]
KSPACE: Coarse = [(1, AxisGrid(12, 24), SliceProfile("kspace"))]
EVERY = pytest.mark.parametrize("grids", [ONE, TWO, KSPACE], ids=["one axis", "two axes", "k-space"])


def phantom() -> torch.Tensor:
    return torch.from_numpy(ellipsoids((24, 24, 24)).array).double() / 2000.0 + 0.5


def acquired(x: torch.Tensor, grids: Coarse) -> torch.Tensor:
    for axis, grid, profile in grids:
        x = degrade(x, grid, profile, axis)
    return x


def cubic(y: torch.Tensor, grids: Coarse) -> torch.Tensor:
    for axis, grid, _ in grids:
        y = apply_along(interpolation_matrix(grid), y, axis)
    return y


def data_term(x: torch.Tensor, y: torch.Tensor, grids: Coarse) -> float:
    return float(0.5 * (acquired(x, grids) - y).square().sum())


def objective(x: torch.Tensor, y: torch.Tensor, grids: Coarse, weight: float) -> float:
    steps = [torch.diff(x, dim=d, append=x.narrow(d, x.shape[d] - 1, 1)) for d in range(3)]
    return data_term(x, y, grids) + weight * float(torch.stack(steps).square().sum(dim=0).sqrt().sum())


@EVERY
@pytest.mark.parametrize("weight", [1e-3, 1e-2])
def test_the_objective_falls(grids: Coarse, weight: float) -> None:
    y = acquired(phantom(), grids)
    levels = [objective(total_variation(y, grids, weight, n), y, grids, weight) for n in (0, 3, 10, 25)]
    assert levels[1] < levels[0]
    # the proximal map is a few steps of the library's, so the end is near the minimum, not at it
    assert max(levels[2:]) < 1.03 * min(levels)


def test_it_is_near_the_minimum_that_another_optimiser_finds() -> None:
    """In one dimension the problem is small enough for a quadratic program: ``x`` and the bounds of its steps."""
    grid, profile, weight = AxisGrid(6, 12), SliceProfile("box"), 0.02
    signal = np.random.default_rng(0).normal(size=6)
    y = torch.from_numpy(np.tile(signal, (2, 2, 1)))
    ours = total_variation(y, [(2, grid, profile)], weight, 300)
    matrix = degradation_matrix(grid, profile)
    steps = np.diff(np.eye(12), axis=0)
    found = optimize.minimize(
        lambda v: 0.5 * np.sum((matrix @ v[:12] - signal) ** 2) + weight * v[12:].sum(),
        np.concatenate([ours[0, 0].numpy(), np.full(11, 3.0)]),
        jac=lambda v: np.concatenate([matrix.T @ (matrix @ v[:12] - signal), np.full(11, weight)]),
        constraints=[
            {"type": "ineq", "fun": lambda v, sign=sign: v[12:] - sign * (steps @ v[:12])} for sign in (1.0, -1.0)
        ],
        options={"maxiter": 500, "ftol": 1e-12},
    )
    assert objective(ours, y, [(2, grid, profile)], weight) == pytest.approx(4.0 * found.fun, rel=0.03)


@EVERY
def test_a_constant_stays_constant(grids: Coarse) -> None:
    y = torch.full_like(acquired(phantom(), grids), 0.3)
    np.testing.assert_allclose(total_variation(y, grids, 0.01), 0.3, atol=1e-9)


@EVERY
def test_the_data_are_explained_better_than_by_the_cubic(grids: Coarse) -> None:
    y = acquired(phantom(), grids)
    assert data_term(total_variation(y, grids, tv_weight(0.0)), y, grids) < 0.2 * data_term(cubic(y, grids), y, grids)


@EVERY
@pytest.mark.parametrize("noise", [0.0, 0.03])
def test_it_is_closer_to_the_truth_than_the_cubic(grids: Coarse, noise: float) -> None:
    truth = phantom()
    y = acquired(truth, grids)
    y = y + noise * torch.randn(y.shape, dtype=y.dtype, generator=torch.Generator().manual_seed(0))
    error = (total_variation(y, grids, tv_weight(noise)) - truth).square().mean()
    assert error < 0.8 * (cubic(y, grids) - truth).square().mean()


def test_without_iterations_it_is_the_cubic() -> None:
    y = acquired(phantom(), TWO).float()
    x = total_variation(y, TWO, 0.01, 0)
    assert x.dtype == torch.float32
    assert torch.equal(x, cubic(y, TWO))


def test_more_noise_asks_for_more_weight() -> None:
    weights = [tv_weight(noise) for noise in np.linspace(0.0, 0.1, 20)]
    assert weights[0] > 0
    assert (np.diff(weights) > 0).all()


def test_impossible_requests_are_refused() -> None:
    with pytest.raises(ValueError, match="none is given"):
        total_variation(phantom(), [], 0.1)
    with pytest.raises(ValueError, match="must be > 0"):
        total_variation(phantom(), ONE, 0.0)
