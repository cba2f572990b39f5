"""Small structures of a volume that another volume does not hold: invented ones, and lost ones."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage, signal
from skimage.feature import peak_local_max

__all__ = ["contrast_map", "unmatched_blobs"]

FloatArray = npt.NDArray[np.floating]
BoolArray = npt.NDArray[np.bool_]

_SAME = 0.5  # a blob is matched where the other volume has at least so much of its contrast


def contrast_map(array: FloatArray, weight: FloatArray, surroundings: BoolArray) -> npt.NDArray[np.float32]:
    """The contrast to the surroundings that a lesion of a given shape would have at every voxel.

    ``local_contrast`` with the shape centred on each voxel in turn; at the edges of the volume values are mirrored.

    Args:
        array: ``(X, Y, Z)`` in HU or the scanner's units.
        weight: ``(x, y, z)`` of odd lengths, centred: share of every voxel that the lesion fills.
        surroundings: voxels that it is compared with.

    Returns:
        ``(X, Y, Z)`` in the units of the array.
    """
    if any(n % 2 == 0 for n in weight.shape):
        raise ValueError(f"a shape of {weight.shape} voxels has no centre; every axis needs an odd number")
    kernel = weight / weight.sum() - surroundings / surroundings.sum()
    kernel = kernel / (kernel * weight).sum()
    padded = np.pad(array, [(n // 2, n // 2) for n in weight.shape], mode="symmetric")
    flipped = kernel[::-1, ::-1, ::-1].astype(np.float32)
    return np.asarray(signal.oaconvolve(padded, flipped, mode="valid"), dtype=np.float32)


def unmatched_blobs(
    contrast: FloatArray, other: FloatArray, mask: BoolArray, threshold: float, radius: tuple[int, int, int]
) -> npt.NDArray[np.int_]:
    """Blobs of one volume that another volume does not hold.

    A blob is a local extremum of the contrast, bright or dark, of at least the threshold. It is matched if the other
    volume has half of its contrast, of the same sign, within the radius.

    Args:
        contrast: :func:`contrast_map` of the one volume: of the restored for structures that were invented, of the
            truth for structures that were lost.
        other: that of the other volume.
        mask: ``(X, Y, Z)`` voxels in which blobs count.
        threshold: in the units of the maps.
        radius: in voxels along each axis, both for extrema and for matches.

    Returns:
        ``(N, 3)`` voxels of the unmatched blobs.
    """
    footprint = np.ones([2 * r + 1 for r in radius], dtype=bool)
    found = []
    for sign in (1, -1):
        # an extremum of the whole map: beside the mask, its slope up to a blob outside is none
        peaks = peak_local_max(
            np.where(sign * contrast >= threshold, sign * contrast, 0.0), footprint=footprint, exclude_border=False
        )
        peaks = peaks[mask[tuple(peaks.T)]]
        near = ndimage.maximum_filter(sign * other, size=footprint.shape)
        found.append(peaks[near[tuple(peaks.T)] < _SAME * sign * contrast[tuple(peaks.T)]])
    return np.concatenate(found)
