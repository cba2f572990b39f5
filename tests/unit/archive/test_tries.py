from __future__ import annotations

import pytest

pytest.importorskip("pyarrow", reason="needs Ray Data and PyArrow: pip install 'monai_sr[archive]'")

from monai_sr.archive.tries import Tries

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
