"""Back-projection: as one matrix what the loop does, and closer to the data with every step."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from monai_sr.degradation import (
    SliceProfile,
    backprojection_matrix,
    backprojection_steps,
    correct,
    degradation_matrix,
    degrade,
    residual,
)
from monai_sr.grid import AxisGrid, apply_along, interpolation_matrix

KINDS = ["box", "gaussian", "sinc", "kspace"]


def smooth_signal(n: int, seed: int = 0) -> np.ndarray:
    """Edges of different sharpness on a slow background."""
    t = np.linspace(0, 1, n)
    rng = np.random.default_rng(seed)
    edges = sum(height * np.tanh(40 * (t - rng.uniform())) for height in rng.normal(size=6))
    return np.asarray(edges + np.sin(4 * t))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("steps", [0, 1, 3, 5])
def test_the_matrix_is_the_loop(kind: str, steps: int) -> None:
    grid, profile = AxisGrid(14, 35), SliceProfile(kind, 1.1)
    y = torch.randn(3, 14, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    x = apply_along(interpolation_matrix(grid), y, 1)
    for _ in range(steps):
        x = correct(x, y, grid, profile, 1)
    np.testing.assert_allclose(apply_along(backprojection_matrix(grid, profile, steps), y, 1), x, atol=1e-11)


@pytest.mark.parametrize("factor", [1.1, 2.0, 3.0, 4.0, 6.0])
@pytest.mark.parametrize("kind", ["box", "gaussian", "sinc"])
def test_every_step_explains_the_data_better(kind: str, factor: float) -> None:
    grid, profile = AxisGrid(20, round(20 * factor)), SliceProfile(kind)
    y = torch.from_numpy(degradation_matrix(grid, profile) @ smooth_signal(grid.n_hr))
    left = [
        float(residual(apply_along(backprojection_matrix(grid, profile, n), y, 0), y, grid, profile, 0).norm())
        for n in (0, 1, 2, 5, 20)
    ]
    assert all(later < earlier for earlier, later in itertools.pairwise(left))
    assert left[-1] < 0.05 * left[0]


@pytest.mark.parametrize("kind", ["box", "gaussian"])
def test_it_is_closer_to_the_truth_than_cubic_without_noise(kind: str) -> None:
    grid, profile = AxisGrid(40, 80), SliceProfile(kind)
    truth = smooth_signal(80)
    y = degradation_matrix(grid, profile) @ truth
    error = [float(np.square(backprojection_matrix(grid, profile, n) @ y - truth).mean()) for n in (0, 1, 5)]
    assert error[2] < error[1] < error[0]


@pytest.mark.parametrize("steps", [0, 1, 5])
def test_a_constant_stays_constant(steps: int) -> None:
    matrix = backprojection_matrix(AxisGrid(9, 31), SliceProfile("gaussian", 0.8), steps)
    np.testing.assert_allclose(matrix.sum(axis=1), 1.0, atol=1e-10)


def test_a_volume_that_explains_the_data_is_left_alone() -> None:
    grid, profile = AxisGrid(10, 30), SliceProfile("box")
    x = torch.randn(4, 4, 30, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    y = degrade(x, grid, profile, 2)
    np.testing.assert_allclose(residual(x, y, grid, profile, 2), 0.0, atol=1e-12)
    np.testing.assert_allclose(correct(x, y, grid, profile, 2), x, atol=1e-12)


def test_more_noise_never_asks_for_more_steps() -> None:
    steps = [backprojection_steps(noise) for noise in np.linspace(0, 0.1, 50)]
    assert steps[0] > 0
    assert steps[-1] == 0
    assert all(b <= a for a, b in itertools.pairwise(steps))
