"""Matplotlib figures as SVG inside an HTML page: text stays text, and colours are the page's, light or dark."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from html import escape
from itertools import count
from typing import Any

from markupsafe import Markup
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

__all__ = ["COLOURS", "MARKERS", "NEUTRAL", "draw", "series_style"]

# Drawn in these colours, which then become variables of the style sheet: see style.css.j2.
_INK, _FAINT, NEUTRAL = "#010203", "#010204", "#010205"
COLOURS = tuple(f"#0102{k:02x}" for k in range(0x10, 0x20))
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<")  # the legend of parts.html.j2 draws the same ones
_DASHES = ("-", (0, (5, 1.5)), (0, (1.5, 1)), (0, (6, 1.5, 1.5, 1.5)))
_VARIABLES = {_INK: "currentColor", _FAINT: "var(--line)", NEUTRAL: "var(--muted)"} | {
    colour: f"var(--s{k})" for k, colour in enumerate(COLOURS)
}
_number = count()

_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "monai_sr",
    "text.parse_math": False,  # names of methods are no formulas
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9,
    "text.color": _INK,
    "axes.labelcolor": _INK,
    "axes.edgecolor": _FAINT,
    "axes.titlesize": 9,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": _FAINT,
    "grid.linewidth": 0.6,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "lines.linewidth": 1.6,
    "lines.markersize": 5,
}


def series_style(k: int) -> dict[str, Any]:
    """Colour, marker and dashes of the k-th method; the same in every figure of a page."""
    return {
        "color": COLOURS[k % len(COLOURS)],
        "marker": MARKERS[k % len(MARKERS)],
        "linestyle": _DASHES[k // 5 % len(_DASHES)],
    }


def draw(
    paint: Callable[[Sequence[Axes]], None],
    description: str,
    *,
    size: tuple[float, float] = (4.6, 3.2),
    panels: int = 1,
) -> Markup:
    """Draw a figure and return it as an ``<svg>`` element.

    Args:
        paint: draws into the given axes.
        description: of the figure, for those who cannot see it.
        size: width and height in inches.
        panels: axes beside each other.
    """
    with rc_context(_STYLE):
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasSVG(figure)  # its own canvas: beside any pyplot state of the caller
        figure.patch.set_alpha(0.0)
        axes = list(figure.subplots(1, panels, squeeze=False)[0])
        for ax in axes:
            ax.patch.set_alpha(0.0)
        paint(axes)
        stream = io.StringIO()
        figure.savefig(stream, format="svg", metadata={"Date": None})
    return Markup(_inline(stream.getvalue(), description))


def _inline(text: str, description: str) -> str:
    """The element without its XML head and metadata, with ids that are its own in the page."""
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    own = f"f{next(_number)}-"
    text = re.sub(r'\bid="', f'id="{own}', text)
    text = re.sub(r'xlink:href="#', f'href="#{own}', text)
    text = text.replace("url(#", f"url(#{own}")
    for colour, variable in _VARIABLES.items():
        text = text.replace(colour, variable)
    text = re.sub(r"font-family: [^;\"]*;? ?", "", text)  # the page's own font
    text = re.sub(r"<style.*?</style>", "", text, flags=re.DOTALL)  # it would hold for the whole page
    head = re.match(r"<svg[^>]*>", text)
    assert head is not None
    box = re.search(r'viewBox="[^"]*"', head.group())
    width = re.search(r'width="([\d.]+)pt"', head.group())
    assert box is not None
    assert width is not None
    # points, as in print; never wider than its place
    opening = (
        f'<svg class="figure" role="img" aria-label="{escape(description)}" {box.group()} '
        f'style="width:{float(width.group(1)) * 4 / 3:.0f}px" xmlns="http://www.w3.org/2000/svg">'
    )
    return opening + text[head.end() :]
