"""A figure as PNG."""

from __future__ import annotations

from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import imsave

from monai_sr.io import atomic_path

__all__ = ["RESEARCH_ONLY", "write_png"]

RESEARCH_ONLY = "Research only. Not for diagnosis."


def write_png(figure: Figure, path: Path, *, overwrite: bool = False) -> Path:
    """Draw a figure and write it, marked as research only, whole or not at all.

    ``Figure.savefig`` draws everything twice where the layout is constrained; this does it once, to the same pixels.

    Args:
        figure: with a layout that needs nothing but itself.
        path: file to write.
        overwrite: whether an existing file may be replaced.
    """
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    with atomic_path(path, overwrite=overwrite) as temporary:
        imsave(
            temporary,
            canvas.buffer_rgba(),
            format="png",
            dpi=figure.dpi,
            metadata={"Description": RESEARCH_ONLY, "Software": "monai_sr"},
            pil_kwargs={"compress_level": 3},  # half the time of level 6, a sixth more bytes
        )
    return path
