"""Reading, restoring and writing overlap between cases, and what goes wrong stays with its case."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from monai_sr.casework import Upscaling
from monai_sr.cli.batch import Batch
from monai_sr.cli.outcome import ExitCode
from monai_sr.data.phantom import ellipsoids
from monai_sr.io import Case, InputError

WAIT_S = 60.0


class Log:
    def __init__(self) -> None:
        self.events: list[tuple[str, str]] = []

    def emit(self, event: str, **facts: Any) -> None:
        if event != "stage":
            self.events.append((event, str(facts.get("case", ""))))


@dataclass
class Slow(Upscaling):
    """Steps that wait for each other: they come to an end only if they overlap."""

    fails: dict[str, Exception] = field(default_factory=dict)
    overlap: bool = True
    begun: dict[str, threading.Event] = field(
        default_factory=lambda: {f"{s}{n}": threading.Event() for s in "rsw" for n in "abc"}
    )

    def step(self, which: str, case: str, waits_for: str | None) -> None:
        self.begun[which + case].set()
        if self.overlap and waits_for is not None:
            assert self.begun[waits_for].wait(WAIT_S), f"{waits_for} did not begin while {which}{case} was at work"
        if which + case in self.fails:
            raise self.fails[which + case]

    def read(self, case: Case) -> Any:
        self.step("r", case.name, None)
        return SimpleNamespace(notes=(), name=case.name)

    def resolve(self, volume: Any, progress: Any = None, notify: Any = None) -> Any:
        after = {"a": "rb", "b": "rc"}
        self.step("s", volume.name, after.get(volume.name))
        phantom = ellipsoids((8, 8, 8))
        return SimpleNamespace(report={"warnings": [], "axes": [], "model": None}, volume=phantom, acquired=phantom)

    def write(self, result: Any, folder: Path, case: str, **facts: Any) -> list[str]:
        self.step("w", case, {"a": "sb", "b": "sc"}.get(case))
        (folder / "x").write_text(case)
        return ["x"]


@pytest.fixture(autouse=True)
def words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monai_sr.report.in_words", lambda result: "finer")


def cases(names: str = "abc") -> list[Case]:
    return [Case(name, Path(name), "nifti") for name in names]


def test_the_next_is_read_and_the_one_before_written_while_one_is_restored(tmp_path: Path) -> None:
    log = Log()
    assert Batch(Slow(), tmp_path, log).run(cases()) == ExitCode.DONE
    assert [case for event, case in log.events if event == "done"] == ["a", "b", "c"]
    assert [(tmp_path / name / "x").read_text() for name in "abc"] == ["a", "b", "c"]


@pytest.mark.parametrize("step", ["r", "s", "w"])
def test_a_fault_is_told_of_its_own_case_and_the_others_go_on(tmp_path: Path, step: str) -> None:
    log = Log()
    slow = Slow(overlap=False, fails={f"{step}b": InputError("b is wrong")})
    assert Batch(slow, tmp_path, log).run(cases()) == ExitCode.CASES
    ended = {case: event for event, case in log.events if event in ("done", "refused", "failed")}
    assert ended == {"a": "done", "b": "refused", "c": "done"}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "c"]


def test_a_full_disk_found_while_writing_ends_the_run(tmp_path: Path) -> None:
    log = Log()
    slow = Slow(overlap=False, fails={"wa": OSError(28, "No space left on device")})
    assert Batch(slow, tmp_path, log).run(cases()) == ExitCode.ENVIRONMENT
    assert [event for event, _ in log.events if event in ("done", "failed")] == ["failed"]
    assert not list(tmp_path.iterdir())


def test_an_interrupt_lets_what_is_being_written_come_to_its_end(tmp_path: Path) -> None:
    log = Log()
    slow = Slow(overlap=False, fails={"sb": KeyboardInterrupt()})  # type: ignore[dict-item]
    assert Batch(slow, tmp_path, log).run(cases()) == ExitCode.INTERRUPTED
    assert [(e, c) for e, c in log.events if e in ("done", "interrupted")] == [("interrupted", "b"), ("done", "a")]
    assert [p.name for p in tmp_path.iterdir()] == ["a"]
