"""Slices that are stacked off their normal (gantry tilt): straightened for the restoration, and leant back after it.

A slice averages the tissue along its normal, whichever way the table moved; array index ``(i, j)`` of a sheared grid
follows the table. So every slice is shifted in its plane until the slices lie above each other: on that right-angled
stack the forward model A, the network and the data consistency are those of any other scan. The restored slices are
shifted back to the sheared positions. Both shifts are cubic splines, as all interpolation here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy.ndimage import shift

from monai_sr.grid import AxisGrid
from monai_sr.io import Volume

__all__ = ["TILT_NOTE", "Tilt", "tilt_of"]

TILT_NOTE = (
    "tilt: every slice was shifted in its plane until all lay above each other, restored there, and shifted back; the "
    "consistency with the acquired data holds on that straight stack"
)

# Cosine between axes: readers of right-angled grids draw the line here, and rounded headers stay below.
LEAST_SHEAR = 1e-3


@dataclass(frozen=True)
class Tilt:
    """How a stack leans.

    Args:
        axis: array axis of the slices.
        planes: the two array axes of a slice.
        steps_mm: shift from one slice to the next along the two axes of a slice, in mm.
        cosine: distance between slices along their normal over the distance of their first voxels.
    """

    axis: int
    planes: tuple[int, int]
    steps_mm: tuple[float, float]
    cosine: float

    @property
    def degrees(self) -> float:
        """Angle between the normal of the slices and the way from slice to slice."""
        return float(np.degrees(np.arccos(self.cosine)))

    def straightened(
        self, x: torch.Tensor, spacing: list[float], grid: AxisGrid | None = None
    ) -> tuple[torch.Tensor, tuple[int, int]]:
        """Slices above each other, on a plane wide enough for all.

        Args:
            x: ``(X, Y, Z)`` values; margins repeat the outermost ones.
            spacing: in mm per array axis.
            grid: of the slice axis, where they are the slices of its target grid; None: the acquired ones.

        Returns:
            The straight stack, and by how many voxels it is wider at both ends of the two axes.
        """
        places = _places(x.shape[self.axis], grid)
        most = float(np.abs(places).max())
        reach = [abs(step) * most / spacing[a] for step, a in zip(self.steps_mm, self.planes, strict=True)]
        margins = (int(np.ceil(reach[0])), int(np.ceil(reach[1])))
        widths = [(0, 0)] * 3
        for axis, margin in zip(self.planes, margins, strict=True):
            widths[axis] = (margin, margin)
        padded = np.pad(x.numpy(), widths, mode="edge")
        return self._moved(padded, places, spacing, 1.0), margins

    def leant(
        self, x: torch.Tensor, grid: AxisGrid | None, spacing: list[float], margins: tuple[int, int]
    ) -> torch.Tensor:
        """The reverse.

        Args:
            x: straight stack.
            grid: as for :meth:`straightened`.
            spacing: as for :meth:`straightened`.
            margins: what that returned.
        """
        moved = self._moved(x.numpy(), _places(x.shape[self.axis], grid), spacing, -1.0)
        for axis, margin in zip(self.planes, margins, strict=True):
            moved = moved.narrow(axis, margin, moved.shape[axis] - 2 * margin)
        return moved.contiguous()

    def _moved(self, x: np.ndarray, places: np.ndarray, spacing: list[float], sign: float) -> torch.Tensor:
        """Every slice shifted by its place in the stack, in slices from its middle."""
        slices = np.moveaxis(x, self.axis, 0)
        out = np.empty_like(slices)
        voxels = np.array([step / spacing[a] for step, a in zip(self.steps_mm, self.planes, strict=True)])
        for k, place in enumerate(places):
            shift(slices[k], sign * place * voxels, output=out[k], order=3, mode="nearest")
        return torch.from_numpy(np.ascontiguousarray(np.moveaxis(out, 0, self.axis)))


def _places(count: int, grid: AxisGrid | None) -> np.ndarray:
    """Of the slices in the stack, in acquired slices from its middle."""
    if grid is None:
        return np.arange(count) - (count - 1) / 2
    return np.asarray(grid.hr_centres()) - (grid.n_lr - 1) / 2


def tilt_of(volume: Volume) -> Tilt | None:
    """How the slices of a volume lean; None where they lie above each other, or it is unknown which axis is theirs."""
    axis = volume.slice_axis
    if axis is None:
        return None
    planes = [a for a in range(3) if a != axis]
    directions, step = volume.geometry.directions, volume.geometry.affine[:3, axis]
    along = [float(step @ directions[:, a]) for a in planes]
    length = float(np.linalg.norm(step))
    if max(map(abs, along)) <= LEAST_SHEAR * length:
        return None
    normal = np.cross(directions[:, planes[0]], directions[:, planes[1]])
    cosine = abs(float(normal @ step)) / length / float(np.linalg.norm(normal))
    return Tilt(axis, (planes[0], planes[1]), (along[0], along[1]), cosine)
