"""Body mask, intensity range and noise level of a scan: the definitions behind every number of this project.

``docs/definitions.md`` states them in words. All functions are robust to one hot voxel and to the amount of background.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage.filters import threshold_otsu

__all__ = ["CT_RANGE_HU", "PHOTO_RANGE", "IntensityRange", "body_mask", "contrast", "estimate_noise", "intensity_range"]

FloatArray = npt.NDArray[np.floating]
BoolArray = npt.NDArray[np.bool_]

CT_RANGE_HU = (-1000.0, 1000.0)
"""Air to dense bone: 2000 HU, the range in which CT noise and PSNR are stated."""

PHOTO_RANGE = (0.0, 1.0)
"""Black to white of a photograph: its values are read as fractions of the stored type's range."""

_CT_BODY_HU = -500.0
_MR_PERCENTILES = (0.5, 99.8)
_NOISE_KERNEL = np.array([1.0, -2.0, 1.0])
_NOISE_PERCENTILE = 10.0
_SLAB_VOXELS = 2**20
_NOISE_BIAS = 0.814  # of the 10th percentile of the local estimate under pure Gaussian noise (test_intensity.py)


@dataclass(frozen=True)
class IntensityRange:
    """Affine map between the scanner's scale and the range the network works in, where ``low`` is 0 and ``high`` is 1.

    It does not clip: values outside become negative or larger than 1, so the inverse is exact everywhere.
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        if not (np.isfinite(self.low) and np.isfinite(self.high) and self.high > self.low):
            raise ValueError(f"an intensity range needs finite low < high, got {self.low:g} and {self.high:g}")

    @property
    def width(self) -> float:
        """``high - low`` in HU or the scanner's units: data range of PSNR and SSIM, and 100 % of the noise level."""
        return self.high - self.low


def body_mask(array: FloatArray, modality: str) -> BoolArray:
    """Voxels that belong to the body, air inside it included.

    CT: above -500 HU. MR: above half of Otsu's threshold, which is computed on values clipped at their 99.8th
    percentile. Then the largest connected component after a binary opening, and its holes filled; for CT also the holes
    of every slice in each of the three directions, since the lungs of a chest scan are open at its ends. Photograph:
    all of it, for there is no background that would not be part of the picture.

    Args:
        array: ``(X, Y, Z)`` or ``(X, Y)`` in HU or the scanner's units.
        modality: ``"CT"``, ``"MR"`` or ``"photo"``.

    Returns:
        Mask of the array's shape. If nothing stands out (a constant volume), all voxels.
    """
    if modality == "photo":
        return np.ones(array.shape, dtype=bool)
    if modality == "CT":
        mask = array > _CT_BODY_HU
    else:
        clipped = np.minimum(array, np.percentile(array.ravel("K"), _MR_PERCENTILES[1]))
        if clipped.min() == clipped.max():
            return np.ones(array.shape, dtype=bool)
        values = clipped.ravel("K")  # as they lie in memory: their order decides nothing here, only the time
        mask = clipped > 0.5 * threshold_otsu(values) + 0.5 * min(0.0, float(np.percentile(values, 1)))
    labels, count = ndimage.label(ndimage.binary_opening(mask))
    if count == 0:
        return mask if mask.any() else np.ones(array.shape, dtype=bool)
    largest = int(np.argmax(np.bincount(labels.ravel())[1:])) + 1
    body = np.asarray(labels == largest)
    body |= _holes(body)
    if modality == "CT" and body.ndim == 3:
        body = body | _holes(body, 0) | _holes(body, 1) | _holes(body, 2)
    return body


def _holes(mask: BoolArray, across: int | None = None) -> BoolArray:
    """Background that does not reach the rim of the array, or of its slice across an axis.

    ``scipy.ndimage.binary_fill_holes`` finds the same by growing the outside step by step, in twice the time.
    """
    within = ndimage.generate_binary_structure(mask.ndim, 1)
    if across is not None:
        within[tuple(slice(None) if axis == across else 1 for axis in range(mask.ndim))] = [False, True, False]
    labels, count = ndimage.label(~mask, within)
    outside = np.zeros(count + 1, dtype=bool)
    outside[0] = True  # label 0 is the body itself
    for axis in (axis for axis in range(mask.ndim) if axis != across):
        for rim in (0, -1):
            outside[np.unique(labels.take(rim, axis=axis))] = True
    return np.asarray(~outside[labels])


