"""Where a scan is cut for pictures, and what of it is shown: fractions of the field, so the same on every grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from monai_sr.intensity import body_mask
from monai_sr.io import Volume

__all__ = ["BodySample", "Place", "Region", "body_place", "body_sample"]

Place = tuple[float, float, float]
Region = list[tuple[float, float]]

_MARGIN = 0.03  # of the field, around the body
_MASK_VOXELS = 2**20  # enough to find the body, and fast on any scan


@dataclass(frozen=True, eq=False)
class BodySample:
    """Some voxels of a scan, which stand for it where a picture is prepared.

    Args:
        values: every n-th voxel in the plane of the finer axes, in HU or the scanner's units.
        mask: body mask of the same shape.
    """

    values: npt.NDArray[np.float32]
    mask: npt.NDArray[np.bool_]


def body_sample(volume: Volume, modality: str) -> BodySample:
    """About a million voxels and their body mask, so that a large scan costs no more than a small one."""
    step = max(1, round((volume.array.size / _MASK_VOXELS) ** (1 / 2)))
    coarsest = int(np.argmax(volume.geometry.spacing))
    values = volume.array[tuple(slice(None, None, 1 if axis == coarsest else step) for axis in range(3))]
    return BodySample(values, body_mask(values, modality))


def body_place(volume: Volume, modality: str, sample: BodySample | None = None) -> tuple[Place, Region]:
    """Where to cut and what to show, as fractions of the field along each array axis.

    The sections go through the centre of the body, moved to the centre of one of the volume's own voxels: there every
    section of an acquired scan shows one place on all grids, the middle of a thick slice and the thin slice that lies
    there. The region is the body's bounding box with a margin, out to the edges of voxels.

    Args:
        volume: the acquired scan, or the truth.
        modality: of the scan.
        sample: of :func:`body_sample`, where it is known already.
    """
    mask = (sample or body_sample(volume, modality)).mask
    place, region = [], []
    for axis, n in enumerate(volume.array.shape):
        inside = np.flatnonzero(mask.any(axis=tuple(a for a in range(3) if a != axis)))
        share = mask.sum(axis=tuple(a for a in range(3) if a != axis))
        centre = float(np.average(np.arange(share.size) + 0.5, weights=share)) / share.size
        place.append((int(centre * n) + 0.5) / n)
        low = np.floor((inside[0] / share.size - _MARGIN) * n)
        high = np.ceil(((inside[-1] + 1) / share.size + _MARGIN) * n)
        region.append((max(float(low), 0.0) / n, min(float(high), n) / n))
    return (place[0], place[1], place[2]), region
