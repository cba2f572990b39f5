"""A user's job on Ray, with real processes that are really killed."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest

pytest.importorskip("pyarrow", reason="needs Ray Data and PyArrow: pip install 'monai_sr[archive]'")

from monai_sr import super_resolve, write_volume
from monai_sr.archive import Job, JobRefused, Manifest, read_status
from monai_sr.casework import Upscaling

pytestmark = [
    pytest.mark.archive,
    pytest.mark.slow,
    pytest.mark.timeout(3000),
    pytest.mark.skipif(find_spec("ray") is None, reason="needs Ray Data: pip install 'monai_sr[archive]'"),
]

DRIVER = Path(__file__).with_name("poisoned_job.py")
POISON = "s050"
COUNT = 200


@contextmanager
def driver(job: Job) -> Iterator[subprocess.Popen[str]]:
    """The job in a process of its own, with two workers."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "RAY_worker_niceness": "0"}
    command = [sys.executable, str(DRIVER), str(job.manifest), str(job.out), "2"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            yield process
        finally:
            process.kill()


def rows_of(process: subprocess.Popen[str]) -> Iterator[dict[str, object]]:
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("{"):
            yield json.loads(line)


def test_each_series_once_whatever_is_killed(job, tmp_path):
    made = job(COUNT)
    assert len(Manifest(made.manifest)) == COUNT

    with driver(made) as process:  # the driver is killed in the middle
        for number, _ in enumerate(rows_of(process)):
            if number == COUNT // 4:
                process.send_signal(signal.SIGKILL)
                break
        process.wait(timeout=60)
    assert process.returncode == -signal.SIGKILL
    finished = {path.parent.name for path in made.out.glob("*/SHA256SUMS")}
    written = {name: (made.out / name / "run.json").stat().st_mtime_ns for name in finished}
    assert COUNT // 4 < len(finished) < COUNT

    with driver(made) as process:  # a worker is killed in the middle
        ended = []
        for row in rows_of(process):
            ended.append(row)
            if not row["kept"] and sum(not r["kept"] for r in ended) == 10:
                os.kill(int(str(row["worker"]).rpartition(":")[2]), signal.SIGKILL)
        process.wait(timeout=120)
    assert process.returncode == 0

    assert len({row["worker"] for row in ended}) >= 3  # two, and the one that took the place of the killed one
    assert sorted(str(row["series"]) for row in ended) == [f"s{n:03d}" for n in range(COUNT)]
    status = read_status(made.status)
    assert {name for name, row in status.items() if row.status != "done"} == {POISON}
    assert status[POISON].status == "set_aside"
    assert "tried 2 times: the process that worked on it died" in status[POISON].reason
    # what the killed job had finished was kept, and nothing half done lies about
    kept = {str(row["series"]) for row in ended if row["kept"]}
    assert finished <= kept
    assert all((made.out / name / "run.json").stat().st_mtime_ns == time for name, time in written.items())
    names = {f"s{n:03d}" for n in range(COUNT)} - {POISON}
    assert {path.name for path in made.out.iterdir()} == names | {"_job"}
    assert [path.name for path in made.tries.iterdir()] == [POISON]
    for name in names:
        write_volume(
            super_resolve(tmp_path / "in" / f"{name}.nii", model="none").volume,
            tmp_path / "single.nii.gz",
            overwrite=True,
        )
        assert digest(made.out / name / f"{name}_sr.nii.gz") == digest(tmp_path / "single.nii.gz")


def test_workers_that_would_wait_forever_are_refused(job):
    import ray

    from monai_sr.archive.run import run_job

    made = job(1)
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    address = ray.get_runtime_context().gcs_address
    try:
        script = "import sys; from pathlib import Path; from poisoned_job import *\n"
        script += "run_job(Job(Path(sys.argv[2]), Path(sys.argv[1]), Upscaling('none', 'cpu')), workers=2, "
        script += "address=sys.argv[3], on_row=print)"
        ended = subprocess.run(
            [sys.executable, "-c", script, str(made.manifest), str(made.out), address],
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(DRIVER.parent), os.environ.get("PYTHONPATH", "")])},
            capture_output=True,
            text=True,
            timeout=600,
        )
    finally:
        ray.shutdown()
    assert "the cluster has 2 processors and 0 GPUs, which is enough for 0 workers" in ended.stderr
    with pytest.raises(JobRefused, match="Ray chooses the GPU"):
        run_job(Job(made.out, made.manifest, Upscaling("none", "cuda:1")), workers=1, on_row=print)


@pytest.mark.timeout(60)
def test_a_cluster_that_is_not_there_is_refused_at_once(job):
    from monai_sr.archive.run import run_job

    made = job(1)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for address in (f"127.0.0.1:{port}", f"ray://127.0.0.1:{port}"):
        with pytest.raises(JobRefused, match=f"no Ray cluster answers at {address}"):
            run_job(made, address=address, on_row=print)


def digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


@pytest.mark.parametrize(("asked", "threads"), [(None, 4), ("1", 1), ("16", 4), ("", 4), ("4,2", 4)])
def test_a_worker_takes_its_share_of_the_processors_or_what_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, asked: str | None, threads: int
) -> None:
    from monai_sr.archive.cluster import _threads

    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if asked is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", asked)
    assert _threads(4) == threads
    assert _threads(0) == 1
