"""Which series were begun and not ended: a note on disk outlives the process that a series kills."""

from __future__ import annotations

import shutil
from collections.abc import Collection
from pathlib import Path

from monai_sr.casework.folder import is_staging

__all__ = ["MOST_TRIES", "Tries", "take_back"]

MOST_TRIES = 2
_DIED = "the process that worked on it died, most likely for lack of memory"


class Tries:
    """The tries of one series: a small file while it is worked on, gone when it is done or refused.

    Args:
        folder: where such files lie.
        series: name of the series.
        run: mark of the run that begins tries, see :func:`take_back`.
    """

    def __init__(self, folder: Path, series: str, run: str = "") -> None:
        self._file, self._run = folder / series, run
        try:
            self._lines = self._file.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            self._lines = []

    @property
    def count(self) -> int:
        """How many were begun; none of them ended well."""
        return len(self._lines)

    @property
    def reason(self) -> str:
        """What became of the last one."""
        return next((text for _, _, text in map(_fields, reversed(self._lines)) if text), _DIED)

    def begin(self, staging: Path) -> None:
        """Note a try before its work, and remove what an earlier one left behind.

        Args:
            staging: folder in which this try will gather its results.
        """
        for line in self._lines:
            self._clear(line)
        self._lines.append(f"{staging}\t{self._run}\t")
        self._write()

    def failed(self, reason: str) -> None:
        """Note that the last try ended with an error."""
        self._lines[-1] += " ".join(reason.split())
        self._write()

    def forget(self) -> None:
        """The series has ended, well or by a refusal; or it is to be tried again."""
        self._file.unlink(missing_ok=True)
        self._lines = []

    @property
    def in_work(self) -> bool:
        """Whether the last one is of this run and has not ended."""
        return bool(self._lines) and _fields(self._lines[-1])[1:] == (self._run, "")

    def drop_last(self) -> None:
        """The last try proves nothing; what it left behind goes with it."""
        self._clear(self._lines.pop())
        if self._lines:
            self._write()
        else:
            self.forget()

    @staticmethod
    def _clear(line: str) -> None:
        left = Path(_fields(line)[0])
        if not is_staging(left):  # a line that was cut while it was written may name a folder above it
            return
        for folder in (left, left.with_name(left.name + ".old")):  # see case_folder
            shutil.rmtree(folder, ignore_errors=True)

    def _write(self) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._file.write_text("".join(f"{line}\n" for line in self._lines), encoding="utf-8")


def take_back(folder: Path, run: str, but: Collection[str]) -> None:
    """Forget the tries that a run had in work when it was stopped: the series are not to blame.

    Call it when none of the run's processes works any more. A run that is killed cannot; its tries count.

    Args:
        folder: where the tries lie.
        run: its mark.
        but: series that the run has set aside.
    """
    for name in [file.name for file in folder.iterdir()] if folder.is_dir() else ():
        tries = Tries(folder, name, run)
        if name not in but and tries.in_work:
            tries.drop_last()


def _fields(line: str) -> tuple[str, str, str]:
    """Staging folder, run, and what went wrong."""
    staging, _, rest = line.partition("\t")
    run, _, reason = rest.partition("\t")
    return staging, run, reason
