"""Photographs through ``super_resolve``: the luma as any scan, colour and transparency interpolated beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from monai_sr.degradation import default_profile, degrade
from monai_sr.grid import apply_along, interpolation_matrix
from monai_sr.inference.pipeline import SRResult, super_resolve
from monai_sr.inference.plan import FACTOR_LIMITS, GridPlan, plan_grid
from monai_sr.io import InputError
from monai_sr.io.photo import Photo, read_photo

__all__ = ["super_resolve_photo"]

FloatArray = npt.NDArray[np.float32]

NO_SPACING = "a photograph has no spacing: where mm stands, 1 is the width of a pixel as it was read"


def super_resolve_photo(
    source: str | Path | Photo,
    scale: Sequence[float] | None,
    *,
    allow_downsample: bool = False,
    exact_spacing: bool = False,
    **options: Any,
) -> tuple[Photo, SRResult]:
    """Bring a photograph to a finer grid.

    The luma goes through :func:`~monai_sr.inference.super_resolve`, the road of every scan. Cb, Cr and the opacity are
    interpolated (cubic B-spline) onto the same grid, as in the super-resolution literature: the eye sees little detail
    in colour, and an opacity is no picture. All of it works on the stored values, not on light, as it does there.

    Args:
        source: PNG, JPEG or TIFF file, or what :func:`monai_sr.io.photo.read_photo` made of it.
        scale: factor along x and along y, 1 or between 1.1 and 6.
        allow_downsample: factors below 1 are allowed.
        exact_spacing: keep the factors to the digit rather than the outer edges of the picture.
        options: all others of ``super_resolve`` but those that need a spacing.

    Returns:
        The photograph, its resolution in dots per inch scaled with it, and the result for its luma.

    Raises:
        InputError: if the input is refused; the message names the rule, the value and the remedy.
        monai_sr.catalogue.ModelError: if the model cannot be used.

    Example:
        >>> import numpy as np
        >>> from monai_sr.io.photo import Photo
        >>> luma = np.random.default_rng(0).uniform(size=(24, 16, 1)).astype("float32")
        >>> photo, result = super_resolve_photo(Photo(luma), (2, 2), model="none")
        >>> photo.luma.shape, result.report["modality"]
        ((48, 32, 1), 'photo')
    """
    photo = source if isinstance(source, Photo) else read_photo(Path(source))
    factors = _factors(photo.name, scale, allow_downsample)
    volume = photo.volume
    grid = {"scale": factors, "exact_spacing": exact_spacing, "allow_downsample": allow_downsample}
    plan = plan_grid(volume.geometry, name=photo.name, **grid)  # type: ignore[arg-type]
    result = super_resolve(volume, **grid, **options)  # type: ignore[arg-type]
    spacing = result.volume.geometry.spacing
    finer = replace(
        photo,
        luma=result.volume.array,
        chroma=None if photo.chroma is None else _interpolate(photo.chroma, plan),
        alpha=None if photo.alpha is None else _interpolate(photo.alpha[None], plan)[0],
        dpi=None if photo.dpi is None else (photo.dpi[0] / spacing[0], photo.dpi[1] / spacing[1]),
    )
    report = {**result.report, "notes": [*photo.notes, NO_SPACING, *_rounded(plan, factors)]}
    return finer, replace(result, volume=replace(result.volume, source=finer), report=report)


def _factors(name: str, scale: Sequence[float] | None, allow_downsample: bool) -> tuple[float, float, float]:
    """Checked here and not with the grid, whose messages speak of mm."""
    if scale is None:
        raise InputError(f"{name}: a photograph has no spacing, so say how much finer it is to become: --scale 4,4")
    if len(scale) != 2:
        raise InputError(f"{name}: --scale takes two factors for a photograph, like 4,4, got {_listed(scale)}")
    low, high = FACTOR_LIMITS
    for factor in scale:
        if factor < 0.999 and not allow_downsample:
            raise InputError(
                f"{name}: a factor of {factor:g} makes the photograph coarser; ask for 1 or more, or allow it with "
                "--allow-downsample"
            )
        if not factor <= high * (1 + 1e-6):
            raise InputError(f"{name}: a factor of {factor:g} is above the limit of {high:g}; ask for a smaller one")
    if all(0.999 <= factor < low for factor in scale):
        raise InputError(
            f"{name}: --scale {_listed(scale)} leaves the photograph as it is; ask for factors of {low:g} to {high:g}"
        )
    return float(scale[0]), float(scale[1]), 1.0


def _listed(scale: Sequence[float]) -> str:
    return ",".join(f"{factor:g}" for factor in scale)


def _interpolate(planes: FloatArray, plan: GridPlan) -> FloatArray:
    """``(C, X, Y)`` onto the target grid."""
    x = torch.from_numpy(np.ascontiguousarray(planes))
    for axis, grid in plan.axes:
        if grid.factor < 1:
            x = degrade(x, grid.reversed(), default_profile("photo"), axis + 1)
        else:
            x = apply_along(interpolation_matrix(grid), x, axis + 1)
    return np.asarray(x.numpy(), dtype=np.float32)


def _rounded(plan: GridPlan, factors: Sequence[float]) -> list[str]:
    """The notes of the plan in pixels."""
    return [
        f"axis {axis}: {grid.n_hr} pixels, a factor of {grid.n_hr / grid.n_lr:.5g} instead of {factors[axis]:g}, "
        "keep the edges of the picture"
        for axis, grid in plan.axes
        if abs(grid.factor / factors[axis] - 1.0) > 1e-5
    ]
