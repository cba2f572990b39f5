"""From what the user asks to a target grid, or to a refusal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from monai_sr.geometry import VolumeGeometry
from monai_sr.grid import AxisGrid
from monai_sr.io import InputError

__all__ = ["FACTOR_LIMITS", "GridPlan", "Spacing", "plan_grid"]

FACTOR_LIMITS = (1.1, 6.0)
_AUTO_SPACING_MM = 1.0  # 'auto' aims at this, or at the finest spacing that the scan has itself
Spacing = str | float | Sequence[float]


@dataclass(frozen=True)
class GridPlan:
    """The target grid and the way to it.

    Args:
        geometry: target grid.
        axes: ``(array axis, grid)`` of every axis that changes: those made coarser first, then the restored ones,
            coarsest first.
        notes: what the user should know of the target.
    """

    geometry: VolumeGeometry
    axes: tuple[tuple[int, AxisGrid], ...]
    notes: tuple[str, ...]


def _wanted_spacing(
    name: str, acquired: Sequence[float], spacing: Spacing, scale: Sequence[float] | None, allow_downsample: bool
) -> list[float]:
    if scale is not None:
        if len(scale) != 3 or any(not f > 0 for f in scale):
            raise InputError(f"{name}: --scale needs three factors > 0, got {tuple(scale)}")
        return [s / f for s, f in zip(acquired, scale, strict=True)]
    if isinstance(spacing, str):
        if spacing != "auto":
            raise InputError(f"{name}: --spacing must be auto, one or three numbers in mm, got {spacing!r}")
        return [min(s, max(_AUTO_SPACING_MM, min(acquired))) for s in acquired]
    wanted = [float(spacing)] * 3 if isinstance(spacing, int | float) else [float(s) for s in spacing]
    if len(wanted) != 3 or any(not 0.01 <= s <= 100.0 for s in wanted):
        raise InputError(f"{name}: --spacing must be one or three numbers between 0.01 and 100 mm, got {wanted}")
    if isinstance(spacing, int | float) and not allow_downsample:
        return [min(s, t) for s, t in zip(acquired, wanted, strict=True)]
    return wanted


def plan_grid(
    geometry: VolumeGeometry,
    *,
    name: str = "volume",
    spacing: Spacing = "auto",
    scale: Sequence[float] | None = None,
    exact_spacing: bool = False,
    allow_downsample: bool = False,
) -> GridPlan:
    """Target grid for an acquired one.

    By default the field of view is kept to its outer edges: ``n' = round(n s / s')`` voxels, and the written spacing is
    ``n s / n'``. With ``exact_spacing`` the spacing is exactly ``s'`` and the field, which keeps its centre, changes by
    less than a voxel.

    Args:
        geometry: acquired grid.
        name: case name for messages.
        spacing: ``"auto"`` (per axis ``min(s, max(1 mm, finest spacing))``), one target spacing in mm, or three.
        scale: factor per axis instead of a spacing.
        exact_spacing: keep the spacing rather than the field of view.
        allow_downsample: axes may be made coarser.

    Raises:
        InputError: if no axis is at least 10 % coarser than its target, a factor is outside 1.1 to 6, or an axis would
            become coarser without permission.
    """
    acquired = geometry.spacing
    wanted = _wanted_spacing(name, acquired, spacing, scale, allow_downsample)
    shape, step, start = list(geometry.shape), [1.0, 1.0, 1.0], [0.0, 0.0, 0.0]
    finer: list[tuple[int, AxisGrid]] = []
    coarser: list[tuple[int, AxisGrid]] = []
    notes: list[str] = []
    for axis, (n, s, target) in enumerate(zip(geometry.shape, acquired, wanted, strict=True)):
        factor = s / target
        if factor < 0.999 and not allow_downsample:
            raise InputError(
                f"{name}: axis {axis} would become coarser, {s:.3g} to {target:.3g} mm; "
                "ask for a finer spacing or allow it with --allow-downsample"
            )
        if 0.999 <= factor < FACTOR_LIMITS[0] - 1e-6:
            continue  # within 10 % of the target: left as it was acquired
        if factor > FACTOR_LIMITS[1] * (1 + 1e-6):
            raise InputError(
                f"{name}: axis {axis} asks for a factor of {factor:.2f} ({s:.3g} to {target:.3g} mm), above the "
                f"limit of {FACTOR_LIMITS[1]:g}; ask for --spacing {s / FACTOR_LIMITS[1]:.3g} or more along this axis"
            )
        if n < 3:
            raise InputError(f"{name}: axis {axis} has {n} samples of {s:.3g} mm; at least 3 are needed to restore it")
        n_new = max(round(n * factor), 2)
        step[axis] = target / s if exact_spacing else n / n_new
        start[axis] = (n - n_new * step[axis]) / 2.0
        shape[axis] = n_new
        (finer if factor > 1 else coarser).append((axis, AxisGrid(n, n_new, 1.0 / step[axis], start[axis])))
        field = n_new * step[axis] * s
        if exact_spacing and abs(field - n * s) > 1e-6:
            notes.append(
                f"axis {axis}: exact spacing {target:g} mm changes the field of view by {field - n * s:+.3f} mm"
            )
        elif abs(step[axis] * s - target) > 1e-4:
            notes.append(
                f"axis {axis}: spacing {step[axis] * s:.5g} mm instead of {target:.5g} mm keeps the field of view"
            )
    if not finer and not (coarser and allow_downsample):
        raise InputError(
            f"{name}: already isotropic: spacing {' x '.join(f'{s:.3g}' for s in acquired)} mm is nowhere 10 % coarser "
            f"than the target {' x '.join(f'{t:.3g}' for t in wanted)} mm; ask for a finer --spacing if you need one"
        )
    finer.sort(key=lambda item: -acquired[item[0]])
    target_geometry = geometry.resampled(
        (shape[0], shape[1], shape[2]), (step[0], step[1], step[2]), (start[0], start[1], start[2])
    )
    return GridPlan(target_geometry, tuple(coarser + finer), tuple(notes))
