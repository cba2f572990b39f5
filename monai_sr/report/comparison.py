"""Rows of a comparison, put in order and counted: what a table or a figure of the report shows."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from statistics import fmean, stdev
from typing import Any

from monai_sr.metrics.intervals import paired_interval
from monai_sr.report.system_facts import SystemFacts

__all__ = ["MEASURES", "Comparison", "Gain", "Measure", "Sweep", "number"]

Row = Mapping[str, Any]

_CUBIC = "cubic"
_BACK_PROJECTIONS = ("ibp1", "ibp3", "ibp5")
_REFERENCES = (_CUBIC, *_BACK_PROJECTIONS)


@dataclass(frozen=True)
class Measure:
    """One column of numbers.

    Args:
        key: in the rows.
        title: head of the column.
        meaning: one sentence for those who do not know it.
        digits: after the decimal point.
        better: 1 where more is better, -1 where less is, 0 where nearer to zero is.
        scale: factor from the row's unit to the column's.
    """

    key: str
    title: str
    meaning: str
    digits: int
    better: int
    scale: float = 1.0


MEASURES = (
    Measure("psnr", "PSNR, dB", "Peak signal-to-noise ratio inside the mask, against the truth.", 2, 1),
    Measure("ssim", "SSIM", "Structural similarity to the truth; 1 is equal.", 4, 1),
    Measure("ms_ssim", "MS-SSIM", "Structural similarity at several scales; 1 is equal.", 4, 1),
    Measure("gms", "GMS", "Similarity of the gradient magnitude; 1 is equal.", 4, 1),
    Measure(
        "edge_width_mm", "edge width, mm", "How wide edges are along the restored direction; less is sharper.", 2, -1
    ),
    Measure("frc_resolution_mm", "FRC, mm", "Finest detail that still agrees with the truth (Fourier ring).", 2, -1),
    Measure("body_bias", "bias", "Mean difference inside the body, in HU or the scanner's units.", 2, 0),
    Measure("residual", "residual", "Root mean square of A(result) minus acquired, in the scan's units.", 2, -1),
    Measure("residual_percent", "residual, %", "The same, as a share of the intensity range.", 2, -1),
    Measure("seconds", "time, s", "Wall time of one restoration.", 2, -1),
    Measure("peak_memory_bytes", "memory, MiB", "Peak memory of the process.", 0, -1, 2.0**-20),
)


def number(value: object) -> float | None:
    """A finite number, or None for whatever else a row may hold."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


@dataclass(frozen=True)
class Gain:
    """Mean of differences in PSNR between a method and its reference on the same volumes.

    Args:
        mean: in dB.
        low: lower end of the 95 % interval, None where one group is too few for it.
        high: upper end.
        values: one per volume.
    """

    mean: float
    low: float | None
    high: float | None
    values: tuple[float, ...]


@dataclass(frozen=True)
class Sweep:
    """Tasks that differ in one thing only.

    Args:
        title: what they have in common.
        variable: ``"noise"``, ``"width"`` or ``"width_error"``.
        levels: of that variable, ascending.
        means: per method, mean PSNR per level over the volumes that have all levels; None where there is none.
    """

    title: str
    variable: str
    levels: tuple[float, ...]
    means: dict[str, tuple[float | None, ...]]


