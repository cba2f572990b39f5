"""Many cases through one function: each is written whole, refused or failed, and none stops the others."""

from __future__ import annotations

import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from monai_sr.casework import Upscaling, case_folder, failure_in_words, is_environment_problem, refuse_existing
from monai_sr.cli.console import Console
from monai_sr.cli.outcome import ExitCode
from monai_sr.io import Case, InputError

__all__ = ["Batch"]


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

        What is passed over is told first, and changes no exit code.
        """
        skipped = [case for case in cases if case.skip is not None]
        for case in skipped:
            self.console.emit("skipped", case=case.name, message=case.skip)
        cases = [case for case in cases if case.skip is None]
        counts = {"done": 0, "refused": 0, "failed": 0}
        code = ExitCode.DONE
        for position, case in enumerate(cases, start=1):
            self.console.emit("started", case=case.name, position=position, count=len(cases))
            try:
                self._case(case)
                counts["done"] += 1
                continue
            except KeyboardInterrupt:
                self.console.emit("interrupted", case=case.name)
                code = ExitCode.INTERRUPTED
            except InputError as error:
                counts["refused"] += 1
                self.console.emit("refused", case=case.name, message=str(error))
            except Exception as error:  # the boundary: one bad case never stops the rest
                counts["failed"] += 1
                self._failed(case, error)
                if is_environment_problem(error):
                    code = ExitCode.ENVIRONMENT
            if code != ExitCode.DONE:
                break
        if code == ExitCode.DONE and counts["refused"] + counts["failed"]:
            code = ExitCode.CASES
        left = len(cases) - sum(counts.values())
        self.console.emit("summary", **counts, skipped=len(skipped), left=left, exit_code=int(code), research_only=True)
        return code

    def _case(self, case: Case) -> None:
        from monai_sr.inference.stages import StageClock
        from monai_sr.report import in_words

        folder = self.out / case.name
        refuse_existing(folder, case.name, overwrite=self.overwrite)
        began = time.perf_counter()
        self._stage(case.name, "read", 0.0)
        clock = StageClock()
        with clock.watched(), clock.stage("read"):
            volume = self.upscaling.read(case)
        for note in volume.notes:
            self.console.emit("note", case=case.name, message=note)
        result = self.upscaling.resolve(
            volume,
            lambda stage, fraction: self._stage(case.name, stage, fraction),
            lambda message: self.console.emit("note", case=case.name, message=message),
        )
        for message in result.report["warnings"]:
            self.console.emit("warning", case=case.name, message=message)
        self._stage(case.name, "write", 0.0)
        peaks = {"peak_memory_bytes_by_stage": clock.peak_bytes}
        with case_folder(folder, case.name, overwrite=self.overwrite) as staging:
            outputs = self.upscaling.write(result, staging, case.name, read_seconds=clock.seconds["read"], facts=peaks)
        self.console.emit(
            "done",
            case=case.name,
            folder=str(folder),
            outputs=[str(folder / name) for name in outputs],
            result=in_words(result),
            seconds=round(time.perf_counter() - began, 2),
            warnings=list(result.report["warnings"]),
        )

    def _stage(self, case: str, stage: str, fraction: float) -> None:
        self.console.emit("stage", case=case, stage=stage, fraction=fraction)

    def _failed(self, case: Case, error: Exception) -> None:
        if self.debug:
            traceback.print_exception(error)
        self.console.emit("failed", case=case.name, message=failure_in_words(error))
