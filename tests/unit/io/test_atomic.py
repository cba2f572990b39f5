"""A result is there whole, or not at all; nothing else is ever touched."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from monai_sr.io import InputError, atomic_folder, atomic_path
from monai_sr.io.atomic import OutputExistsError


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_temporary_file_has_the_suffixes_and_the_folder_of_the_target(tmp_path: Path) -> None:
    target = tmp_path / "new" / "scan.v1.nii.gz"
    with atomic_path(target) as temporary:
        assert temporary.parent == target.parent
        assert temporary.name.endswith(".nii.gz")
        assert temporary.name.startswith(".")
        assert not temporary.exists()
        temporary.write_text("whole")
        assert not target.exists()
    assert target.read_text() == "whole"
    assert names(target.parent) == ["scan.v1.nii.gz"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_after_an_error_the_old_file_is_untouched_and_nothing_is_left(
    tmp_path: Path, error: type[BaseException]
) -> None:
    target = tmp_path / "a.json"
    target.write_text("old")
    with pytest.raises(error), atomic_path(target, overwrite=True) as temporary:
        temporary.write_text("half")
        raise error
    assert target.read_text() == "old"
    assert names(tmp_path) == ["a.json"]


def test_nothing_is_replaced_unasked(tmp_path: Path) -> None:
    target = tmp_path / "a.json"
    target.write_text("old")
    with pytest.raises(OutputExistsError, match=r"a\.json exists"), atomic_path(target):
        pytest.fail("the block must not run")
    assert issubclass(OutputExistsError, InputError) and issubclass(OutputExistsError, FileExistsError)
    with atomic_path(target, overwrite=True) as temporary:
        temporary.write_text("new")
    assert target.read_text() == "new"


def test_a_file_that_came_during_the_block_is_not_replaced(tmp_path: Path) -> None:
    target = tmp_path / "a.json"
    with pytest.raises(OutputExistsError), atomic_path(target) as temporary:
        temporary.write_text("mine")
        target.write_text("another process was faster")
    assert target.read_text() == "another process was faster"
    assert names(tmp_path) == ["a.json"]


def test_without_hard_links_the_rename_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise PermissionError("this file system has no hard links")

    monkeypatch.setattr(os, "link", refused)
    with atomic_path(tmp_path / "a.json") as temporary:
        temporary.write_text("x")
    assert (tmp_path / "a.json").read_text() == "x"


def test_a_folder_where_a_file_should_go(tmp_path: Path) -> None:
    (tmp_path / "a.nii").mkdir()
    with pytest.raises(OutputExistsError, match="is a folder"), atomic_path(tmp_path / "a.nii", overwrite=True):
        pytest.fail("the block must not run")


def test_a_writer_that_writes_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), atomic_path(tmp_path / "a.json"):
        pass
    assert names(tmp_path) == []


def test_a_new_folder(tmp_path: Path) -> None:
    target = tmp_path / "case" / "dicom"
    with atomic_folder(target) as temporary:
        assert temporary.parent == target.parent
        (temporary / "1.dcm").write_text("1")
        assert not target.exists()
    assert names(target) == ["1.dcm"]
    assert names(target.parent) == ["dicom"]


def test_an_empty_folder_may_be_there(tmp_path: Path) -> None:
    (tmp_path / "dicom").mkdir()
    with atomic_folder(tmp_path / "dicom") as temporary:
        (temporary / "1.dcm").write_text("1")
    assert names(tmp_path / "dicom") == ["1.dcm"]
    assert names(tmp_path) == ["dicom"]


def test_a_series_is_replaced_as_a_whole_and_only_when_asked(tmp_path: Path) -> None:
    target = tmp_path / "dicom"
    target.mkdir()
    (target / "old.dcm").write_text("old")
    with pytest.raises(OutputExistsError, match="exists"), atomic_folder(target):
        pytest.fail("the block must not run")
    with pytest.raises(RuntimeError), atomic_folder(target, overwrite=True) as temporary:
        (temporary / "half.dcm").write_text("half")
        raise RuntimeError
    assert names(target) == ["old.dcm"]
    with atomic_folder(target, overwrite=True) as temporary:
        (temporary / "new.dcm").write_text("new")
    assert names(target) == ["new.dcm"]
    assert names(tmp_path) == ["dicom"]


def test_a_wrong_path_never_costs_other_files(tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / "thesis").mkdir(parents=True)
    (home / "1.dcm").write_text("1")
    with pytest.raises(OutputExistsError, match=r"holds more than \*\.dcm files"), atomic_folder(home, overwrite=True):
        pytest.fail("the block must not run")
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputExistsError, match="not a folder"), atomic_folder(tmp_path / "file", overwrite=True):
        pytest.fail("the block must not run")
    assert names(home) == ["1.dcm", "thesis"]


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL there")
def test_a_killed_process_leaves_nothing_under_the_final_name(tmp_path: Path) -> None:
    code = (
        "import pathlib, sys, time\n"
        "from monai_sr.io import atomic_path\n"
        "with atomic_path(pathlib.Path(sys.argv[1]) / 'a.nii.gz') as temporary:\n"
        "    temporary.write_bytes(bytes(100))\n"
        "    print('written', flush=True)\n"
        "    time.sleep(60)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "written"
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=10)
    process.stdout.close()
    time.sleep(0.05)
    (left,) = names(tmp_path)
    assert left.startswith(".")  # hidden, so that no reader takes it for a scan
