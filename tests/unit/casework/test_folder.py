from __future__ import annotations

import os
from pathlib import Path

import pytest

from monai_sr.casework.folder import case_folder
from monai_sr.io import InputError


def tree(folder: Path) -> dict[str, str]:
    return {str(p.relative_to(folder)): p.read_text() for p in sorted(folder.rglob("*")) if p.is_file()}


def fill(folder: Path, **files: str) -> None:
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_a_case_appears_whole(tmp_path):
    out = tmp_path / "deep" / "out"
    with case_folder(out / "a", "a") as staging:
        (staging / "run.json").write_text("new")
        assert not (out / "a").exists()
    assert tree(tmp_path) == {"deep/out/a/run.json": "new"}
    assert os.listdir(out) == ["a"]


def test_a_failed_case_leaves_not_even_the_output_folder(tmp_path):
    with pytest.raises(RuntimeError), case_folder(tmp_path / "deep" / "out" / "a", "a") as staging:
        (staging / "run.json").write_text("half")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_existing_results_stay_unless_asked(tmp_path):
    fill(tmp_path / "a", run_dot_json="old")
    with pytest.raises(InputError, match="--overwrite"), case_folder(tmp_path / "a", "a"):
        raise AssertionError("refused before the work starts")
    assert tree(tmp_path) == {"a/run.json": "old"}


def test_overwrite_replaces_all_results_and_nothing_else(tmp_path):
    fill(tmp_path / "a", run_dot_json="old", dicom__0001_dot_dcm="old", a_sr_dot_nii="old", notes_dot_txt="mine")
    with case_folder(tmp_path / "a", "a", overwrite=True) as staging:
        (staging / "run.json").write_text("new")
    assert tree(tmp_path) == {"a/notes.txt": "mine", "a/run.json": "new"}


def test_other_files_in_the_folder_are_no_obstacle(tmp_path):
    fill(tmp_path / "a", notes_dot_txt="mine", b_sr_dot_nii="another case")
    with case_folder(tmp_path / "a", "a") as staging:
        (staging / "run.json").write_text("new")
    assert tree(tmp_path) == {"a/b_sr.nii": "another case", "a/notes.txt": "mine", "a/run.json": "new"}


@pytest.mark.parametrize("fails_at", [1, 2, 3, 4])
def test_an_interrupt_while_moving_brings_the_old_results_back(tmp_path, monkeypatch, fails_at):
    fill(tmp_path / "a", run_dot_json="old", preview_dot_png="old")
    rename, calls = os.rename, []

    def interrupted(source, target):
        calls.append(source)
        if len(calls) == fails_at:
            raise KeyboardInterrupt
        rename(source, target)

    monkeypatch.setattr(os, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt), case_folder(tmp_path / "a", "a", overwrite=True) as staging:
        fill(staging, run_dot_json="new", preview_dot_png="new")
    assert tree(tmp_path) == {"a/preview.png": "old", "a/run.json": "old"}
    assert os.listdir(tmp_path) == ["a"]


def test_a_case_that_came_meanwhile_is_not_replaced(tmp_path):
    with pytest.raises(InputError, match="exist"), case_folder(tmp_path / "a", "a") as staging:
        (staging / "run.json").write_text("mine")
        fill(tmp_path / "a", run_dot_json="of another process")
    assert tree(tmp_path) == {"a/run.json": "of another process"}


def test_a_file_in_the_place_of_the_folder(tmp_path):
    (tmp_path / "a").write_text("a file")
    with pytest.raises(InputError, match="not a folder"), case_folder(tmp_path / "a", "a", overwrite=True):
        raise AssertionError
