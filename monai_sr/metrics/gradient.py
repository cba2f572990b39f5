"""Are edges as steep as in the truth: gradient-magnitude similarity."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from monai_sr.intensity import IntensityRange
from monai_sr.metrics.fidelity import check_grids

__all__ = ["GMS_CONSTANT", "gradient_similarity"]

FloatArray = npt.NDArray[np.floating]
BoolArray = npt.NDArray[np.bool_]

GMS_CONSTANT = 0.0026
"""c of Xue et al. 2014 for images of data range 1 (their 170 for 8 bits is 0.0026 * 255^2)."""


def gradient_similarity(restored: FloatArray, truth: FloatArray, mask: BoolArray, scale: IntensityRange) -> float:
    """Gradient-magnitude similarity (Xue et al. 2014, "Gradient magnitude similarity deviation"), mean over the mask.

    ``(2 m_r m_t + c) / (m_r^2 + m_t^2 + c)`` with m the magnitude of the Prewitt gradient: per axis the difference of
    the two neighbours, averaged over the 3 lines (3 x 3 in three dimensions) around, both volumes in the truth's range.
    Two departures from the paper: the mean and not the standard deviation, so that larger is better; and no halving of
    the image beforehand, since the finest scale is what super-resolution is about.

    Args:
        restored: ``(X, Y, Z)`` or ``(X, Y)`` in HU or the scanner's units; axes of length 1 do not count.
        truth: of the same shape and units.
        mask: voxels that count; at the edge of the volume the last voxel is repeated once.
        scale: intensity range of the truth.

    Returns:
        0 to 1; 1 for equal gradient magnitudes.
    """
    check_grids(restored, truth, mask)
    restored, truth, mask = np.squeeze(restored), np.squeeze(truth), np.squeeze(mask)
    if mask.ndim == 0:
        raise ValueError("a volume of one voxel has no gradient; give it an axis of at least two voxels")
    body = ndimage.find_objects(mask.astype(np.uint8))[0]
    outer = tuple(slice(max(0, s.start - 1), s.stop + 1) for s in body)
    counted = mask[outer]
    m_r, m_t = (_magnitude(np.asarray(a[outer] / scale.width, dtype=np.float32))[counted] for a in (restored, truth))
    c = np.float32(GMS_CONSTANT)
    return float(np.mean((2 * m_r * m_t + c) / (m_r * m_r + m_t * m_t + c), dtype=np.float64))


def _magnitude(array: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    square = np.zeros_like(array)
    for axis in range(array.ndim):
        # SciPy's operator sums over its 3 ** (ndim - 1) lines
        square += (ndimage.prewitt(array, axis=axis, mode="nearest") / np.float32(3 ** (array.ndim - 1))) ** 2
    return np.sqrt(square)
