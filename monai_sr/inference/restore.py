"""The arithmetic around the network, part by part: no volume of the target's size is held but the result.

Everything here is linear and acts along the restored axes, so any part of the target grid comes from the same part of
the acquired one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from monai_sr.degradation import CoarseAxis, backprojection_matrix, backprojection_steps, correct, residual
from monai_sr.grid import apply_along, interpolation_matrix
from monai_sr.inference.model import NotFiniteError
from monai_sr.inference.stages import StageClock

__all__ = ["StartTiles", "finish"]

_SLAB_VOXELS = 2**22  # 17 MB each: large enough to be fast, and nothing beside a volume

Matrix = npt.NDArray[np.floating]


class StartTiles:
    """Start and plain interpolation of an acquired scan on the target grid, computed where they are asked for.

    To a tiled inferer it is a tensor ``(1, 2, X, Y, Z)``, or ``(slices, 2, X, Y)`` where both axes of a slice are
    restored, see :class:`monai_sr.inference.window.TileSource`.

    Args:
        acquired: ``(X, Y, Z)`` or ``(slices, X, Y)``.
        coarse: the last axis, or the last two, as negative numbers.
        noise: standard deviation as a fraction of the intensity range.
        modality: ``"CT"``, ``"MR"`` or ``"photo"``.
        clock: counts the work as interpolation.
        mirrored: axes, as negative numbers, that are seen from their end.
    """

    def __init__(
        self,
        acquired: torch.Tensor,
        coarse: Sequence[CoarseAxis],
        noise: float,
        modality: str,
        clock: StageClock,
        mirrored: Sequence[int] = (),
    ) -> None:
        self.acquired, self.coarse, self.clock, self.mirrored = acquired, coarse, clock, mirrored
        steps = backprojection_steps(noise, modality)
        self._start = {c.axis: backprojection_matrix(c.grid, c.profile, steps) for c in coarse}
        self._cubic = {c.axis: interpolation_matrix(c.grid) for c in coarse}
        sizes = {c.axis: c.grid.n_hr for c in coarse}
        self.target = torch.Size(sizes.get(axis - 3, n) for axis, n in enumerate(acquired.shape))

    @property
    def shape(self) -> torch.Size:
        """Of the tensor that it stands for."""
        return torch.Size((1, 2, *self.target) if len(self.coarse) == 1 else (self.target[0], 2, *self.target[1:]))

    @property
    def device(self) -> torch.device:
        """Where the acquired scan lies."""
        return self.acquired.device

    def slices(self, wanted: slice, mirrored: Sequence[int]) -> StartTiles:
        """Those slices alone, seen mirrored."""
        part = object.__new__(StartTiles)
        part.__dict__ = {**self.__dict__, "acquired": self.acquired[wanted], "mirrored": mirrored}
        part.target = torch.Size((len(part.acquired), *self.target[1:]))
        return part

    def __getitem__(self, index: Any) -> torch.Tensor:
        spans = list(index[2:]) if len(self.coarse) == 1 else [slice(0, self.target[0]), *index[2:]]
        for axis in self.mirrored:
            n, span = self.target[axis], spans[axis]
            first, last, _ = span.indices(n)
            spans[axis] = slice(n - last, n - first)
        with self.clock.stage("interpolate"):
            found = [self._along(matrices, spans) for matrices in (self._start, self._cubic)]
            part = torch.stack(found)[None] if len(self.coarse) == 1 else torch.stack(found, dim=1)
            return part.flip(list(self.mirrored)) if self.mirrored else part

    def start(self, part: slice) -> torch.Tensor:
        """The start where the first axis is ``part``."""
        return self._along(self._start, [part, slice(None), slice(None)])

    def cubic(self, part: slice) -> torch.Tensor:
        """The plain interpolation where the first axis is ``part``."""
        return self._along(self._cubic, [part, slice(None), slice(None)])

    def slabs(self) -> Iterator[slice]:
        """The first axis in parts of a few million target voxels."""
        thick = max(1, _SLAB_VOXELS // math.prod(self.target[1:]))
        for first in range(0, self.target[0], thick):
            yield slice(first, min(first + thick, self.target[0]))

    def _along(self, matrices: Mapping[int, Matrix], spans: Sequence[slice]) -> torch.Tensor:
        x = self.acquired[tuple(slice(None) if axis - 3 in matrices else span for axis, span in enumerate(spans))]
        for axis, matrix in matrices.items():
            x = apply_along(matrix[spans[axis]], x, axis)
        return x


def finish(
    source: StartTiles, added: torch.Tensor | None, *, weight: float, floor: float | None, clock: StageClock
) -> tuple[torch.Tensor, tuple[float, float]]:
    """From what the network adds to the restored volume, consistent with the acquired data.

    Args:
        source: start and acquired data.
        added: ``(X, Y, Z)`` on the target grid, or None without a network; the result takes its place.
        weight: share of one step towards the data.
        floor: values below it are cut, of the plain interpolation too.
        clock: counts the work as interpolation and consistency.

    Returns:
        The volume, and the rms of ``y - A x`` for plain interpolation and for the volume.

    Raises:
        NotFiniteError: if what the network adds is not.
    """
    sr = torch.empty(source.target, device=source.device) if added is None else added
    squares = [0.0, 0.0]
    for part in source.slabs():
        with clock.stage("interpolate"):
            restored, cubic = source.start(part), source.cubic(part)
        with clock.stage("consistency"):
            acquired = source.acquired[part]
            if added is not None:
                if not torch.isfinite(added[part]).all():
                    raise NotFiniteError("the network returned values that are not finite; use another model")
                restored = restored + added[part]
            if weight > 0:
                restored = restored + weight * (correct(restored, acquired, source.coarse) - restored)
            if floor is not None:
                restored, cubic = restored.clamp_(min=floor), cubic.clamp_(min=floor)
            for k, volume in enumerate((cubic, restored)):
                missed = torch.linalg.vector_norm(residual(volume, acquired, source.coarse), dtype=torch.float64)
                squares[k] += float(missed) ** 2
            sr[part] = restored
    count = source.acquired.numel()
    return sr, (math.sqrt(squares[0] / count), math.sqrt(squares[1] / count))
