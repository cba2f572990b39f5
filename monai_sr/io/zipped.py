"""A zip archive as a study: unpacked into a private folder that goes away with whoever reads from it.

Nothing in the archive decides where a file comes to lie: members get folders and names of ours, which are those of the
archive where those are plain, since a DICOMDIR in it lists them. Sizes are counted while unpacking, since those in the
archive may be made up.
"""

from __future__ import annotations

import shutil
import stat
import tempfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from monai_sr.io.files import NAME_LIMIT, safe_name, shown
from monai_sr.io.volume import InputError

__all__ = ["Unpacked"]

LARGEST_BYTES = 32 * 2**30
MOST_MEMBERS = 200_000
# Deflate cannot do better than 1032; images reach 5 to 20, and an empty phantom a few hundred.
LARGEST_RATIO = 500
RATIO_COUNTS_FROM = 64 * 2**20
# A DICOMDIR names no deeper folder (PS3.10 8.2).
DEEPEST = 8
_CHUNK = 2**20
_ENCRYPTED = 0x1
_SPARE_SPACE = 256 * 2**20


class Unpacked:
    """The members of an archive as files; the folder is removed when the last reference to this object is gone.

    Args:
        path: the archive.

    Raises:
        InputError: if it is damaged or encrypted, or larger than the limits or the free space.
    """

    def __init__(self, path: Path) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="monai_sr-", ignore_cleanup_errors=True)
        self.folder = Path(self._folder.name)  # mkdtemp: nobody else may enter it
        try:
            with zipfile.ZipFile(path) as archive:
                self._unpack(archive, path)
        except InputError:
            self._folder.cleanup()
            raise
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
            self._folder.cleanup()
            raise InputError(
                f"{shown(path)} is a zip archive that cannot be unpacked ({type(error).__name__}); pack it again"
            ) from None
        except BaseException:
            self._folder.cleanup()
            raise

    def _unpack(self, archive: zipfile.ZipFile, path: Path) -> None:
        members = [member for member in archive.infolist() if _is_plain_file(member)]
        if len(members) > MOST_MEMBERS:
            raise InputError(
                f"{shown(path)} holds {len(members)} files, more than {MOST_MEMBERS}; give one study at a time"
            )
        if any(member.flag_bits & _ENCRYPTED for member in members):
            raise InputError(f"{shown(path)} is encrypted; unpack it with its password first, and give the folder")
        _check_size(path, sum(member.file_size for member in members), path.stat().st_size)
        space = shutil.disk_usage(self.folder).free - _SPARE_SPACE
        if sum(member.file_size for member in members) > space:
            raise InputError(
                f"{shown(path)} needs {sum(m.file_size for m in members) / 2**30:.1f} GB unpacked, and the temporary "
                f"folder has {max(space, 0) / 2**30:.1f}; set TMPDIR to a larger one"
            )
        folders: dict[PurePosixPath, Path] = {}
        written = 0
        for number, member in enumerate(members):
            name = PurePosixPath(member.filename.replace("\\", "/").lstrip("/"))
            target = self._made(name.parent, folders) / _name(name.name)
            while target.exists():  # two members of one name, or of names that differ in what was left out
                target = target.with_name(f"{number}_{target.name}")
            with archive.open(member) as source, target.open("xb") as sink:
                while block := source.read(_CHUNK):
                    written += len(block)
                    _check_size(path, written, path.stat().st_size)
                    sink.write(block)

    def _made(self, name: PurePosixPath, folders: dict[PurePosixPath, Path]) -> Path:
        """The folder for a folder of the archive: of its own, and in that of its parent unless too deep."""
        if not name.parts:
            return self.folder
        if name not in folders:
            home = self.folder if len(name.parts) > DEEPEST else self._made(name.parent, folders)
            place = home / _name(name.name)
            while place.exists():  # of names that differ in what was left out, or a file of that name
                place = place.with_name(f"{len(folders)}_{place.name}")
            place.mkdir(mode=0o700)
            folders[name] = place
        return folders[name]


def _is_plain_file(member: zipfile.ZipInfo) -> bool:
    """No folder, no link or device, no hidden file, and nothing that macOS adds."""
    parts = PurePosixPath(member.filename.replace("\\", "/")).parts
    kind = stat.S_IFMT(member.external_attr >> 16)
    hidden = any((part.startswith(".") and part not in (".", "..")) or part == "__MACOSX" for part in parts)
    return bool(parts) and not member.is_dir() and not hidden and kind in (0, stat.S_IFREG)


def _name(name: str) -> str:
    """A plain file name with the same suffix, by which files are told apart."""
    if name.strip("_") == safe_name(name) and len(name) <= NAME_LIMIT:
        return name
    stem, dot, suffix = name.partition(".")
    return safe_name(stem) + (f".{safe_name(suffix)}" if dot and suffix else "")


def _check_size(path: Path, size: int, packed: int) -> None:
    if size > LARGEST_BYTES:
        raise InputError(
            f"{shown(path)} unpacks to more than {LARGEST_BYTES / 2**30:.0f} GB; unpack it yourself and give the folder"
        )
    if size > RATIO_COUNTS_FROM and size > LARGEST_RATIO * packed:
        raise InputError(
            f"{shown(path)} unpacks to more than {LARGEST_RATIO} times its size, as no images do; "
            "unpack it yourself if you trust it"
        )
