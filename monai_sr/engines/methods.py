"""The ways of restoring that an evaluation compares, all with one call: train-free, networks, results from outside."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage
from torch import nn

from monai_sr.catalogue import find_model
from monai_sr.degradation import backprojection_matrix, total_variation, tv_weight
from monai_sr.engines.problem import Problem
from monai_sr.engines.srgan_trainer import amp_dtype
from monai_sr.grid import InterpolationKind, apply_along, interpolation_matrix
from monai_sr.inference import SRModel, load_model, super_resolve
from monai_sr.intensity import body_mask, estimate_noise, intensity_range
from monai_sr.io import InputError, read_volume

__all__ = [
    "TRAIN_FREE",
    "Method",
    "ModalityMethod",
    "NetworkMethod",
    "OutsideMethod",
    "TrainFreeMethod",
    "TrainingPrecision",
    "compared_network",
    "network_method",
    "train_free",
]

FloatArray = npt.NDArray[np.float32]


class Method(Protocol):
    """A way of restoring.

    Attributes:
        name: in rows and tables.
        digest: of everything that its results depend on beside the name; None: they are never taken for another's.
    """

    @property
    def name(self) -> str: ...  # noqa: D102

    @property
    def digest(self) -> str | None: ...  # noqa: D102

    def restore(self, problem: Problem, device: str) -> tuple[FloatArray, list[str]]:
        """The volume on the truth's grid, in HU or the scanner's units, and warnings.

        Raises:
            InputError: if the method does not apply to the problem; one sentence.
        """
        ...


@dataclass(frozen=True)
class TrainFreeMethod:
    """A method that needs no training: interpolation, back-projection, total variation."""

    name: str
    function: Callable[[Problem], FloatArray]
    digest: str | None = ""

    def restore(self, problem: Problem, device: str) -> tuple[FloatArray, list[str]]:
        """Runs on the CPU, whatever the device."""
        return self.function(problem), []


@dataclass(frozen=True)
class NetworkMethod:
    """A network, or None for the pipeline without one, through ``super_resolve``.

    Args:
        name: in rows and tables.
        model: loaded model.
        strict: a network that declines a problem counts as not applicable; otherwise its fallback is measured, with the
            warning.
        ensemble: mean of so many restorations, as in ``super_resolve``.
    """

    name: str
    model: SRModel | None
    strict: bool = False
    ensemble: int = 1

    @property
    def digest(self) -> str | None:
        """That of the weights, and how many restorations are averaged; a network in memory has none."""
        if self.model is None:
            return ""
        return self.model.record.sha256 + _members(self.ensemble) if self.model.record.sha256 else None

    def restore(self, problem: Problem, device: str) -> tuple[FloatArray, list[str]]:
        """As a user would call it."""
        result = super_resolve(
            problem.acquired,
            modality=problem.truth.modality,
            scale=problem.factors,
            model="none" if self.model is None else self.model,
            ensemble=self.ensemble,
            profile=problem.profile,
            device=device,
        )
        if result.volume.geometry.shape != problem.truth.geometry.shape:
            raise RuntimeError(
                f"restored {result.volume.geometry.shape} voxels where the truth has {problem.truth.geometry.shape}"
            )
        warnings = list(result.report.get("warnings", []))
        if self.strict and any(axis["treatment"] != "network" for axis in result.report["axes"]):
            raise InputError(f"not applicable: {warnings[0].split(': outside')[0] if warnings else 'declined'}")
        return result.volume.array, warnings


class TrainingPrecision(nn.Module):
    """A generator that computes as it was trained: in bfloat16 where the hardware does so natively, else as it is.

    On a CPU with such instructions the networks of the literature are some eight times faster so.

    Args:
        network: by the contract of ``monai_sr.networks``.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        for name in ("spatial_dims", "size_multiple", "receptive_field", "factors", "consistency"):
            setattr(self, name, getattr(network, name))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """As the network, in float32."""
        precision = amp_dtype(x.device)
        with torch.autocast(x.device.type, precision or torch.bfloat16, enabled=precision is not None):
            return torch.as_tensor(self.network(x)).float()


@dataclass(frozen=True)
class OutsideMethod:
    """Results of a program of others, which restored the same acquired files.

    ``evaluate(..., inputs=DIR)`` writes those files.

    A result on another grid is brought to the truth's by cubic interpolation at the places of its voxels.

    Args:
        name: in rows and tables.
        folder: holds ``<slug>.nii.gz`` or ``<slug>_*.nii.gz`` for every problem that was restored.
    """

    name: str
    folder: Path

    @property
    def digest(self) -> str | None:
        """Of all files in the folder, by name, size and time."""
        stats = [(f.name, f.stat().st_size, f.stat().st_mtime_ns) for f in sorted(self.folder.glob("*.nii.gz"))]
        return hashlib.sha256(repr(stats).encode()).hexdigest()

    def restore(self, problem: Problem, device: str) -> tuple[FloatArray, list[str]]:
        """Read the result for a problem."""
        # a slug has no "_" and can begin another: those of tasks with a profile or a width
        files = [*self.folder.glob(f"{problem.slug}.nii.gz"), *self.folder.glob(f"{problem.slug}_*.nii.gz")]
        if len(files) != 1:
            raise InputError(f"not run: {self.folder.name} holds {len(files)} results for {problem.slug}")
        result, grid = read_volume(files[0]), problem.truth.geometry
        if result.geometry.shape == grid.shape and np.allclose(result.geometry.affine, grid.affine, atol=1e-3):
            return result.array, []
        to_result = np.linalg.inv(result.geometry.affine) @ grid.affine
        restored = ndimage.affine_transform(
            result.array, to_result[:3, :3], to_result[:3, 3], grid.shape, order=3, mode="nearest"
        )
        return np.asarray(restored, dtype=np.float32), [
            f"brought from {result.geometry.shape} voxels to the truth's grid"
        ]


