"""What a comparison compares: methods, tasks and the budget that all trainings share, read from one YAML file."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import yaml

from monai_sr.engines.tasks import Task
from monai_sr.io import InputError

__all__ = ["ComparisonPlan", "PlannedMethod", "read_plan"]


@dataclass(frozen=True)
class PlannedMethod:
    """One row of the comparison.

    Args:
        name: of a train-free method (``monai_sr.engines.methods``), or any other for a learned one.
        label: for people.
        trained: whether it is trained for this comparison.
        preset: of ``configs/model`` for its training; None: the default network.
        settings: config keys laid over the presets: what it needs beside the shared budget.
        weights: ready weights instead of a training: a model's name or path, or a file below the trainings.
        note: what a reader must know: deviations, limits.
    """

    name: str
    label: str
    trained: bool = False
    preset: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    weights: str | None = None
    note: str = ""


@dataclass(frozen=True)
class ComparisonPlan:
    """A comparison.

    Args:
        title: first sentence of the file's comment, which fits its first line.
        task: preset of ``configs/task`` for all trainings, or None.
        run: preset of ``configs/run`` for all trainings.
        settings: config keys for all trainings.
        split: who trains and who is measured, a name in ``configs/splits``.
        crop: at most so many voxels per axis around the body.
        tasks: what every method is put through.
        sweeps: what the best five are put through beside that.
        methods: in the order of the report.
    """

    title: str
    task: str | None
    run: str
    settings: Mapping[str, Any]
    split: str | None
    crop: int | None
    tasks: tuple[Task, ...]
    sweeps: tuple[Task, ...]
    methods: tuple[PlannedMethod, ...]


def read_plan(path: Path, train_free: Sequence[str]) -> ComparisonPlan:
    """Read and check a plan.

    Args:
        path: YAML file.
        train_free: names that need no training.

    Raises:
        InputError: naming the key that is wrong.
    """
    text = path.read_text(encoding="utf-8")
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InputError(f"{path.name} is no YAML: {error}") from None
    _known(path, content, ("training", "split", "crop", "tasks", "sweeps", "methods"))
    training = content.get("training") or {}
    _known(path, training, ("task", "run", "settings"))
    methods = tuple(_method(path, entry, train_free) for entry in content.get("methods") or [])
    names = [method.name for method in methods]
    twice = next((name for name in names if names.count(name) > 1), None)
    if not methods or twice:
        raise InputError(f"{path.name}: methods need at least one entry and different names, got {twice or 'none'}")
    return ComparisonPlan(
        title=text.lstrip("# ").partition("\n")[0].partition(". ")[0].rstrip("."),
        task=training.get("task"),
        run=training.get("run", "comparison"),
        settings=dict(training.get("settings") or {}),
        split=content.get("split"),
        crop=content.get("crop"),
        tasks=_tasks(path, content.get("tasks") or []),
        sweeps=_tasks(path, content.get("sweeps") or []),
        methods=methods,
    )


def _known(path: Path, entry: Any, keys: Sequence[str]) -> None:
    if not isinstance(entry, Mapping):
        raise InputError(f"{path.name}: {', '.join(keys)} are expected as a mapping, got {entry!r}")
    unknown = [str(key) for key in entry if key not in keys]
    if unknown:
        raise InputError(f"{path.name}: nothing reads the key {unknown[0]}; known here: {', '.join(keys)}")


def _method(path: Path, entry: Any, train_free: Sequence[str]) -> PlannedMethod:
    _known(path, entry, [f.name for f in fields(PlannedMethod) if f.name != "trained"])
    if "name" not in entry:
        raise InputError(f"{path.name}: a method has no name: {entry}")
    name = str(entry["name"])
    trained = name not in train_free and "weights" not in entry
    return PlannedMethod(**{"label": name, **entry}, trained=trained)


def _tasks(path: Path, entries: Sequence[Any]) -> tuple[Task, ...]:
    """Tasks; a list in place of a value stands for one task each."""
    tasks: list[Task] = []
    for entry in entries:
        _known(path, entry, [f.name for f in fields(Task)])
        lists = {key: value if isinstance(value, list) else [value] for key, value in entry.items()}
        for values in itertools.product(*lists.values()):
            given = dict(zip(lists, values, strict=True))
            tasks.append(Task(**{**given, "factor": float(given["factor"])}))
    return tuple(dict.fromkeys(tasks))
