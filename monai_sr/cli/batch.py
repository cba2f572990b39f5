"""Many cases through one function: each is written whole, refused or failed, and none stops the others."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import monai_sr
from monai_sr.cli.case_folder import case_folder, refuse_existing
from monai_sr.cli.console import Console
from monai_sr.cli.outcome import ExitCode, is_environment_problem
from monai_sr.io import Case, InputError, Volume, find_cases, write_volume

if TYPE_CHECKING:
    from monai_sr.inference import SRResult
    from monai_sr.io.dicom_write import Derivation

__all__ = ["Batch", "OutputFormat", "Progress", "gather_cases"]

OutputFormat = Literal["same", "nifti", "dicom"]
Progress = Callable[[str, float], None]

_MAX_NAME = 64


def gather_cases(inputs: Sequence[Path], out: Path, *, affine: Any = None) -> list[Case]:
    """The cases of all inputs, each under a name of its own; results of earlier runs in ``out`` are passed over.

    An input that holds nothing becomes a case whose reading says so, so that it is counted and the others run.
    """
    cases: list[Case] = []
    for path in dict.fromkeys(inputs):
        try:
            cases += [case for case in find_cases(path, affine=affine) if not _is_earlier_result(case.path, out)]
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
        options: what the user asked for, for ``run.json``.
        debug: show tracebacks on standard error.
    """

    resolve: Callable[[Volume, Progress], SRResult]
    out: Path
    console: Console
    format: OutputFormat = "same"
    overwrite: bool = False
    options: dict[str, Any] = field(default_factory=dict)
    debug: bool = False

    def run(self, cases: Sequence[Case]) -> ExitCode:
        """Process the cases in order; the exit code says what became of them."""
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
        self.console.emit("summary", **counts, left=left, exit_code=int(code), research_only=True)
        return code

    def _case(self, case: Case) -> None:
        folder = self.out / case.name
        refuse_existing(folder, case.name, overwrite=self.overwrite)
        began = time.perf_counter()
        self._stage(case.name, "read", 0.0)
        volume = replace(case.read(), name=case.name)
        for note in volume.notes:
            self.console.emit("note", case=case.name, message=note)
        kind = self._output_kind(volume)
        read = time.perf_counter()
        result = self.resolve(volume, lambda stage, fraction: self._stage(case.name, stage, fraction))
        for message in result.report["warnings"]:
            self.console.emit("warning", case=case.name, message=message)
        resolved = time.perf_counter()
        self._stage(case.name, "write", 1.0)
        with case_folder(folder, case.name, overwrite=self.overwrite) as staging:
            outputs = self._write(result, kind, staging, case.name)
            written = time.perf_counter()
            seconds = {**result.report["seconds"], "read": read - began, "write": written - resolved}
            self._record(result, staging, outputs, seconds)
        self.console.emit(
            "done",
            case=case.name,
            folder=str(folder),
            outputs=[str(folder / name) for name in (*outputs, "run.json")],
            result=_in_words(result),
            seconds=round(time.perf_counter() - began, 2),
            warnings=list(result.report["warnings"]),
        )

    def _output_kind(self, volume: Volume) -> Literal["nifti", "dicom"]:
        """The format to write, refused before the work where the source cannot give it."""
        source = "dicom" if volume.source is not None and volume.source.format == "dicom" else "nifti"
        if self.format == "dicom" and source != "dicom":
            raise InputError(
                f"{volume.name}: a DICOM series can only be derived from a DICOM series, and this is {source}; "
                "write --format nifti"
            )
        if self.format == "same":
            return "dicom" if source == "dicom" else "nifti"
        return self.format

    def _write(self, result: SRResult, kind: Literal["nifti", "dicom"], staging: Path, case: str) -> list[str]:
        from monai_sr.report import write_preview

        volume = result.volume
        if kind == "nifti":
            target = staging / f"{case}_sr.nii.gz"
            write_volume(volume, target)
        else:
            target = staging / "dicom"
            write_volume(volume, target, format="dicom", derivation=_derivation(result))
        title = f"{case}: {_in_words(result)}"
        learned = any(axis["treatment"] == "network" for axis in result.report["axes"])
        rows = [("acquired", result.acquired), ("super-resolved" if learned else "interpolated", volume)]
        write_preview(rows, result.report["modality"], staging / "preview.png", title=title)
        return [target.name, "preview.png"]

    def _record(self, result: SRResult, staging: Path, outputs: list[str], seconds: dict[str, float]) -> None:
        from monai_sr.report import RESEARCH_ONLY, write_run_record

        record = {
            **result.report,
            "intended_use": RESEARCH_ONLY,
            "options": self.options,
            "outputs": outputs,
            "seconds": {stage: round(value, 3) for stage, value in seconds.items()},
        }
        write_run_record(record, staging / "run.json")

    def _stage(self, case: str, stage: str, fraction: float) -> None:
        self.console.emit("stage", case=case, stage=stage, fraction=fraction)

    def _failed(self, case: Case, error: Exception) -> None:
        if self.debug:
            traceback.print_exception(error)
        self.console.emit("failed", case=case.name, message=_failure(error))


def _derivation(result: SRResult) -> Derivation:
    from monai_sr.io.dicom_write import Derivation

    model = result.report["model"]
    used = model["name"] != "none"
    return Derivation(
        scale=_in_words(result).split(",")[0],
        version=monai_sr.__version__,
        model_name=model["name"] if used else None,
        model_sha256=model["sha256"] if used else None,
        parameters=repr(sorted((key, str(value)) for key, value in result.report.get("parameters", {}).items())),
    )


def _in_words(result: SRResult) -> str:
    """``x4 axis 2, 1 x 1 x 1 mm, model default``."""
    before, after = result.acquired.geometry, result.volume.geometry
    factors = [(old / new, axis) for axis, (old, new) in enumerate(zip(before.spacing, after.spacing, strict=True))]
    changed = " ".join(f"x{factor:.3g} axis {axis}" for factor, axis in factors if abs(factor - 1.0) > 0.005)
    spacing = " x ".join(f"{s:.3g}" for s in after.spacing)
    return f"{changed}, {spacing} mm, model {result.report['model']['name']}"


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
