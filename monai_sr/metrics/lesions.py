"""What became of a small structure: its contrast to what surrounds it, whether that can be seen, and its volume."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import ndimage

__all__ = ["VISIBLE", "contrast_scores", "half_maximum_volume", "local_contrast"]

FloatArray = npt.NDArray[np.floating]
BoolArray = npt.NDArray[np.bool_]

VISIBLE = 3.0
"""Standard deviations of the contrast where there is no lesion, from which on one is called visible: of Gaussian
chance, one place in 740 reaches it (Rose 1948 asks for 3 to 5)."""

_FINER = 3  # points per voxel along each axis in the volume at half maximum


def local_contrast(values: FloatArray, weight: FloatArray, surroundings: BoolArray) -> float:
    """Contrast of a place to its surroundings, in HU or the scanner's units.

    The mean of the values over the shape of the lesion minus their mean over its surroundings, divided by what the same
    shape of contrast 1 gives: where a lesion of that shape was added to an even background this is its contrast, for
    a ball smaller than a voxel as for a large one.

    Args:
        values: ``(x, y, z)`` around the place.
        weight: share of every voxel that the lesion fills, of the same shape.
        surroundings: voxels that it is compared with.

    Raises:
        ValueError: if no voxel surrounds the place, or the lesion fills none.
    """
    total = float(weight.sum())
    if not (surroundings.any() and total > 0):
        raise ValueError(
            "a place needs a voxel that the lesion fills and one that surrounds it; widen its surroundings"
        )

    def difference(of: FloatArray) -> float:
        return float((of * weight).sum(dtype=np.float64) / total - of[surroundings].mean(dtype=np.float64))

    return difference(values) / difference(weight)


def contrast_scores(
    with_lesion: Sequence[float] | FloatArray, without: Sequence[float] | FloatArray, sign: float
) -> FloatArray:
    """How far the contrast of each place stands out from what places without a lesion show.

    Args:
        with_lesion: ``(N,)`` contrasts where there is a lesion.
        without: ``(M,)`` contrasts of the same shape at places without one, in a volume that was restored in the same
            way: anatomy, noise and artefacts of the method are all in their spread.
        sign: 1 for bright lesions, -1 for dark ones.

    Returns:
        ``(N,)`` standard deviations above the middle of ``without``; from :data:`VISIBLE` on a lesion is visible.
        Middle and deviation are the median and 1.4826 median absolute deviations: a few places may lie at an edge.

    Raises:
        ValueError: if there are fewer than 8 places without a lesion, or they do not differ.
    """
    null = np.asarray(without, dtype=np.float64)
    middle = float(np.median(null)) if len(null) else 0.0
    spread = 1.4826 * float(np.median(np.abs(null - middle))) if len(null) else 0.0
    if len(null) < 8 or not spread > 0:
        raise ValueError(f"{len(null)} places without a lesion tell no spread; at least 8 that differ are needed")
    return np.asarray(np.sign(sign) * (np.asarray(with_lesion, dtype=np.float64) - middle) / spread)


def half_maximum_volume(values: FloatArray, spacing: Sequence[float]) -> float:
    """Volume in mm^3 of the piece around the maximum in which the values exceed half of it.

    The values are interpolated (cubic B-spline) to a third of a voxel, for a small lesion is only a few voxels large.

    Args:
        values: ``(x, y, z)`` of a lesion alone: with it minus without it, bright.
        spacing: of the voxels in mm.

    Returns:
        0 where nothing is above zero.
    """
    fine = ndimage.zoom(np.asarray(values, dtype=np.float64), _FINER, order=3, mode="nearest", grid_mode=True)
    peak = np.unravel_index(int(np.argmax(fine)), fine.shape)
    if not fine[peak] > 0:
        return 0.0
    labels, _ = ndimage.label(fine > 0.5 * fine[peak])
    return float((labels == labels[peak]).sum() * np.prod(spacing) / _FINER**values.ndim)
