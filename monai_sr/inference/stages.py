"""Seconds and peak memory of every stage of a run."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

__all__ = ["StageClock"]

_LOOK_EVERY_S = 0.005


class StageClock:
    """Wall time and largest resident memory by stage.

    A stage within a stage stops the outer one's time until it ends; one that comes again adds up. The resident memory
    of the process is looked at every 5 ms, so a shorter peak can be missed; a memory map of a file counts too.

    Attributes:
        seconds: by stage.
        peak_bytes: by stage, of the whole process.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.peak_bytes: dict[str, int] = {}
        self._open: list[str] = []
        self._since = 0.0
        self._process = psutil.Process()

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Look at the memory until the block ends."""
        stop = threading.Event()

        def watch() -> None:
            while not stop.wait(_LOOK_EVERY_S):
                self._look()

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            stop.set()
            watcher.join()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count the block to a stage."""
        self._settle()
        self._open.append(name)
        try:
            yield
        finally:
            self._settle()
            self._open.pop()

    def _settle(self) -> None:
        """Book the time since the last change of stage to the stage that was on."""
        now = time.perf_counter()
        if self._open:
            self.seconds[self._open[-1]] = self.seconds.get(self._open[-1], 0.0) + now - self._since
            self._look()
        self._since = now

    def _look(self) -> None:
        open_stages = self._open[-1:]  # one look: the other thread may change it
        if open_stages:
            seen = int(self._process.memory_info().rss)
            self.peak_bytes[open_stages[0]] = max(self.peak_bytes.get(open_stages[0], 0), seen)
