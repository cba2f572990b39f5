"""What the safety benchmarks are run on: parts of scans that no training saw, and their restorations, kept on disk."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from common import data_folder, files_of

from monai_sr import __version__
from monai_sr.catalogue import find_model
from monai_sr.engines.methods import Method, network_method, train_free
from monai_sr.engines.problem import Problem
from monai_sr.engines.tasks import Task, degraded, task_axes
from monai_sr.geometry import VolumeGeometry
from monai_sr.intensity import body_mask, intensity_range
from monai_sr.io import Volume, read_volume
from monai_sr.io.modality import guess_modality

FACTORS, NOISE = (2.0, 3.0, 4.0), (0.0, 0.02)

# First and last voxel along each array axis, chosen by eye so that brain (not the neck), bone and lung are in them.
WINDOWS = {
    "ct_sts_033": ((100, 196), (36, 132), (0, 61)),
    "mr_flair_oms_p19": ((43, 139), (60, 156), (60, 132)),
    "mr_t1_philips_mprage": ((90, 186), (30, 126), (49, 121)),
    "thick_mr_flair_oms_long04_study1": ((70, 166), (90, 186), (0, 48)),
    "thick_mr_t1w_oms_long04_study1": ((70, 166), (70, 166), (0, 48)),
    "thick_mr_t2w_oms_long04_study1": ((80, 176), (90, 186), (0, 44)),
    "ct_lidc_0001_2.5mm": ((90, 234), (170, 314), (0, 16)),
    "ct_lidc_0003_2.5mm": ((285, 429), (258, 402), (0, 11)),
}


@dataclass(frozen=True, eq=False)
class Unseen:
    """A part of a scan.

    Args:
        truth: with its modality.
        body: body mask, found on the whole scan.
        axis: the one that is degraded.
        note: what a reader of the table must know of that axis.
    """

    truth: Volume
    body: npt.NDArray[np.bool_]
    axis: int
    note: str

    def problem(self, truth: Volume, task: Task) -> Problem:
        """A truth on this part's grid put through a task; noise is the same for every truth."""
        return Problem(
            truth=truth,
            acquired=degraded(truth, task, (self.axis,), seed=0),
            axes=(self.axis,),
            profile=None,
            mask=self.body,
            scale=intensity_range(self.truth.array, str(self.truth.modality), self.body),
            facts={"case": self.truth.name, "task": task.name},
        )


def tasks(noises: Sequence[float] = NOISE) -> Iterator[Task]:
    """Through-plane, every factor, clean and with noise."""
    for factor in FACTORS:
        for noise in noises:
            yield Task("through-plane", factor, noise)


def cases(only: list[str] | None) -> Iterator[Unseen]:
    """Validation subjects of the committed split, and two chest CTs that no split trains on."""
    chests = [data_folder() / "dicom" / name for name in WINDOWS if name.startswith("ct_lidc")]
    for path in [*files_of("validation"), *chests]:
        name = path.name.removesuffix(".nii.gz")
        if only and not any(part in name for part in only):
            continue
        whole = read_volume(path, affine="sform") if path.is_file() else read_volume(path)
        # without the body part, as in a NIfTI file: a header that states "chest" makes the model stand aside
        modality = whole.modality or guess_modality(whole.array)[0]
        whole = replace(whole, modality=modality, name=name, body_part=None)
        window = tuple(slice(*ends) for ends in WINDOWS[name])
        affine = whole.geometry.affine.copy()
        affine[:3, 3] = whole.geometry.world([w.start for w in window])
        array = np.ascontiguousarray(whole.array[window])
        truth = whole.with_values(array, VolumeGeometry((array.shape[0], array.shape[1], array.shape[2]), affine))
        axes = task_axes(truth, "through-plane")
        yield Unseen(truth, body_mask(whole.array, str(whole.modality))[window], axes.axes[0], axes.note)


def describe(unseen: Unseen) -> str:
    """A line for the header."""
    shape, spacing = (
        " x ".join(f"{v:.3g}" for v in of) for of in (unseen.truth.array.shape, unseen.truth.geometry.spacing)
    )
    return f"  - {unseen.truth.name} ({unseen.truth.modality}): {shape} voxels of {spacing} mm; {unseen.note}"


def warned(rows: list[dict[str, Any]]) -> str:
    """Where the network declined: there the numbers are those of the pipeline without it."""
    warnings = sorted({warning for row in rows for warning in row.get("warnings", [])})
    return "".join(f"- Warning: {warning}\n" for warning in warnings) + ("\n" if warnings else "")


class Restorer:
    """The compared methods; what a network restored is kept, so that a second run, or another measure, is quick.

    Args:
        model: name or path; ``none`` for the methods without training alone.
        folder: where restored volumes are kept.
        device: of the network.

    Attributes:
        warnings: of the network: where it declined, what a user then gets is measured, and the tables say so.
    """

    def __init__(self, model: str, folder: Path, device: str) -> None:
        self.methods: list[Method] = [train_free(name) for name in ("cubic", "ibp5", "none")]
        if model != "none":
            self.methods.append(network_method(model))
        self.folder, self.device = folder, device
        self.warnings: set[str] = set()
        # what was trained on decides, beside the weights, whether the network is used at all
        self.record = "" if model == "none" else repr(find_model(model))
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def names(self) -> list[str]:
        """Of the methods, in the order of the tables."""
        return [method.name for method in self.methods]

    def digest(self, truth: npt.NDArray[np.float32]) -> str:
        """Changes with the truth, the weights and the version of the package."""
        facts = [[method.name, method.digest, self.record] for method in self.methods]
        key = hashlib.sha256(json.dumps([facts, __version__]).encode() + np.ascontiguousarray(truth).tobytes())
        return key.hexdigest()[:24]

    def __call__(self, problem: Problem, method: Method) -> npt.NDArray[np.float32]:
        """The restored volume on the truth's grid."""
        if method.name in ("cubic", "ibp5"):
            return method.restore(problem, self.device)[0]
        facts = [method.name, method.digest, self.record, problem.truth.array.shape, problem.axes, __version__]
        key = hashlib.sha256(json.dumps(facts).encode() + np.ascontiguousarray(problem.acquired.array).tobytes())
        file = self.folder / f"{key.hexdigest()[:24]}.npy"
        told = file.with_suffix(".txt")
        if not file.exists():
            restored, warnings = method.restore(problem, self.device)
            told.write_text("\n".join(warnings), encoding="utf-8")
            np.save(file, restored)
        self.warnings |= {f"{problem.facts['case']}, {method.name}: {w}" for w in _lines(told)}
        return np.asarray(np.load(file))


def _lines(file: Path) -> list[str]:
    return file.read_text(encoding="utf-8").splitlines() if file.exists() else []
