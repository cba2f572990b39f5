"""Arrays as pictures inside an HTML page: 8-bit WebP in data URIs, a tenth of the size of PNG."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.image import imsave

__all__ = ["DIFFERENCE_COLOURS", "difference_uri", "gray_uri"]

# Zero is dark, as around every scan; blue and orange differ for every kind of colour vision.
DIFFERENCE_COLOURS = ("#7cc7ff", "#1f5f9e", "#101317", "#a8560f", "#ffb765")
"""From the lowest to the highest difference, for the colour bar."""

_DIFFERENCES = LinearSegmentedColormap.from_list("difference", DIFFERENCE_COLOURS, N=41)  # few: it compresses


def gray_uri(image: npt.NDArray[np.floating], low: float, high: float, *, quality: int = 88) -> str:
    """A section ``(rows, columns)`` in a window from black (``low``) to white (``high``), pixel by pixel."""
    return _uri(image, cmap="gray", vmin=low, vmax=high, lossless=False, quality=quality)


def difference_uri(image: npt.NDArray[np.floating], limit: float) -> str:
    """A difference ``(rows, columns)`` in colours from ``-limit`` to ``limit``; lossless, for its hue is the sign."""
    return _uri(image, cmap=_DIFFERENCES, vmin=-limit, vmax=limit, lossless=True)


def _uri(image: npt.NDArray[np.floating], *, lossless: bool, quality: int = 75, **colours: Any) -> str:
    stream = io.BytesIO()
    imsave(
        stream,
        np.asarray(image),
        format="webp",
        pil_kwargs={"lossless": lossless, "quality": quality, "method": 4},
        **colours,
    )
    return "data:image/webp;base64," + base64.b64encode(stream.getvalue()).decode("ascii")
