from __future__ import annotations

import builtins
import json
import os
from importlib.util import find_spec

import pytest

from monai_sr import write_volume
from monai_sr.data import phantom

NONE = ("--model", "none", "--device", "cpu", "--workers", "0")
needs_extra = pytest.mark.skipif(
    find_spec("pyarrow") is None, reason="needs Ray Data and PyArrow: pip install 'monai_sr[archive]'"
)


@pytest.fixture
def folder(tmp_path):
    for number in range(4):
        volume = phantom.ellipsoids((16, 14, 6), (1.5, 1.5, 3.0 + 0.1 * number), modality="MR", oversampling=1)
        write_volume(volume, tmp_path / "in" / f"s{number}.nii")
    (tmp_path / "in" / "s3.nii").write_bytes((tmp_path / "in" / "s3.nii").read_bytes()[:400])
    return tmp_path / "in"


@needs_extra
@pytest.mark.archive
def test_an_archive_from_scan_to_status(run, folder, tmp_path):
    out = tmp_path / "out"
    ended = run("archive", "run", "--scan", folder, "-o", out, *NONE)
    assert ended.code == 3
    assert "refused    s3: " in ended.err
    assert "3 done, 1 refused, 0 left" in ended.out
    assert "Not for diagnosis" in ended.out
    (out / "s1" / "s1_sr.nii.gz").unlink()
    again = run("archive", "run", "-o", out, "--json", *NONE)  # the manifest of the first start
    events = [json.loads(line) for line in again.out.splitlines()]
    assert [(e["series"], e["status"], e["kept"]) for e in events[:-1]] == [
        ("s0", "done", True), ("s1", "done", False), ("s2", "done", True), ("s3", "refused", False)
    ]  # fmt: skip
    assert (events[-1]["done"], events[-1]["kept"], events[-1]["refused"]) == (1, 2, 1)
    facts = json.loads(run("archive", "status", out, "--json").out)
    assert {key: facts[key] for key in ("series", "done", "refused", "set_aside", "left")} == {
        "series": 4, "done": 3, "refused": 1, "set_aside": 0, "left": 0
    }  # fmt: skip
    told = run("archive", "status", out).out
    assert "        3 done" in told
    assert "truncated" in told or "s3.nii" in told


@needs_extra
@pytest.mark.archive
def test_shards_make_what_one_job_makes(run, folder, tmp_path):
    assert run("archive", "scan", folder, "--manifest", tmp_path / "m.parquet").out.endswith("m.parquet: 4 series\n")
    shard = ("archive", "run", "--manifest", tmp_path / "m.parquet", "-o", tmp_path / "out", *NONE[:-2], "--shard")
    assert run(*shard, "1/2").code == 0
    assert sorted(os.listdir(tmp_path / "out")) == ["_job", "s0", "s2"]
    assert run(*shard, "2/2").code == 3
    assert sorted(os.listdir(tmp_path / "out")) == ["_job", "s0", "s1", "s2"]
    run("archive", "run", "--scan", folder, "-o", tmp_path / "one", *NONE)
    for name in ("s0", "s1", "s2"):
        digests = [(tmp_path / out / name / "SHA256SUMS").read_text() for out in ("out", "one")]
        assert digests[0] == digests[1]


@needs_extra
@pytest.mark.archive
def test_wrong_command_lines_are_two(run, folder, tmp_path):
    out = tmp_path / "out"
    start = ("archive", "run", "-o", out, *NONE)
    for words, said in (
        ((), "give --manifest FILE or --scan DIR"),
        (("--scan", folder, "--manifest", folder / "s0.nii"), "not both"),
        (("--manifest", folder / "s0.nii"), "cannot be read as a Parquet manifest"),
        (("--scan", folder, "--shard", "3/2"), "a shard is i/n"),
        (("--scan", folder, "--spacing", "fine"), "--spacing takes"),
    ):
        ended = run(*start, *words)
        assert ended.code == 2, ended.err
        assert said in ended.err
    assert run("archive", "status", tmp_path).code == 2
    assert run(*start, "--scan", folder).code == 3
    other = run(*start, "--scan", folder, "--spacing", "0.9")
    assert other.code == 2
    assert "spacing was auto and is 0.9" in other.err
    assert other.out == ""  # a job that did not begin has no sum
    other = run(*start, "--scan", folder, "--model", "fast")
    assert "(model was none and is fast); give" in other.err


@needs_extra
@pytest.mark.archive
def test_an_empty_folder_starts_no_job(run, folder, tmp_path):
    (tmp_path / "empty").mkdir()
    ended = run("archive", "run", "--scan", tmp_path / "empty", "-o", tmp_path / "out", *NONE)
    assert ended.code == 2
    assert "empty holds no NIfTI file" in ended.err
    assert not (tmp_path / "out").exists()  # nothing stands in the way of the right folder
    assert run("archive", "scan", tmp_path / "empty", "--manifest", tmp_path / "m.parquet").code == 2
    assert not (tmp_path / "m.parquet").exists()


@needs_extra
@pytest.mark.archive
def test_another_folder_does_not_go_on_with_the_manifest_of_the_first(run, folder, tmp_path):
    start = ("archive", "run", "-o", tmp_path / "out", *NONE)
    assert run(*start, "--scan", folder).code == 3
    other = run(*start, "--scan", tmp_path)
    assert other.code == 2
    assert f"holds a job over another folder than {tmp_path}" in other.err


@needs_extra
@pytest.mark.archive
def test_a_place_that_cannot_be_written_is_the_environment(run, folder, tmp_path):
    (tmp_path / "file").write_text("")
    for words in (
        ("run", "--scan", folder, "-o", tmp_path / "file" / "out", *NONE),
        ("scan", folder, "--manifest", tmp_path / "file" / "m.parquet"),
    ):
        ended = run("archive", *words)
        assert ended.code == 4
        assert "cannot be written (" in ended.err


def test_without_the_extra_one_sentence_says_what_to_install(run, folder, tmp_path, monkeypatch):
    real = builtins.__import__

    def absent(name, *args, **kwargs):
        if name.startswith("monai_sr.archive") or name == "pyarrow":
            raise ModuleNotFoundError("No module named 'pyarrow'", name="pyarrow")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", absent)
    ended = run("archive", "run", "--scan", folder, "-o", tmp_path / "out")
    assert ended.code == 4
    assert "pip install 'monai_sr[archive]'" in ended.err
    assert not (tmp_path / "out").exists()
