from __future__ import annotations

from pathlib import Path

import pytest

from monai_sr.data import find_pairs, find_photos, find_scans, of_modality, subject_of
from monai_sr.data.phantom import ellipsoids
from monai_sr.io import InputError, write_volume
from monai_sr.keys import HR, LR


def touch(*files: Path) -> None:
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"")


@pytest.mark.parametrize(
    ("name", "subject"),
    [
        ("sub-01/anat/sub-01_T1w.nii.gz", "01"),
        ("derivatives_sub-ab2_T1w.nii", "ab2"),
        ("head_3.nii.gz", "head_3"),
        ("a.b/scan.nii", "scan"),
        ("resub-7.nii", "resub-7"),
    ],
)
def test_subjects(name: str, subject: str) -> None:
    assert subject_of(name) == subject


def test_scans_are_found_at_any_depth_and_series_count_once(tmp_path: Path) -> None:
    touch(tmp_path / "b.nii", tmp_path / "a/x.nii.gz", tmp_path / "s/1.dcm", tmp_path / "s/2.DCM", tmp_path / "n.txt")
    touch(tmp_path / ".hidden.nii")
    cases = find_scans(tmp_path)
    assert [case["name"] for case in cases] == ["a/x.nii.gz", "b.nii", "s"]
    assert cases[0][HR] == str(tmp_path / "a/x.nii.gz")
    assert LR not in cases[0]


def test_only_one_modality(tmp_path: Path) -> None:
    for name, modality in (("head", "MR"), ("leg", "CT")):
        write_volume(ellipsoids((16, 16, 16), modality=modality), tmp_path / f"{name}.nii.gz")
    (tmp_path / "broken.nii.gz").write_bytes(b"no scan")
    cases = find_scans(tmp_path)
    assert [case["name"] for case in of_modality(cases, "CT")] == ["broken.nii.gz", "leg.nii.gz"]
    assert [case["name"] for case in of_modality(cases, "MR")] == ["broken.nii.gz", "head.nii.gz"]


def test_pairs_have_one_name(tmp_path: Path) -> None:
    touch(*(tmp_path / side / "sub-1/t1.nii.gz" for side in ("HR", "LR")))
    touch(tmp_path / "HR/p.png", tmp_path / "LR/p.jpg")
    cases = find_pairs(tmp_path)
    assert [(case["name"], case["subject"]) for case in cases] == [("sub-1/t1.nii.gz", "1"), ("p", "p")]
    assert cases[1][LR] == str(tmp_path / "LR/p.jpg")


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        find_scans(tmp_path / "absent")
    touch(tmp_path / "HR/a.nii", tmp_path / "HR/b.nii", tmp_path / "LR/a.nii")
    with pytest.raises(InputError, match=r"b\.nii in .* has no partner"):
        find_pairs(tmp_path)
    (tmp_path / "LR/a.nii").unlink()
    with pytest.raises(InputError, match="holds neither volumes nor images"):
        find_pairs(tmp_path)


def test_photographs_are_truths(tmp_path: Path) -> None:
    for name in ("b.PNG", "a.tif", "deeper/a.jpg", ".hidden/c.png", "notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    cases = find_photos(tmp_path)
    assert [case["name"] for case in cases] == ["a.tif", "b.PNG", "deeper/a.jpg"]
    assert cases[1] == {"name": "b.PNG", "subject": "b", HR: str(tmp_path / "b.PNG")}
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no such folder"):
        find_photos(tmp_path / "none")
    with pytest.raises(InputError, match="holds no photograph"):
        find_photos(tmp_path / "empty")
