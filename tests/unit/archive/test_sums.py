from __future__ import annotations

import json
import shutil
import subprocess

import pytest

pytest.importorskip("pyarrow", reason="needs Ray Data and PyArrow: pip install 'monai_sr[archive]'")

from monai_sr.archive.sums import result_digest, write_sums

pytestmark = pytest.mark.archive


@pytest.fixture
def result(tmp_path):
    (tmp_path / "a_sr.nii.gz").write_bytes(b"voxels")
    (tmp_path / "dicom").mkdir()
    for name in ("2.dcm", "1.dcm"):
        (tmp_path / "dicom" / name).write_bytes(name.encode())
    (tmp_path / "preview.png").write_bytes(b"picture")
    (tmp_path / "run.json").write_text(json.dumps({"job": "J"}))
    return tmp_path


def test_a_result_is_known_again_until_it_changes(result):
    digest = write_sums(result, ["a_sr.nii.gz", "dicom", "preview.png", "run.json"])
    assert result_digest(result, "J") == digest
    (result / "preview.png").write_bytes(b"another picture")  # not a value of the result
    assert result_digest(result, "J") == digest
    assert result_digest(result, "another job") is None
    (result / "dicom" / "1.dcm").write_bytes(b"changed")
    assert result_digest(result, "J") is None
    (result / "dicom" / "1.dcm").unlink()
    assert result_digest(result, "J") is None


def test_without_a_record_there_is_no_result(tmp_path, result):
    assert result_digest(result, "J") is None  # killed before the digests were written, had it not been a hidden folder
    write_sums(result, ["a_sr.nii.gz"])
    (result / "run.json").write_text("{")
    assert result_digest(result, "J") is None


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="needs sha256sum")
def test_sha256sum_agrees(result):
    write_sums(result, ["a_sr.nii.gz", "dicom", "preview.png"])
    checked = subprocess.run(["sha256sum", "-c", "SHA256SUMS"], cwd=result, capture_output=True, text=True)
    assert checked.returncode == 0
    assert checked.stdout.splitlines() == ["a_sr.nii.gz: OK", "dicom/1.dcm: OK", "dicom/2.dcm: OK"]
