"""Many cases through one function: each is written whole, refused or failed, and none stops the others."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from monai_sr.cli.case_folder import case_folder, refuse_existing
from monai_sr.cli.console import Console
from monai_sr.cli.outcome import ExitCode, is_environment_problem
from monai_sr.io import Case, InputError, SeriesRules, Volume, find_cases

if TYPE_CHECKING:
    from monai_sr.inference import SRResult
    from monai_sr.io.dicom_options import DicomOptions
    from monai_sr.report.results import OutputFormat

__all__ = ["Batch", "Progress", "gather_cases"]

Progress = Callable[[str, float], None]

_MAX_NAME = 64


def gather_cases(
    inputs: Sequence[Path],
    out: Path,
    *,
    affine: Any = None,
    rules: SeriesRules | None = None,
    series: Sequence[str] = (),
) -> list[Case]:
    """The cases of all inputs, each under a name of its own; results of earlier runs in ``out`` are passed over.

    An input that holds nothing becomes a case whose reading says so, so that it is counted and the others run; so does
    one that holds nothing but what is passed over.
    """
    cases: list[Case] = []
    for path in dict.fromkeys(inputs):
        try:
            found = find_cases(path, affine=affine, rules=rules, series=series)
            found = [case for case in found if not _is_earlier_result(case.path, out)]
            if all(case.skip for case in found):  # nobody gives it to have it passed over
                found = [replace(case, skip=None, read=_refusing(str(case.skip))) for case in found]
            cases += found
        except InputError as error:
            cases.append(Case(path.name or "input", path, "refused", _refusing(str(error))))
    taken: set[str] = set()
    named = []
    for case in cases:
        name, number = case.name, 2
        while name.lower() in taken:  # two inputs may hold files of the same name
            ending = f"_{number}"
            name, number = case.name[: _MAX_NAME - len(ending)] + ending, number + 1
        taken.add(name.lower())
        named.append(replace(case, name=name))
    return named


@dataclass
class Batch:
    """One run over many cases.

    Args:
        resolve: volume and progress callback to result: ``super_resolve`` with all options set.
        out: output folder; each case gets a folder in it.
        console: where events go.
        format: file format of the results.
        overwrite: whether results that exist are replaced.
        report: whether every case gets a page to look at.
        dicom: how derived series are written.
        patient: whether the JSON beside a NIfTI file from DICOM says whose scan it is.
        options: what the user asked for, for ``run.json``.
        debug: show tracebacks on standard error.
    """

    resolve: Callable[[Volume, Progress], SRResult]
    out: Path
    console: Console
    format: OutputFormat = "same"
    overwrite: bool = False
    report: bool = False
    dicom: DicomOptions | None = None
    patient: bool = False
    options: dict[str, Any] = field(default_factory=dict)
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
        from monai_sr.report import in_words, output_format, write_results

        folder = self.out / case.name
        refuse_existing(folder, case.name, overwrite=self.overwrite)
        began = time.perf_counter()
        self._stage(case.name, "read", 0.0)
        volume = self._read(case)
        for note in volume.notes:
            self.console.emit("note", case=case.name, message=note)
        parametric = self.dicom is not None and self.dicom.maps
        output_format(volume, self.format, nifti_maps=bool(self.options.get("maps")) and not parametric)
        read = time.perf_counter() - began
        result = self.resolve(volume, lambda stage, fraction: self._stage(case.name, stage, fraction))
        for message in result.report["warnings"]:
            self.console.emit("warning", case=case.name, message=message)
        self._stage(case.name, "write", 0.0)
        facts = {"options": self.options, "seconds": {"read": read}}
        with case_folder(folder, case.name, overwrite=self.overwrite) as staging:
            outputs = write_results(
                result,
                staging,
                case.name,
                format=self.format,
                facts=facts,
                report=self.report,
                dicom=self.dicom,
                patient=self.patient,
            )
        self.console.emit(
            "done",
            case=case.name,
            folder=str(folder),
            outputs=[str(folder / name) for name in outputs],
            result=in_words(result),
            seconds=round(time.perf_counter() - began, 2),
            warnings=list(result.report["warnings"]),
        )

    def _read(self, case: Case) -> Volume:
        volume = replace(case.read(), name=case.name)
        if self.options.get("modality") is None:
            return volume
        # the user has decided, so what the reader guessed from the values would only mislead
        return replace(volume, notes=tuple(note for note in volume.notes if not note.startswith("modality ")))

    def _stage(self, case: str, stage: str, fraction: float) -> None:
        self.console.emit("stage", case=case, stage=stage, fraction=fraction)

    def _failed(self, case: Case, error: Exception) -> None:
        if self.debug:
            traceback.print_exception(error)
        self.console.emit("failed", case=case.name, message=_failure(error))


def _failure(error: Exception) -> str:
    """One sentence. What a library says may quote a header, so only its kind and place are shown."""
    kind = type(error).__name__
    if isinstance(error, MemoryError) or kind == "OutOfMemoryError":
        return "not enough memory; close other programs, give a smaller --tile, or use --device cpu"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror.lower()}; nothing was written for this case"
    if is_environment_problem(error):
        return str(error)
    own = [f for f in traceback.extract_tb(error.__traceback__) if "monai_sr" in f.filename]
    place = f" in {Path(own[-1].filename).name}, line {own[-1].lineno}" if own else ""
    return f"internal error ({kind}{place}); please report it, --debug shows more"


def _is_earlier_result(path: Path, out: Path) -> bool:
    """Whether a file lies in a case's folder below ``out``: then it is a result, not an input."""
    out = out.resolve()
    parents = path.resolve().parents
    return any(out in parent.parents and (parent / "run.json").is_file() for parent in (path.resolve(), *parents))


def _refusing(message: str) -> Callable[[], Volume]:
    def read() -> Volume:
        raise InputError(message)

    return read
