from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from monai_sr.data import find_scans, prepare_cases
from monai_sr.data.phantom import ellipsoids
from monai_sr.io import InputError, write_volume
from monai_sr.transforms import DescribeScand, LoadVolumed, NormalizeScand

STEPS = [LoadVolumed("label"), NormalizeScand("label"), DescribeScand()]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two good scans, one cut off, one constant, one that is no NIfTI at all."""
    for name in ("sub-1_ct", "sub-2_ct"):
        write_volume(ellipsoids((24, 24, 24)), tmp_path / f"{name}.nii.gz")
    whole = (tmp_path / "sub-1_ct.nii.gz").read_bytes()
    (tmp_path / "sub-3_cut.nii.gz").write_bytes(whole[: len(whole) // 2])
    flat = ellipsoids((24, 24, 24), modality="MR")
    write_volume(flat.with_values(flat.array * 0 + 5), tmp_path / "sub-4_flat.nii.gz")
    (tmp_path / "sub-5_text.nii").write_text("no scan", encoding="utf-8")
    return tmp_path


def test_faulty_scans_are_set_aside_with_a_list(folder: Path, tmp_path: Path) -> None:
    listed = tmp_path / "out" / "set_aside.json"
    good = prepare_cases(find_scans(folder), STEPS, listed)
    assert [(case["case"], case["subject"], case["group"]) for case in good] == [
        ("sub-1_ct.nii.gz", "1", "1/CT"),
        ("sub-2_ct.nii.gz", "2", "2/CT"),
    ]
    reasons = json.loads(listed.read_text(encoding="utf-8"))
    assert list(reasons) == ["sub-3_cut.nii.gz", "sub-4_flat.nii.gz", "sub-5_text.nii"]
    assert "constant" in reasons["sub-4_flat.nii.gz"]
    assert all("\n" not in reason and reason for reason in reasons.values())


def test_the_list_is_written_also_when_empty(folder: Path, tmp_path: Path) -> None:
    prepare_cases(find_scans(folder)[:1], STEPS, tmp_path / "list.json")
    assert json.loads((tmp_path / "list.json").read_text(encoding="utf-8")) == {}


def test_nothing_left_is_an_error(folder: Path) -> None:
    with pytest.raises(InputError, match=r"no case could be used: sub-5_text\.nii"):
        prepare_cases(find_scans(folder)[4:], STEPS)


def test_any_fault_of_a_transform_is_the_cases_own(tmp_path: Path) -> None:
    def fail_on_b(case: dict[str, Any]) -> dict[str, Any]:
        if case["name"] == "b":
            raise ZeroDivisionError("b is odd")
        return case

    cases = [{"name": n, "subject": n, "label": n} for n in "abc"]
    good = prepare_cases(cases, [fail_on_b], tmp_path / "l.json")
    assert [case["case"] for case in good] == ["a", "c"]
    assert json.loads((tmp_path / "l.json").read_text(encoding="utf-8")) == {"b": "ZeroDivisionError: b is odd"}
