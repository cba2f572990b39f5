"""Known truths through the whole road: degraded by the one operator, restored by the one function, measured.

Every method, interpolation included, sees the same acquired volume and is measured by the same code. One row of numbers
comes out per case, task and method; with an output folder the rows are kept, and a second run continues there.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch

from monai_sr import __version__
from monai_sr.degradation import ProfileKind, SliceProfile, backprojection_matrix, degrade
from monai_sr.engines.tasks import STANDARD_TASKS, Task, crop_to_body, degraded, task_axes
from monai_sr.grid import AxisGrid, apply_along
from monai_sr.inference import SRModel, load_model, super_resolve
from monai_sr.intensity import IntensityRange, body_mask, intensity_range
from monai_sr.io import InputError, Volume, read_volume
from monai_sr.io.modality import guess_modality
from monai_sr.keys import HR, LR
from monai_sr.metrics import body_bias, psnr, ssim, tissue_bias

__all__ = ["REFERENCE_METHODS", "Row", "evaluate"]

Row = dict[str, Any]
CaseLike = str | Path | Volume | Mapping[str, Any]

REFERENCE_METHODS: dict[str, int] = {"cubic": 0, "ibp1": 1, "ibp3": 3, "ibp5": 5}
"""Train-free methods by name, and their steps of back-projection."""

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class _Problem:
    """One acquired volume with its truth: what every method is given, and what it is measured against."""

    truth: Volume
    acquired: Volume
    axes: tuple[int, ...]
    profile: ProfileKind | None
    mask: npt.NDArray[np.bool_]
    scale: IntensityRange
    facts: Row

    @property
    def profile_kind(self) -> ProfileKind:
        return self.profile or ("box" if self.truth.modality == "CT" else "gaussian")

    def grids(self) -> Iterator[tuple[int, AxisGrid, SliceProfile]]:
        """Axis, grids and profile of each degraded axis, coarsest first, as the pipeline treats them."""
        for axis in sorted(self.axes, key=lambda a: -self.acquired.geometry.spacing[a]):
            grid = AxisGrid(self.acquired.geometry.shape[axis], self.truth.geometry.shape[axis])
            yield axis, grid, SliceProfile(self.profile_kind, self._width(axis))

    def _width(self, axis: int) -> float:
        """Slice thickness over spacing, where a header gives one (real pairs)."""
        thickness = self.acquired.slice_thickness_mm
        if self.profile_kind == "kspace" or thickness is None or axis != self.acquired.slice_axis:
            return 1.0
        return min(max(thickness / self.acquired.geometry.spacing[axis], 0.1), 4.0)


def evaluate(
    cases: Sequence[CaseLike],
    *,
    model: str | Path | SRModel | None = "default",
    tasks: Sequence[Task] = STANDARD_TASKS,
    references: Sequence[str] = ("cubic", "ibp1", "ibp3", "ibp5", "none"),
    out: str | Path | None = None,
    crop: int | None = None,
    modality: Literal["CT", "MR"] | None = None,
    affine: Literal["sform", "qform"] | None = None,
    seed: int = 0,
    device: str = "auto",
    with_ssim: bool = True,
    progress: Callable[[Row], None] | None = None,
) -> list[Row]:
    """Measure a model and the methods that it must beat.

    Args:
        cases: truths as paths or volumes; or mappings with a truth under ``HR`` and, for a real pair, the acquired
            volume under ``LR`` (as ``monai_sr.data`` finds them). A pair is taken as it is, as one task.
        model: name, path or loaded model; None measures the references alone.
        tasks: what truths without a partner are put through.
        references: names of ``REFERENCE_METHODS``, and ``"none"`` for our pipeline without a network.
        out: folder for ``rows.jsonl``; rows that it holds already are not computed again.
        crop: use at most so many voxels per axis, around the body.
        modality: of all cases; default: as the file says, or by the values.
        affine: for NIfTI files with two differing affines.
        seed: of the added noise.
        device: as for ``super_resolve``.
        with_ssim: SSIM takes longer than some of the methods.
        progress: called with every row.

    Returns:
        Rows with ``case``, ``task``, ``method`` and either ``error`` (one sentence; the other cases go on) or the
        measures ``psnr``, ``ssim``, ``body_bias``, ``residual``, ``seconds``, ``warnings``.
    """
    unknown = [name for name in references if name not in (*REFERENCE_METHODS, "none")]
    if unknown:
        raise ValueError(f"unknown reference {unknown[0]!r}; there are: {', '.join((*REFERENCE_METHODS, 'none'))}")
    ledger = _Ledger(None if out is None else Path(out) / "rows.jsonl")
    methods = [_Method(name, name) for name in references]
    if model is not None and model != "none":
        methods.append(_learned(model))
    rows: list[Row] = []
    for name, case in zip(_names(cases), cases, strict=True):
        for problem in _problems(name, case, tasks, crop=crop, modality=modality, affine=affine, seed=seed):
            for method in methods:
                if isinstance(problem, _Problem):
                    key = _key(problem.facts, method, with_ssim)
                    row = ledger.get(key) or ledger.add(key, _row(problem, method, device, with_ssim))
                else:
                    row = {**problem, "method": method.name}
                rows.append(row)
                if progress is not None:
                    progress(row)
    return rows


# ---- cases and tasks


def _names(cases: Sequence[CaseLike]) -> list[str]:
    """A name of its own for every case: that of its file, with as much of the path as tells it from the others."""
    parts = [_case_parts(case) for case in cases]
    names = []
    for own in parts:
        depth = 1
        while depth < len(own) and sum(other[-depth:] == own[-depth:] for other in parts) > 1:
            depth += 1
        names.append("/".join(own[-depth:]))
    return [f"{name} ({i})" if names.count(name) > 1 else name for i, name in enumerate(names)]


def _case_parts(case: CaseLike) -> tuple[str, ...]:
    if isinstance(case, Volume):
        return (case.name,)
    if isinstance(case, Mapping):
        return (str(case["name"]),) if "name" in case else _case_parts(case[HR])
    parts = Path(case).parts
    return (*parts[:-1], parts[-1].removesuffix(".gz").removesuffix(".nii"))


def _problems(
    name: str,
    case: CaseLike,
    tasks: Sequence[Task],
    *,
    crop: int | None,
    modality: Literal["CT", "MR"] | None,
    affine: Literal["sform", "qform"] | None,
    seed: int,
) -> Iterator[_Problem | Row]:
    """Every task of a case; a refusal in place of a task is a row with its sentence."""
    paired = isinstance(case, Mapping) and LR in case
    try:
        truth = replace(_load(case[HR] if isinstance(case, Mapping) else case, modality, affine), name=name)
        if isinstance(case, Mapping) and paired:
            yield _real_pair(truth, _load(case[LR], truth.modality, affine))
            return
    except (InputError, FileNotFoundError) as error:
        yield {"case": name, "task": "as acquired" if paired else "all", "error": str(error)}
        return
    for task in tasks:
        try:
            yield _simulated(truth, task, crop, seed)
        except (InputError, ValueError) as error:
            yield {"case": name, "task": task.name, "error": str(error)}


def _load(
    source: str | Path | Volume, modality: Literal["CT", "MR"] | None, affine: Literal["sform", "qform"] | None
) -> Volume:
    volume = source if isinstance(source, Volume) else read_volume(source, affine=affine)
    return replace(volume, modality=modality or volume.modality or guess_modality(volume.array)[0])


def _simulated(whole: Volume, task: Task, crop: int | None, seed: int) -> _Problem:
    chosen = task_axes(whole, task.kind)
    truth = crop_to_body(whole, chosen.axes, crop)
    mask = body_mask(truth.array, str(truth.modality))
    facts = {**_facts(truth), "task": task.name, **asdict(task), "axes": list(chosen.axes), "note": chosen.note}
    return _Problem(
        truth=truth,
        acquired=degraded(truth, task, chosen.axes, seed),
        axes=chosen.axes,
        profile=task.profile,
        mask=mask,
        scale=intensity_range(truth.array, str(truth.modality), mask),
        facts={**facts, "seed": seed},
    )


def _real_pair(truth: Volume, acquired: Volume) -> _Problem:
    apart = float(np.abs(truth.geometry.corners() - acquired.geometry.corners()).max())
    if apart > 0.1 * min(truth.geometry.spacing):
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
    return _Problem(
        truth=truth,
        acquired=acquired,
        axes=axes,
        profile=None,
        mask=mask,
        scale=intensity_range(truth.array, str(truth.modality), mask),
        facts=facts,
    )


def _facts(truth: Volume) -> Row:
    return {
        "case": truth.name,
        "modality": truth.modality,
        "shape": list(truth.geometry.shape),
        "spacing": [round(s, 4) for s in truth.geometry.spacing],
        "truth_sha256": _digest(truth),
    }


def _digest(volume: Volume) -> str:
    return hashlib.sha256(np.ascontiguousarray(volume.array).tobytes()).hexdigest()[:16]


# ---- methods


@dataclass(frozen=True, eq=False)
class _Method:
    """A way of restoring: one of the references by its name, or a model. ``digest`` is that of its weights."""

    name: str
    model: str | SRModel
    digest: str = ""


def _learned(model: str | Path | SRModel) -> _Method:
    loaded = model if isinstance(model, SRModel) else load_model(model)
    return _Method(loaded.record.name, loaded, loaded.record.sha256)


def _row(problem: _Problem, method: _Method, device: str, with_ssim: bool) -> Row:
    """Restore and measure; a method that fails gives a row with its sentence."""
    began = time.perf_counter()
    try:
        restored, extra = _restore(problem, method.model, device)
    except (InputError, ValueError, RuntimeError) as error:
        _logger.warning("%s, %s, %s: %s", problem.facts["case"], problem.facts["task"], method.name, error)
        return {**problem.facts, "method": method.name, "error": str(error).splitlines()[0]}
    seconds = time.perf_counter() - began
    return {
        **problem.facts,
        "method": method.name,
        **_measure(problem, restored, with_ssim),
        "seconds": seconds,
        **extra,
    }


def _restore(problem: _Problem, method: str | SRModel, device: str) -> tuple[npt.NDArray[np.float32], Row]:
    if isinstance(method, str) and method in REFERENCE_METHODS:
        x = torch.from_numpy(problem.acquired.array)
        for axis, grid, profile in problem.grids():
            x = apply_along(backprojection_matrix(grid, profile, REFERENCE_METHODS[method]), x, axis)
        return x.numpy(), {"warnings": []}
    shapes = zip(problem.truth.geometry.shape, problem.acquired.geometry.shape, strict=True)
    result = super_resolve(
        problem.acquired,
        modality=problem.truth.modality,
        scale=[hr / lr for hr, lr in shapes],
        model=method,
        profile=problem.profile,
        device=device,
    )
    if result.volume.geometry.shape != problem.truth.geometry.shape:
        raise RuntimeError(
            f"restored {result.volume.geometry.shape} voxels where the truth has {problem.truth.geometry.shape}"
        )
    return result.volume.array, {"warnings": list(result.report.get("warnings", []))}


def _measure(problem: _Problem, restored: npt.NDArray[np.float32], with_ssim: bool) -> Row:
    truth, mask, scale = problem.truth.array, problem.mask, problem.scale
    row: Row = {"psnr": psnr(restored, truth, mask, scale)}
    if with_ssim:
        row["ssim"] = ssim(restored, truth, mask, scale)
    row["body_bias"] = body_bias(restored, truth, mask)
    row["body_mean"] = float(truth[mask].mean(dtype=np.float64))
    if problem.truth.modality == "CT":
        row["tissue_bias"] = tissue_bias(restored, truth, mask)
    again = torch.from_numpy(restored)
    for axis, grid, profile in problem.grids():
        again = degrade(again, grid, profile, axis)
    missed = problem.acquired.array - again.numpy()
    inside = body_mask(problem.acquired.array, str(problem.truth.modality))
    row["residual"] = float(np.sqrt(np.mean(np.square(missed[inside], dtype=np.float64))))
    return row


# ---- what was done before


def _key(facts: Row, method: _Method, with_ssim: bool) -> str:
    """Changes with everything that the numbers depend on: truth, task, weights, and the version of the package.

    A model without a digest (a network in memory) has a new key every time: its rows are never taken for another's.
    """
    digest = method.digest or (uuid.uuid4().hex if isinstance(method.model, SRModel) else "")
    text = json.dumps([facts, method.name, digest, with_ssim, __version__], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


class _Ledger:
    """Rows by key, appended to a file line by line: a run that was cut short loses at most the row it was at."""

    def __init__(self, file: Path | None) -> None:
        self.file = file
        self.rows: dict[str, Row] = {}
        if file is None:
            return
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.exists():
            text = file.read_text(encoding="utf-8")
            if text and not text.endswith("\n"):  # cut short: the next row must not be joined to the torn one
                file.write_text(text + "\n", encoding="utf-8")
            for line in text.splitlines():
                try:
                    entry = json.loads(line)
                except ValueError:
                    continue  # the line at which an earlier run was cut short
                self.rows[entry["key"]] = entry["row"]

    def get(self, key: str) -> Row | None:
        """A row of an earlier run; failures are tried again."""
        row = self.rows.get(key)
        return None if row is None or "error" in row else row

    def add(self, key: str, row: Row) -> Row:
        self.rows[key] = row
        if self.file is not None:
            with self.file.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps({"key": key, "row": row}) + "\n")
        return row
