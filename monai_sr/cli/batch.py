"""Many cases through one function: each is written whole, refused or failed, and none stops the others."""

from __future__ import annotations

import time
import traceback
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from monai_sr.casework import Upscaling, case_folder, failure_in_words, is_environment_problem, refuse_existing
from monai_sr.cli.console import Console
from monai_sr.cli.outcome import ExitCode
from monai_sr.io import Case, InputError, Volume

if TYPE_CHECKING:
    from monai_sr.inference import SRResult

__all__ = ["Batch"]


@dataclass
class _Tally:
    """What became of the cases so far; ``code`` is why the run ends before its last case."""

    done: int = 0
    refused: int = 0
    failed: int = 0
    code: ExitCode = ExitCode.DONE


class _Scan:
    """A case that was read.

    Args:
        volume: the scan.
        read_seconds: what that took.
        peak_bytes: and its peak memory, by stage.

    Attributes:
        seconds: work on it so far.
    """

    def __init__(self, volume: Volume, read_seconds: float, peak_bytes: dict[str, int]) -> None:
        self.volume = volume
        self.read_seconds = self.seconds = read_seconds
        self.peak_bytes = peak_bytes


@dataclass
class Batch:
    """One run over many cases.

    Args:
        upscaling: what is done to each.
        out: output folder; each case gets a folder in it.
        console: where events go.
        overwrite: whether results that exist are replaced.
        debug: show tracebacks on standard error.
    """

    upscaling: Upscaling
    out: Path
    console: Console
    overwrite: bool = False
    debug: bool = False

    def run(self, cases: Sequence[Case]) -> ExitCode:
        """Process the cases in order; the exit code says what became of them.

        While one is restored the next is read and the one before is written, each in a thread; no more than one waits
        on either side. What is passed over is told first, and changes no exit code.
        """
        skipped = [case for case in cases if case.skip is not None]
        for case in skipped:
            self.console.emit("skipped", case=case.name, message=case.skip)
        cases = [case for case in cases if case.skip is None]
        tally = _Tally()
        with ThreadPoolExecutor(1, "read") as reader, ThreadPoolExecutor(1, "write") as writer:
            reads = [reader.submit(self._read, case) for case in cases[:1]]
            writes: list[tuple[Case, Future[dict[str, Any]]]] = []
            for position, case in enumerate(cases, start=1):
                self.console.emit("started", case=case.name, position=position, count=len(cases))
                self._stage(case.name, "read", 0.0)
                with self._counted(case, tally):
                    reading = reads.pop()
                    wait([reading])
                    reads += [reader.submit(self._read, following) for following in cases[position : position + 1]]
                    scan = reading.result()
                    result = self._resolve(case, scan)
                    self._settle(writes, tally)
                    if tally.code == ExitCode.DONE:
                        self._stage(case.name, "write", 0.0)
                        writes.append((case, writer.submit(self._write, case, scan, result)))
                if tally.code != ExitCode.DONE:
                    break
            self._settle(writes, tally)
        code = tally.code
        if code == ExitCode.DONE and tally.refused + tally.failed:
            code = ExitCode.CASES
        counts = {"done": tally.done, "refused": tally.refused, "failed": tally.failed}
        left = len(cases) - sum(counts.values())
        self.console.emit("summary", **counts, skipped=len(skipped), left=left, exit_code=int(code), research_only=True)
        return code

    @contextmanager
    def _counted(self, case: Case, tally: _Tally) -> Iterator[None]:
        """What goes wrong in here is told, and counted as this case's."""
        try:
            yield
        except KeyboardInterrupt:
            self.console.emit("interrupted", case=case.name)
            tally.code = ExitCode.INTERRUPTED
        except InputError as error:
            tally.refused += 1
            self.console.emit("refused", case=case.name, message=str(error))
        except Exception as error:  # the boundary: one bad case never stops the rest
            tally.failed += 1
            self._failed(case, error)
            if is_environment_problem(error):
                tally.code = ExitCode.ENVIRONMENT

    def _settle(self, writes: list[tuple[Case, Future[dict[str, Any]]]], tally: _Tally) -> None:
        """Wait for what is being written, and tell of it."""
        while writes:
            case, writing = writes.pop()
            with self._counted(case, tally):
                self.console.emit("done", case=case.name, **writing.result())
                tally.done += 1

    def _read(self, case: Case) -> _Scan:
        from monai_sr.inference.stages import StageClock

        refuse_existing(self.out / case.name, case.name, overwrite=self.overwrite)
        clock = StageClock()
        with clock.watched(), clock.stage("read"):
            volume = self.upscaling.read(case)
        return _Scan(volume, clock.seconds["read"], dict(clock.peak_bytes))

    def _resolve(self, case: Case, scan: _Scan) -> SRResult:
        for note in scan.volume.notes:
            self.console.emit("note", case=case.name, message=note)
        began = time.perf_counter()
        result = self.upscaling.resolve(
            scan.volume,
            lambda stage, fraction: self._stage(case.name, stage, fraction),
            lambda message: self.console.emit("note", case=case.name, message=message),
        )
        scan.seconds += time.perf_counter() - began
        for message in result.report["warnings"]:
            self.console.emit("warning", case=case.name, message=message)
        return result

    def _write(self, case: Case, scan: _Scan, result: SRResult) -> dict[str, Any]:
        from monai_sr.report import in_words

        began = time.perf_counter()
        folder, peaks = self.out / case.name, {"peak_memory_bytes_by_stage": scan.peak_bytes}
        with case_folder(folder, case.name, overwrite=self.overwrite) as staging:
            outputs = self.upscaling.write(result, staging, case.name, read_seconds=scan.read_seconds, facts=peaks)
        return {
            "folder": str(folder),
            "outputs": [str(folder / name) for name in outputs],
            "result": in_words(result),
            "seconds": round(scan.seconds + time.perf_counter() - began, 2),
            "warnings": list(result.report["warnings"]),
        }

    def _stage(self, case: str, stage: str, fraction: float) -> None:
        self.console.emit("stage", case=case, stage=stage, fraction=fraction)

    def _failed(self, case: Case, error: Exception) -> None:
        if self.debug:
            traceback.print_exception(error)
        self.console.emit("failed", case=case.name, message=failure_in_words(error))
