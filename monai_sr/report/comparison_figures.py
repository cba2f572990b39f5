"""Figures of the comparison report: resolution, sharpness, gains, sweeps, losses, profiles over an edge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

import numpy as np
import numpy.typing as npt
from markupsafe import Markup
from matplotlib.axes import Axes

from monai_sr.report.comparison import Comparison, Sweep, number
from monai_sr.report.web_figures import COLOURS, NEUTRAL, draw, series_style

__all__ = ["frc_figure", "gain_figure", "loss_figure", "profile_figure", "sharpness_figure", "sweep_figure"]

Row = Mapping[str, Any]

_NOT_A_CURVE = ("step", "epoch", "seconds_per_step", "learning_rate")
_VARIABLES = {
    "noise": "noise, % of the intensity range",
    "width": "true width of the slice profile, spacings",
    "width_error": "error of the assumed slice thickness",
}


def gain_figure(comparison: Comparison, task: str) -> Markup | None:
    """Gain over cubic: a dot per volume, the mean and its 95 % interval."""
    rows = comparison.of(task)
    gains = [(m, g) for m in comparison.methods if (g := comparison.gain(m, rows, "cubic")) is not None]
    if not gains:
        return None

    def paint(axes: Sequence[Axes]) -> None:
        (ax,) = axes
        ax.axvline(0.0, color=NEUTRAL, linewidth=1.2)
        for line, (method, gain) in enumerate(gains):
            style = series_style(comparison.methods.index(method))
            jitter = np.linspace(-0.22, 0.22, len(gain.values)) if len(gain.values) > 1 else [0.0]
            ax.plot(gain.values, line + np.asarray(jitter), ".", color=style["color"], alpha=0.45, markersize=5)
            if gain.low is not None and gain.high is not None:
                ax.plot([gain.low, gain.high], [line, line], color=style["color"], linewidth=2.6, solid_capstyle="butt")
            ax.plot([gain.mean], [line], marker=style["marker"], color=style["color"], markersize=8)
        ax.set_yticks(range(len(gains)), [comparison.label(m) for m, _ in gains])
        ax.set_ylim(len(gains) - 0.5, -0.5)
        ax.grid(axis="y", visible=False)
        ax.set_xlabel("gain in PSNR over cubic, dB")

    return draw(
        paint,
        f"Gain in PSNR over cubic interpolation per method, {task}",
        size=(4.5, max(3.3, 1.0 + 0.28 * len(gains))),
    )


def sharpness_figure(comparison: Comparison, task: str) -> Markup | None:
    """PSNR against edge width: right and up is faithful and sharp."""
    points = []
    for method in comparison.methods:
        both = [
            (x, y)
            for row in comparison.of(task)
            if row.get("method") == method and "error" not in row
            if (x := number(row.get("edge_width_mm"))) is not None and (y := number(row.get("psnr"))) is not None
        ]
        if both:
            points.append((method, fmean(x for x, _ in both), fmean(y for _, y in both)))
    if len(points) < 2:
        return None

    def paint(axes: Sequence[Axes]) -> None:
        (ax,) = axes
        for method, x, y in points:
            style = {**series_style(comparison.methods.index(method)), "linestyle": ""}
            ax.plot([x], [y], markersize=9, **style)
        ax.margins(0.14)
        ax.set_xlabel("mean edge width, mm (sharper to the right)")
        ax.set_ylabel("mean PSNR, dB")
        ax.invert_xaxis()

    return draw(paint, f"Mean PSNR against mean edge width per method, {task}", size=(3.9, 3.3))


def frc_figure(comparison: Comparison, task: str) -> Markup | None:
    """Agreement with the truth per spatial frequency, mean over volumes."""
    curves = []
    for method in comparison.methods:
        found = [c for row in comparison.of(task) if row.get("method") == method and (c := _frc(row)) is not None]
        if found:
            # up to the frequency that every volume has
            grid = np.linspace(max(f[0] for f, _ in found), min(f[-1] for f, _ in found), 64)
            curves.append((method, grid, np.mean([np.interp(grid, f, c) for f, c in found], axis=0)))
    if not curves:
        return None

    def paint(axes: Sequence[Axes]) -> None:
        (ax,) = axes
        ax.axhline(1 / 7, color=NEUTRAL, linewidth=1.0, linestyle=(0, (4, 3)))
        ax.annotate("1/7", (1.0, 1 / 7), xycoords=("axes fraction", "data"), ha="right", va="bottom", color=NEUTRAL)
        for method, x, y in curves:
            style = series_style(comparison.methods.index(method))
            ax.plot(x, y, markevery=9, **style)
        ax.set_ylim(min(0.0, *(float(y.min()) for _, _, y in curves)) - 0.02, 1.03)
        ax.set_xlabel("spatial frequency, cycles per mm")
        ax.set_ylabel("correlation with the truth")

    return draw(paint, f"Fourier ring correlation with the truth per method, {task}", size=(3.9, 3.3))


def sweep_figure(comparison: Comparison, sweep: Sweep) -> Markup:
    """Mean PSNR over the levels of one variable."""
    scale = 100.0 if sweep.variable == "noise" else 1.0

    def paint(axes: Sequence[Axes]) -> None:
        (ax,) = axes
        for method, means in sweep.means.items():
            pairs = [(scale * x, y) for x, y in zip(sweep.levels, means, strict=True) if y is not None]
            style = series_style(comparison.methods.index(method))
            ax.plot([x for x, _ in pairs], [y for _, y in pairs], **style)
        ax.set_xticks([scale * level for level in sweep.levels])
        ax.set_xlabel(_VARIABLES[sweep.variable])
        ax.set_ylabel("mean PSNR, dB")

    return draw(paint, f"Mean PSNR over {_VARIABLES[sweep.variable]}: {sweep.title}", size=(3.9, 3.0))


def loss_figure(label: str, rows: Sequence[Mapping[str, float]]) -> Markup | None:
    """Losses of one training: means per epoch, or per step where there was one epoch.

    A generator and a discriminator share one plot; the other values have small ones.
    """
    names = list(dict.fromkeys(name for row in rows for name in row if name not in _NOT_A_CURVE))
    names = [name for name in names if any(number(row.get(name)) is not None for row in rows)]
    if not names:
        return None
    key = "epoch" if len({row.get("epoch") for row in rows} - {None}) > 1 else "step"
    leading = [name for name in ("generator", "discriminator") if name in names]
    plots = ([leading] if leading else []) + [[name] for name in names if name not in leading]
    plots = plots[:6]

    def paint(axes: Sequence[Axes]) -> None:
        for ax, group in zip(axes, plots, strict=True):
            for k, name in enumerate(group):
                x, y = _means(rows, name, key)
                ax.plot(x, y, color=COLOURS[(0, 1)[k]], linestyle=("-", (0, (5, 1.5)))[k], label=name)
                if len(x) == 1:
                    ax.plot(x, y, "o", color=COLOURS[(0, 1)[k]])
            if len(group) > 1:
                ax.legend(frameon=False, fontsize=8)
            ax.set_title(" and ".join(group))
            ax.set_xlabel(key)

    words = f"Losses of {label} per {key}: {', '.join(names)}"
    return draw(paint, words, size=(max(2.35 * len(plots), 3.0), 2.3), panels=len(plots))


def profile_figure(
    truth: tuple[npt.NDArray[np.float64], npt.NDArray[np.float32]],
    acquired: tuple[npt.NDArray[np.float64], npt.NDArray[np.float32]] | None,
    methods: Sequence[tuple[int, str, npt.NDArray[np.float64], npt.NDArray[np.float32]]],
    *,
    unit: str,
) -> Markup:
    """Values along one line across an edge.

    Args:
        truth: position in mm and values.
        acquired: the same of the acquired volume, drawn as the steps that its voxels are.
        methods: number in the order of colours, label, position and values.
        unit: of the values.
    """

    def paint(axes: Sequence[Axes]) -> None:
        (ax,) = axes
        if acquired is not None:
            ax.step(*acquired, where="mid", color=NEUTRAL, linewidth=1.0, linestyle=(0, (2, 1.5)), label="acquired")
        ax.plot(*truth, color=NEUTRAL, linewidth=4.5, alpha=0.45, label="truth")
        for k, label, x, y in methods:
            ax.plot(x, y, **{**series_style(k), "marker": None}, label=label)
        ax.legend(frameon=False, fontsize=7.5, loc="center left", bbox_to_anchor=(1.0, 0.5))
        ax.set_xlabel("position along the restored direction, mm")
        ax.set_ylabel(unit)

    return draw(paint, "Values along a line across an edge: truth, acquired and methods", size=(6.4, 2.9))


def _frc(row: Row) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]] | None:
    curve = row.get("frc")
    if not isinstance(curve, Mapping):
        return None
    frequency = np.asarray(curve.get("frequency") or [], dtype=np.float64)
    correlation = np.asarray(curve.get("correlation") or [], dtype=np.float64)
    if frequency.size != correlation.size:
        return None
    known = np.isfinite(frequency) & np.isfinite(correlation)  # a ring may be empty
    return (frequency[known], correlation[known]) if known.sum() > 1 else None


def _means(rows: Sequence[Mapping[str, float]], name: str, key: str) -> tuple[list[float], list[float]]:
    found: dict[float, list[float]] = {}
    for row in rows:
        value, at = number(row.get(name)), number(row.get(key))
        if value is not None and at is not None:
            found.setdefault(at, []).append(value)
    return list(found), [fmean(values) for values in found.values()]
