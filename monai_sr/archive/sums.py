"""``SHA256SUMS`` in a case's folder: what was written, so that a later run, or ``sha256sum -c``, knows it again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

__all__ = ["result_digest", "write_sums", "written_by"]

_SUMS = "SHA256SUMS"
_BESIDE = ("preview.png", "report.html", "run.json")  # about the result; two runs differ in their times


def write_sums(folder: Path, outputs: Sequence[str]) -> str:
    """Record the volumes among a case's outputs; one digest for all of them.

    Args:
        folder: of the case.
        outputs: names in it; that of a DICOM series is a folder.
    """
    files = [file for name in outputs if name not in _BESIDE for file in _files(folder / name)]
    lines = [f"{_sha256(file)}  {file.relative_to(folder).as_posix()}\n" for file in files]
    text = "".join(lines)
    (folder / _SUMS).write_text(text, encoding="utf-8")
    return hashlib.sha256(text.encode()).hexdigest()


def result_digest(folder: Path, job: str) -> str | None:
    """The digest of a result of this job that is there and unchanged.

    Args:
        folder: of the case.
        job: digest of the job's choices, as ``run.json`` has it.

    Returns:
        What :func:`write_sums` returned; None if the result is absent, of other choices, or changed since.
    """
    if not written_by(folder, job):
        return None
    try:
        text = (folder / _SUMS).read_text(encoding="utf-8")
        for line in text.splitlines():
            digest, _, name = line.partition("  ")
            if _sha256(folder / name) != digest:
                return None
    except (OSError, ValueError):
        return None
    return hashlib.sha256(text.encode()).hexdigest() if text else None


def written_by(folder: Path, job: str) -> bool:
    """Whether the folder's ``run.json`` names this job."""
    try:
        record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(record, dict) and record.get("job") == job


def _files(path: Path) -> list[Path]:
    return sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]


def _sha256(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while piece := stream.read(2**20):
            digest.update(piece)
    return digest.hexdigest()
