"""Plans of a comparison: what is wrong in one is said by name, and lists stand for one task each."""

from __future__ import annotations

from pathlib import Path

import pytest

from monai_sr.engines.comparison_plan import ComparisonPlan, PlannedMethod, read_plan
from monai_sr.engines.tasks import Task
from monai_sr.io import InputError

METHODS = "methods:\n  - {name: cubic}\n  - {name: mine, preset: edsr, settings: {batch_size: 1}}\n"


def plan(folder: Path, text: str) -> ComparisonPlan:
    file = folder / "plan.yaml"
    file.write_text(text, encoding="utf-8")
    return read_plan(file, ("cubic", "none"))


def test_a_plan_says_who_is_trained(tmp_path: Path) -> None:
    found = plan(
        tmp_path,
        "# Two systems. And more.\ntraining: {task: in_plane, settings: {steps: 2}}\nsplit: development\ncrop: 72\n"
        + METHODS
        + "  - {name: ready, weights: mine/model.pt, label: Ready, note: another}\n",
    )
    assert found.title.startswith("Two systems")
    assert (found.task, found.run, found.settings, found.split, found.crop) == (
        "in_plane",
        "comparison",
        {"steps": 2},
        "development",
        72,
    )
    assert found.methods == (
        PlannedMethod("cubic", "cubic"),
        PlannedMethod("mine", "mine", trained=True, preset="edsr", settings={"batch_size": 1}),
        PlannedMethod("ready", "Ready", weights="mine/model.pt", note="another"),
    )
    assert (found.tasks, found.sweeps) == ((), ())


def test_lists_in_tasks_and_sweeps_stand_for_one_task_each(tmp_path: Path) -> None:
    found = plan(
        tmp_path,
        "tasks:\n  - {kind: [through-plane, in-plane], factor: [2, 3]}\n  - {kind: in-plane, factor: 3}\n"
        "sweeps:\n  - {kind: through-plane, factor: 3, width: [0.7, 1]}\n  - {kind: photo, factor: 2, noise: 0.01}\n"
        + METHODS,
    )
    kinds = ("through-plane", "in-plane")
    assert found.tasks == tuple(Task(kind, factor) for kind in kinds for factor in (2.0, 3.0))  # type: ignore[arg-type]
    assert found.sweeps == (
        Task("through-plane", 3.0, width=0.7),
        Task("through-plane", 3.0),
        Task("photo", 2.0, 0.01),
    )
    assert all(isinstance(task.factor, float) for task in found.tasks)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("taks: []\n" + METHODS, "nothing reads the key taks; known here: training, split"),
        ("training: {steps: 2}\n" + METHODS, "nothing reads the key steps; known here: task, run, settings"),
        ("methods:\n  - {name: a, presets: edsr}\n", "nothing reads the key presets; known here: name, label"),
        ("methods:\n  - {name: a, trained: true}\n", "nothing reads the key trained"),
        ("tasks: [{kind: in-plane, factr: 2}]\n" + METHODS, "nothing reads the key factr; known here: kind, factor"),
        (METHODS + "  - {name: mine}\n", "different names, got mine"),
        ("crop: 24\n", "at least one entry and different names, got none"),
        ("methods:\n  - {preset: edsr}\n", "a method has no name"),
        ("methods: [a]\n", "are expected as a mapping, got 'a'"),
        ("- a\n", "are expected as a mapping"),
        ("methods: {\n", "plan.yaml is no YAML"),
    ],
)
def test_what_is_wrong_is_said_by_name(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        plan(tmp_path, text)
