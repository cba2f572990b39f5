"""One acquired volume with its truth: what every method is given, and what it is measured against."""

from __future__ import annotations

import hashlib
import re
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from monai_sr.degradation import CoarseAxis, ProfileKind, SliceProfile, default_profile
from monai_sr.engines.tasks import Task, crop_to_body, degraded, task_axes
from monai_sr.grid import AxisGrid
from monai_sr.intensity import IntensityRange, body_mask, intensity_range
from monai_sr.io import InputError, Volume

__all__ = ["Problem", "real_pair", "simulated"]

_APART = 0.1  # of a voxel: outer corners of a real pair may differ by so much


@dataclass(frozen=True, eq=False)
class Problem:
    """A restoration whose right answer is known.

    Args:
        truth: at high resolution.
        acquired: the same field of view in fewer voxels.
        axes: array axes that are coarse.
        profile: slice profile that methods are told; None: the modality's own.
        mask: body mask of the truth.
        scale: intensity range of the truth.
        facts: plain types for the row: case, task, modality, axes, spacing ...
    """

    truth: Volume
    acquired: Volume
    axes: tuple[int, ...]
    profile: ProfileKind | None
    mask: npt.NDArray[np.bool_]
    scale: IntensityRange
    facts: dict[str, Any]

    @property
    def slug(self) -> str:
        """Name for files: case and task."""
        return re.sub(r"[^A-Za-z0-9.]+", "-", f"{self.facts['case']}__{self.facts['task']}").strip("-")

    @property
    def factors(self) -> list[float]:
        """Per axis, voxels of the truth over those of the acquired volume: the ``scale`` of ``super_resolve``."""
        shapes = zip(self.truth.geometry.shape, self.acquired.geometry.shape, strict=True)
        return [hr / lr for hr, lr in shapes]

    def coarse(self) -> list[CoarseAxis]:
        """The coarse axes as a method knows them, coarsest first, as the pipeline treats them."""
        kind = self.profile or default_profile(self.truth.modality).kind
        found = []
        for axis in sorted(self.axes, key=lambda a: -self.acquired.geometry.spacing[a]):
            grid = AxisGrid(self.acquired.geometry.shape[axis], self.truth.geometry.shape[axis])
            found.append(CoarseAxis(axis, grid, SliceProfile(kind, self._width(axis, kind))))
        return found

    def _width(self, axis: int, kind: ProfileKind) -> float:
        """Slice thickness over spacing, where a header gives one."""
        thickness = self.acquired.slice_thickness_mm
        if kind == "kspace" or thickness is None or axis != self.acquired.slice_axis:
            return 1.0
        return min(max(thickness / self.acquired.geometry.spacing[axis], 0.1), 4.0)


def simulated(whole: Volume, task: Task, crop: int | None, seed: int) -> Problem:
    """A truth, cropped around its body, put through a task.

    Raises:
        InputError: if the volume has no axes for the task, or too few voxels.
    """
    chosen = task_axes(whole, task.kind)
    truth = crop_to_body(whole, chosen.axes, crop, task.factor)
    mask = body_mask(truth.array, str(truth.modality))
    facts = {**_facts(truth), "task": task.name, **asdict(task), "axes": list(chosen.axes), "note": chosen.note}
    return Problem(
        truth=truth,
        acquired=degraded(truth, task, chosen.axes, seed),
        axes=chosen.axes,
        profile=task.profile,
        mask=mask,
        scale=intensity_range(truth.array, str(truth.modality), mask),
        facts={**facts, "seed": seed},
    )


def real_pair(truth: Volume, acquired: Volume) -> Problem:
    """A pair that was acquired or reconstructed twice, taken as it is.

    Raises:
        InputError: if the two do not cover the same field of view, or have the same grid.
    """
    apart = float(np.abs(truth.geometry.corners() - acquired.geometry.corners()).max())
    if apart > _APART * min(truth.geometry.spacing):
        raise InputError(
            f"{truth.name}: the outer corners of the pair lie up to {apart:.3g} mm apart, over a tenth of a voxel; "
            "bring both to the same field of view first"
        )
    axes = tuple(a for a in range(3) if truth.geometry.shape[a] != acquired.geometry.shape[a])
    if not axes:
        raise InputError(
            f"{truth.name}: both volumes of the pair have {truth.geometry.shape} voxels; nothing to restore"
        )
    mask = body_mask(truth.array, str(truth.modality))
    factors = [truth.geometry.shape[a] / acquired.geometry.shape[a] for a in axes]
    facts = {
        **_facts(truth),
        "task": f"as acquired, x{max(factors):.3g}",
        "kind": "as acquired",
        "factor": max(factors),
        "noise": None,
        "axes": list(axes),
        "note": "real pair",
        "acquired_sha256": _digest(acquired),
    }
    return Problem(
        truth=truth,
        acquired=acquired,
        axes=axes,
        profile=None,
        mask=mask,
        scale=intensity_range(truth.array, str(truth.modality), mask),
        facts=facts,
    )


def _facts(truth: Volume) -> dict[str, Any]:
    return {
        "case": truth.name,
        "modality": truth.modality,
        "shape": list(truth.geometry.shape),
        "spacing": [round(s, 4) for s in truth.geometry.spacing],
        "truth_sha256": _digest(truth),
    }


def _digest(volume: Volume) -> str:
    return hashlib.sha256(np.ascontiguousarray(volume.array).tobytes()).hexdigest()[:16]
