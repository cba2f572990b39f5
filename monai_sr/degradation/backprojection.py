"""Iterative back-projection: the train-free restoration, and the start of every learned one.

Irani & Peleg 1991: ``x <- x + U (y - A x)`` from ``x = U y``, U the cubic B-spline interpolation. All of it is linear
and acts along one axis, so any number of steps is one matrix.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch

from monai_sr.degradation.operator import CoarseAxis, degradation_matrix
from monai_sr.degradation.profiles import SliceProfile
from monai_sr.grid import AxisGrid, apply_along, interpolation_matrix, product

__all__ = ["backprojection_matrix", "backprojection_steps", "correct", "residual"]

FloatArray = npt.NDArray[np.float64]


_TWO_STEPS_BELOW, _ONE_STEP_BELOW = {"CT": 0.005}, {"CT": 0.01}  # other modalities: 0.02 and 0.04


def backprojection_steps(noise: float, modality: str) -> int:
    """Steps worth taking at a noise level given as a fraction of the intensity range: each step amplifies the noise.

    CT has less detail in its 2000 HU than MR in its range, and so loses by a step at a lower level. Measured on the
    training subjects by ``benchmarks/backprojection.py``.
    """
    if noise < _TWO_STEPS_BELOW.get(modality, 0.02):
        return 2
    return 1 if noise < _ONE_STEP_BELOW.get(modality, 0.04) else 0


@lru_cache(maxsize=256)
def backprojection_matrix(grid: AxisGrid, profile: SliceProfile, steps: int) -> FloatArray:
    """``steps`` of back-projection from cubic interpolation, as one matrix ``(n_hr, n_lr)``; 0 steps is the cubic."""
    up = interpolation_matrix(grid)
    missed = np.eye(grid.n_lr) - product(degradation_matrix(grid, profile), up)
    series, power = np.eye(grid.n_lr), np.eye(grid.n_lr)
    for _ in range(steps):
        power = product(power, missed)
        series = series + power
    matrix = product(up, series)
    matrix.setflags(write=False)
    return matrix


def residual(x: torch.Tensor, y: torch.Tensor, coarse: Iterable[CoarseAxis]) -> torch.Tensor:
    """``y - A x`` on the acquired grid: what the restored volume fails to explain of the acquired one."""
    for axis, grid, profile in coarse:
        x = apply_along(degradation_matrix(grid, profile), x, axis)
    return y - x


def correct(x: torch.Tensor, y: torch.Tensor, coarse: Sequence[CoarseAxis]) -> torch.Tensor:
    """One step towards the data: ``x + U (y - A x)``."""
    missed = residual(x, y, coarse)
    for axis, grid, _ in coarse:
        missed = apply_along(interpolation_matrix(grid), missed, axis)
    return x + missed
