"""What a command says while it works: to a person, to a program, or nothing.

Every fact is one event with a name and values. A program gets each as one line of JSON on standard output; a person
gets results on standard output, and progress, warnings and refusals on standard error.
"""

from __future__ import annotations

import json
import sys
from typing import Any, Protocol

from tqdm import tqdm

from monai_sr.casework.silence import silence_libraries

__all__ = ["Console", "HumanConsole", "JsonConsole", "QuietConsole", "choose_console", "silence_libraries"]

_BAR = "{desc:<40.40} {percentage:3.0f}%|{bar}| {elapsed}"


class Console(Protocol):
    """Takes events: skipped, started, stage, note, warning, done, refused, failed, interrupted, stopped, summary."""

    def emit(self, event: str, **facts: Any) -> None:
        """Show one event."""


class JsonConsole:
    """One JSON object per line on standard output, flushed, so that a program can follow."""

    def emit(self, event: str, **facts: Any) -> None:
        """Show one event."""
        from monai_sr.report import plain  # here, because it brings Matplotlib, which --help should not wait for

        print(json.dumps({"event": event, **plain(facts)}, ensure_ascii=False, allow_nan=False), flush=True)


class QuietConsole:
    """Nothing but what went wrong, on standard error."""

    def emit(self, event: str, **facts: Any) -> None:
        """Show one event."""
        if event in ("refused", "failed", "stopped"):
            print(_problem(event, facts), file=sys.stderr, flush=True)


class HumanConsole:
    """Sentences, and a progress bar where there is a terminal."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._stage = ""
        self._terminal = sys.stderr.isatty()

    def emit(self, event: str, **facts: Any) -> None:
        """Show one event."""
        if event == "stage":
            self._progress(**facts)
            return
        if event == "started":
            self._begin(**facts)
            return
        if event not in ("note", "warning"):
            self._end_bar()
        if event == "done":
            self._say(f"done     {facts['case']}: {facts['result']} -> {facts['folder']}", sys.stdout)
        elif event == "summary":
            self._say(_summary(facts), sys.stdout)
        elif event in ("note", "warning"):
            self._say(f"{event:<8} {facts['case']}: {facts['message']}")
        elif event == "interrupted":
            self._say("interrupted; finished cases are kept, nothing of the current one was written")
        else:
            self._say(_problem(event, facts))

    def _begin(self, case: str, position: int, count: int) -> None:
        self._stage = ""
        if self._terminal:
            self._bar = tqdm(total=100, desc=case, leave=False, bar_format=_BAR)
        else:
            self._say(f"started  {case} ({position} of {count})")

    def _progress(self, case: str, stage: str, fraction: float) -> None:
        if self._bar is not None:
            self._bar.set_description_str(f"{case}: {stage}", refresh=False)
            self._bar.n = round(100 * min(max(fraction, 0.0), 1.0))
            self._bar.refresh()
        elif stage != self._stage:
            self._say(f"stage    {case}: {stage}")
        self._stage = stage

    def _end_bar(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _say(self, line: str, stream: Any = None) -> None:
        stream = sys.stderr if stream is None else stream
        if self._bar is not None:
            self._bar.clear()
        print(line, file=stream, flush=True)


def choose_console(*, quiet: bool, as_json: bool) -> Console:
    """JSON lines win over quiet: a program that asked for them needs them."""
    if as_json:
        return JsonConsole()
    return QuietConsole() if quiet else HumanConsole()


def _problem(event: str, facts: dict[str, Any]) -> str:
    case, message = facts["case"], facts["message"]
    named = message if message.startswith(f"{case}:") else f"{case}: {message}"
    return f"{event:<8} {named}"


def _summary(facts: dict[str, Any]) -> str:
    parts = [
        f"{facts[key]} {key}"
        for key in ("done", "refused", "failed", "skipped", "left")
        if facts.get(key) or key == "done"
    ]
    return f"{', '.join(parts)}. Research only. Not for diagnosis."
