"""What a file is, what a case may be called, and which files lie below a folder; no format is read here."""

from __future__ import annotations

import gzip
import os
import re
import stat
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

from monai_sr.io.volume import InputError

__all__ = [
    "GZIP_MAGIC",
    "NIFTI_SUFFIXES",
    "PHOTO_SUFFIXES",
    "ZIP_MAGIC",
    "FileKind",
    "file_kind",
    "nifti_stem",
    "safe_name",
    "shown",
    "walk_files",
]

FileKind = Literal["nifti", "dicom", "photo", "gzip", "zip", "other"]

NIFTI_SUFFIXES = (".nii", ".nii.gz")
PHOTO_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff")
GZIP_MAGIC = b"\x1f\x8b"
ZIP_MAGIC = b"PK\x03\x04"
NAME_LIMIT = 64

_NIFTI_HEADER_BYTES = 544
_PHOTO_MAGIC = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"II*\x00", b"MM\x00*")  # PNG, JPEG, TIFF in both byte orders
_DICOM_SUFFIXES = (".dcm", ".dicom", ".ima")
# Windows opens a device, not a file, under these names, whatever suffix follows.
_DEVICE_NAME = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)


def shown(path: Path) -> str:
    """The last part of a path as it may stand in a one-line message: control characters and bad bytes become ``?``."""
    text = "".join(c if c.isprintable() else "?" for c in path.name or str(path))
    return text if len(text) <= 2 * NAME_LIMIT else text[: 2 * NAME_LIMIT] + "..."


def nifti_stem(path: Path) -> str:
    """The file name without ``.nii``, ``.nii.gz`` or its one other suffix."""
    name = path.name
    for suffix in sorted(NIFTI_SUFFIXES, key=len, reverse=True):
        if name.lower().endswith(suffix):
            return name[: -len(suffix)]
    return path.stem


def safe_name(text: str) -> str:
    """A name that is a plain file name on every system.

    Returns:
        1 to 64 characters out of ``A-Z a-z 0-9 . _ -``, with no leading or trailing dot, no leading dash and no device
        name of Windows.

    Example:
        >>> safe_name("T1 (axial)"), safe_name("../../x"), safe_name("NUL"), safe_name("")
        ('T1_axial', 'x', 'case_NUL', 'case')
    """
    name = re.sub(r"[^A-Za-z0-9._-]+", "_", text)
    name = name.strip("._-")[:NAME_LIMIT].rstrip("._-")
    if _DEVICE_NAME.fullmatch(name):
        name = f"case_{name}"[:NAME_LIMIT]
    return name or "case"


def file_kind(path: Path) -> FileKind:
    """What a regular file holds, by content first and by suffix where the content says nothing.

    Raises:
        InputError: if it is no regular file or cannot be read.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise InputError(
                f"{shown(path)} is not a regular file; give a NIfTI file, a DICOM file, a photograph or a folder"
            )
        with path.open("rb") as stream:
            head = stream.read(_NIFTI_HEADER_BYTES)
    except OSError as error:
        raise InputError(f"{shown(path)} cannot be read: {error.strerror or 'input/output error'}") from error
    if path.name.lower().endswith(NIFTI_SUFFIXES) or _is_nifti_header(head):
        return "nifti"
    if head[:2] == GZIP_MAGIC:
        return "nifti" if _is_nifti_header(_inflated_head(path)) else "gzip"
    if head.startswith(ZIP_MAGIC):
        return "zip"
    if head[128:132] == b"DICM" or path.name.lower().endswith(_DICOM_SUFFIXES) or _starts_with_element(head):
        return "dicom"
    if head.startswith(_PHOTO_MAGIC) or path.name.lower().endswith(PHOTO_SUFFIXES):
        return "photo"
    return "other"


def walk_files(folder: Path, *, on_error: Callable[[OSError], None]) -> Iterator[Path]:
    """Regular files below a folder, sorted; hidden entries are left out, and a folder is entered once only.

    Links to folders are followed: cohorts are often put together from links. Remembering the real folders ends loops.

    Args:
        folder: where to begin.
        on_error: called with the error of every folder that cannot be listed.
    """
    entered: set[str] = set()
    for root, folders, files in os.walk(folder, onerror=on_error, followlinks=True):
        real = os.path.realpath(root)
        if real in entered:
            folders.clear()
            continue
        entered.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            path = Path(root, name)
            if not name.startswith(".") and path.is_file():
                yield path


def _is_nifti_header(head: bytes) -> bool:
    """Single-file NIfTI-1 or NIfTI-2, by its magic words; they are the same in both byte orders."""
    return head[344:348] == b"n+1\x00" or head[4:12] == b"n+2\x00\r\n\x1a\n"


def _inflated_head(path: Path) -> bytes:
    try:
        with gzip.open(path, "rb") as stream:
            return stream.read(_NIFTI_HEADER_BYTES)
    except (OSError, EOFError, zlib.error):
        return b""


def _starts_with_element(head: bytes) -> bool:
    """DICOM without the 128-byte preamble: it begins with an element of group 0002 or 0008, little or big endian."""
    little = head[0:2] in (b"\x02\x00", b"\x08\x00") and head[3:4] == b"\x00"
    big = head[0:2] in (b"\x00\x02", b"\x00\x08") and head[2:3] == b"\x00"
    return (little or big) and len(head) >= 8
