"""One series after the other, in a process that may die: every exception becomes a status row."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from monai_sr.archive.job import Job
from monai_sr.archive.manifest import Manifest
from monai_sr.archive.status import StatusRow
from monai_sr.archive.sums import result_digest, write_sums, written_by
from monai_sr.archive.tries import MOST_TRIES, Tries
from monai_sr.casework import (
    case_folder,
    failure_in_words,
    is_environment_problem,
    refuse_existing,
    staging_folder,
)
from monai_sr.io import Case, InputError

__all__ = ["Worker"]


class Worker:
    """Holds the networks and works on rows of the manifest; several threads may call it.

    Reading and writing overlap with the network of another series where it runs on a GPU; the network itself has one
    series at a time, and so its memory. A series that was begun before and did not end is worked on alone: if the
    process dies again, there is one to blame.

    Args:
        job: what to do.
        at_once: how many threads may call.
        run: mark of the run, for its tries.
    """

    def __init__(self, job: Job, at_once: int = 1, run: str = "") -> None:
        import monai_sr.inference
        import monai_sr.report  # noqa: F401  now: half a minute on a busy machine, and no series is to be blamed for it

        self._job, self._digest = job, job.digest()
        self._manifest = Manifest(job.manifest)
        self._at_once, self._run = at_once, run
        self._slots = threading.Semaphore(at_once)
        self._waiting, self._rows, self._network = threading.Lock(), threading.Lock(), threading.Lock()
        self._name = f"{socket.gethostname()}:{os.getpid()}"

    def __call__(self, row: int) -> StatusRow:
        """Work on one row of the manifest, whatever comes."""
        began = time.perf_counter()
        name = f"row {row}"
        try:
            with self._rows:
                case = replace(self._manifest.case(row), affine=self._job.upscaling.affine)
            name = case.name
            status = self._one(case)
        except InputError as error:
            status = StatusRow(name, "refused", str(error))
        except Exception as error:  # disk full, folder not writable: no other series would fare better
            status = StatusRow(name, "stopped", failure_in_words(error))
        seconds = round(time.perf_counter() - began, 3)
        return replace(status, seconds=seconds, worker=self._name, finished=time.time())

    def _one(self, case: Case) -> StatusRow:
        folder = self._job.folder(case.name)
        if (digest := result_digest(folder, self._digest)) is not None:
            return StatusRow(case.name, "done", kept=True, sha256=digest)
        tries = Tries(self._job.tries, case.name, self._run)
        while tries.count < MOST_TRIES:
            with self._slot(alone=tries.count > 0):
                staging = staging_folder(folder)
                tries.begin(staging)
                try:
                    status = self._work(case, folder, staging)
                except InputError:
                    tries.forget()
                    if (digest := result_digest(folder, self._digest)) is not None:  # another run came first
                        return StatusRow(case.name, "done", kept=True, sha256=digest)
                    raise
                except Exception as error:  # the boundary: one bad series never stops the rest
                    if is_environment_problem(error):
                        tries.forget()
                        raise
                    tries.failed(failure_in_words(error))
                    continue
                tries.forget()
                return status
        return StatusRow(case.name, "set_aside", f"tried {tries.count} times: {tries.reason}")

    def _work(self, case: Case, folder: Path, staging: Path) -> StatusRow:
        again = written_by(folder, self._digest)  # a result of this job that has changed since is made anew
        refuse_existing(folder, case.name, overwrite=again)
        began = time.perf_counter()
        upscaling = self._job.upscaling
        volume = upscaling.read(case)
        read = time.perf_counter()
        with self._network:
            entered = time.perf_counter()
            result = upscaling.resolve(volume)
        resolved = time.perf_counter()
        with case_folder(folder, case.name, overwrite=again, staging=staging) as files:
            facts = {"job": self._digest}
            outputs = upscaling.write(result, files, case.name, read_seconds=read - began, facts=facts)
            digest = write_sums(files, outputs)
            size = sum(file.stat().st_size for file in files.rglob("*") if file.is_file())
        return StatusRow(
            case.name,
            "done",
            read_seconds=round(read - began, 3),
            resolve_seconds=round(resolved - entered, 3),
            write_seconds=round(time.perf_counter() - resolved, 3),
            output_bytes=size,
            sha256=digest,
        )

    @contextmanager
    def _slot(self, *, alone: bool) -> Iterator[None]:
        """One of the places, or all of them."""
        wanted = self._at_once if alone else 1
        with self._waiting:  # else two that want all would each hold some
            for _ in range(wanted):
                self._slots.acquire()
        try:
            yield
        finally:
            self._slots.release(wanted)
