"""Which series were begun and not ended: a note on disk outlives the process that a series kills."""

from __future__ import annotations

import shutil
from pathlib import Path

__all__ = ["MOST_TRIES", "Tries"]

MOST_TRIES = 2
_DIED = "the process that worked on it died, most likely for lack of memory"


class Tries:
    """The tries of one series: a small file while it is worked on, gone when it is done or refused.

    Args:
        folder: where such files lie.
        series: name of the series.
    """

    def __init__(self, folder: Path, series: str) -> None:
        self._file = folder / series
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
        return next((text for _, _, text in map(_parts, reversed(self._lines)) if text), _DIED)

    def begin(self, staging: Path) -> None:
        """Note a try before its work, and remove what an earlier one left behind.

        Args:
            staging: folder in which this try will gather its results.
        """
        for line in self._lines:
            left = _parts(line)[0]
            for folder in (left, left.with_name(left.name + ".old")):  # see case_folder
                shutil.rmtree(folder, ignore_errors=True)
        self._lines.append(str(staging))
        self._write()

    def failed(self, reason: str) -> None:
        """Note that the last try ended with an error."""
        self._lines[-1] += "\t" + " ".join(reason.split())
        self._write()

    def forget(self) -> None:
        """The series has ended, well or by a refusal; or it is to be tried again."""
        self._file.unlink(missing_ok=True)
        self._lines = []

    def _write(self) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._file.write_text("".join(f"{line}\n" for line in self._lines), encoding="utf-8")


def _parts(line: str) -> tuple[Path, str, str]:
    staging, tab, reason = line.partition("\t")
    return Path(staging), tab, reason