def _interpolated(kind: InterpolationKind) -> Callable[[Problem], FloatArray]:
    def restore(problem: Problem) -> FloatArray:
        x = torch.from_numpy(problem.acquired.array)
        for axis, grid, _ in problem.coarse():
            x = apply_along(interpolation_matrix(grid, kind), x, axis)
        return x.numpy()

    return restore


def _backprojected(steps: int) -> Callable[[Problem], FloatArray]:
    def restore(problem: Problem) -> FloatArray:
        x = torch.from_numpy(problem.acquired.array)
        for axis, grid, profile in problem.coarse():
            x = apply_along(backprojection_matrix(grid, profile, steps), x, axis)
        return x.numpy()

    return restore


def _least_variation(problem: Problem) -> FloatArray:
    acquired, modality = problem.acquired, str(problem.truth.modality)
    mask = body_mask(acquired.array, modality)
    scale = intensity_range(acquired.array, modality, mask)  # the truth is not for a method to know
    fine = sorted(range(3), key=lambda a: (acquired.geometry.shape[a] < 3, acquired.geometry.spacing[a]))
    noise = estimate_noise(acquired.array, mask, (fine[0], fine[1])) / scale.width
    y = torch.from_numpy((acquired.array - scale.low) / scale.width)
    restored = total_variation(y, problem.coarse(), tv_weight(noise)).numpy()
    return np.asarray(restored * scale.width + scale.low, dtype=np.float32)


TRAIN_FREE: dict[str, Callable[[Problem], FloatArray]] = {
    "nearest": _interpolated("nearest"),
    "linear": _interpolated("linear"),
    "cubic": _interpolated("cubic"),
    "sinc": _interpolated("sinc"),
    "ibp1": _backprojected(1),
    "ibp3": _backprojected(3),
    "ibp5": _backprojected(5),
    "tv": _least_variation,
}
"""Methods that need no training, by name; beside them ``"none"``: our pipeline without a network."""


def train_free(name: str) -> Method:
    """A method of ``TRAIN_FREE`` by name, or ``"none"``.

    Raises:
        ValueError: if there is none of that name; the message lists those that there are.
    """
    if name == "none":
        return NetworkMethod(name, None)
    if name not in TRAIN_FREE:
        raise ValueError(f"unknown reference {name!r}; there are: {', '.join((*TRAIN_FREE, 'none'))}")
    return TrainFreeMethod(name, TRAIN_FREE[name])


@dataclass(frozen=True)
class ModalityMethod:
    """A network for each modality under one name, as a size has them: each scan is restored by its own.

    Args:
        name: in rows and tables.
        methods: by modality; the first of them restores what has none of its own.
    """

    name: str
    methods: Mapping[str, NetworkMethod]

    @property
    def digest(self) -> str | None:
        """Of all of its networks, or None if one has none."""
        digests = [method.digest for method in self.methods.values()]
        return None if None in digests else "+".join(map(str, digests))

    def restore(self, problem: Problem, device: str) -> tuple[FloatArray, list[str]]:
        """As a user would call it."""
        first = next(iter(self.methods.values()))
        return self.methods.get(str(problem.truth.modality), first).restore(problem, device)


def network_method(model: str | Path | SRModel, ensemble: int = 1) -> NetworkMethod | ModalityMethod:
    """A learned method by the name, path or object of its model, as a user meets it.

    A size has a model for each modality, and keeps its own name: ``"best"``.
    """
    if isinstance(model, SRModel):
        return NetworkMethod(model.record.name + _members(ensemble), model, ensemble=ensemble)
    records = {modality: find_model(model, modality) for modality in ("CT", "MR")}
    if len({record.file for record in records.values()}) == 1:
        return network_method(load_model(records["CT"]), ensemble)
    methods = {
        modality: NetworkMethod(record.name, load_model(record), ensemble=ensemble)
        for modality, record in records.items()
    }
    return ModalityMethod(f"{model}{_members(ensemble)}", methods)


def _members(ensemble: int) -> str:
    return f", ensemble of {ensemble}" if ensemble > 1 else ""


def compared_network(name: str, model: str | Path) -> NetworkMethod:
    """A learned method of a comparison: in the precision of its training, and not applicable where it declines."""
    loaded = load_model(model)
    return NetworkMethod(name, replace(loaded, network=TrainingPrecision(loaded.network)), strict=True)