def intensity_range(array: FloatArray, modality: str, mask: BoolArray | None = None) -> IntensityRange:
    """Range of the scan: -1000 to 1000 HU for CT; for MR the 0.5th to the 99.8th percentile inside the body mask.

    For a photograph it is 0 to 1, black to white of its file.

    Raises:
        ValueError: if an MR volume is constant inside its mask.
    """
    if modality == "CT":
        return IntensityRange(*CT_RANGE_HU)
    if modality == "photo":
        return IntensityRange(*PHOTO_RANGE)
    inside = array[body_mask(array, modality) if mask is None else mask]
    low, high = np.percentile(inside, _MR_PERCENTILES)
    if not high > low:
        raise ValueError(f"the volume is constant ({float(low):g}) inside its body mask; there is nothing to resolve")
    return IntensityRange(float(low), float(high))


def estimate_noise(array: FloatArray, mask: BoolArray, axes: tuple[int, int]) -> float:
    """Standard deviation of the noise, in the units of the array.

    The difference operator of Immerkaer 1996 (``[1, -2, 1]`` along both axes) removes structure up to planes; its mean
    magnitude is taken locally (9 x 9 voxels in plane) and the 10th percentile inside the body counts, so that the
    homogeneous regions decide and edges do not.

    Args:
        array: ``(X, Y, Z)``.
        mask: body mask of the same shape.
        axes: the two axes with the finest sampling, where structure is smoothest. One that is a single voxel long holds
            no differences, and the longest other axis takes its place.
    """
    within = _axes_with_differences(array.shape, axes)
    slabs = list(_slabs(array.shape, within))
    local = np.concatenate([_local_response(array[slab], mask[slab], within, inner=True) for slab in slabs])
    if not local.size:
        local = np.concatenate([_local_response(array[slab], mask[slab], within, inner=False) for slab in slabs])
    # E|N(0, 36 sigma^2)| = 6 sigma sqrt(2 / pi): the squared kernel weights sum to 36
    return float(np.percentile(local, _NOISE_PERCENTILE) * np.sqrt(np.pi / 2.0) / 6.0 / _NOISE_BIAS)


def _slabs(shape: tuple[int, ...], within: list[int]) -> Iterator[tuple[slice, ...]]:
    """Parts of an array that hold all of the axes along which it is filtered: the memory of one is enough for all."""
    others = [axis for axis in range(len(shape)) if axis not in within]
    across = max(others, key=lambda axis: shape[axis], default=0)
    thick = max(1, _SLAB_VOXELS * shape[across] // math.prod(shape)) if others else shape[across]
    for first in range(0, shape[across], thick):
        yield tuple(slice(first, first + thick) if axis == across else slice(None) for axis in range(len(shape)))


def _local_response(array: FloatArray, mask: BoolArray, within: list[int], *, inner: bool) -> FloatArray:
    """Mean magnitude of the differences around each voxel of the mask, or of those that lie well inside it."""
    response = np.asarray(array, dtype=np.float32)
    size = [1] * response.ndim
    for axis in within:
        response = ndimage.correlate1d(response, _NOISE_KERNEL, axis=axis, mode="nearest")
        size[axis] = 9
    if inner:
        mask = ndimage.uniform_filter(mask.astype(np.float32), size=size, mode="constant") > 0.999
    local: FloatArray = ndimage.uniform_filter(np.abs(response), size=size, mode="nearest")[mask]
    return local


def _axes_with_differences(shape: tuple[int, ...], axes: tuple[int, int]) -> list[int]:
    others = sorted((axis for axis in range(len(shape)) if axis not in axes), key=lambda axis: -shape[axis])
    return ([axis for axis in (*axes, *others) if shape[axis] > 1] or list(axes))[:2]


def contrast(array: FloatArray, mask: BoolArray, scale: IntensityRange) -> dict[str, float]:
    """Statistics by which a scan can be told to lie outside of what a model was trained on.

    Args:
        array: ``(X, Y, Z)`` in HU or the scanner's units.
        mask: body mask.
        scale: intensity range of the scan.

    Returns:
        ``median`` and ``spread`` (90th minus 10th percentile) inside the body, as fractions of the range.
    """
    low, median, high = np.percentile((array[mask] - scale.low) / scale.width, (10, 50, 90))
    return {"median": float(median), "spread": float(high - low)}
