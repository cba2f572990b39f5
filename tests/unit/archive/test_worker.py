from __future__ import annotations

import errno
import hashlib
import multiprocessing
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pydicom
import pytest

pytest.importorskip("pyarrow", reason="needs Ray Data and PyArrow: pip install 'monai_sr[archive]'")

from monai_sr import super_resolve, write_volume
from monai_sr.archive import Job, Worker, write_manifest
from monai_sr.casework import Upscaling, gather_cases
from monai_sr.cli import main
from monai_sr.data import phantom
from monai_sr.io import Case, Volume
from monai_sr.io.dicom_phantom import write_phantom_series

pytestmark = pytest.mark.archive


class Sick(Upscaling):
    """Series of the names below do what series of real archives do."""

    def read(self, case: Case) -> Volume:
        if case.name == "s000":
            raise RuntimeError("patient Doe")
        if case.name == "s001":
            os._exit(9)  # as the kernel does when memory ends
        if case.name == "s002":
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().read(case)


def begin(job: Job, count: int) -> Worker:
    job.begin(count)
    return Worker(job)


def test_a_result_equals_that_of_a_single_run(job, tmp_path):
    work = begin(job(1), 1)
    row = work(0)
    assert (row.status, row.kept, row.reason) == ("done", False, "")
    write_volume(super_resolve(tmp_path / "in" / "s000.nii", model="none").volume, tmp_path / "single.nii.gz")
    single = hashlib.sha256((tmp_path / "single.nii.gz").read_bytes()).hexdigest()
    assert hashlib.sha256((tmp_path / "out" / "s000" / "s000_sr.nii.gz").read_bytes()).hexdigest() == single
    assert min(row.read_seconds, row.resolve_seconds, row.write_seconds) > 0
    assert row.output_bytes > 0


def test_a_dicom_series_equals_that_of_a_single_run(tmp_path):
    body = phantom.ellipsoids((20, 18, 6), (1.5, 1.5, 4.0), oversampling=1)
    write_phantom_series(body, tmp_path / "in" / "ct")
    write_manifest(gather_cases([tmp_path / "in"], tmp_path / "out"), tmp_path / "m.parquet")
    row = begin(Job(tmp_path / "out", tmp_path / "m.parquet", Upscaling("none", "cpu")), 1)(0)
    assert row.status == "done", row.reason
    with pytest.raises(SystemExit, match="0"):
        main(["upscale", str(tmp_path / "in"), "-o", str(tmp_path / "single"), "--model", "none", "--device", "cpu"])
    pairs = [(tmp_path / out / row.series / "dicom").glob("*.dcm") for out in ("out", "single")]
    for mine, theirs in zip(*map(sorted, pairs), strict=True):
        mine, theirs = pydicom.dcmread(mine), pydicom.dcmread(theirs)
        assert mine.SOPInstanceUID == theirs.SOPInstanceUID  # they follow from pixels, place and parameters
        assert mine.pixel_array.tolist() == theirs.pixel_array.tolist()
    lines = (tmp_path / "out" / row.series / "SHA256SUMS").read_text().splitlines()
    assert len(lines) == len(list((tmp_path / "out" / row.series / "dicom").iterdir()))


def test_a_result_that_is_there_is_kept_and_one_that_changed_is_made_anew(job, tmp_path):
    work = begin(job(1), 1)
    first = work(0)
    file = tmp_path / "out" / "s000" / "s000_sr.nii.gz"
    written = file.stat().st_mtime_ns
    assert (work(0).kept, work(0).sha256, file.stat().st_mtime_ns) == (True, first.sha256, written)
    whole = file.read_bytes()
    file.write_bytes(whole[:-1])
    (file.parent / "notes.txt").write_text("mine")
    again = work(0)
    assert (again.status, again.kept, again.sha256) == ("done", False, first.sha256)
    assert file.read_bytes() == whole
    assert (file.parent / "notes.txt").read_text() == "mine"


def test_results_that_are_not_of_the_job_are_never_replaced(job, tmp_path):
    work = begin(job(1), 1)
    mine = tmp_path / "out" / "s000" / "s000_sr.nii.gz"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"mine")
    row = work(0)
    assert row.status == "refused"
    assert "not replaced" in row.reason
    assert mine.read_bytes() == b"mine"


def test_what_another_run_finished_meanwhile_is_kept(job, monkeypatch):
    made = job(1)
    work, other, resolve = begin(made, 1), Worker(made), Upscaling.resolve
    rows = []

    def overtaken(self, volume):
        if not rows:
            rows.append(None)
            rows[0] = other(0)
        return resolve(self, volume)

    monkeypatch.setattr(Upscaling, "resolve", overtaken)
    row = work(0)
    assert (rows[0].status, rows[0].kept) == ("done", False)
    assert (row.status, row.kept, row.sha256) == ("done", True, rows[0].sha256)
    assert list(made.tries.iterdir()) == []


def test_a_refusal_is_a_row_and_leaves_no_try(job, tmp_path):
    made = job(1)
    (tmp_path / "in" / "s000.nii").write_bytes(b"\x5c\x01" * 200)
    row = begin(made, 1)(0)
    assert row.status == "refused"
    assert "s000.nii" in row.reason
    assert list(made.tries.iterdir()) == []


def test_an_error_is_tried_twice_and_then_set_aside_without_patient_data(job):
    made = job(4, Sick("none", "cpu"))
    work = begin(made, 4)
    row = work(0)
    assert row.status == "set_aside"
    assert "tried 2 times: internal error (RuntimeError in" in row.reason
    assert "Doe" not in row.reason
    assert work(0).reason == row.reason  # and not tried again
    assert work(3).status == "done"


def test_a_full_disk_stops_the_job_and_blames_no_series(job):
    made = job(4, Sick("none", "cpu"))
    row = begin(made, 4)(2)
    assert (row.status, row.reason) == ("stopped", "no space left on device; nothing was written for this case")
    assert not (made.tries / "s002").exists()


def _in_a_process(job: Job, row: int) -> None:
    Worker(job)(row)


def test_a_series_that_kills_its_process_is_set_aside_after_two_tries(job):
    made = job(4, Sick("none", "cpu"))
    made.begin(4)
    for _ in range(2):
        process = multiprocessing.get_context("fork").Process(target=_in_a_process, args=(made, 1))
        process.start()
        process.join(timeout=120)
        assert process.exitcode == 9
    row = Worker(made)(1)
    assert row.status == "set_aside"
    assert "tried 2 times: the process that worked on it died" in row.reason
    assert sorted(path.name for path in made.out.iterdir()) == ["_job"]


class Together(Upscaling):
    """Notes which series are worked on at one time."""

    def read(self, case: Case) -> Volume:
        with _lock:
            _inside.add(case.name)
            _seen.append(set(_inside))
        _met.wait(timeout=1.0 if case.name != "s001" else 0.2)
        volume = super().read(case)
        with _lock:
            _inside.discard(case.name)
        return volume


_lock, _met, _inside, _seen = threading.Lock(), threading.Event(), set(), []


def test_a_series_that_was_begun_before_is_worked_on_alone(job):
    made = job(5, Together("none", "cpu"))
    made.begin(5)
    made.tries.mkdir(parents=True)
    (made.tries / "s001").write_text(str(Path("nowhere")) + "\n")
    worker = Worker(made, at_once=3)
    with ThreadPoolExecutor(3) as pool:
        rows = list(pool.map(worker, range(5)))
    assert [row.status for row in rows] == ["done"] * 5
    assert [seen for seen in _seen if "s001" in seen] == [{"s001"}]
    assert max(len(seen) for seen in _seen) > 1  # the others were not
