"""The same work on many processes through Ray Data: numbers of rows go out, status rows come back."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any

# Both are read when Ray is imported: nobody is told what a hospital runs, and Ray's own processes do not write between
# the lines of progress.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")

import psutil
import ray
from ray.data import ActorPoolStrategy, DataContext

from monai_sr.archive.job import Job, JobRefused
from monai_sr.archive.run import READ_AND_WRITE
from monai_sr.archive.status import StatusRow
from monai_sr.archive.worker import Worker
from monai_sr.casework.silence import silence_libraries

__all__ = ["rows_on_ray"]

# Ray Data needs processors beside those of its actors, and waits for them without a word.
_FREE_SLOTS = 2
_TASKS = 10_000  # at most: beyond, a task has several series, for Ray's own time per task
_STORE_BYTES = 128 * 2**20  # rows of a few hundred bytes; the default is a third of the memory
_PATIENCE_S = 10.0  # for the first sign of a cluster
_WORKER_BYTES = 4 * 2**30  # host memory for a CT series


def rows_on_ray(
    job: Job, rows: range, *, run: str, workers: int | None, address: str | None
) -> Generator[StatusRow, None, None]:
    """Work on rows of the manifest; each result as it comes.

    A process that dies is started again by Ray, and its series are given to it again: a series that is finished is
    known by its digest, and one that was begun twice is set aside.

    Raises:
        JobRefused: if the workers would take every processor, or there is no such cluster.
    """
    if not rows:
        return
    if job.upscaling.device.startswith("cuda:"):
        raise JobRefused("Ray chooses the GPU of each worker; give --device cuda, or --workers 0 for no Ray")
    with _connected(job, workers, address) as (count, on_gpu, threads):
        at_once = READ_AND_WRITE if on_gpu else 1
        pool = ActorPoolStrategy(
            size=count, max_concurrent_calls_per_actor=at_once, enable_true_multi_threading=at_once > 1
        )
        numbers = ray.data.range(len(rows), override_num_blocks=min(len(rows), _TASKS))
        done = numbers.map(
            _Actor,
            compute=pool,
            num_cpus=None if on_gpu else 1,
            num_gpus=1 if on_gpu else None,
            fn_constructor_args=(job, rows, run, at_once, threads),
        )
        for row in done.iter_rows():
            yield StatusRow(**row)


class _Actor:
    """A process that holds the networks."""

    def __init__(self, job: Job, rows: range, run: str, at_once: int, threads: int) -> None:
        import torch

        silence_libraries()
        torch.set_num_threads(threads)
        self._rows, self._worker = rows, Worker(job, at_once, run)

    def __call__(self, number: dict[str, Any]) -> dict[str, Any]:
        return self._worker(self._rows[int(number["id"])]).as_dict()


@contextmanager
def _connected(job: Job, workers: int | None, address: str | None) -> Iterator[tuple[int, bool, int]]:
    """A cluster, or this machine as one: how many workers, whether each has a GPU, and how many threads."""
    context = DataContext.get_current()
    context.enable_progress_bars = False
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address is None:
        gpus = _local_gpus(job.upscaling.device)
        count = workers or gpus or _fitting_workers()
        if gpus and count > gpus:
            raise JobRefused(f"this machine has {gpus} GPU(s) for {count} workers; give --workers {gpus}")
        ray.init(
            num_cpus=count + _FREE_SLOTS,
            num_gpus=gpus,
            include_dashboard=False,
            object_store_memory=_STORE_BYTES,
            **quiet,
        )
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    else:
        _refuse_silent(address)
        try:
            ray.init(address=address, **quiet)
        except (ConnectionError, ValueError) as error:
            raise JobRefused(f"no Ray cluster answers at {address} ({type(error).__name__})") from None
        there = ray.cluster_resources()
        cores, gpus = int(there.get("CPU", 0)), int(there.get("GPU", 0)) if job.upscaling.device != "cpu" else 0
        most = gpus or cores - _FREE_SLOTS
        count = workers or most
        if not 1 <= count <= most:
            ray.shutdown()
            raise JobRefused(
                f"the cluster has {cores} processors and {gpus} GPUs, which is enough for {max(most, 0)} workers "
                f"({_FREE_SLOTS} processors stay free for Ray Data); give --workers {max(most, 1)}"
            )
    try:
        yield count, gpus > 0, _threads(cores // count)
    finally:
        ray.shutdown()


def _refuse_silent(address: str) -> None:
    """Ray tries for minutes to reach a cluster that is not there."""
    host, colon, port = address.removeprefix("ray://").partition("/")[0].rpartition(":")
    if not colon or not port.isdigit():
        return  # auto, or a name that Ray knows
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_PATIENCE_S).close()
    except (OSError, OverflowError) as error:
        raise JobRefused(f"no Ray cluster answers at {address} ({type(error).__name__})") from None


def _threads(share: int) -> int:
    """Of each worker: its share of the processors, and no more than OMP_NUM_THREADS asks for."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return max(1, min(share, int(asked)) if asked.isdigit() else share)


def _local_gpus(device: str) -> int:
    import torch

    if device not in ("auto", "cuda"):
        return 0
    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def _fitting_workers() -> int:
    cores = psutil.cpu_count(logical=False) or 1
    return max(1, min(cores, int(psutil.virtual_memory().available // _WORKER_BYTES)))
