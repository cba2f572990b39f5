"""What an archive job says while it runs: a line that changes, or now and then one more; and what it says after."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from monai_sr.io import InputError

if TYPE_CHECKING:
    from monai_sr.archive import StatusRow

__all__ = ["ArchiveConsole", "status_in_words"]

_EVERY = 30.0  # seconds between lines where there is no terminal


class ArchiveConsole:
    """Counts rows and shows them: to a person, or as JSON lines to a program.

    Args:
        total: series to come.
        as_json: one JSON object for each series on standard output.
    """

    def __init__(self, total: int, *, as_json: bool = False) -> None:
        self._total, self._as_json = total, as_json
        self._counts = {"done": 0, "kept": 0, "refused": 0, "set_aside": 0}
        self._began = self._told = time.monotonic()
        terminal = not as_json and sys.stderr.isatty()
        self._bar = tqdm(total=total, unit=" series", dynamic_ncols=True) if terminal else None

    @property
    def all_done(self) -> bool:
        """Whether no series was refused or set aside."""
        return self._counts["done"] + self._counts["kept"] == self._total

    def row(self, row: StatusRow) -> None:
        """Show one series that ended."""
        kind = "kept" if row.kept else row.status
        self._counts[kind] = self._counts.get(kind, 0) + 1
        if self._as_json:
            print(json.dumps({"event": "series", **row.as_dict()}), flush=True)
            return
        if row.status != "done":
            self._say(f"{row.status.replace('_', ' '):<10} {row.series}: {row.reason}")
        if self._bar is not None:
            self._bar.set_postfix_str(self._words(), refresh=False)
            self._bar.update()
        elif time.monotonic() - self._told >= _EVERY:
            self._told = time.monotonic()
            self._say(f"{sum(self._counts.values())} of {self._total}: {self._words()}{self._left()}")

    def silence(self, seconds: float) -> None:
        """Say that nothing has ended for long."""
        self._say(
            f"no series has ended for {seconds / 60:.0f} minutes; if that is longer than one takes, the workers wait "
            "for processors or GPUs that are not free: 'ray status' shows it, and --workers asks for fewer"
        )

    def __enter__(self) -> ArchiveConsole:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: object) -> None:
        if self._bar is not None:
            self._bar.close()
        if kind is None or not issubclass(kind, InputError):  # else the job was refused, and there is nothing to sum up
            self.close()

    def close(self) -> None:
        """Show the sum."""
        seconds = time.monotonic() - self._began
        if self._as_json:
            facts = {"event": "summary", **self._counts, "total": self._total, "seconds": round(seconds, 1)}
            print(json.dumps({**facts, "research_only": True}), flush=True)
            return
        left = self._total - sum(self._counts.values())
        print(f"{self._words()}, {left} left, in {_duration(seconds)}. Research only. Not for diagnosis.", flush=True)

    def _words(self) -> str:
        return ", ".join(f"{n} {kind.replace('_', ' ')}" for kind, n in self._counts.items() if n or kind == "done")

    def _left(self) -> str:
        ended = sum(self._counts.values())
        rate = ended / (time.monotonic() - self._began)
        return f"; {rate:.3g} series/s, {_duration((self._total - ended) / rate)} left"

    def _say(self, line: str) -> None:
        tqdm.write(line, file=sys.stderr) if self._bar is not None else print(line, file=sys.stderr, flush=True)


def status_in_words(facts: dict[str, Any]) -> str:
    """What ``monai-sr archive status`` prints."""
    lines = [
        f"{facts[kind]:>9} {kind.replace('_', ' ')}" for kind in ("done", "refused", "set_aside", "stopped", "left")
    ]
    lines += ["", f"{facts['bytes_written'] / 1e9:.3g} GB written"]
    lines += [f"{name}: median {middle:.3g} s" for name, middle in facts["median_seconds"].items()]
    if facts["reasons"]:
        lines += ["", "why not, most frequent first:"]
        lines += [f"{count:>9} {reason}" for reason, count in facts["reasons"].items()]
    if facts["set_aside_series"]:
        lines += ["", f"set aside (--again tries them once more): {', '.join(facts['set_aside_series'])}"]
    return "\n".join(lines)


def _duration(seconds: float) -> str:
    for unit, size in (("days", 86400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s"
