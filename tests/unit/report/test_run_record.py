from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from monai_sr.report import plain, text_table, write_run_record


def test_everything_becomes_strict_json(tmp_path):
    record = {
        "affine": np.eye(2),
        "shape": (np.int64(3), 4),
        "residual": {"before": float("nan"), "after": np.float32("inf")},
        "ok": np.bool_(True),
        "file": Path("a") / "b",
        1: None,
    }
    file = write_run_record(record, tmp_path / "run.json")

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    read = json.loads(file.read_text(encoding="utf-8"), parse_constant=refuse)
    assert read["affine"] == [[1.0, 0.0], [0.0, 1.0]]
    assert read["shape"] == [3, 4]
    assert read["residual"] == {"before": None, "after": None}
    assert read["ok"] is True
    assert read["file"] == str(Path("a") / "b")
    assert read["1"] is None


def test_plain_keeps_what_json_has():
    assert plain([1, 2.5, "x", True, None]) == [1, 2.5, "x", True, None]


def test_an_existing_record_is_replaced_only_when_asked(tmp_path):
    file = write_run_record({"a": 1}, tmp_path / "run.json")
    with pytest.raises(ValueError, match="exists"):
        write_run_record({"a": 2}, file)
    write_run_record({"a": 3}, file, overwrite=True)
    assert json.loads(file.read_text())["a"] == 3
    assert [p.name for p in tmp_path.iterdir()] == ["run.json"]


def test_a_table_without_rows_is_its_header():
    assert text_table(["case", "dB"], []) == "case  dB"
