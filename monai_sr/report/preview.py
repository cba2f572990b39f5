"""``preview.png``: before and after in three planes, in one window and at one scale."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from monai_sr.intensity import intensity_range
from monai_sr.io import Modality, Volume
from monai_sr.report.place import BodySample, body_place, body_sample
from monai_sr.report.planes import PLANES, Section, sections
from monai_sr.report.png import RESEARCH_ONLY, write_png

__all__ = ["LUNG_HU", "SOFT_TISSUE_HU", "display_window", "write_preview"]

SOFT_TISSUE_HU = (-160.0, 240.0)  # window 400, level 40
LUNG_HU = (-1350.0, 150.0)  # window 1500, level -600
_LUNG_SHARE = 0.25  # of the body mask: then the picture is of a chest


def write_preview(
    volumes: Sequence[tuple[str, Volume]], modality: Modality, path: Path, *, title: str, overwrite: bool = False
) -> Path:
    """Draw volumes that cover the same field of view below each other and write a PNG, whole or not at all.

    Photographs stand beside each other, see :func:`monai_sr.report.photo_preview.write_photo_preview`.

    Args:
        volumes: label and volume per row; window and place are chosen from the first, the acquired one.
        modality: decides the window.
        path: file to write.
        title: one line; no patient data.
        overwrite: whether an existing file may be replaced.
    """
    if modality == "photo":
        from monai_sr.report.photo_preview import write_photo_preview

        return write_photo_preview(volumes, path, title=title, overwrite=overwrite)
    acquired = volumes[0][1]
    sample = body_sample(acquired, modality)
    low, high, window = display_window(acquired, modality, sample)
    place, region = body_place(acquired, modality, sample)
    rows = [(label, volume, sections(volume, place, region)) for label, volume in volumes]
    widths = [max(row[2][k].size_mm[0] for row in rows) for k in range(len(PLANES))]
    heights = [max(section.size_mm[1] for section in row[2]) for row in rows]
    unit = 12.0 / sum(widths)  # inches per mm: one scale for the whole figure
    figure = Figure(
        figsize=(13.0, min(max(unit * sum(heights), 4.0) + 1.2, 40.0)), dpi=150, facecolor="black", layout="constrained"
    )
    grid = figure.subplots(len(rows), len(PLANES), squeeze=False, width_ratios=widths, height_ratios=heights)
    for line, (label, volume, row) in zip(grid, rows, strict=True):
        spacing = " x ".join(f"{s:.3g}" for s in volume.geometry.spacing)
        for ax, section in zip(line, row, strict=True):
            _draw(ax, section, low, high)
        line[0].set_ylabel(f"{label}\n{spacing} mm", color="white", fontsize=11)
    for ax, name in zip(grid[0], PLANES, strict=True):
        ax.set_title(name, color="white", fontsize=11)
    figure.suptitle(title, color="white", fontsize=12, parse_math=False)
    figure.supxlabel(f"{window}.  {RESEARCH_ONLY}", color="white", fontsize=10, parse_math=False)
    return write_png(figure, path, overwrite=overwrite)


def display_window(volume: Volume, modality: Modality, sample: BodySample | None = None) -> tuple[float, float, str]:
    """Black and white of the picture, and one phrase that says so.

    CT: soft tissue (width 400, level 40 HU), or lung (1500, -600) where a quarter of the body is air. MR: the 0.5th to
    the 99.8th percentile inside the body. Photograph: black to white of its file.

    Args:
        volume: the acquired scan.
        modality: decides the window.
        sample: of :func:`monai_sr.report.place.body_sample`, where it is known already.
    """
    sample = sample or body_sample(volume, modality)
    if modality == "CT":
        lung = float(np.mean(sample.values[sample.mask] < -500.0)) > _LUNG_SHARE
        low, high = LUNG_HU if lung else SOFT_TISSUE_HU
        unit = " HU"
    else:
        try:
            limits = intensity_range(sample.values, modality, sample.mask)
            low, high = limits.low, limits.high
        except ValueError:  # a constant volume has no range; any window shows it
            low, high = float(sample.values.min()) - 1.0, float(sample.values.max()) + 1.0
        unit = ""
    return low, high, f"Window {high - low:.4g}, level {(high + low) / 2:.4g}{unit}"


def _draw(ax: Axes, section: Section, low: float, high: float) -> None:
    width, height = section.size_mm
    # Voxels as they are: an interpolated picture would show a result that nobody wrote.
    ax.imshow(
        section.image, cmap="gray", vmin=low, vmax=high, extent=(0, width, height, 0), interpolation="nearest", aspect=1
    )
    ax.set_xticks([])
    ax.set_yticks([])
    outline = [withStroke(linewidth=2.5, foreground="black")]  # the letters stay legible on bone
    style: dict[str, Any] = {"color": "#ffd27f", "fontsize": 10, "transform": ax.transAxes, "path_effects": outline}
    left, right, top, bottom = section.labels
    ax.text(0.01, 0.5, left, ha="left", va="center", **style)
    ax.text(0.99, 0.5, right, ha="right", va="center", **style)
    ax.text(0.5, 0.99, top, ha="center", va="top", **style)
    ax.text(0.5, 0.01, bottom, ha="center", va="bottom", **style)
