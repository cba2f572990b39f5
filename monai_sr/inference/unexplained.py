"""What of the acquired scan a result fails to explain: ``y - A x`` on the acquired grid."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch

from monai_sr.degradation import CoarseAxis, SliceProfile, default_profile, degrade
from monai_sr.geometry import VolumeGeometry
from monai_sr.grid import AxisGrid
from monai_sr.inference.tilt import tilt_of
from monai_sr.io import Volume

__all__ = ["treated_axes", "unexplained"]


def treated_axes(acquired: Volume, restored: Volume, axes: Iterable[Mapping[str, Any]]) -> list[CoarseAxis]:
    """Every axis that has changed, with both its grids and its profile, in the order in which they were treated.

    Args:
        acquired: the scan as it was read.
        restored: the result, on the target grid.
        axes: ``axes`` of the report of ``super_resolve``.
    """
    found = []
    for treated in axes:
        axis = int(treated["axis"])
        before, after = acquired.geometry, restored.geometry
        factor = before.spacing[axis] / after.spacing[axis]
        grid = AxisGrid(before.shape[axis], after.shape[axis], factor, _start(before, after, axis))
        profile = default_profile(acquired.modality)
        if "profile" in treated:
            profile = SliceProfile(treated["profile"], float(treated["profile_width_spacings"]))
        found.append(CoarseAxis(axis, grid, profile))
    return found


def unexplained(acquired: Volume, restored: Volume, axes: Iterable[Mapping[str, Any]]) -> Volume | None:
    """``y - A x``: positive where the acquired scan is brighter than the result, seen through its slice profile.

    Tilted slices average along their normal, so A acts on the straightened stack, as in the restoration.

    Args:
        acquired: y, the scan as it was read.
        restored: x, the result, on the target grid.
        axes: ``axes`` of the report of ``super_resolve``.

    Returns:
        The residual on the grid and in the units of ``acquired``; None where an axis became coarser, and A does not
        lead back.
    """
    coarse = treated_axes(acquired, restored, axes)
    if any(grid.factor < 1 for _, grid, _ in coarse):
        return None
    tilt, spacing = tilt_of(acquired), list(restored.geometry.spacing)
    x = torch.from_numpy(np.ascontiguousarray(restored.array))
    for axis, grid, profile in reversed(coarse):
        if tilt is not None and axis == tilt.axis:
            straight, margins = tilt.straightened(x, spacing, grid)
            x = tilt.leant(degrade(straight, grid, profile, axis), None, spacing, margins)
        else:
            x = degrade(x, grid, profile, axis)
        spacing[axis] *= grid.factor
    return acquired.with_values(acquired.array - x.numpy())


def _start(before: VolumeGeometry, after: VolumeGeometry, axis: int) -> float:
    """Outer edge of the target grid from that of the acquired one, in acquired voxels; 0 where the field was kept."""
    corner = after.world([-0.5, -0.5, -0.5])
    index = np.linalg.solve(before.affine[:3, :3], corner - before.affine[:3, 3])
    start = float(index[axis]) + 0.5
    return 0.0 if abs(start) < 1e-4 else start
