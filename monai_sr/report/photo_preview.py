"""``preview.png`` of a photograph: its middle before and after, side by side, in colour where it has some."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from monai_sr.intensity import PHOTO_RANGE
from monai_sr.io import Volume
from monai_sr.io.photo import Photo
from monai_sr.report.png import RESEARCH_ONLY, write_png

__all__ = ["write_photo_preview"]

_SHOWN = 240  # pixels of the first photograph along the longer edge: with more, one would not see what has changed


def write_photo_preview(
    volumes: Sequence[tuple[str, Volume]], path: Path, *, title: str, overwrite: bool = False
) -> Path:
    """Draw the middle of photographs that show the same beside each other and write a PNG, whole or not at all.

    Args:
        volumes: label and photograph; the first, the acquired one, decides how much is shown.
        path: file to write.
        title: one line.
        overwrite: whether an existing file may be replaced.
    """
    x, y, _ = volumes[0][1].array.shape
    shares = (min(1.0, _SHOWN / x), min(1.0, _SHOWN / y))
    pictures = [(label, volume, _middle(volume, shares)) for label, volume in volumes]
    width = 13.0 / len(pictures)
    height = width * shares[1] * y / (shares[0] * x)
    figure = Figure(figsize=(13.0, min(max(height, 3.0), 40.0) + 1.2), dpi=150, facecolor="black", layout="constrained")
    for ax, (label, volume, picture) in zip(figure.subplots(1, len(pictures), squeeze=False)[0], pictures, strict=True):
        # pixels as they are: an interpolated picture would show a result that nobody wrote
        ax.imshow(picture, cmap="gray", vmin=PHOTO_RANGE[0], vmax=PHOTO_RANGE[1], interpolation="nearest")
        ax.set_aspect(picture.shape[1] / picture.shape[0] * shares[1] * y / (shares[0] * x))
        ax.set_xticks([])
        ax.set_yticks([])
        ax.set_title(f"{label}\n{volume.array.shape[0]} x {volume.array.shape[1]} pixels", color="white", fontsize=11)
    figure.suptitle(title, color="white", fontsize=12, parse_math=False)
    part = "The whole photograph" if shares == (1.0, 1.0) else "The middle of the photograph"
    figure.supxlabel(f"{part}.  {RESEARCH_ONLY}", color="white", fontsize=10, parse_math=False)
    return write_png(figure, path, overwrite=overwrite)


def _middle(volume: Volume, shares: tuple[float, float]) -> npt.NDArray[np.float32]:
    """``(rows, columns)``, or with RGB behind: the given shares of the width and the height."""
    window = []
    for n, share in zip(volume.array.shape, shares, strict=False):
        length = max(round(n * share), 1)
        window.append(slice((n - length) // 2, (n - length) // 2 + length))
    across, down = window
    luma = volume.array[across, down]
    if not isinstance(volume.source, Photo) or volume.source.chroma is None:
        return luma[..., 0].T
    return replace(volume.source, luma=luma, chroma=volume.source.chroma[:, across, down], alpha=None).samples()
