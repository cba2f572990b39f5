"""Run a job to its end: rows from the workers to the disk and to whoever looks on."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager

from monai_sr.archive.job import Job, JobRefused, Shard
from monai_sr.archive.lock import only_run
from monai_sr.archive.manifest import Manifest
from monai_sr.archive.status import StatusRow, StatusWriter, read_status
from monai_sr.archive.tries import Tries, take_back
from monai_sr.archive.worker import Worker
from monai_sr.casework import EnvironmentProblemError

__all__ = ["READ_AND_WRITE", "run_job", "try_again"]

READ_AND_WRITE = 3  # series of one worker at a time where the network has a GPU: one is read, one there, one written
_STREAK = 25  # series in a row that are set aside: then it is not the series


def run_job(
    job: Job,
    *,
    shard: Shard | None = None,
    workers: int | None = None,
    address: str | None = None,
    on_row: Callable[[StatusRow], None],
    on_silence: Callable[[float], None] = lambda seconds: None,
) -> None:
    """Work on all series of a shard whose results are not there yet.

    Args:
        job: what to do; its choices are compared with those of its folder.
        shard: which series; default: all.
        workers: processes that Ray starts; default: one for each GPU, or as many as processor and memory allow; 0: this
            process works, without Ray.
        address: of a Ray cluster; default: this machine.
        on_row: called with each series that ended.
        on_silence: called with the seconds since the last series ended, when they have become many.

    Raises:
        JobRefused: if the job, or Ray, cannot be started as asked.
        EnvironmentProblemError: if the machine is at fault.
    """
    manifest, shard = Manifest(job.manifest), shard or Shard()
    total = len(manifest)
    if not total:
        raise JobRefused(f"{job.manifest.name} holds no series")
    manifest.refuse_doubles()
    job.begin(total)
    rows = shard.rows(total)
    writer, streak = StatusWriter(job.status), 0
    run, aside = secrets.token_hex(8), set[str]()
    with only_run(job.own_folder(job.out) / "running", shard):
        try:
            ended = _rows_here(job, rows, run) if workers == 0 else _rows_on_ray(job, rows, run, workers, address)
            with _watch(on_silence) as heard, closing(ended):
                for row in ended:
                    heard()
                    writer.add(row)
                    on_row(row)
                    if row.status == "set_aside":
                        aside.add(row.series)
                    streak = streak + 1 if row.status == "set_aside" else 0
                    if row.status == "stopped":
                        raise EnvironmentProblemError(f"{row.series}: {row.reason}")
                    if streak == _STREAK:
                        raise EnvironmentProblemError(
                            f"{streak} series in a row failed, so the machine may be at fault; the last one, "
                            f"{row.series}, was {row.reason}"
                        )
        finally:
            writer.flush()
            take_back(job.tries, run, but=aside)


def try_again(job: Job) -> int:
    """Give the series that were set aside new tries; how many there are."""
    aside = [row.series for row in read_status(job.status).values() if row.status == "set_aside"]
    for series in aside:
        Tries(job.tries, series).forget()
    return len(aside)


def _rows_here(job: Job, rows: range, run: str) -> Generator[StatusRow, None, None]:
    """In threads of this process; a few at a time, since a million waiting futures are not small."""
    at_once = calls_at_once(job.upscaling.device)
    worker = Worker(job, at_once, run)
    with ThreadPoolExecutor(at_once) as pool:
        for start in range(0, len(rows), 16 * at_once):
            yield from pool.map(worker, rows[start : start + 16 * at_once])


def _rows_on_ray(
    job: Job, rows: range, run: str, workers: int | None, address: str | None
) -> Generator[StatusRow, None, None]:
    from monai_sr.archive.cluster import rows_on_ray

    return rows_on_ray(job, rows, run=run, workers=workers, address=address)


def calls_at_once(device: str) -> int:
    """How many series a worker has in hand: on the processor others would only take the network's time."""
    from monai_sr.inference.model import select_device

    return READ_AND_WRITE if select_device(device).type == "cuda" else 1


@contextmanager
def _watch(on_silence: Callable[[float], None], patience: float = 300.0) -> Iterator[Callable[[], None]]:
    """Tell of long silences: Ray waits for processors that never come free without a word."""
    last, ended = [time.monotonic()], threading.Event()

    def heard() -> None:
        last[0] = time.monotonic()

    def watch() -> None:
        while not ended.wait(patience):
            silent = time.monotonic() - last[0]
            if silent >= patience:
                on_silence(silent)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield heard
    finally:
        ended.set()
