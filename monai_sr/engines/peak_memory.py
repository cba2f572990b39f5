"""How much memory a piece of work takes at its peak, above what was there before."""

from __future__ import annotations

import threading
import time
from types import TracebackType

import psutil
import torch

__all__ = ["PeakMemory"]

_SECONDS = 0.005


class PeakMemory:
    """Context manager; afterwards ``bytes`` holds the peak above the beginning.

    On a CUDA device it is what torch had allocated there. On a CPU the resident memory of the process is looked at
    every 5 ms, so a shorter peak can be missed.

    Args:
        on_cuda: whether the work runs on a CUDA device.
    """

    def __init__(self, on_cuda: bool = False) -> None:
        self.on_cuda = on_cuda
        self.bytes = 0
        self._stop = threading.Event()
        self._before = 0

    def __enter__(self) -> PeakMemory:
        if self.on_cuda:
            torch.cuda.reset_peak_memory_stats()
            self._before = torch.cuda.memory_allocated()
            return self
        process = psutil.Process()
        self._before = process.memory_info().rss
        self._watch = threading.Thread(target=self._look, args=(process,), daemon=True)
        self._watch.start()
        return self

    def _look(self, process: psutil.Process) -> None:
        while not self._stop.is_set():
            self.bytes = max(self.bytes, process.memory_info().rss - self._before)
            time.sleep(_SECONDS)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self.on_cuda:
            self.bytes = torch.cuda.max_memory_allocated() - self._before
            return
        self._stop.set()
        self._watch.join()
