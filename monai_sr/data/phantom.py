"""Volumes whose right answer is known: a ramp, a body of ellipsoids, a bar pattern.

Each is a function of the place in the field of view and not of the grid, so that one call on a fine and one on a coarse
grid show the same object. The axes are RAS+ and the centre of the field is the origin of the world.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from monai_sr.geometry import VolumeGeometry
from monai_sr.io import Volume

__all__ = ["bars", "ellipsoids", "ramp"]

FloatArray = npt.NDArray[np.float64]
Triple = tuple[float, float, float]
Scanner = Literal["CT", "MR"]

_BACKGROUND = {"CT": -1000.0, "MR": 0.0}


@dataclass(frozen=True)
class _Ellipsoid:
    """One organ: centre and half axes as fractions of half the field of view; values in HU and in MR units."""

    centre: Triple
    half_axes: Triple
    ct: float
    mr: float

    def contains(self, x: FloatArray, y: FloatArray, z: FloatArray) -> npt.NDArray[np.bool_]:
        (cx, cy, cz), (ax, ay, az) = self.centre, self.half_axes
        return np.asarray(((x - cx) / ax) ** 2 + ((y - cy) / ay) ** 2 + ((z - cz) / az) ** 2 <= 1.0)


# Later ones are painted over earlier ones. No two are alike in any axis, so that a flip or a swap of axes is seen.
_BODY = (
    _Ellipsoid((0.0, 0.0, 0.0), (0.86, 0.74, 0.97), -90.0, 700.0),  # fat
    _Ellipsoid((0.0, -0.02, 0.0), (0.78, 0.64, 0.90), 45.0, 320.0),  # muscle
    _Ellipsoid((-0.38, 0.12, 0.20), (0.26, 0.30, 0.42), -820.0, 30.0),  # lung, the larger on the patient's left
    _Ellipsoid((0.40, 0.10, 0.28), (0.20, 0.26, 0.34), -820.0, 30.0),
    _Ellipsoid((0.02, -0.42, -0.05), (0.12, 0.13, 0.82), 620.0, 110.0),  # spine
    _Ellipsoid((0.34, 0.02, -0.45), (0.30, 0.36, 0.28), 105.0, 410.0),  # liver
    _Ellipsoid((0.38, 0.08, -0.40), (0.05, 0.06, 0.05), 30.0, 820.0),  # and a small lesion in it
    _Ellipsoid((-0.10, 0.30, -0.55), (0.16, 0.10, 0.12), 5.0, 900.0),  # fluid
)


def ellipsoids(
    shape: tuple[int, int, int], spacing: Triple = (1.0, 1.0, 1.0), *, modality: Scanner = "CT", oversampling: int = 2
) -> Volume:
    """A body with organs, sharp edges averaged over the voxel.

    Args:
        shape: voxels ``(X, Y, Z)``.
        spacing: of the voxels, in mm.
        modality: ``"CT"`` in HU, or ``"MR"`` in arbitrary units from 0.
        oversampling: points per axis over which a voxel is averaged.

    Example:
        >>> body = ellipsoids((32, 32, 16), (4.0, 4.0, 8.0))
        >>> body.geometry.field_of_view, float(body.array.min())
        ((128.0, 128.0, 128.0), -1000.0)
    """

    def paint(x: FloatArray, y: FloatArray, z: FloatArray) -> FloatArray:
        values = np.full(np.broadcast_shapes(x.shape, y.shape, z.shape), _BACKGROUND[modality])
        for organ in _BODY:
            values[organ.contains(x, y, z)] = organ.ct if modality == "CT" else organ.mr
        return values

    return _volume("ellipsoids", shape, spacing, modality, _averaged(paint, shape, oversampling))


def ramp(
    shape: tuple[int, int, int],
    spacing: Triple = (1.0, 1.0, 1.0),
    *,
    axis: int = 2,
    limits: tuple[float, float] = (0.0, 1000.0),
    modality: Scanner = "MR",
) -> Volume:
    """Values that rise evenly from one outer edge of the field of view to the other; every voxel holds its mean."""
    n = shape[axis]
    values = limits[0] + (np.arange(n) + 0.5) / n * (limits[1] - limits[0])
    return _volume("ramp", shape, spacing, modality, _along(values, shape, axis))


def bars(
    shape: tuple[int, int, int],
    spacing: Triple = (1.0, 1.0, 1.0),
    *,
    axis: int = 2,
    period_mm: float = 8.0,
    limits: tuple[float, float] = (100.0, 900.0),
    modality: Scanner = "MR",
) -> Volume:
    """Bars of equal width across one axis, bright first; every voxel holds its exact mean.

    Args:
        shape: voxels ``(X, Y, Z)``.
        spacing: of the voxels, in mm.
        axis: array axis along which the bars follow each other.
        period_mm: a bright and a dark bar together; the first begins at the outer edge of the field of view.
        limits: value of the dark and of the bright bars.
        modality: what the volume claims to be.
    """
    if not period_mm > 0:
        raise ValueError(f"the period of the bars must be > 0 mm, got {period_mm:g}")
    edges = np.arange(shape[axis] + 1) * spacing[axis] / period_mm
    whole, part = np.divmod(edges, 1.0)
    bright = np.diff(0.5 * whole + np.minimum(part, 0.5)) / np.diff(edges)
    values = limits[0] + bright * (limits[1] - limits[0])
    return _volume("bars", shape, spacing, modality, _along(values, shape, axis))


def _averaged(
    paint: Callable[[FloatArray, FloatArray, FloatArray], FloatArray], shape: tuple[int, int, int], points: int
) -> FloatArray:
    """Mean of ``paint`` at ``points`` evenly spread positions per axis in every voxel; the field runs from -1 to 1."""
    offsets = (np.arange(points) + 0.5) / points
    total = np.zeros(shape)
    for dx in offsets:
        for dy in offsets:
            for dz in offsets:
                x, y, z = (2.0 * (np.arange(n) + d) / n - 1.0 for n, d in zip(shape, (dx, dy, dz), strict=True))
                total += paint(x[:, None, None], y[None, :, None], z[None, None, :])
    return total / points**3


def _along(values: FloatArray, shape: tuple[int, int, int], axis: int) -> FloatArray:
    return np.broadcast_to(np.moveaxis(values[:, None, None], 0, axis), shape)


def _volume(name: str, shape: tuple[int, int, int], spacing: Triple, modality: Scanner, values: FloatArray) -> Volume:
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = [-0.5 * (n - 1) * s for n, s in zip(shape, spacing, strict=True)]
    array = np.ascontiguousarray(values, dtype=np.float32)
    return Volume(array, VolumeGeometry(shape, affine), modality=modality, name=name)
