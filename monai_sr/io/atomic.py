"""Results appear whole under their final name, or not at all.

A result is written under a hidden name in the folder where it will live, brought to the disk and then renamed: a
rename within one file system is atomic, and a crash leaves nothing but a hidden file that no reader picks up.
"""

from __future__ import annotations

import contextlib
import fnmatch
import os
import secrets
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from monai_sr.io.files import shown
from monai_sr.io.volume import InputError

__all__ = ["OutputExistsError", "atomic_folder", "atomic_path"]


class OutputExistsError(InputError, FileExistsError):
    """Something lies where a result should go, and it may not be replaced."""


@contextlib.contextmanager
def atomic_path(path: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Write one file: the block gets a temporary path, and its file takes the final name when the block ends well.

    Args:
        path: final name; missing parent folders are made.
        overwrite: whether an existing file may be replaced.

    Yields:
        A path in the same folder with all the suffixes of ``path`` (writers choose their format by them); no file
        lies there yet.

    Raises:
        OutputExistsError: if something exists at ``path`` and may not be replaced, even if it came during the block.

    Example:
        >>> import tempfile
        >>> target = Path(tempfile.mkdtemp()) / "run.json"
        >>> with atomic_path(target) as temporary:
        ...     _ = temporary.write_text("{}")
        >>> [p.name for p in target.parent.iterdir()]
        ['run.json']
    """
    if path.is_dir():
        raise OutputExistsError(f"{shown(path)} is a folder; a file is to be written there, choose another name")
    _refuse_existing(path, overwrite)
    path.parent.mkdir(parents=True, exist_ok=True)
    # The suffixes of "scan.1.nii.gz" are ".nii.gz": the last two at most, and never the whole of a long name.
    temporary = _sibling(path, "".join(path.suffixes[-2:])[-16:])
    try:
        yield temporary
        _sync(temporary)
        if overwrite:
            os.replace(temporary, path)
        else:
            _rename_without_replacing(temporary, path)
        _sync_folder(path.parent)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_folder(path: Path, *, overwrite: bool = False, pattern: str = "*.dcm") -> Iterator[Path]:
    """Write a folder of files: the block fills a temporary folder, which takes the final name when the block ends well.

    Args:
        path: final name; missing parent folders are made. An empty folder may lie there.
        overwrite: whether an existing folder may be replaced; only one in which every entry is a file that matches
            ``pattern`` is ever removed, so that a wrong path never costs a user other files.
        pattern: names of the files that such a folder holds, as in a shell.

    Yields:
        An existing, empty folder beside ``path``.

    Raises:
        OutputExistsError: if something exists at ``path`` and may not be replaced.
    """
    _refuse_folder(path, overwrite, pattern)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary, replaced = _sibling(path, ""), _sibling(path, ".old")
    temporary.mkdir()
    try:
        yield temporary
        for entry in temporary.iterdir():
            if entry.is_file():
                _sync(entry)
        _sync_folder(temporary)
        _refuse_folder(path, overwrite, pattern)
        if path.exists():
            os.replace(path, replaced)
        try:
            os.rename(temporary, path)
        except OSError:
            if replaced.exists():  # what was there comes back
                os.rename(replaced, path)
            raise
        _sync_folder(path.parent)
    finally:
        for leftover in (temporary, replaced):
            shutil.rmtree(leftover, ignore_errors=True)


def _refuse_existing(path: Path, overwrite: bool) -> None:
    if os.path.lexists(path) and not overwrite:
        raise OutputExistsError(
            f"{shown(path)} exists and is not replaced unasked; choose another folder or --overwrite"
        )


def _refuse_folder(path: Path, overwrite: bool, pattern: str) -> None:
    if not os.path.lexists(path):
        return
    if path.is_symlink() or not path.is_dir():
        raise OutputExistsError(f"{shown(path)} exists and is not a folder; choose another output folder")
    entries = list(path.iterdir())
    if entries:
        _refuse_existing(path, overwrite)
    if any(not fnmatch.fnmatch(entry.name, pattern) or not entry.is_file() for entry in entries):
        raise OutputExistsError(
            f"{shown(path)} holds more than {pattern} files and is not replaced; choose another folder"
        )


def _sibling(path: Path, suffix: str) -> Path:
    return path.with_name(f".monai_sr-{secrets.token_hex(8)}{suffix}")


def _rename_without_replacing(source: Path, target: Path) -> None:
    """Rename, and fail if the target has come into being meanwhile."""
    try:
        if sys.platform == "win32":
            os.rename(source, target)  # refuses an existing target there
            return
        os.link(source, target)
    except FileExistsError:
        _refuse_existing(target, overwrite=False)
        raise
    except OSError:  # file systems without hard links (FAT, some network shares): the small race is accepted there
        _refuse_existing(target, overwrite=False)
        os.replace(source, target)


def _sync(path: Path) -> None:
    """Bring a file to the disk, or a power cut after the rename leaves an empty file under the final name."""
    with path.open("r+b") as stream:
        os.fsync(stream.fileno())


def _sync_folder(path: Path) -> None:
    """Bring a rename to the disk; Windows cannot open folders, and some file systems refuse."""
    if sys.platform == "win32":
        return
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
