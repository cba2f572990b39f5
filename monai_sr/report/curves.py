"""Loss curves as a picture."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

__all__ = ["plot_losses"]

_NOT_A_CURVE = ("step", "epoch", "seconds_per_step")


def plot_losses(rows: Sequence[Mapping[str, float]], path: Path) -> None:
    """One small plot per named value over the steps.

    Args:
        rows: each with ``step`` and any named values; a name may be missing in some.
        path: PNG file; it is replaced whole.
    """
    names = list(dict.fromkeys(name for row in rows for name in row if name not in _NOT_A_CURVE))
    columns = min(3, max(len(names), 1))
    figure = Figure(figsize=(4 * columns, 2.6 * -(-len(names) // columns)), layout="constrained")
    FigureCanvasAgg(figure)  # its own canvas: works without a display, and beside any pyplot state of the caller
    for i, name in enumerate(names):
        axes = figure.add_subplot(-(-len(names) // columns), columns, i + 1)
        points = [(row["step"], row[name]) for row in rows if name in row]
        axes.plot([x for x, _ in points], [y for _, y in points], linewidth=0.9)
        axes.set_title(name, fontsize=9)
        axes.tick_params(labelsize=7)
        axes.grid(alpha=0.3)
    temporary = path.with_suffix(".tmp.png")
    figure.savefig(temporary, dpi=100)
    os.replace(temporary, path)
