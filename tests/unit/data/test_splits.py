from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from monai_sr.data import Split, find_scans, make_split, split_cases
from monai_sr.io import InputError

REPOSITORY = Path(__file__).resolve().parents[3]


def cases(*names: str) -> list[dict[str, str]]:
    return [{"name": f"sub-{name}.nii", "subject": name.split("_")[0], "label": f"/x/{name}"} for name in names]


def test_a_subject_is_never_in_two_roles() -> None:
    found = cases(*(f"{subject}_{scan}" for subject in "abcdefghij" for scan in range(3)))
    split = make_split(found, 0.2, seed=1)
    assigned = split.assign(found)
    subjects = {role: {case["subject"] for case in members} for role, members in assigned.items()}
    assert len(subjects["validation"]) == 2
    assert subjects["train"] | subjects["validation"] == set("abcdefghij")
    assert not subjects["train"] & subjects["validation"]
    assert len(assigned["validation"]) == 6


def test_a_split_depends_on_names_and_seed_alone() -> None:
    found = cases(*"abcdefghij")
    assert make_split(found, 0.3, 0) == make_split(found[::-1], 0.3, 0)
    assert len({json.dumps(make_split(found, 0.3, seed).roles, sort_keys=True) for seed in range(5)}) > 1


def test_few_subjects() -> None:
    assert set(make_split(cases("a"), 0.5, 0).roles.values()) == {"train"}
    assert sorted(make_split(cases("a", "b"), 0.01, 0).roles.values()) == ["train", "validation"]
    assert sorted(make_split(cases("a", "b"), 0.99, 0).roles.values()) == ["train", "validation"]


def test_a_split_is_written_once_and_then_followed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    first, split = split_cases(cases(*"abcdefgh"), tmp_path, seed=0)
    kept = (tmp_path / "split.json").read_bytes()
    with caplog.at_level(logging.WARNING):
        again, same = split_cases(cases(*"abcdefghij"), tmp_path, seed=99)
    assert (tmp_path / "split.json").read_bytes() == kept
    assert same == split
    assert again == first
    assert "sub-i.nii, sub-j.nii" in caplog.text  # left out, and said so


def test_files_that_are_missing_are_named(tmp_path: Path) -> None:
    split_cases(cases(*"abcd"), tmp_path)
    with pytest.raises(InputError, match=r"not in the data folder: sub-b\.nii, sub-d\.nii"):
        split_cases(cases("a", "c"), tmp_path)


def test_another_split_than_the_run_began_with_is_refused(tmp_path: Path) -> None:
    split_cases(cases("a", "b"), tmp_path / "out")
    Split({"a": "train", "b": "train"}, {"sub-a.nii": "a", "sub-b.nii": "b"}).write(tmp_path / "mine.json")
    with pytest.raises(InputError, match="which this run began with"):
        split_cases(cases("a", "b"), tmp_path / "out", tmp_path / "mine.json")


def test_a_given_split_decides(tmp_path: Path) -> None:
    roles = {"a": "validation", "b": "train", "c": "exclude"}
    mine = Split(roles, {"sub-a.nii": "a", "sub-b.nii": "b", "sub-gone.nii": "c"})
    mine.write(tmp_path / "mine.json")
    assigned, split = split_cases(cases("a", "b"), tmp_path / "out", tmp_path / "mine.json")
    assert [c["name"] for c in assigned["train"]] == ["sub-b.nii"]
    assert [c["name"] for c in assigned["validation"]] == ["sub-a.nii"]
    assert split.sha256 == Split.read(tmp_path / "out/split.json").sha256


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ("{", "is not a split file"),
        ('{"roles": {}}', "is not a split file"),
        ('{"roles": {"a": "trian"}, "files": {}}', "must be one of train, validation, test, exclude, got 'trian'"),
        ('{"roles": {}, "files": {"x.nii": "a"}}', "x.nii belongs to a, who has no role"),
    ],
)
def test_faulty_split_files(tmp_path: Path, content: str, match: str) -> None:
    (tmp_path / "split.json").write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=match):
        Split.read(tmp_path / "split.json")


def test_nobody_to_train_on(tmp_path: Path) -> None:
    Split({"a": "validation"}, {"sub-a.nii": "a"}).write(tmp_path / "mine.json")
    with pytest.raises(InputError, match="no case to train on"):
        split_cases(cases("a"), tmp_path / "out", tmp_path / "mine.json")


def test_the_development_split_fits_the_data(real_data: Path) -> None:
    split = Split.read(REPOSITORY / "configs" / "splits" / "development.json")
    found = find_scans(real_data / "train")
    assert {case["name"] for case in found} == set(split.files)
    assigned = split.assign(found)
    assert not any("phantom" in case["name"] for role in ("train", "validation") for case in assigned[role])
    validating = {case["subject"] for case in assigned["validation"]}
    assert validating == {"philips_mprage", "oms_p19", "oms_long04", "sts_033"}
    assert not validating & {case["subject"] for case in assigned["train"]}
    assert len(assigned["train"]) == 18
