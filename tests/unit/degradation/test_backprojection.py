"""Back-projection: as one matrix what the loop does, and closer to the data with every step."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from monai_sr.degradation import (
    CoarseAxis,
    SliceProfile,
    backprojection_matrix,
    backprojection_steps,
    correct,
    degradation_matrix,
    degrade,
    residual,
)
from monai_sr.grid import AxisGrid, apply_along, interpolation_matrix

KERNEL = SliceProfile("gaussian", 1.2)
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
        x = correct(x, y, [CoarseAxis(1, grid, profile)])
    np.testing.assert_allclose(apply_along(backprojection_matrix(grid, profile, steps), y, 1), x, atol=1e-11)


@pytest.mark.parametrize("factor", [1.1, 2.0, 3.0, 4.0, 6.0])
@pytest.mark.parametrize("kind", ["box", "gaussian", "sinc"])
def test_every_step_explains_the_data_better(kind: str, factor: float) -> None:
    grid, profile = AxisGrid(20, round(20 * factor)), SliceProfile(kind)
    coarse = [CoarseAxis(0, grid, profile)]
    y = torch.from_numpy(degradation_matrix(grid, profile) @ smooth_signal(grid.n_hr))
    left = [
        float(residual(apply_along(backprojection_matrix(grid, profile, n), y, 0), y, coarse).norm())
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
    coarse = [CoarseAxis(2, grid, profile)]
    np.testing.assert_allclose(residual(x, y, coarse), 0.0, atol=1e-12)
    np.testing.assert_allclose(correct(x, y, coarse), x, atol=1e-12)


def test_two_axes_are_one_linear_system() -> None:
    """Against the Kronecker product of the two axes, of different factor and profile."""
    rows, columns = CoarseAxis(0, AxisGrid(4, 10), SliceProfile("box")), CoarseAxis(1, AxisGrid(5, 15), KERNEL)
    coarse = [rows, columns]
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(10, 15)), rng.normal(size=(4, 5))
    down = np.kron(*(degradation_matrix(grid, profile) for _, grid, profile in coarse))
    up = np.kron(*(interpolation_matrix(grid) for _, grid, _ in coarse))
    missed = y.ravel() - down @ x.ravel()
    args = torch.from_numpy(x), torch.from_numpy(y), coarse
    np.testing.assert_allclose(residual(*args), missed.reshape(4, 5), atol=1e-12)
    np.testing.assert_allclose(correct(*args), x + (up @ missed).reshape(10, 15), atol=1e-12)


def test_the_order_of_the_axes_does_not_matter() -> None:
    axes = [CoarseAxis(0, AxisGrid(6, 12), SliceProfile("box")), CoarseAxis(1, AxisGrid(5, 15), KERNEL)]
    x, y = (
        torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
        for shape in ((12, 15), (6, 5))
    )
    np.testing.assert_allclose(correct(x, y, axes[::-1]), correct(x, y, axes), atol=1e-12)


@pytest.mark.parametrize("modality", ["CT", "MR", "photo"])
def test_more_noise_never_asks_for_more_steps(modality: str) -> None:
    steps = [backprojection_steps(noise, modality) for noise in np.linspace(0, 0.1, 50)]
    assert steps[0] > 0
    assert steps[-1] == 0
    assert all(b <= a for a, b in itertools.pairwise(steps))


# ---- both axes of a slice at once

SLICE = [CoarseAxis(0, AxisGrid(8, 16), SliceProfile("box")), CoarseAxis(1, AxisGrid(9, 27), SliceProfile("gaussian"))]


def random_slice(*shape: int) -> torch.Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(2))


def test_two_axes_are_one_operator_with_its_exact_adjoint() -> None:
    """Against the Kronecker product, which knows nothing of axes; the gradient is -A^T."""
    forward = torch.from_numpy(np.kron(*(degradation_matrix(grid, profile) for _, grid, profile in SLICE)))
    x, y = random_slice(16, 27).requires_grad_(), random_slice(8, 9)
    missed = residual(x, y, SLICE)
    np.testing.assert_allclose(missed.detach().flatten(), y.flatten() - forward @ x.detach().flatten(), atol=1e-12)
    (missed * y).sum().backward()
    assert x.grad is not None
    np.testing.assert_allclose(x.grad.flatten(), -forward.T @ y.flatten(), atol=1e-12)


def test_what_explains_a_slice_is_the_fixed_point_and_steps_lead_to_it() -> None:
    truth = torch.from_numpy(np.add.outer(smooth_signal(16), smooth_signal(27, seed=1)))
    y = truth
    for axis, grid, profile in SLICE:
        y = degrade(y, grid, profile, axis)
    np.testing.assert_allclose(correct(truth, y, SLICE), truth, atol=1e-12)
    x, left = torch.zeros_like(truth), []
    for _ in range(60):
        left.append(float(residual(x, y, SLICE).norm()))
        x = correct(x, y, SLICE)
    assert all(later < earlier for earlier, later in itertools.pairwise(left))
    assert left[-1] < 1e-3 * left[0]
