"""A few classical features of a region, after the Image Biomarker Standardisation Initiative (Zwanenburg et al. 2020).

Not the whole catalogue: enough to ask whether measurements that a study would take from a scan stay what they were.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import stats
from skimage.feature import graycomatrix, graycoprops

__all__ = ["FEATURES", "region_features"]

FloatArray = npt.NDArray[np.floating]
BoolArray = npt.NDArray[np.bool_]

_LEVELS = 32
_DIRECTIONS = (0.0, np.pi / 4, np.pi / 2, 3 * np.pi / 4)
_TEXTURE = ("contrast", "homogeneity", "energy", "correlation")

FEATURES = ("mean", "deviation", "skewness", "kurtosis", "p10", "p90", *(f"texture {name}" for name in _TEXTURE))
"""Names, in the order in which :func:`region_features` gives them."""


def region_features(array: FloatArray, region: BoolArray, limits: tuple[float, float], axis: int) -> FloatArray:
    """Intensity statistics and grey-level co-occurrence texture of a region.

    Texture: values in 32 equal bins between the limits, neighbours one voxel apart in four directions in the slices
    across ``axis``, both in the region, one matrix over all slices (2.5-D merged), features of scikit-image.

    Args:
        array: ``(X, Y, Z)`` in HU or the scanner's units.
        region: voxels of the region, of the same shape.
        limits: of the bins, the same for every volume that is compared; values outside go to the outer bins.
        axis: array axis across which slices are taken.

    Returns:
        One number per name in :data:`FEATURES`; NaN where a feature has no value, as the skewness of a constant.

    Raises:
        ValueError: if the region holds fewer than 27 voxels.
    """
    if int(region.sum()) < 27:
        raise ValueError(f"a region of {int(region.sum())} voxels is too small for its statistics; 27 are needed")
    values = array[region].astype(np.float64)
    p10, p90 = np.percentile(values, (10, 90))
    first_order = [values.mean(), values.std(), stats.skew(values), stats.kurtosis(values), p10, p90]
    return np.array([*first_order, *_texture(array, region, limits, axis)])


def _texture(array: FloatArray, region: BoolArray, limits: tuple[float, float], axis: int) -> list[float]:
    low, high = limits
    bins = np.clip((array - low) / (high - low) * _LEVELS, 0, _LEVELS - 1).astype(np.uint8) + np.uint8(1)
    bins = np.where(region, bins, np.uint8(0))  # level 0: outside
    total = np.zeros((_LEVELS, _LEVELS, 1, 1))
    for image in np.moveaxis(bins, axis, 0):
        if image.any():
            pairs = graycomatrix(image, [1], _DIRECTIONS, levels=_LEVELS + 1, symmetric=True)
            total[..., 0, 0] += pairs[1:, 1:].sum(axis=(2, 3))
    return [float(graycoprops(total / max(total.sum(), 1.0), name)[0, 0]) for name in _TEXTURE]
