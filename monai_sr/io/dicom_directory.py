"""DICOMDIR: the table of contents of a DICOM medium, and which of its files are there (PS3.3 F, PS3.10 8)."""

from __future__ import annotations

from pathlib import Path

import pydicom

from monai_sr.io.dicom_headers import quiet, strings
from monai_sr.io.files import shown
from monai_sr.io.volume import InputError

__all__ = ["DIRECTORY_CLASS", "is_directory_name", "listed_files"]

DIRECTORY_CLASS = "1.2.840.10008.1.3.10"
_NAMES = ("DICOMDIR", "DIRFILE")


def is_directory_name(name: str) -> bool:
    """Whether a file bears the name of a DICOMDIR."""
    return name.upper() in _NAMES


@quiet()
def listed_files(path: Path) -> tuple[list[Path], int]:
    """The files that a DICOMDIR lists and that are there.

    Its names are of at most eight capitals, and media are often copied in small letters: both are found. A name that
    leads out of the folder of the DICOMDIR counts as missing.

    Args:
        path: the DICOMDIR.

    Returns:
        The files, in its order, and how many more it lists.

    Raises:
        InputError: if it is no DICOMDIR, or lists no file.
    """
    try:
        directory = pydicom.dcmread(str(path), force=True)
        records = list(directory.get("DirectoryRecordSequence") or [])
    except Exception as error:  # pydicom raises whatever the broken bytes provoke
        raise InputError(
            f"{shown(path)} is broken: it cannot be parsed as a DICOMDIR ({type(error).__name__}); give the folder of "
            "the images instead"
        ) from None
    names = list(dict.fromkeys(name for record in records if (name := strings(record, "ReferencedFileID"))))
    if not names:
        raise InputError(f"{shown(path)} lists no file; give the folder of the images instead")
    root = path.resolve().parent
    entries: dict[Path, dict[str, Path]] = {}
    found = [_located(root, name, entries) for name in names]
    files = [file for file in found if file is not None]
    if not files:
        raise InputError(
            f"{shown(path)} lists {len(names)} files and none of them is there; copy the whole medium, not only its "
            "DICOMDIR"
        )
    return files, len(names) - len(files)


def _located(root: Path, parts: tuple[str, ...], entries: dict[Path, dict[str, Path]]) -> Path | None:
    """The file of a name in the directory, whatever the case of its letters."""
    place = root
    for part in parts:
        if place not in entries:
            try:
                entries[place] = {entry.name.upper(): entry for entry in place.iterdir()}
            except OSError:
                return None
        entry = entries[place].get(part.upper())  # a listed name: "..", "/" and the like are none
        if entry is None:
            return None
        place = entry
    return place if place.is_file() and root in place.resolve().parents else None
