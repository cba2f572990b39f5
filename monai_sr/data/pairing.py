"""Which scans lie in a folder, and whose they are."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from monai_sr.io.files import NIFTI_SUFFIXES, PHOTO_SUFFIXES, nifti_stem
from monai_sr.io.readwrite import read_volume
from monai_sr.io.volume import InputError, Modality
from monai_sr.keys import HR, LR

__all__ = ["Case", "find_pairs", "find_photos", "find_scans", "find_truths", "of_modality", "subject_of"]

Case = dict[str, str]
"""``name`` (path below the data folder, with ``/``), ``subject``, and paths under ``HR`` and, for pairs, ``LR``."""

_BIDS_SUBJECT = re.compile(r"(?:^|[/_])sub-([A-Za-z0-9]+)")


def subject_of(name: str) -> str:
    """Subject by the ``sub-`` label of BIDS anywhere in the path; without one, every file is its own subject.

    Example:
        >>> subject_of("sub-07/ses-2/anat/sub-07_ses-2_T1w.nii.gz"), subject_of("scans/head_3.nii.gz")
        ('07', 'head_3')
    """
    found = _BIDS_SUBJECT.search(name)
    return found.group(1) if found else nifti_stem(Path(name))


def find_scans(folder: Path) -> list[Case]:
    """All volumes below a folder, each the truth of one case.

    A volume is a NIfTI file, or a folder that holds ``.dcm`` files.

    Raises:
        InputError: if the folder does not exist or holds no volume.
    """
    return [{"name": name, "subject": subject_of(name), HR: str(path)} for name, path in _scans(folder).items()]


def of_modality(
    cases: Iterable[Case], modality: Modality, affine: Literal["sform", "qform"] | None = None
) -> list[Case]:
    """The cases whose truth is of a modality; one that cannot be read is kept, for whoever opens it to refuse.

    Args:
        cases: every one of them is read.
        modality: ``"CT"`` or ``"MR"``.
        affine: for NIfTI files that state two different ones.
    """
    return [case for case in cases if _modality(case, affine) in (modality, None)]


def _modality(case: Case, affine: Literal["sform", "qform"] | None) -> str | None:
    try:
        return read_volume(case[HR], affine=affine).modality
    except InputError:
        return None


def find_photos(folder: Path) -> list[Case]:
    """All photographs below a folder, each the truth of one case; hidden files and folders do not count.

    Raises:
        InputError: if the folder does not exist or holds no PNG, JPEG or TIFF file.
    """
    if not folder.is_dir():
        raise InputError(f"no such folder: {folder}")
    names = {path: path.relative_to(folder) for path in _image_files(folder)}
    found = {
        name.as_posix(): path for path, name in names.items() if not any(part.startswith(".") for part in name.parts)
    }
    if not found:
        raise InputError(f"{folder} holds no photograph ({', '.join(PHOTO_SUFFIXES)})")
    return [{"name": name, "subject": subject_of(name), HR: str(path)} for name, path in found.items()]


def find_truths(folder: Path) -> tuple[list[Case], bool]:
    """What a folder holds to measure on: its volumes, or where there is none its photographs; and whether it is those.

    Raises:
        InputError: if it holds neither.
    """
    scans = find_scans(folder)
    if scans:
        return scans, False
    try:
        return find_photos(folder), True
    except InputError:
        raise InputError(f"{folder.name} holds no NIfTI file, no DICOM series and no photograph") from None


def find_pairs(folder: Path) -> list[Case]:
    """Volumes or images that lie under the same name in ``folder/HR`` and ``folder/LR``.

    Raises:
        InputError: if a folder is missing or empty, or a file has no partner.
    """
    sides = {}
    for side in ("HR", "LR"):
        found = _scans(folder / side) | _images(folder / side)
        if not found:
            raise InputError(f"{folder / side} holds neither volumes nor images; pairs lie there and in its sibling")
        sides[side] = found
    alone = sorted(set(sides["HR"]) ^ set(sides["LR"]))
    if alone:
        raise InputError(f"{_few(alone)} in {folder} has no partner of the same name in the other of HR and LR")
    return [
        {"name": name, "subject": subject_of(name), HR: str(path), LR: str(sides["LR"][name])}
        for name, path in sides["HR"].items()
    ]


def _scans(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise InputError(f"no such folder: {folder}")
    files = [p for p in sorted(folder.rglob("*")) if not p.name.startswith(".") and p.is_file()]
    volumes = {p for p in files if p.name.lower().endswith(NIFTI_SUFFIXES)}
    volumes |= {p.parent for p in files if p.suffix.lower() == ".dcm"}
    return {p.relative_to(folder).as_posix(): p for p in sorted(volumes)}


def _images(folder: Path) -> dict[str, Path]:
    return {p.relative_to(folder).with_suffix("").as_posix(): p for p in _image_files(folder)}


def _image_files(folder: Path) -> list[Path]:
    return [p for p in sorted(folder.rglob("*")) if p.suffix.lower() in PHOTO_SUFFIXES and p.is_file()]


def _few(names: Iterable[str], limit: int = 5) -> str:
    listed = list(names)
    return ", ".join(listed[:limit]) + (f" and {len(listed) - limit} more" if len(listed) > limit else "")
