"""All methods of a plan over all cases: rows, the best of them through the sweeps, and the report."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from monai_sr.catalogue import ModelError
from monai_sr.engines.comparison_plan import ComparisonPlan, PlannedMethod
from monai_sr.engines.evaluate import Row, evaluate
from monai_sr.engines.methods import TRAIN_FREE, Method, OutsideMethod, compared_network, train_free
from monai_sr.engines.problem import Problem
from monai_sr.inference import SRModel
from monai_sr.io import InputError, Modality
from monai_sr.report import SystemFacts, SystemKind

__all__ = ["MissingMethod", "best_methods", "compare", "curves", "methods_of", "system_facts"]

_SWEPT = 5
_REFERENCES = ("cubic", "ibp1", "ibp3", "ibp5")
"""What gains are stated over."""


@dataclass(frozen=True)
class MissingMethod:
    """A method that keeps its row although it cannot be run yet."""

    name: str
    reason: str
    digest: str | None = None

    def restore(self, problem: Problem, device: str) -> tuple[Any, list[str]]:
        """Says why not.

        Raises:
            InputError: always.
        """
        raise InputError(self.reason)


def methods_of(
    plan: ComparisonPlan, trainings: Path, reasons: Mapping[str, str], outside: Mapping[str, Path]
) -> list[Method]:
    """The methods of a plan, in its order, ready to be run.

    Args:
        plan: the comparison.
        trainings: each trained system has a folder in it.
        reasons: name to the sentence of a training that ended badly.
        outside: name to the folder with the results of a program of others; they come last.
    """
    found: list[Method] = []
    for method in plan.methods:
        if method.name in outside:
            continue
        if not method.trained and method.weights is None:
            found.append(train_free(method.name))
            continue
        if method.name in reasons:
            found.append(MissingMethod(method.name, reasons[method.name]))
            continue
        try:
            found.append(compared_network(method.name, _weights(method, trainings)))
        except ModelError as error:
            found.append(MissingMethod(method.name, f"not trained: {error}"))
    return [*found, *(OutsideMethod(name, folder) for name, folder in outside.items())]


def _weights(method: PlannedMethod, trainings: Path) -> str | Path:
    if method.weights is None:
        return trainings / method.name / "model.pt"
    below = trainings / method.weights
    return below if below.is_file() or "/" in method.weights else method.weights


def compare(
    plan: ComparisonPlan,
    cases: Sequence[Mapping[str, Any]],
    methods: Sequence[Method],
    out: Path,
    *,
    modality: Modality | None = None,
    affine: Literal["sform", "qform"] | None = None,
    device: str = "auto",
    inputs: Path | None = None,
    progress: Callable[[Row], None] | None = None,
) -> list[Row]:
    """Measure all methods, then the best five and the references through the sweeps.

    What ``out`` holds is not computed again.
    """
    common: dict[str, Any] = {
        "model": None,
        "references": (),
        "out": out,
        "crop": plan.crop,
        "modality": modality,
        "affine": affine,
        "device": device,
        "measures": "all",
        "progress": progress,
    }
    rows = evaluate(cases, methods=methods, tasks=plan.tasks, pictures=out / "pictures", inputs=inputs, **common)
    swept = (*best_methods(rows, _SWEPT), *_REFERENCES)
    chosen = [m for m in methods if m.name in swept]
    if plan.sweeps and chosen:
        rows += [
            row
            for row in evaluate(cases, methods=chosen, tasks=plan.sweeps, **common)
            if not any(row["task"] == task.name for task in plan.tasks)
        ]
    return rows


def best_methods(rows: Sequence[Row], count: int) -> list[str]:
    """The methods with the highest mean PSNR over the problems that all of them have solved.

    A method that solved less than half of the problems, or is no method of its own (``weights`` of another training),
    is not ranked out: it takes part where it applies.
    """
    solved: dict[str, dict[tuple[str, str], float]] = {}
    for row in rows:
        if "error" not in row:
            solved.setdefault(row["method"], {})[row["case"], row["task"]] = row["psnr"]
    most = max((len(found) for found in solved.values()), default=0)
    ranked = {name: found for name, found in solved.items() if 2 * len(found) > most}
    shared = set.intersection(*(set(found) for found in ranked.values())) if ranked else set()
    if not shared:
        return []
    means = {name: sum(found[key] for key in shared) / len(shared) for name, found in ranked.items()}
    return sorted(means, key=lambda name: -means[name])[:count]


def system_facts(
    plan: ComparisonPlan, methods: Sequence[Method], trainings: Path, outside: Mapping[str, str]
) -> list[SystemFacts]:
    """What the report says of each method.

    Args:
        plan: the comparison.
        methods: as run.
        trainings: each trained system has a folder in it.
        outside: name to a sentence on how a program of others was run.
    """
    planned = {method.name: method for method in plan.methods}
    facts = []
    for method in methods:
        entry = planned.get(method.name, PlannedMethod(method.name, method.name))
        run = _json(trainings / method.name / "run.json") if entry.trained else {}
        model: SRModel | None = getattr(method, "model", None)
        facts.append(
            SystemFacts(
                name=method.name,
                label=entry.label,
                kind=_kind(method, entry),
                note=outside.get(method.name, entry.note),
                parameters=None if model is None else _parameters(model),
                steps=run.get("steps_done"),
                train_seconds=run.get("seconds"),
                budget=f"{run['steps']} steps of {run['config'].get('batch_size')} patches" if run else None,
                discriminator=_json(trainings / method.name / "discriminator.json") or None,
            )
        )
    return facts


def _parameters(model: SRModel) -> int:
    """Learned numbers; of a dictionary, which has no gradient, its atoms."""
    learned = sum(int(p.numel()) for p in model.network.parameters())
    return learned or sum(int(b.numel()) for b in model.network.buffers())


def _kind(method: Method, entry: PlannedMethod) -> SystemKind:
    if isinstance(method, OutsideMethod):
        return "outside"
    if method.name in ("nearest", "linear", "cubic", "sinc"):
        return "interpolation"
    if method.name in (*TRAIN_FREE, "none"):
        return "train-free"
    return "dictionary" if entry.preset == "dictionary" else "learned"


def curves(plan: ComparisonPlan, trainings: Path) -> dict[str, list[dict[str, float]]]:
    """The lines of ``losses.jsonl`` of every training that has one."""
    found = {}
    for method in plan.methods:
        file = trainings / method.name / "losses.jsonl"
        if method.trained and file.is_file():
            found[method.name] = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines() if line]
    return found


def _json(file: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content
