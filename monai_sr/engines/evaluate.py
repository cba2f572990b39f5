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
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch

from monai_sr import __version__
from monai_sr.degradation import residual
from monai_sr.engines.methods import Method, network_method, train_free
from monai_sr.engines.peak_memory import PeakMemory
from monai_sr.engines.problem import Problem, real_pair, simulated
from monai_sr.engines.tasks import STANDARD_TASKS, Task
from monai_sr.inference import SRModel, select_device
from monai_sr.intensity import body_mask
from monai_sr.io import InputError, Modality, Volume, read_volume, write_volume
from monai_sr.io.modality import guess_modality
from monai_sr.keys import HR, LR
from monai_sr.metrics import (
    body_bias,
    edge_width_mm,
    frc,
    frc_resolution_mm,
    gradient_similarity,
    ms_ssim,
    psnr,
    ssim,
    tissue_bias,
)
from monai_sr.report import picture_place, save_picture

__all__ = ["Measures", "Row", "evaluate"]

Row = dict[str, Any]
CaseLike = str | Path | Volume | Mapping[str, Any]
Measures = Literal["psnr", "ssim", "all"]

_SLICES = 5  # per plane in the pictures that are kept

_logger = logging.getLogger(__name__)


def evaluate(
    cases: Sequence[CaseLike],
    *,
    model: str | Path | SRModel | None = "default",
    tasks: Sequence[Task] = STANDARD_TASKS,
    references: Sequence[str] = ("cubic", "ibp1", "ibp3", "ibp5", "none"),
    methods: Sequence[Method] = (),
    ensemble: int = 1,
    out: str | Path | None = None,
    crop: int | None = None,
    modality: Modality | None = None,
    affine: Literal["sform", "qform"] | None = None,
    seed: int = 0,
    device: str = "auto",
    measures: Measures = "ssim",
    pictures: str | Path | None = None,
    inputs: str | Path | None = None,
    progress: Callable[[Row], None] | None = None,
) -> list[Row]:
    """Measure a model and the methods that it must beat.

    Args:
        cases: truths as paths or volumes; or mappings with a truth under ``HR`` and, for a real pair, the acquired
            volume under ``LR`` (as ``monai_sr.data`` finds them). A pair is taken as it is, as one task.
        model: name, path or loaded model; None: no other than ``methods``.
        tasks: what truths without a partner are put through.
        references: names of methods that need no training, see ``monai_sr.engines.methods.train_free``.
        methods: further ones.
        ensemble: the model's result is the mean of so many restorations: 1, 4 or 8.
        out: folder for ``rows.jsonl``; rows that it holds already are not computed again.
        crop: use at most so many voxels per axis, around the body.
        modality: of all cases; default: as the file says, or by the values.
        affine: for NIfTI files with two differing affines.
        seed: of the added noise.
        device: as for ``super_resolve``.
        measures: what is measured beside bias and residual: PSNR; SSIM too, which takes longer than some of the
            methods; or all.
        pictures: folder for a few sections of every volume, from which a report is drawn.
        inputs: folder for the acquired volumes as NIfTI, for programs of others.
        progress: called with every row.

    Returns:
        Rows with ``case``, ``subject``, ``task``, ``method`` and either ``error`` (one sentence; the other cases go on)
        or the measures ``psnr``, ``ssim``, ``body_bias``, ``residual``, ``seconds``, ``warnings`` and more.
    """
    all_methods = [train_free(name) for name in references] + list(methods)
    if model is not None and model != "none":
        all_methods.append(network_method(model, ensemble))
    ledger = _Ledger(None if out is None else Path(out) / "rows.jsonl")
    run = _Run(device, measures, None if pictures is None else Path(pictures))
    rows: list[Row] = []
    for name, case in zip(_names(cases), cases, strict=True):
        for problem in _problems(name, case, tasks, crop=crop, modality=modality, affine=affine, seed=seed):
            if isinstance(problem, Problem) and inputs is not None:
                write_volume(problem.acquired, Path(inputs) / f"{problem.slug}.nii.gz", overwrite=True)
            for method in all_methods:
                if isinstance(problem, Problem):
                    key = _key(problem.facts, method, run)
                    row = ledger.get(key) or ledger.add(key, run.row(problem, method))
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
    modality: Modality | None,
    affine: Literal["sform", "qform"] | None,
    seed: int,
) -> Iterator[Problem | Row]:
    """Every task of a case; a refusal in place of a task is a row with its sentence."""
    paired = isinstance(case, Mapping) and LR in case
    subject = str(case.get("subject", name)) if isinstance(case, Mapping) else name
    try:
        truth = replace(_load(case[HR] if isinstance(case, Mapping) else case, modality, affine), name=name)
        if isinstance(case, Mapping) and paired:
            yield _of(subject, real_pair(truth, _load(case[LR], truth.modality, affine)))
            return
    except (InputError, FileNotFoundError) as error:
        yield {"case": name, "subject": subject, "task": "as acquired" if paired else "all", "error": str(error)}
        return
    for task in tasks:
        try:
            yield _of(subject, simulated(truth, task, crop, seed))
        except (InputError, ValueError) as error:
            yield {"case": name, "subject": subject, "task": task.name, "error": str(error)}


