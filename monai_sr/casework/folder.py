"""The folder of one case: it appears whole, and what lies there already is replaced only when that was asked for."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from monai_sr.io import InputError

__all__ = ["case_folder", "is_result", "is_staging", "refuse_existing", "staging_folder"]

_STAGING = ".monai_sr-"
_RESULTS = ("preview.png", "report.html", "run.json", "dicom", "SHA256SUMS")


def is_result(name: str, case: str) -> bool:
    """Whether an entry of a case's folder is ours to replace: volumes and maps named after it, and the fixed names."""
    if name in _RESULTS or name in (f"{case}_sr.png", f"{case}_sr.tif", f"{case}_sr.json"):
        return True
    if name in (f"{case}_{of}.dcm" for of in ("deviation", "expected_error", "added", "residual")):
        return True
    return name.startswith(f"{case}_") and name.endswith((".nii", ".nii.gz"))


def refuse_existing(folder: Path, case: str, *, overwrite: bool) -> None:
    """Refuse a case before any work, if its results would replace something.

    Raises:
        InputError: if results lie there and may not be replaced, or something that is no folder lies there.
    """
    if os.path.lexists(folder) and not folder.is_dir():
        raise InputError(f"{folder.name} in the output folder is not a folder; choose another output folder")
    if not overwrite and folder.is_dir() and _own_entries(folder, case):
        raise InputError(f"results of {case} exist in the output folder and are not replaced without --overwrite")


@contextlib.contextmanager
def case_folder(folder: Path, case: str, *, overwrite: bool = False, staging: Path | None = None) -> Iterator[Path]:
    """Fill a hidden folder beside ``folder``; its entries take their place when the block ends well.

    Files in ``folder`` that are no results of this case are never touched. If moving fails, the old results come back.

    Args:
        folder: where the results will be.
        case: name of the case, by which its results are known.
        overwrite: whether results that lie there are replaced; all of them are, so that no old file stands beside a
            new ``run.json``.
        staging: the hidden folder, for a caller that clears up after a process that was killed; see
            :func:`staging_folder`.
    """
    refuse_existing(folder, case, overwrite=overwrite)
    made = _make_parents(folder.parent)
    staging = staging_folder(folder) if staging is None else staging
    replaced = staging.with_name(staging.name + ".old")
    try:
        staging.mkdir()
        yield staging
        refuse_existing(folder, case, overwrite=overwrite)  # another process may have come first
        if folder.is_dir():
            _exchange(staging, folder, replaced, case)
        else:
            os.rename(staging, folder)
    finally:
        for leftover in (staging, replaced):
            shutil.rmtree(leftover, ignore_errors=True)
        for parent in made:
            with contextlib.suppress(OSError):
                parent.rmdir()  # only if nothing was written at all


def staging_folder(folder: Path) -> Path:
    """A hidden name beside a case's folder that nothing else has."""
    return folder.with_name(f"{_STAGING}{secrets.token_hex(8)}")


def is_staging(folder: Path) -> bool:
    """Whether a name is one of :func:`staging_folder`, and so ours to remove."""
    return folder.name.startswith(_STAGING)


def _own_entries(folder: Path, case: str) -> list[str]:
    return sorted(name for name in os.listdir(folder) if is_result(name, case))


def _make_parents(folder: Path) -> list[Path]:
    """Make a folder; those that had to be made, innermost first."""
    made = [p for p in (folder, *folder.parents) if not p.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    return made


def _exchange(staging: Path, folder: Path, replaced: Path, case: str) -> None:
    """Move old results out and new ones in; on an error or an interrupt everything moves back."""
    replaced.mkdir()
    moves: list[tuple[Path, Path]] = []
    try:
        for name in _own_entries(folder, case):
            _move(folder / name, replaced / name, moves)
        for name in sorted(os.listdir(staging)):
            _move(staging / name, folder / name, moves)
    except BaseException:
        for source, target in reversed(moves):
            os.replace(target, source)
        raise


def _move(source: Path, target: Path, moves: list[tuple[Path, Path]]) -> None:
    os.rename(source, target)
    moves.append((source, target))
