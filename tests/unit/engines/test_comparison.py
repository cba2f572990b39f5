"""All methods of a plan: one that cannot be run keeps its row, and the best go through the sweeps."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from monai_sr.data.phantom import ellipsoids
from monai_sr.engines.comparison import MissingMethod, best_methods, compare, curves, methods_of, system_facts
from monai_sr.engines.comparison_plan import ComparisonPlan, PlannedMethod
from monai_sr.engines.methods import OutsideMethod, train_free
from monai_sr.engines.tasks import Task
from monai_sr.io import InputError
from monai_sr.keys import HR

THROUGH = Task("through-plane", 2.0)


def plan(
    *methods: PlannedMethod, tasks: tuple[Task, ...] = (THROUGH,), sweeps: tuple[Task, ...] = ()
) -> ComparisonPlan:
    return ComparisonPlan("test", None, "smoke", {}, None, None, tasks, sweeps, methods)


def row(case: str, method: str, psnr: float | None, task: str = "x2") -> dict[str, Any]:
    return {"case": case, "task": task, "method": method, **({"error": "no"} if psnr is None else {"psnr": psnr})}


def test_methods_are_ranked_by_the_problems_that_all_of_them_solved() -> None:
    """``b`` looks better over its own problems only because it failed at the hard one."""
    rows = [
        row("easy", "a", 40.0),
        row("easy", "b", 39.0),
        row("even", "a", 38.0),
        row("even", "b", 37.0),
        row("hard", "a", 20.0),
        row("hard", "b", None),
    ]
    assert best_methods(rows, 2) == ["a", "b"]
    assert best_methods(rows, 1) == ["a"]


def test_a_method_of_few_problems_takes_none_from_the_others() -> None:
    rows = [row(case, method, 30.0 + shift) for case in "123" for method, shift in (("a", 0.0), ("b", 1.0))]
    rows += [row("1", "c", 50.0), row("2", "c", None), row("3", "c", None)]
    assert best_methods(rows, 5) == ["b", "a"]


def test_nothing_solved_is_nothing_ranked() -> None:
    assert best_methods([row("1", "a", None)], 3) == []
    assert best_methods([], 3) == []


def test_what_cannot_be_run_keeps_its_row(tmp_path: Path) -> None:
    planned = plan(
        PlannedMethod("cubic", "cubic"),
        PlannedMethod("broken", "broken", trained=True),
        PlannedMethod("absent", "absent", trained=True),
        PlannedMethod("lost", "lost", weights="absent/model_interpolated.pt"),
    )
    methods = methods_of(planned, tmp_path, {"broken": "training ended: a reason"}, {})
    truth = replace(ellipsoids((24, 24, 24), modality="MR"), name="head")
    rows = compare(planned, [{HR: truth, "name": "head"}], methods, tmp_path / "out")
    assert [r["method"] for r in rows] == ["cubic", "broken", "absent", "lost"]
    assert "psnr" in rows[0] and "frc" in rows[0]
    assert rows[1]["error"] == "training ended: a reason"
    assert all(r["error"].startswith("not trained: ") for r in rows[2:])


def test_a_missing_method_says_why_whatever_it_is_asked() -> None:
    with pytest.raises(InputError, match="no time"):
        MissingMethod("a", "no time").restore(None, "cpu")  # type: ignore[arg-type]


def test_the_best_go_through_the_sweeps_and_no_problem_is_measured_twice(tmp_path: Path) -> None:
    names = ("nearest", "linear", "cubic", "sinc", "ibp1", "ibp3")
    sweep = Task("through-plane", 2.0, width=1.3)
    planned = plan(*(PlannedMethod(name, name) for name in names), sweeps=(THROUGH, sweep))
    truth = replace(ellipsoids((24, 24, 24), modality="MR"), name="head")
    case = {HR: truth, "name": "head", "subject": "1"}
    rows = compare(planned, [case], [train_free(name) for name in names], tmp_path)
    first = [r for r in rows if r["task"] == THROUGH.name]
    swept = [r for r in rows if r["task"] == sweep.name]
    assert [r["method"] for r in first] == list(names)
    assert len(swept) == 5
    worst = min(first, key=lambda r: r["psnr"])["method"]
    assert {r["method"] for r in swept} == set(names) - {worst}
    assert len(rows) == 11


def test_the_references_go_through_the_sweeps_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or a sweep would have no gain to state: cubic is seldom among the best."""
    monkeypatch.setattr("monai_sr.engines.comparison._SWEPT", 1)
    names = ("nearest", "cubic", "ibp1", "tv")
    sweep = Task("through-plane", 2.0, noise=0.05)
    truth = replace(ellipsoids((24, 24, 24), modality="MR"), name="head")
    case = {HR: truth, "name": "head", "subject": "1"}
    planned = plan(*(PlannedMethod(name, name) for name in names), sweeps=(sweep,))
    rows = compare(planned, [case], [train_free(name) for name in names], tmp_path)
    assert {"cubic", "ibp1"} <= {r["method"] for r in rows if r["task"] == sweep.name}


def test_results_from_outside_take_the_place_of_a_method_of_the_plan(tmp_path: Path) -> None:
    planned = plan(PlannedMethod("cubic", "cubic"), PlannedMethod("theirs", "Theirs", trained=True, note="as planned"))
    methods = methods_of(planned, tmp_path, {}, {"theirs": tmp_path})
    assert [m.name for m in methods] == ["cubic", "theirs"]
    assert isinstance(methods[1], OutsideMethod)
    facts = system_facts(planned, methods, tmp_path, {"theirs": "its own program"})
    assert [(f.kind, f.label, f.note) for f in facts] == [
        ("interpolation", "cubic", ""),
        ("outside", "Theirs", "its own program"),
    ]


def test_what_a_training_left_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "run.json").write_text('{"steps": 4, "steps_done": 2, "seconds": 9.5, "config": {"batch_size": 3}}')
    (folder / "discriminator.json").write_text('{"accuracy": 0.75}')
    (folder / "losses.jsonl").write_text('{"step": 1, "l1": 0.5}\n{"step": 2, "l1": 0.25}\n')
    planned = plan(PlannedMethod("mine", "Mine", trained=True), PlannedMethod("new", "New", trained=True))
    facts = system_facts(planned, methods_of(planned, tmp_path, {}, {}), tmp_path, {})
    assert (facts[0].steps, facts[0].train_seconds, facts[0].budget) == (2, 9.5, "4 steps of 3 patches")
    assert facts[0].discriminator == {"accuracy": 0.75}
    assert (facts[1].steps, facts[1].discriminator, facts[1].kind) == (None, None, "learned")
    assert curves(planned, tmp_path) == {"mine": [{"step": 1, "l1": 0.5}, {"step": 2, "l1": 0.25}]}