def _of(subject: str, problem: Problem) -> Problem:
    problem.facts["subject"] = subject
    return problem


def _load(source: str | Path | Volume, modality: Modality | None, affine: Literal["sform", "qform"] | None) -> Volume:
    volume = source if isinstance(source, Volume) else read_volume(source, affine=affine)
    return replace(volume, modality=modality or volume.modality or guess_modality(volume.array)[0])


# ---- one row


@dataclass(frozen=True)
class _Run:
    """What holds for all rows."""

    device: str
    measures: Measures
    pictures: Path | None

    def row(self, problem: Problem, method: Method) -> Row:
        """Restore and measure; a method that fails gives a row with its sentence."""
        facts = {**problem.facts, "method": method.name}
        began = time.perf_counter()
        try:
            with PeakMemory(select_device(self.device).type == "cuda") as memory:
                restored, warnings = method.restore(problem, self.device)
        except (InputError, ValueError, RuntimeError) as error:
            _logger.warning("%s, %s, %s: %s", facts["case"], facts["task"], method.name, error)
            return {**facts, "error": str(error).splitlines()[0]}
        seconds = time.perf_counter() - began
        return {
            **facts,
            **_measure(problem, restored, self.measures),
            **self._pictures(problem, method.name, restored),
            "seconds": seconds,
            "peak_memory_bytes": memory.bytes,
            "warnings": warnings,
        }

    def _pictures(self, problem: Problem, method: str, restored: npt.NDArray[np.float32]) -> Row:
        if self.pictures is None:
            return {}
        self.pictures.mkdir(parents=True, exist_ok=True)
        place, region = picture_place(problem.truth)
        names = {}
        for key, who, volume in (
            ("truth_picture", "truth", problem.truth),
            ("acquired_picture", "acquired", problem.acquired),
            ("picture", method, problem.truth.with_values(restored)),
        ):
            names[key] = f"{problem.slug}_{who}.npz"
            if key == "picture" or not (self.pictures / names[key]).exists():
                save_picture(self.pictures / names[key], volume, place=place, region=region, count=_SLICES)
        return names


def _measure(problem: Problem, restored: npt.NDArray[np.float32], measures: Measures) -> Row:
    truth, mask, scale = problem.truth.array, problem.mask, problem.scale
    row: Row = {"psnr": psnr(restored, truth, mask, scale)}
    if measures != "psnr":
        row["ssim"] = ssim(restored, truth, mask, scale)
    if measures == "all":
        spacing = problem.truth.geometry.spacing
        curve = frc(restored, truth, mask, problem.axes, spacing)
        row |= {
            "ms_ssim": ms_ssim(restored, truth, mask, scale),
            "gms": gradient_similarity(restored, truth, mask, scale),
            "edge_width_mm": edge_width_mm(restored, truth, mask, problem.axes, spacing),
            "frc_resolution_mm": frc_resolution_mm(curve),
            "frc": {"frequency": curve.frequency.tolist(), "correlation": curve.correlation.tolist()},
        }
    row["body_bias"] = body_bias(restored, truth, mask)
    row["body_mean"] = float(truth[mask].mean(dtype=np.float64))
    if problem.truth.modality == "CT":
        row["tissue_bias"] = tissue_bias(restored, truth, mask)
    missed = residual(torch.from_numpy(restored), torch.from_numpy(problem.acquired.array), problem.coarse()).numpy()
    inside = body_mask(problem.acquired.array, str(problem.truth.modality))
    row["residual"] = float(np.sqrt(np.mean(np.square(missed[inside], dtype=np.float64))))
    row["residual_percent"] = 100.0 * row["residual"] / scale.width
    return row


# ---- what was done before


def _key(facts: Row, method: Method, run: _Run) -> str:
    """Changes with everything that the numbers depend on: truth, task, weights, and the version of the package.

    A method without a digest (a network in memory) has a new key every time: its rows are never taken for another's.
    """
    digest = uuid.uuid4().hex if method.digest is None else method.digest
    kept = run.measures, run.pictures is not None
    text = json.dumps([facts, method.name, digest, kept, __version__], sort_keys=True)
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
