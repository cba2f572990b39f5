"""A: the forward model, from the target grid to the acquired grid. Training, evaluation and data consistency share it.

A is linear and acts along one axis, so it is a matrix ``(n_lr, n_hr)`` and its adjoint is the transpose. Rows sum to 1:
a constant volume stays what it is, and A commutes with every affine scaling of the intensity. Noise is apart.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from monai_sr.degradation.profiles import SliceProfile
from monai_sr.grid import AxisGrid, apply_along

__all__ = ["CoarseAxis", "NoiseKind", "add_noise", "degradation_matrix", "degrade"]

FloatArray = npt.NDArray[np.float64]
NoiseKind = Literal["gaussian", "rician"]


class CoarseAxis(NamedTuple):
    """One axis along which a volume was acquired coarsely: the array axis, its grids, and the slice profile."""

    axis: int
    grid: AxisGrid
    profile: SliceProfile


@lru_cache(maxsize=256)
def degradation_matrix(grid: AxisGrid, profile: SliceProfile) -> FloatArray:
    """The forward model along one axis.

    Each row integrates the slice profile, centred on the acquired slice, over the extent of every target voxel. At the
    edge of the field the part of a profile that lies outside is left out and the rest weighted up.

    Returns:
        ``(n_lr, n_hr)``, read-only; rows sum to 1.

    Raises:
        ValueError: if an acquired slice lies wholly outside the target grid.
    """
    if profile.kind == "kspace":
        matrix = _kspace_crop(grid)
    else:
        centres = np.arange(grid.n_lr) + 0.5
        matrix = np.diff(profile.cumulative(grid.hr_edges()[None, :] - centres[:, None]), axis=1)
    total = matrix.sum(axis=1, keepdims=True)
    if (np.abs(total) < 1e-6).any():
        raise ValueError(f"an acquired slice lies outside the target grid ({grid}); the two must cover the same field")
    matrix = np.asarray(matrix / total, dtype=np.float64)
    matrix.setflags(write=False)
    return matrix


def _kspace_crop(grid: AxisGrid) -> FloatArray:
    """Keep the frequencies that the acquired grid can hold, evaluated at the acquired voxel centres (Dirichlet kernel).

    The half-voxel shift between edge-aligned grids is in the positions; a plain crop of the FFT would lose it.
    """
    keep = min(round(grid.n_hr / grid.factor), grid.n_hr)
    frequency = np.arange(-(keep // 2), keep // 2 + 1)
    weight = np.ones(frequency.size)
    if keep % 2 == 0:
        weight[[0, -1]] = 0.5  # the Nyquist frequency, split between its two signs
    at_lr = (np.arange(grid.n_lr) + 0.5 - grid.start) * grid.factor - 0.5  # acquired centres as target index
    distance = at_lr[:, None] - np.arange(grid.n_hr)[None, :]
    waves = np.cos(2.0 * np.pi * frequency[:, None, None] * distance / grid.n_hr)
    return np.asarray(np.tensordot(weight, waves, axes=1) / grid.n_hr, dtype=np.float64)


def degrade(x: torch.Tensor, grid: AxisGrid, profile: SliceProfile, axis: int) -> torch.Tensor:
    """A x: the target volume as the scanner would have sampled it along ``axis``; no noise."""
    return apply_along(degradation_matrix(grid, profile), x, axis)


def add_noise(y: torch.Tensor, sigma: float, kind: NoiseKind, generator: torch.Generator | None = None) -> torch.Tensor:
    """Noise of standard deviation ``sigma``, in the units of ``y``.

    ``rician`` is the magnitude of a complex signal with Gaussian noise in both channels, so ``y`` must have its zero
    where the scanner has it (Gudbjartsson & Patz 1995); ``gaussian`` is additive.
    """
    if sigma <= 0:
        return y

    def draw() -> torch.Tensor:
        return sigma * torch.randn(y.shape, generator=generator, dtype=y.dtype, device=y.device)

    return torch.hypot(y + draw(), draw()) if kind == "rician" else y + draw()
