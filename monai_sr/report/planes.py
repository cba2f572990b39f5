"""Sections of a volume as a radiologist holds them: the patient's right on the left side, anterior or head up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from monai_sr.io import Volume

__all__ = ["PLANES", "PlaneName", "Section", "anatomical_axes", "sections"]

PlaneName = Literal["axial", "coronal", "sagittal"]
PLANES: tuple[PlaneName, ...] = ("axial", "coronal", "sagittal")

# Per plane: anatomical axis (0 R, 1 A, 2 S) across it, to the right of the picture and up; sign -1 is against R, A, S.
_LAYOUT: dict[PlaneName, tuple[int, tuple[int, int], tuple[int, int]]] = {
    "axial": (2, (0, -1), (1, 1)),
    "coronal": (1, (0, -1), (2, 1)),
    "sagittal": (0, (1, -1), (2, 1)),
}
_LETTERS = (("L", "R"), ("P", "A"), ("I", "S"))


@dataclass(frozen=True, eq=False)
class Section:
    """One picture.

    Args:
        name: the plane that it lies closest to.
        image: ``(rows, columns)``, first row on top.
        size_mm: width and height of the picture.
        labels: letters of the patient's side at the left, right, top and bottom edge; empty for a photograph.
        axes: array axis along the columns (across the picture) and along the rows (down).
        corner_mm: distance of the picture's left and top edge from those of the whole field of view.
    """

    name: PlaneName
    image: npt.NDArray[np.float32]
    size_mm: tuple[float, float]
    labels: tuple[str, str, str, str]
    axes: tuple[int, int]
    corner_mm: tuple[float, float]


def anatomical_axes(volume: Volume) -> list[tuple[int, int]]:
    """For R, A and S: the array axis that lies closest to it, and whether it runs along (1) or against it (-1).

    Example:
        >>> import numpy as np
        >>> from monai_sr import Volume, VolumeGeometry
        >>> grid = VolumeGeometry((2, 3, 4), np.diag([-1.0, -1.0, 5.0, 1.0]))  # LPS, as most DICOM series
        >>> anatomical_axes(Volume(np.zeros((2, 3, 4), np.float32), grid))
        [(0, -1), (1, -1), (2, 1)]
    """
    directions = volume.geometry.directions
    world, array = linear_sum_assignment(-np.abs(directions))
    return [(int(a), 1 if directions[w, a] > 0 else -1) for w, a in zip(world, array, strict=True)]


def sections(
    volume: Volume,
    place: tuple[float, float, float] = (0.5, 0.5, 0.5),
    region: Sequence[tuple[float, float]] = ((0.0, 1.0), (0.0, 1.0), (0.0, 1.0)),
) -> list[Section]:
    """Axial, coronal and sagittal section through one place.

    The array is not resampled: in an oblique scan each section is the plane of voxels that lies closest to its name.

    Args:
        volume: the scan.
        place: fraction of the field of view along each *array axis*, 0 and 1 being its outer edges, so that it is the
            same place on every grid over the same field.
        region: what is shown of each array axis, in the same fractions; moved to the nearest edges of voxels.
    """
    axes = anatomical_axes(volume)
    spacing = volume.geometry.spacing
    found = []
    for name in PLANES:
        across, (right, right_sign), (up, up_sign) = _LAYOUT[name]
        cut, _ = axes[across]
        (column_axis, column_sign), (row_axis, row_sign) = axes[right], axes[up]
        index = min(int(place[cut] * volume.array.shape[cut]), volume.array.shape[cut] - 1)
        shown = [_shown(limits, n) for limits, n in zip(region, volume.array.shape, strict=True)]
        image = volume.array[tuple(index if axis == cut else shown[axis] for axis in range(3))]
        if column_axis < row_axis:  # rows first
            image = image.T
        mirrored = column_sign * right_sign < 0
        if mirrored:
            image = image[:, ::-1]
        turned = row_sign * up_sign > 0  # the first row is the top of the picture
        if turned:
            image = image[::-1]
        corner = [
            (volume.array.shape[axis] - shown[axis].stop if reverse else shown[axis].start) * spacing[axis]
            for axis, reverse in ((column_axis, mirrored), (row_axis, turned))
        ]
        size = (image.shape[1] * spacing[column_axis], image.shape[0] * spacing[row_axis])
        labels = (*_ends(right, right_sign), *reversed(_ends(up, up_sign)))
        sides = (labels[0], labels[1], labels[2], labels[3]) if volume.modality != "photo" else ("", "", "", "")
        found.append(Section(name, image, size, sides, (column_axis, row_axis), (corner[0], corner[1])))
    return found


def _shown(limits: tuple[float, float], n: int) -> slice:
    first = min(round(limits[0] * n), n - 1)
    return slice(first, max(round(limits[1] * n), first + 1))


def _ends(axis: int, sign: int) -> tuple[str, str]:
    """Letters where a direction of the picture begins and where it ends."""
    low, high = _LETTERS[axis]
    return (low, high) if sign > 0 else (high, low)
