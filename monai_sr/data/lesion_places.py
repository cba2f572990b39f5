"""Where lesions go: places drawn from a seed, between the voxels, apart from each other and from what must stay."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import ndimage

__all__ = ["draw_places"]

Triple = tuple[float, float, float]


def draw_places(
    allowed: npt.NDArray[np.bool_],
    body: npt.NDArray[np.bool_],
    spacing: Triple,
    *,
    clearance_mm: float,
    count: int,
    seed: int,
    taken: Sequence[tuple[Triple, float]] = (),
) -> list[Triple]:
    """Up to ``count`` places whose surroundings do not touch.

    They are spread evenly over a voxel and not at its centre: what becomes of a small lesion depends on where it lies
    between two slices.

    Args:
        allowed: ``(X, Y, Z)`` voxels in which a centre may lie.
        body: voxels in which the surroundings must lie; outside the volume there is no body.
        spacing: of the voxels in mm.
        clearance_mm: radius of the surroundings that belong to a place.
        count: how many are wanted; fewer come back where no more fit.
        seed: of the draw.
        taken: places and clearances of earlier draws.

    Returns:
        Places in mm along the array axes from the outer corner, as ``Lesion.centre_mm``.
    """
    depth = ndimage.distance_transform_edt(np.pad(body, 1), sampling=spacing)[1:-1, 1:-1, 1:-1]
    # half a voxel's diagonal: distances are between centres of voxels, places lie anywhere in them
    deep = depth >= clearance_mm + 0.5 * float(np.linalg.norm(spacing))
    voxels = np.argwhere(allowed & deep)
    generator = np.random.default_rng(seed)
    occupied = [(np.asarray(place), room) for place, room in taken]
    found: list[Triple] = []
    for voxel in generator.permutation(voxels):
        if len(found) == count:
            break
        place = (voxel + generator.random(3)) * spacing
        if all(np.linalg.norm(place - other) >= clearance_mm + room for other, room in occupied):
            occupied.append((place, clearance_mm))
            found.append((float(place[0]), float(place[1]), float(place[2])))
    return found
