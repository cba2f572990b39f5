"""What a scan can teach about its own coarse axis, and the slices of it that are set apart to measure with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from monai_sr.data import thicken
from monai_sr.degradation import DegradationSampler, ProfileKind, SliceProfile, degrade
from monai_sr.geometry import VolumeGeometry
from monai_sr.grid import AxisGrid
from monai_sr.inference import SRModel, plan_grid, super_resolve
from monai_sr.inference.plan import FACTOR_LIMITS
from monai_sr.intensity import body_mask, estimate_noise, intensity_range
from monai_sr.io import InputError, Volume
from monai_sr.keys import HR
from monai_sr.metrics import psnr
from monai_sr.transforms import DescribeScand, NormalizeScand
from monai_sr.transforms.load import as_tensor

__all__ = ["HeldOut", "Lesson", "find_lesson"]

_FINE = 1.5  # an axis at most this much coarser than the finest is fine, as in training
_FINER = 1.1  # and the coarse axis is at least this much coarser, as for whatever is restored
_HELD_OUT = 0.2  # of the body, in slices at its end
_PATCH, _SMALLEST_PATCH = 44, 12  # voxels: that of the release models, or what the scan has room for
_TRAIN_SIZE, _CHECK_SIZE = 320, 160  # voxels per fine axis around the body; more would take the time for training
_REACH = 2  # slices beyond the held-out ones


@dataclass(frozen=True)
class Lesson:
    """What a scan can teach.

    Args:
        scan: as it was acquired.
        restored: the same with its coarse axis restored by the model that is to learn: in plane it is what was
            acquired, and along the coarse axis as fine as the network will see it.
        body: mask of the scan.
        axis: the coarse array axis, along which slices are set apart.
        teachers: array axes that are fine.
        factor: acquired spacing of the coarse axis divided by its target spacing.
        profile: slice profile of the coarse axis.
        trained: first acquired slice that is trained on, and the one behind the last.
        held_out: the same of the slices that are measured; between the two lies a gap.
        noise: of the scan, as a fraction of its range.
        doubts: why the network will not be used on this scan; empty if it will.
    """

    scan: Volume
    restored: Volume
    body: npt.NDArray[np.bool_]
    axis: int
    teachers: tuple[int, ...]
    factor: float
    profile: SliceProfile
    trained: tuple[int, int]
    held_out: tuple[int, int]
    noise: float
    doubts: tuple[str, ...]

    @property
    def finer(self) -> float:
        """Voxels of ``restored`` in an acquired slice."""
        return self.restored.geometry.shape[self.axis] / self.scan.geometry.shape[self.axis]

    def facts(self) -> dict[str, Any]:
        """For ``run.json``."""
        return {
            "coarse_axis": self.axis,
            "fine_axes": list(self.teachers),
            "factor": round(self.factor, 6),
            "trained_slices": list(self.trained),
            "held_out_slices": list(self.held_out),
        }

    def sampler(self, noise: float) -> DegradationSampler:
        """Draws one degradation: that of the coarse axis, with this noise."""
        kind: ProfileKind = self.profile.kind
        return DegradationSampler(
            factors=(self.factor,),
            listed=1.0,
            width=(self.profile.width, self.profile.width),
            nominal=0.0,
            clean_fraction=0.0,
            min_noise=noise,
            max_noise=noise,
            profiles={str(self.scan.modality): {kind: 1.0}},
        )

    def case(self) -> dict[str, Any]:
        """The slices that are trained on, as the patch transforms take them."""
        window = _around(self.body, self.axis, _TRAIN_SIZE)
        window[self.axis] = slice(0, int(self.trained[1] * self.finer))
        part = _part(self.restored, window)
        described = DescribeScand(max_spacing=float("inf"))(NormalizeScand(HR)({HR: as_tensor(part)}))
        return {**{str(key): value for key, value in described.items()}, "fine_axes": self.teachers}

    def missing_noise(self, found: float) -> float:
        """What a fine axis lacks of the scan's noise when it was degraded, as averaging takes noise away."""
        return float(np.sqrt(max(self.noise**2 - found**2, 0.0)))

    def patch(self, multiple: int) -> int:
        """Size of the training patches.

        Args:
            multiple: of which the sizes that a generator takes are multiples.

        Raises:
            InputError: if there is too little room.
        """
        shape = list(self.scan.geometry.shape)
        shape[self.axis] = int(self.trained[1] * self.finer)
        room = min(_PATCH, *shape, *(shape[a] // 2 for a in self.teachers))
        if room < _SMALLEST_PATCH:
            raise InputError(
                f"{self.scan.name}: {self.trained[1]} of its {self.scan.geometry.shape} voxels along axis {self.axis} "
                f"are left to learn from, too few for patches of {_SMALLEST_PATCH}; leave --adapt away"
            )
        return room - room % multiple


def find_lesson(scan: Volume, model: SRModel, options: Mapping[str, Any], device: str = "auto") -> Lesson:
    """What a scan can teach.

    Args:
        scan: as it was acquired.
        model: that is to learn.
        options: of ``super_resolve``; those that decide modality, grid, profile and tile count.
        device: as for ``super_resolve``.

    Raises:
        InputError: if no axis is restored, or none is finer than the restored one.
    """
    ways = {key: options[key] for key in ("spacing", "scale", "exact_spacing", "allow_downsample") if key in options}
    axes = [(axis, grid) for axis, grid in plan_grid(scan.geometry, name=scan.name, **ways).axes if grid.factor > 1]
    spacing = scan.geometry.spacing
    if not axes:
        raise InputError(f"{scan.name}: no axis is restored, so there is nothing to adapt to; leave --adapt away")
    axis, grid = axes[0]
    limit = min(_FINE * min(spacing), spacing[axis] / _FINER)
    teachers = tuple(a for a in range(3) if a != axis and spacing[a] <= limit)
    if not teachers:
        raise InputError(
            f"{scan.name}: spacing {' x '.join(f'{s:.3g}' for s in spacing)} mm is nowhere 10 % finer than along "
            f"axis {axis}, so the scan cannot teach what it lacks; leave --adapt away"
        )
    result = super_resolve(
        scan,
        model=model,
        scale=[max(grid.factor, FACTOR_LIMITS[0]) if a == axis else 1.0 for a in range(3)],
        device=device,
        **{key: options[key] for key in ("modality", "profile", "slice_thickness", "tile") if key in options},
    )
    facts = result.report["axes"][0]
    body = body_mask(result.acquired.array, str(result.acquired.modality))
    area = body.sum(axis=tuple(a for a in range(3) if a != axis))
    inside = np.flatnonzero(area)
    first = int(np.searchsorted(np.cumsum(area), (1.0 - _HELD_OUT) * area.sum()))
    gap = max(1, round(inside.size / 20))
    return Lesson(
        scan=result.acquired,
        restored=result.volume,
        body=body,
        axis=axis,
        teachers=teachers,
        factor=grid.factor,
        profile=SliceProfile(facts["profile"], facts["profile_width_spacings"]),
        trained=(0, max(first - gap, 0)),
        held_out=(first, int(inside[-1]) + 1),
        noise=facts["noise_percent"] / 100.0,
        doubts=() if facts["treatment"] == "network" else tuple(result.report["warnings"]),
    )


class HeldOut:
    """PSNR of the held-out slices after a fine axis was degraded and restored, one value per fine axis.

    What is degraded is the scan with its coarse axis already restored, so that the network sees voxels as it will see
    them; what is compared are the slices that the scanner acquired, with the result seen through their profile.

    Args:
        lesson: of the scan.
        device: as for ``super_resolve``.
        seed: of the noise.
    """

    def __init__(self, lesson: Lesson, device: str = "auto", seed: int = 0) -> None:
        self.lesson, self.device = lesson, device
        axis, (first, end) = lesson.axis, lesson.held_out
        modality = str(lesson.scan.modality)
        mask = lesson.body
        self.scale = intensity_range(lesson.scan.array, modality, mask)
        window = _around(mask, axis, _CHECK_SIZE)
        window[axis] = slice(first, end)
        self.truth, self.mask = lesson.scan.array[tuple(window)], mask[tuple(window)]
        # a few slices more, for the reach of the profile
        begin, until = max(first - _REACH, 0), min(end + _REACH, mask.shape[axis])
        self.inner = slice(first - begin, end - begin)
        fine = slice(round(begin * lesson.finer), round(until * lesson.finer))
        window[axis] = fine
        self.start = _part(lesson.restored, window)
        self.grid = AxisGrid(until - begin, fine.stop - fine.start, lesson.finer, fine.start / lesson.finer - begin)
        self.degraded = [self._degraded(teacher, seed) for teacher in lesson.teachers]

    def _degraded(self, axis: int, seed: int) -> Volume:
        def thick(noise: float) -> Volume:
            return thicken(
                self.start, axis=axis, factor=self.lesson.factor, profile=self.lesson.profile, noise=noise, seed=seed
            )

        clean = thick(0.0)
        across = sorted((a for a in range(3) if a != axis), key=lambda a: clean.geometry.spacing[a])
        mask = body_mask(clean.array, str(clean.modality))
        return thick(
            self.lesson.missing_noise(estimate_noise(clean.array, mask, (across[0], across[1])) / self.scale.width)
        )

    def __call__(self, model: SRModel) -> list[float] | None:
        """PSNR in dB per fine axis; None if the network was not used."""
        # the whole scan lies within the trained contrasts, or there were no lesson; a few slices of it may not
        limits = {key: value for key, value in model.record.trained_range.items() if key != "contrast"}
        model = replace(model, record=replace(model.record, trained_range=limits))
        values = []
        for degraded in self.degraded:
            shapes = zip(self.start.geometry.shape, degraded.geometry.shape, strict=True)
            result = super_resolve(
                degraded,
                scale=[hr / lr for hr, lr in shapes],
                model=model,
                profile=self.lesson.profile.kind,
                device=self.device,
            )
            if result.report["axes"][0]["treatment"] != "network":
                return None
            seen = degrade(torch.from_numpy(result.volume.array), self.grid, self.lesson.profile, self.lesson.axis)
            held = seen.narrow(self.lesson.axis, self.inner.start, self.inner.stop - self.inner.start).numpy()
            values.append(psnr(held, self.truth, self.mask, self.scale))
        return values


def _part(volume: Volume, window: Sequence[slice]) -> Volume:
    """A part of a volume, at its place in the world."""
    array = np.ascontiguousarray(volume.array[tuple(window)])
    affine = volume.geometry.affine.copy()
    affine[:3, 3] = volume.geometry.world([w.start or 0 for w in window])
    return volume.with_values(array, VolumeGeometry((array.shape[0], array.shape[1], array.shape[2]), affine))


def _around(mask: npt.NDArray[np.bool_], axis: int, size: int) -> list[slice]:
    """At most ``size`` voxels around the body along all axes but one."""
    window = [slice(None)] * 3
    for a in (a for a in range(3) if a != axis):
        inside = np.flatnonzero(mask.any(axis=tuple(b for b in range(3) if b != a)))
        keep = min(size, mask.shape[a])
        first = int(np.clip((inside[0] + inside[-1] + 1 - keep) // 2, 0, mask.shape[a] - keep))
        window[a] = slice(first, first + keep)
    return window
