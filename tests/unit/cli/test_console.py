from __future__ import annotations

import json
import sys

import numpy as np
import pytest

from monai_sr.cli.console import HumanConsole, JsonConsole, QuietConsole, choose_console

DONE = {"case": "a", "result": "x3 axis 2", "folder": "out/a"}
SUMMARY = {"done": 1, "refused": 0, "failed": 0, "left": 0, "exit_code": 0}


def test_the_choice():
    assert isinstance(choose_console(quiet=False, as_json=False), HumanConsole)
    assert isinstance(choose_console(quiet=True, as_json=False), QuietConsole)
    assert isinstance(choose_console(quiet=False, as_json=True), JsonConsole)
    assert isinstance(choose_console(quiet=True, as_json=True), JsonConsole)


def test_json_is_one_strict_object_per_line(capsys):
    console = JsonConsole()
    console.emit("stage", case="a", stage="network", fraction=np.float32(0.5))
    console.emit("done", case="ä\n", residual=float("nan"))
    out, err = capsys.readouterr()
    assert err == ""
    lines = out.splitlines()
    assert [json.loads(line)["event"] for line in lines] == ["stage", "done"]
    assert json.loads(lines[0])["fraction"] == 0.5
    assert json.loads(lines[1]) == {"event": "done", "case": "ä\n", "residual": None}


def test_quiet_says_only_what_went_wrong(capsys):
    console = QuietConsole()
    for event, facts in (("started", {"case": "a"}), ("done", DONE), ("warning", {"case": "a", "message": "m"})):
        console.emit(event, **facts)
    assert capsys.readouterr() == ("", "")
    console.emit("refused", case="a", message="truncated")
    assert capsys.readouterr() == ("", "refused  a: truncated\n")


def test_without_a_terminal_every_stage_is_one_line(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: False, raising=False)
    console = HumanConsole()
    console.emit("started", case="a", position=1, count=2)
    for fraction in (0.0, 0.4, 1.0):
        console.emit("stage", case="a", stage="network", fraction=fraction)
    console.emit("note", case="a", message="modality MR by the values")
    console.emit("done", **DONE)
    console.emit("summary", **SUMMARY)
    out, err = capsys.readouterr()
    assert err.splitlines() == ["started  a (1 of 2)", "stage    a: network", "note     a: modality MR by the values"]
    assert out.splitlines() == ["done     a: x3 axis 2 -> out/a", "1 done. Research only. Not for diagnosis."]


def test_on_a_terminal_there_is_a_bar_and_it_ends(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    console = HumanConsole()
    console.emit("started", case="a", position=1, count=1)
    console.emit("stage", case="a", stage="network", fraction=0.5)
    console.emit("refused", case="a", message="a: truncated")
    out, err = capsys.readouterr()
    assert out == ""
    assert "a: network" in err
    assert "50%" in err
    assert err.endswith("refused  a: truncated\n")  # the name of the case is not said twice


@pytest.mark.parametrize(
    ("counts", "sentence"),
    [
        ({"done": 0, "refused": 1, "failed": 0, "left": 0}, "0 done, 1 refused."),
        ({"done": 2, "refused": 1, "failed": 3, "left": 4}, "2 done, 1 refused, 3 failed, 4 left."),
    ],
)
def test_the_summary_counts(capsys, counts, sentence):
    HumanConsole().emit("summary", **counts, exit_code=3)
    assert capsys.readouterr().out.startswith(sentence)