@dataclass
class Comparison:
    """All rows, with the order and the names in which methods appear.

    Args:
        rows: one per case, task and method.
        systems: facts by which methods are ordered and named; methods without come after them.
    """

    rows: Sequence[Row]
    systems: Sequence[SystemFacts] = ()
    methods: list[str] = field(init=False)
    tasks: list[str] = field(init=False)

    def __post_init__(self) -> None:
        seen = dict.fromkeys(str(row.get("method", "?")) for row in self.rows)
        self.methods = list(dict.fromkeys([*(s.name for s in self.systems), *seen]))
        # a case that was refused as a whole has a row of its own, "all": no task
        self.tasks = list(dict.fromkeys(str(row.get("task", "?")) for row in self.rows))
        self._labels = {s.name: s.label for s in self.systems}
        self._kinds: dict[str, str] = {s.name: s.kind for s in self.systems}
        self._psnr: dict[tuple[str, str], dict[str, float]] = {}
        for row in self.rows:
            value = number(row.get("psnr"))
            if value is not None and "error" not in row:
                self._psnr.setdefault(problem(row), {})[str(row["method"])] = value

    def label(self, method: str) -> str:
        """For people."""
        return self._labels.get(method, method)

    def kind(self, method: str) -> str:
        """Family of the system; ``interpolation`` or ``train-free`` for the references, empty where not known."""
        known = {_CUBIC: "interpolation"} | dict.fromkeys(_BACK_PROJECTIONS, "train-free")
        return self._kinds.get(method, known.get(method, ""))

    def of(self, task: str, modality: str | None = None) -> list[Row]:
        """Rows of a task, of one modality if it is given."""
        return [
            row
            for row in self.rows
            if str(row.get("task", "?")) == task and (modality is None or row.get("modality") == modality)
        ]

    def gains(self, method: str, rows: Iterable[Row], over: str) -> list[tuple[Row, float]]:
        """Difference in PSNR per row of a method; none where either is missing.

        Args:
            method: its rows are taken.
            rows: of any methods.
            over: ``"cubic"``, or ``"best"`` for the best back-projection of each volume.
        """
        found = []
        for row in rows:
            levels = self._psnr.get(problem(row), {})
            others = [levels[name] for name in ((_CUBIC,) if over == _CUBIC else _BACK_PROJECTIONS) if name in levels]
            if row.get("method") == method and method in levels and others and "error" not in row:
                found.append((row, levels[method] - max(others)))
        return found

    def gain(self, method: str, rows: Iterable[Row], over: str) -> Gain | None:
        """Mean gain with its paired interval; subjects, not volumes, are drawn. None for the reference itself."""
        pairs = self.gains(method, rows, over)
        if not pairs or method == over:
            return None
        values = tuple(value for _, value in pairs)
        groups = tuple(str(row.get("subject") or row.get("case")) for row, _ in pairs)
        low, high = _ends(values, groups)
        return Gain(fmean(values), low, high, values)

    def best(self) -> str | None:
        """The method that gains most over cubic on average; a learned one if there is any."""
        means = {m: g.mean for m in self.methods if (g := self.gain(m, self.rows, _CUBIC)) is not None}
        learned = [m for m in means if self.kind(m) == "learned"]
        return max(learned or means, key=lambda m: means[m], default=None)

    def contenders(self) -> list[str]:
        """Methods other than interpolation and plain back-projection."""
        return [m for m in self.methods if m not in _REFERENCES and self.kind(m) != "interpolation"]

    def modalities(self) -> list[str]:
        """As the rows name them."""
        return list(dict.fromkeys(str(row["modality"]) for row in self.rows if row.get("modality")))

    def sweeps(self) -> list[Sweep]:
        """All series of tasks that differ only in noise, in the width of the slice profile or in its error."""
        found = []
        for variable in ("noise", "width", "width_error"):
            groups: dict[str, list[Row]] = {}
            for row in self.rows:
                if number(row.get(variable)) is not None and number(row.get("psnr")) is not None:
                    groups.setdefault(_rest(row, variable), []).append(row)
            for title, rows in groups.items():
                levels = sorted({float(row[variable]) for row in rows})
                if len(levels) > 1:
                    found.append(Sweep(title, variable, tuple(levels), _means(rows, variable, levels)))
        return found


def problem(row: Row) -> tuple[str, str]:
    """Case and task: what several methods were given."""
    return str(row.get("case", "?")), str(row.get("task", "?"))


def spread(values: Sequence[float]) -> float | None:
    """Standard deviation over volumes; None for one."""
    return stdev(values) if len(values) > 1 else None


@lru_cache(maxsize=4096)  # tables and figures ask for the same ones, and each takes thousands of draws
def _ends(values: tuple[float, ...], groups: tuple[str, ...]) -> tuple[float | None, float | None]:
    interval = paired_interval(values, groups=groups)
    return number(interval.low), number(interval.high)  # none for one subject: it says nothing of others


def _rest(row: Row, variable: str) -> str:
    """What a task is besides one of its variables, in words."""
    words = [str(row.get("kind") or "as acquired")]
    if number(row.get("factor")) is not None:
        words[0] += f" x{row['factor']:g}"
    if row.get("profile"):
        words.append(str(row["profile"]))
    for key, unit in (("noise", " % noise"), ("width", " spacings wide"), ("width_error", " width error")):
        value = number(row.get(key))
        if key != variable and value is not None and (key, value) not in (("width", 1.0), ("width_error", 0.0)):
            words.append(
                "clean" if key == "noise" and value == 0 else f"{100 * value if key == 'noise' else value:g}{unit}"
            )
    return ", ".join(words)


def _means(rows: Sequence[Row], variable: str, levels: Sequence[float]) -> dict[str, tuple[float | None, ...]]:
    """Only volumes that have all levels of a method: else a curve would mix easy with hard ones."""
    table: dict[str, dict[str, dict[float, float]]] = {}
    for row in rows:
        by_case = table.setdefault(str(row["method"]), {})
        by_case.setdefault(str(row.get("case")), {})[float(row[variable])] = float(row["psnr"])
    means: dict[str, tuple[float | None, ...]] = {}
    for method, cases in table.items():
        whole = [values for values in cases.values() if len(values) == len(levels)]
        if whole:
            means[method] = tuple(fmean(values[level] for values in whole) for level in levels)
        else:
            every = [[v[level] for v in cases.values() if level in v] for level in levels]
            means[method] = tuple(fmean(v) if v else None for v in every)
    return means
