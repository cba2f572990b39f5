"""Tables of the comparison report, as plain values for the template."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

from monai_sr.report.comparison import MEASURES, Comparison, Gain, number, spread
from monai_sr.report.system_facts import SystemFacts

__all__ = [
    "Cell",
    "Line",
    "Table",
    "discriminator_table",
    "duration",
    "failures",
    "overview",
    "signed",
    "system_table",
    "task_table",
]

Row = Mapping[str, Any]

_TONE_DB = 2.0  # gain at which the ground of a cell has its full colour


@dataclass(frozen=True)
class Cell:
    """One entry.

    Args:
        text: what is read.
        small: what stands below it, smaller.
        value: what the column is sorted by; None comes last.
        best: whether it is the best of its column.
        tone: -1 (worse than the reference) to 1 (better), for the ground; None without.
    """

    text: str = ""
    small: str = ""
    value: float | None = None
    best: bool = False
    tone: float | None = None


@dataclass(frozen=True)
class Line:
    """One method.

    Args:
        method: its name.
        label: for people.
        kind: family of the system.
        cells: one per column; none where nothing was measured.
        reason: why nothing or not everything was measured.
    """

    method: str
    label: str
    kind: str
    cells: list[Cell]
    reason: str = ""


@dataclass(frozen=True)
class Table:
    """Heads as ``(title, meaning)``, and lines."""

    caption: str
    heads: list[tuple[str, str]]
    lines: list[Line] = field(default_factory=list)


def task_table(comparison: Comparison, task: str, modality: str | None = None) -> Table:
    """Methods by measures: means over volumes, their spread, and gains with their intervals."""
    rows = comparison.of(task, modality)
    shown = [m for m in MEASURES if any(number(row.get(m.key)) is not None for row in rows)]
    heads = [("volumes", "How many volumes were measured.")]
    for measure in shown:
        heads.append((measure.title, measure.meaning))
        if measure.key == "psnr":
            heads.append(
                ("over cubic, dB", "Mean gain in PSNR over cubic interpolation, and its paired 95 % interval.")
            )
            heads.append(
                (
                    "over back-projection, dB",
                    "The same over the best of 1, 3 and 5 steps of back-projection per volume.",
                )
            )
    best = _best(comparison, rows, shown)
    lines = []
    for method in comparison.methods:
        own = [row for row in rows if row.get("method") == method]
        done = [row for row in own if "error" not in row]
        reason = _reason(own)
        if not own and (modality is not None or not any(s.name == method for s in comparison.systems)):
            continue
        cells = []
        if done:
            count = f"{len(done)}" if len(done) == len(own) else f"{len(done)} of {len(own)}"
            cells.append(Cell(count, value=float(len(done))))
            for measure in shown:
                cells.append(
                    _measured(done, measure.key, measure.digits, measure.scale, best.get(measure.key) == method)
                )
                if measure.key == "psnr":
                    cells += [_gain(comparison.gain(method, rows, over)) for over in ("cubic", "best")]
        lines.append(Line(method, comparison.label(method), comparison.kind(method), cells, reason))
    return Table(f"{task}{'' if modality is None else f', {modality} only'}", heads, lines)


def overview(comparison: Comparison) -> Table:
    """Methods by tasks: mean gain in PSNR over cubic interpolation."""
    tasks = [task for task in comparison.tasks if any(number(r.get("psnr")) is not None for r in comparison.of(task))]
    columns: list[dict[str, Gain]] = []
    for task in tasks:
        rows = comparison.of(task)
        gains = {m: comparison.gain(m, rows, "cubic") for m in comparison.methods}
        columns.append({m: g for m, g in gains.items() if g is not None})
    lines = []
    for method in comparison.methods:
        cells = []
        for column in columns:
            gain = column.get(method)
            top = max((g.mean for g in column.values()), default=None)
            if gain is None:
                cells.append(Cell("reference" if method == "cubic" else "\N{EN DASH}"))
            else:
                tone = max(-1.0, min(1.0, gain.mean / _TONE_DB))
                cells.append(Cell(signed(gain.mean), value=gain.mean, best=gain.mean == top, tone=tone))
        lines.append(Line(method, comparison.label(method), comparison.kind(method), cells))
    return Table("Mean gain in PSNR over cubic interpolation, dB", [(task, "") for task in tasks], lines)


def system_table(systems: Sequence[SystemFacts]) -> Table:
    """What each system is and what its training took."""
    heads = [("parameters", "Of the network."), ("steps", "Of the training."), ("training", "Wall time.")]
    lines = []
    for s in systems:
        cells = [
            Cell(_count(s.parameters), value=s.parameters),
            Cell(_count(s.steps), value=s.steps),
            Cell(duration(s.train_seconds), s.budget or "", s.train_seconds),
        ]
        lines.append(Line(s.name, s.label, s.kind, cells, s.note))
    return Table("Systems", heads, lines)


def discriminator_table(systems: Sequence[SystemFacts]) -> Table:
    """How well each discriminator tells real from restored."""
    judged = [s for s in systems if s.discriminator]
    names = list(dict.fromkeys(name for s in judged for name in s.discriminator or {}))
    names.sort(key=lambda name: name == "threshold")
    lines = []
    for s in judged:
        values = [(s.discriminator or {}).get(name) for name in names]
        cells = [
            Cell("\N{EN DASH}" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value),
                 value=number(value))
            for value in values
        ]  # fmt: skip
        lines.append(Line(s.name, s.label, s.kind, cells))
    meanings = {
        "accuracy": "Share of right answers; 0.5 is guessing.",
        "precision": "Share of truths among those called real.",
        "recall": "Share of truths called real.",
        "f1": "Harmonic mean of precision and recall.",
    }
    return Table("Discriminators", [("F1" if n == "f1" else n, meanings.get(n, "")) for n in names], lines)


def failures(comparison: Comparison) -> list[dict[str, str]]:
    """Every row without numbers, with its sentence."""
    return [
        {
            "case": str(row.get("case", "?")),
            "task": str(row.get("task", "?")),
            "method": comparison.label(str(row.get("method", "?"))),
            "reason": str(row["error"]),
        }
        for row in comparison.rows
        if "error" in row
    ]


def duration(seconds: float | None) -> str:
    """``45 s``, ``12 min``, ``1.5 h``."""
    if seconds is None:
        return "\N{EN DASH}"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _reason(rows: Sequence[Row]) -> str:
    """Why a method has fewer numbers than volumes, in one sentence."""
    if not rows:
        return "not run on this task"
    errors = list(dict.fromkeys(str(row["error"]) for row in rows if "error" in row))
    warned = sum(bool(row.get("warnings")) for row in rows if "error" not in row)
    sentences = errors[:2] + ([f"and {len(errors) - 2} more reasons"] if len(errors) > 2 else [])
    if warned:
        sentences.append(f"{warned} of {len(rows)} with warnings")
    return "; ".join(sentences)


def _best(comparison: Comparison, rows: Sequence[Row], shown: Sequence[Any]) -> dict[str, str]:
    """Per measure the method whose mean is best, of those measured on as many volumes as any."""
    best: dict[str, str] = {}
    for measure in shown:
        means: dict[str, tuple[int, float]] = {}
        for method in comparison.methods:
            values = _values([r for r in rows if r.get("method") == method and "error" not in r], measure.key)
            if values:
                means[method] = (len(values), fmean(values))
        most = max((n for n, _ in means.values()), default=0)
        whole = {m: mean for m, (n, mean) in means.items() if n == most}
        if len(set(whole.values())) > 1:  # of equal ones none is best
            sign = measure.better
            best[measure.key] = max(whole, key=lambda m: sign * whole[m] if sign else -abs(whole[m]))
    return best


def _values(rows: Sequence[Row], key: str) -> list[float]:
    return [value for row in rows if (value := number(row.get(key))) is not None]


def _measured(rows: Sequence[Row], key: str, digits: int, scale: float, best: bool) -> Cell:
    values = [scale * value for value in _values(rows, key)]
    if not values:
        return Cell("\N{EN DASH}")
    sd = spread(values)
    mean = fmean(values)
    return Cell(f"{mean:.{digits}f}", "" if sd is None else f"\N{PLUS-MINUS SIGN} {sd:.{digits}f}", mean, best)


def _gain(gain: Gain | None) -> Cell:
    if gain is None:
        return Cell("\N{EN DASH}")
    interval = "" if gain.low is None or gain.high is None else f"{signed(gain.low)} to {signed(gain.high)}"
    return Cell(signed(gain.mean), interval, gain.mean, tone=max(-1.0, min(1.0, gain.mean / _TONE_DB)))


def signed(value: float) -> str:
    """A difference in dB with its sign, one as wide as a digit; what rounds to zero has none."""
    text = f"{value:+.2f}"
    return "0.00" if text in ("+0.00", "-0.00") else text.replace("-", "\N{MINUS SIGN}")


def _count(value: int | None) -> str:
    return "\N{EN DASH}" if value is None else f"{value:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")
