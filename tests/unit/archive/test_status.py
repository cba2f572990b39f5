from __future__ import annotations

import pytest

pytest.importorskip("pyarrow", reason="needs Ray Data and PyArrow: pip install 'monai_sr[archive]'")

from monai_sr.archive import StatusRow, StatusWriter, read_status

pytestmark = pytest.mark.archive


def test_the_last_row_of_a_series_counts_and_a_kept_result_keeps_its_times(tmp_path):
    first = StatusWriter(tmp_path)
    first.add(StatusRow("a", "done", seconds=7.0, sha256="1"))
    first.add(StatusRow("b", "set_aside", "no memory"))
    first.flush()
    second = StatusWriter(tmp_path)
    second.add(StatusRow("a", "done", kept=True, seconds=0.1, sha256="1"))
    second.add(StatusRow("b", "done", sha256="2"))
    second.add(StatusRow("c", "refused", "too thin"))
    second.flush()
    rows = read_status(tmp_path)
    assert rows["a"].seconds == 7.0
    assert {name: row.status for name, row in rows.items()} == {"a": "done", "b": "done", "c": "refused"}


def test_a_kept_result_whose_first_row_was_lost_is_counted(tmp_path):
    writer = StatusWriter(tmp_path)
    writer.add(StatusRow("a", "done", kept=True, sha256="1"))
    writer.flush()
    assert read_status(tmp_path)["a"].status == "done"


def test_parts_are_written_as_time_goes_by(tmp_path):
    writer = StatusWriter(tmp_path, seconds=0.0)
    writer.add(StatusRow("a", "done"))
    writer.add(StatusRow("b", "done"))
    assert len(list(tmp_path.glob("*.parquet"))) == 2
    assert set(read_status(tmp_path)) == {"a", "b"}
