from __future__ import annotations

import pytest

pytest.importorskip("pyarrow", reason="needs Ray Data and PyArrow: pip install 'monai_sr[archive]'")

from monai_sr.archive.tries import Tries, take_back

pytestmark = pytest.mark.archive


def test_a_try_outlives_its_process_and_says_why(tmp_path):
    first = Tries(tmp_path / "tries", "a")
    assert first.count == 0
    first.begin(tmp_path / ".staging")
    later = Tries(tmp_path / "tries", "a")
    assert later.count == 1
    assert "died" in later.reason
    later.begin(tmp_path / ".staging2")
    later.failed("not enough\tmemory\nhere")
    last = Tries(tmp_path / "tries", "a")
    assert (last.count, last.reason) == (2, "not enough memory here")
    last.forget()
    assert Tries(tmp_path / "tries", "a").count == 0


def test_a_new_try_clears_what_a_killed_one_left(tmp_path):
    left, old, other = tmp_path / ".monai_sr-1", tmp_path / ".monai_sr-1.old", tmp_path / ".monai_sr-2"
    for folder in (left, old, other):
        folder.mkdir()
        (folder / "half.nii.gz").write_bytes(b"half")
    Tries(tmp_path / "tries", "a").begin(left)
    Tries(tmp_path / "tries", "a").begin(tmp_path / ".monai_sr-3")
    assert not left.exists()
    assert not old.exists()
    assert other.exists()  # of another process, which may be alive


def test_what_a_stopped_run_had_in_work_is_taken_back(tmp_path):
    folder = tmp_path / "tries"
    for name in ("a", "b", "c", "d"):
        Tries(folder, name, "1").begin(tmp_path / f".{name}1")
    Tries(folder, "b", "2").begin(tmp_path / ".monai_sr-b2")
    Tries(folder, "c", "2").begin(tmp_path / ".c2")
    failed = Tries(folder, "d", "2")
    failed.begin(tmp_path / ".d2")
    failed.failed("internal error")
    (tmp_path / ".monai_sr-b2").mkdir()
    (folder / "e").touch()  # its writer died

    take_back(folder, "2", but={"c"})

    counts = {name: Tries(folder, name).count for name in "abcde"}
    assert counts == {"a": 1, "b": 1, "c": 2, "d": 2, "e": 0}
    assert not (tmp_path / ".monai_sr-b2").exists()
    take_back(folder, "1", but=())
    assert not (folder / "a").exists()
    take_back(tmp_path / "none", "1", but=())


def test_a_line_that_was_cut_removes_nothing(tmp_path):
    """A full disk cuts what is written: the folder above the one that was meant."""
    (tmp_path / "out" / "s000").mkdir(parents=True)
    (tmp_path / "tries").mkdir()
    for cut in (tmp_path / "out", ""):
        (tmp_path / "tries" / "a").write_text(f"{cut}\n", encoding="utf-8")
        Tries(tmp_path / "tries", "a").begin(tmp_path / "out" / ".monai_sr-1")
    assert (tmp_path / "out" / "s000").is_dir()
