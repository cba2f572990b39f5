"""The cases of all that a user names, each under a name of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from monai_sr.io import Case, InputError, find_cases
from monai_sr.io.cases import with_unique_names

if TYPE_CHECKING:
    from monai_sr.io.nifti_forms import AffineForm

__all__ = ["gather_cases"]


def gather_cases(
    inputs: Sequence[Path], out: Path, *, affine: AffineForm | None = None, series: Sequence[str] = ()
) -> list[Case]:
    """The cases of all inputs, each under a name of its own; results of earlier runs in ``out`` are passed over.

    An input that holds nothing becomes a case whose reading says so, so that it is counted and the others run; so does
    one that holds nothing but what is skipped.
    """
    cases: list[Case] = []
    for path in dict.fromkeys(inputs):
        try:
            found = find_cases(path, affine=affine, series=series)
            found = [case for case in found if not _is_earlier_result(case.path, out)]
            if all(case.skip for case in found):  # nobody gives it to have it passed over
                found = [replace(case, skip=None, problem=case.skip) for case in found]
            cases += found
        except InputError as error:
            cases.append(Case(path.name or "input", path, "refused", problem=str(error)))
    return with_unique_names(cases)


def _is_earlier_result(path: Path, out: Path) -> bool:
    """Whether a file lies in a case's folder below ``out``: then it is a result, not an input."""
    out = out.resolve()
    parents = path.resolve().parents
    return any(out in parent.parents and (parent / "run.json").is_file() for parent in (path.resolve(), *parents))
