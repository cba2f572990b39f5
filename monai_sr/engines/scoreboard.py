"""From rows of an evaluation to the table that decides: gain over the best reference of each case, mean, worst."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

__all__ = ["case_table", "markdown_table", "model_name", "scores", "summary"]

Row = dict[str, Any]

_REFERENCES = ("cubic", "ibp1", "ibp3", "ibp5")


def model_name(rows: Sequence[Row]) -> str | None:
    """The method in the rows that is neither a reference nor ``none``."""
    names = [row["method"] for row in rows if row["method"] not in (*_REFERENCES, "none")]
    return names[0] if names else None


def case_table(rows: Sequence[Row]) -> list[Row]:
    """One entry per case and task, the methods side by side.

    Returns:
        Entries with ``case``, ``task``, facts of the case, ``psnr`` (method to dB), ``ssim`` where measured, and with a
        model ``gain`` (over the best of cubic and back-projection on that case), ``gain_over_none`` and
        ``gain_over_cubic``. An entry with ``error`` has the sentence instead.
    """
    model = model_name(rows)
    entries: dict[tuple[str, str], Row] = {}
    for row in rows:
        entry = entries.setdefault((row["case"], row["task"]), {**_facts(row), "psnr": {}, "ssim": {}, "warnings": []})
        if "error" in row:
            entry["error"] = f"{row['method']}: {row['error']}"
            continue
        entry["psnr"][row["method"]] = row["psnr"]
        if "ssim" in row:
            entry["ssim"][row["method"]] = row["ssim"]
        if row["method"] == model:
            entry["warnings"] = row.get("warnings", [])
    for entry in entries.values():
        levels = entry["psnr"]
        best = [levels[name] for name in _REFERENCES if name in levels]
        if model in levels and best:
            entry["gain"] = levels[model] - max(best)
        for other in ("none", "cubic"):
            if model in levels and other in levels:
                entry[f"gain_over_{other}"] = levels[model] - levels[other]
    return list(entries.values())


def _facts(row: Row) -> Row:
    kept = ("case", "task", "kind", "factor", "noise", "modality", "shape", "spacing", "axes", "note")
    return {key: row[key] for key in kept if key in row}


def scores(entries: Sequence[Row]) -> Row:
    """Mean, worst and counts over entries of :func:`case_table`; None where nothing was measured."""
    gains = [e["gain"] for e in entries if "gain" in e]
    over_none = [e["gain_over_none"] for e in entries if "gain_over_none" in e]
    over_cubic = [e["gain_over_cubic"] for e in entries if "gain_over_cubic" in e]
    return {
        "cases": len(entries),
        "failed": sum("error" in e for e in entries),
        "mean_gain": _mean(gains),
        "worst_gain": min(gains, default=None),
        "mean_gain_over_none": _mean(over_none),
        "worst_gain_over_none": min(over_none, default=None),
        "mean_gain_over_cubic": _mean(over_cubic),
        "below_cubic": sum(gain < 0 for gain in over_cubic),
        "below_best_reference": sum(gain < 0 for gain in gains),
        "with_warnings": sum(bool(e.get("warnings")) for e in entries),
    }


def _mean(values: Sequence[float]) -> float | None:
    return math.fsum(values) / len(values) if values else None


def summary(rows: Sequence[Row]) -> Row:
    """Scores over everything, and per modality, kind of task, factor and noise."""
    entries = case_table(rows)
    parts: Row = {"all": scores(entries)}
    for key in ("modality", "kind", "factor", "noise"):
        for value in dict.fromkeys(e[key] for e in entries if e.get(key) is not None):
            parts[f"{key} {value:g}" if isinstance(value, float) else f"{key} {value}"] = scores(
                [e for e in entries if e.get(key) == value]
            )
    return parts


def markdown_table(rows: Sequence[Row]) -> str:
    """The table of :func:`case_table` and the scores below it, in Markdown; PSNR in dB."""
    model, entries = model_name(rows), case_table(rows)
    methods = [name for name in (*_REFERENCES, "none", model) if any(name in e["psnr"] for e in entries)]
    head = ["case", "task", *map(str, methods), "gain", "over none"]
    lines = ["| " + " | ".join(head) + " |", "|---|---|" + "---:|" * (len(head) - 2)]
    for entry in entries:
        if "error" in entry and not entry["psnr"]:
            lines.append(f"| {entry['case']} | {entry['task']} |" + " |" * (len(head) - 3) + f" {entry['error']} |")
            continue
        cells = [_number(entry["psnr"].get(name), "{:.2f}") for name in methods]
        gains = [_number(entry.get(key), "{:+.2f}") for key in ("gain", "gain_over_none")]
        mark = " (!)" if entry.get("warnings") else ""
        lines.append(f"| {entry['case']} | {entry['task']}{mark} | " + " | ".join([*cells, *gains]) + " |")
    return "\n".join([*lines, "", *_score_lines(rows)])


def _score_lines(rows: Sequence[Row]) -> list[str]:
    head = "| part | cases | mean gain | worst | mean over none | worst | below cubic | with warnings (!) |"
    lines = [head, "|---|" + "---:|" * 7]
    for name, part in summary(rows).items():
        gains = [
            _number(part[key], "{:+.2f}")
            for key in ("mean_gain", "worst_gain", "mean_gain_over_none", "worst_gain_over_none")
        ]
        cells = [str(part["cases"]), *gains, str(part["below_cubic"]), str(part["with_warnings"])]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return lines


def _number(value: float | None, form: str) -> str:
    return "" if value is None else form.format(value)
