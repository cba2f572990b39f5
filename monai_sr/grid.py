"""From the acquired grid to the target grid along one axis: positions and interpolation.

Everything that acts along one axis is a small matrix here, so that training, inference and data consistency share
the same half-voxel arithmetic, and adjoints are transposes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
import torch
from scipy import linalg, ndimage, sparse

__all__ = ["AxisGrid", "InterpolationKind", "apply_along", "interpolation_matrix", "product"]

FloatArray = npt.NDArray[np.float64]
InterpolationKind = Literal["nearest", "linear", "cubic", "sinc"]

_SPLINE_ORDER = {"nearest": 0, "linear": 1, "cubic": 3}
_SINC_RADIUS = 5  # samples to either side, as in SimpleITK's windowed sinc
_COMB = 8  # a cubic B-spline reaches 2 samples, its mirror image at an edge 2 more
_LONG = 256  # axes with more samples are worth looking for the band that holds the weights
_BLOCK = 64  # rows that share one range of columns
_NOTHING = 1e-10  # a weight below it is lost when float32 values are summed
_VANISHING = 1e-20  # far below what double precision sums


@dataclass(frozen=True)
class AxisGrid:
    """An acquired (LR) and a target (HR) grid on the same axis.

    Args:
        n_lr: acquired samples.
        n_hr: target samples.
        factor: acquired spacing divided by target spacing; default ``n_hr / n_lr``, which keeps the field of view.
        start: outer edge of the target grid measured from the outer edge of the acquired grid, in acquired voxels;
            0 for edge-aligned grids.
    """

    n_lr: int
    n_hr: int
    factor: float = 0.0
    start: float = 0.0

    def __post_init__(self) -> None:
        if self.n_lr < 2 or self.n_hr < 2:
            raise ValueError(f"an axis needs at least two samples on both grids, got {self.n_lr} and {self.n_hr}")
        if self.factor == 0.0:
            object.__setattr__(self, "factor", self.n_hr / self.n_lr)
        if not self.factor > 0:
            raise ValueError(f"the factor must be > 0, got {self.factor}")

    def reversed(self) -> AxisGrid:
        """The two grids with their roles exchanged, for an axis that becomes coarser."""
        return AxisGrid(self.n_hr, self.n_lr, 1.0 / self.factor, -self.start * self.factor)

    def hr_centres(self) -> FloatArray:
        """``(n_hr,)``: index of every target voxel centre on the acquired grid."""
        return np.asarray(self.start + (np.arange(self.n_hr) + 0.5) / self.factor - 0.5, dtype=np.float64)

    def hr_edges(self) -> FloatArray:
        """``(n_hr + 1,)``: edges of the target voxels, in acquired voxels from the acquired outer edge."""
        return self.start + np.arange(self.n_hr + 1) / self.factor


def _spline_basis(n: int, positions: npt.NDArray[np.number], order: int) -> FloatArray:
    """``(len(positions), n)``: value at each position of the B-spline that sits on each of the ``n`` samples."""
    basis = np.zeros((len(positions), n))
    rows = np.arange(len(positions))
    mirrored = np.where(positions < -0.5, -1 - positions, positions)
    mirrored = np.where(mirrored > n - 0.5, 2 * n - 1 - mirrored, mirrored)
    for first in range(min(_COMB, n)):  # splines so far apart that no position sees two of them share one evaluation
        teeth = np.arange(first, n, _COMB)
        comb = np.zeros(n)
        comb[teeth] = 1.0
        seen = ndimage.map_coordinates(comb, positions[None], order=order, mode="reflect", prefilter=False)
        nearest = np.clip(np.rint((mirrored - first) / _COMB), 0, len(teeth) - 1).astype(int)
        basis[rows, teeth[nearest]] = seen
    return basis


def _sinc_weights(n: int, positions: FloatArray) -> FloatArray:
    """``(len(positions), n)``: sinc in a Lanczos window (Meijering 2001, Med. Image Anal. 5), edges mirrored."""
    nearby = np.floor(positions).astype(int)[:, None] + np.arange(1 - _SINC_RADIUS, 1 + _SINC_RADIUS)
    distance = positions[:, None] - nearby
    kernel = np.sinc(distance) * np.sinc(distance / _SINC_RADIUS)
    kernel /= kernel.sum(axis=1, keepdims=True)  # the window has taken the unit sum from the kernel
    folded = nearby % (2 * n)  # mirrored about the outer edges, as scipy's "reflect"
    weights = np.zeros((len(positions), n))
    np.add.at(weights, (np.arange(len(positions))[:, None], np.minimum(folded, 2 * n - 1 - folded)), kernel)
    return weights


@lru_cache(maxsize=256)
def interpolation_matrix(grid: AxisGrid, kind: InterpolationKind = "cubic") -> FloatArray:
    """Interpolation from the acquired to the target grid, with mirrored edges.

    Args:
        grid: acquired and target grid of the axis.
        kind: ``cubic`` is the cubic B-spline of ``scipy.ndimage`` (mode ``reflect``), ``linear`` and ``nearest`` are
            the splines of order 1 and 0, ``sinc`` is the sinc in a Lanczos window of radius 5.

    Returns:
        ``(n_hr, n_lr)``, read-only; every row sums to 1, so a constant stays a constant.
    """
    if kind not in get_args(InterpolationKind):
        raise ValueError(f"the interpolation must be one of {', '.join(get_args(InterpolationKind))}, got {kind!r}")
    if kind == "sinc":
        matrix = _sinc_weights(grid.n_lr, grid.hr_centres())
    else:
        order = _SPLINE_ORDER[kind]
        matrix = _spline_basis(grid.n_lr, grid.hr_centres(), order)
        if order > 1:
            # solved, not filtered: scipy's recursive prefilter is off by up to 6e-4 on axes of fewer than ten samples
            at_samples = _spline_basis(grid.n_lr, np.arange(grid.n_lr), order).T
            bands = np.zeros((3, grid.n_lr))  # tridiagonal, mirrored edges included
            bands[0, 1:], bands[1], bands[2, :-1] = (np.diagonal(at_samples, k) for k in (1, 0, -1))
            matrix = np.asarray(linalg.solve_banded((1, 1), bands, matrix.T).T, dtype=np.float64)
    matrix.setflags(write=False)
    return matrix


def apply_along(matrix: npt.NDArray[np.floating], x: torch.Tensor, axis: int) -> torch.Tensor:
    """Multiply ``x`` by a matrix ``(n_out, n_in)`` along one axis; all other axes stay as they are.

    On long axes only the band around the diagonal is multiplied, where the weights are.
    """
    lines = torch.movedim(x, axis, -1)
    parts = []
    for rows, columns in _blocks(matrix):
        block = matrix[rows, columns]
        # the tails of a Gaussian are subnormal in float32, with which processors multiply twenty times as slowly
        weights = torch.tensor(np.where(np.abs(block) > _VANISHING, block, 0.0), dtype=x.dtype, device=x.device)
        parts.append(lines[..., columns] @ weights.T)
    return torch.movedim(parts[0] if len(parts) == 1 else torch.cat(parts, dim=-1), -1, axis)


def _blocks(matrix: npt.NDArray[np.floating]) -> Iterator[tuple[slice, slice]]:
    """Rows, and the columns in which they have weights; all at once where the axis is short."""
    n_out, n_in = matrix.shape
    if n_in <= _LONG:
        yield slice(0, n_out), slice(0, n_in)
        return
    for first in range(0, n_out, _BLOCK):
        rows = slice(first, min(first + _BLOCK, n_out))
        used = np.flatnonzero((np.abs(matrix[rows]) > _NOTHING).any(axis=0))
        yield rows, slice(int(used[0]), int(used[-1]) + 1) if used.size else slice(0, 1)


def product(a: npt.NDArray[np.floating], b: npt.NDArray[np.floating]) -> FloatArray:
    """``a @ b`` of two matrices that act along an axis, without the zeros of long ones."""
    if min(a.shape) <= _LONG:
        return np.asarray(a @ b, dtype=np.float64)
    bands = (sparse.csr_array(np.where(np.abs(m) > _VANISHING, m, 0.0)) for m in (a, b))
    return np.asarray((next(bands) @ next(bands)).toarray(), dtype=np.float64)
