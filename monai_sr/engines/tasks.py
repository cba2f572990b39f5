"""What evaluation puts a truth through: which axes are degraded, how, and on which part of the volume."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from monai_sr.data import thicken
from monai_sr.degradation import ProfileKind, default_profile
from monai_sr.geometry import VolumeGeometry
from monai_sr.intensity import body_mask, intensity_range
from monai_sr.io import InputError, Volume

__all__ = ["PHOTO_TASKS", "STANDARD_TASKS", "Task", "TaskAxes", "crop_to_body", "degraded", "task_axes"]

TaskKind = Literal["through-plane", "in-plane", "photo"]

_FINE = 1.5  # an axis at most this much coarser than the finest is a high-resolution truth (as in training)
CROP_MULTIPLE = 12
"""Degraded axes are cropped to multiples of it, so that the factors 2, 3, 4 and 6 all see the same truth."""


@dataclass(frozen=True)
class Task:
    """One degradation.

    Args:
        kind: ``"through-plane"`` degrades one axis, ``"in-plane"`` two, ``"photo"`` both of a picture.
        factor: of every degraded axis.
        noise: added, as a fraction of the intensity range.
        profile: None for the modality's own (CT box, MR Gaussian).
        width: true width of the slice profile in acquired spacings. Every method is told 1, so another value is a
            header that is wrong.
    """

    kind: TaskKind
    factor: float
    noise: float = 0.0
    profile: ProfileKind | None = None
    width: float = 1.0

    @property
    def name(self) -> str:
        """For tables: ``through-plane x2, 2 % noise``."""
        noise = "clean" if self.noise == 0 else f"{100 * self.noise:g} % noise"
        profile = "" if self.profile is None else f", {self.profile}"
        width = "" if self.width == 1 else f", profile x{self.width:g}"
        return f"{self.kind} x{self.factor:g}, {noise}{profile}{width}"


STANDARD_TASKS = tuple(
    Task(kind, factor, noise)
    for kind in ("through-plane", "in-plane")
    for factor in (2.0, 3.0, 4.0)
    for noise in (0.0, 0.02)
)
"""The settings of the quality bar."""


PHOTO_TASKS = (Task("photo", 2.0), Task("photo", 4.0))
"""What photographs are put through."""


@dataclass(frozen=True)
class TaskAxes:
    """Array axes that a task degrades in a given volume.

    Args:
        axes: in the order in which they are degraded.
        note: what a reader of the table must know of them.
    """

    axes: tuple[int, ...]
    note: str


def task_axes(volume: Volume, kind: TaskKind) -> TaskAxes:
    """Axes along which the volume is a truth at high resolution.

    Where the slice direction is one of them (isotropic volumes) it is the through-plane axis; the third array axis is
    taken for it if the file does not say. Where it is not (thick slices), an in-plane axis serves as slice direction.

    Raises:
        InputError: if the volume has no two such axes and the task needs them.
    """
    spacing = volume.geometry.spacing
    if (kind == "photo") != (volume.modality == "photo"):
        raise InputError(f"{volume.name}: {kind} tasks are not for {volume.modality or 'unknown'} images")
    if kind == "photo":
        return TaskAxes((0, 1), "both axes of the picture; luma")
    fine = [axis for axis in range(3) if spacing[axis] <= _FINE * min(spacing)]
    if len(fine) == 3:
        slice_axis = 2 if volume.slice_axis is None else volume.slice_axis
        in_plane = tuple(axis for axis in fine if axis != slice_axis)
        through, note = slice_axis, f"axis {slice_axis}: slice axis of an isotropic volume"
    else:
        in_plane = tuple(fine)
        # the finer axis, of equal ones the longer, of those the later
        through = sorted(fine, key=lambda axis: (round(spacing[axis], 3), -volume.geometry.shape[axis], -axis))[0]
        note = (
            f"axis {through}: in plane, serving as slice direction (slices of {max(spacing):.3g} mm are no thin truth)"
        )
    if kind == "through-plane":
        return TaskAxes((through,), note)
    if len(in_plane) < 2:
        raise InputError(f"{volume.name}: in-plane tasks need two axes of high resolution, spacing is {spacing} mm")
    return TaskAxes(in_plane, f"axes {in_plane[0]} and {in_plane[1]}: in plane")


def crop_to_body(volume: Volume, axes: tuple[int, ...], size: int | None = None, factor: float = 1.0) -> Volume:
    """A part of the volume around the centre of the body's bounding box.

    Args:
        volume: the truth, with its modality.
        axes: axes that will be degraded; their length becomes a multiple of ``CROP_MULTIPLE``.
        size: at most so many voxels per axis; None: as many as there are.
        factor: by which they will be degraded; a whole one that does not divide the multiple widens it.

    Raises:
        InputError: if a degraded axis is shorter than the multiple.
    """
    mask = body_mask(volume.array, str(volume.modality))
    window = []
    multiple = math.lcm(CROP_MULTIPLE, int(factor)) if float(factor).is_integer() else CROP_MULTIPLE
    for axis, n in enumerate(volume.geometry.shape):
        keep = n if size is None else min(n, size)
        if axis in axes:
            keep -= keep % multiple
            if keep == 0:
                raise InputError(f"{volume.name}: axis {axis} has {n} voxels; a task needs at least {multiple}")
        inside = np.flatnonzero(mask.any(axis=tuple(a for a in range(3) if a != axis)))
        centre = (int(inside[0]) + int(inside[-1]) + 1) // 2
        first = min(max(centre - keep // 2, 0), n - keep)
        window.append(slice(first, first + keep))
    array = np.ascontiguousarray(volume.array[tuple(window)])
    affine = volume.geometry.affine.copy()
    affine[:3, 3] = volume.geometry.world([w.start for w in window])
    return volume.with_values(array, VolumeGeometry((array.shape[0], array.shape[1], array.shape[2]), affine))


def degraded(truth: Volume, task: Task, axes: tuple[int, ...], seed: int) -> Volume:
    """The acquired volume that the task makes of a truth: its axes one after the other, noise once, at the end.

    Args:
        truth: with its modality; degraded axes divisible by the factor.
        task: the degradation.
        axes: of :func:`task_axes`.
        seed: of the noise.
    """
    profile = replace(default_profile(truth.modality), width=task.width)
    if task.profile is not None:
        profile = replace(profile, kind=task.profile)
    acquired, noise = truth, task.noise
    for axis in axes[:-1]:
        acquired = thicken(acquired, axis=axis, factor=task.factor, profile=profile)
    if noise > 0:  # a fraction of the truth's range, where thicken takes that of what it is given
        noise *= _range_width(truth) / _range_width(acquired)
    acquired = thicken(acquired, axis=axes[-1], factor=task.factor, profile=profile, noise=noise, seed=seed)
    return replace(acquired, slice_thickness_mm=acquired.geometry.spacing[axes[-1]])  # what the header claims


def _range_width(volume: Volume) -> float:
    return intensity_range(volume.array, str(volume.modality)).width
