"""Pictures for docs/comparison.md from a comparison: methods side by side, and what they miss of the truth.

python benchmarks/comparison_pictures.py runs/compare_through_plane docs/images
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from monai_sr.report.pictures import load_picture, picture_window

METHODS = ("cubic", "ibp5", "tv", "srcnn", "edsr", "esrgan", "ours_l1", "ours_gan", "bundle")
_ZOOM = 0.55  # share of the picture along each axis


def draw(rows: list[dict[str, Any]], folder: Path, path: Path) -> None:
    """One problem: truth, acquired and methods above, differences to the truth below, all in one window and scale."""
    chosen = [row for name in METHODS for row in rows if row["method"] == name and "picture" in row]
    first = chosen[0]
    truth = load_picture(folder / first["truth_picture"])
    low, high = picture_window(truth)
    plane = max(truth.planes, key=lambda p: len({0, 1, 2} & set(p.axes) & set(first["axes"])) * 1e6 + p.middle.size)
    entries = [("truth", truth), ("acquired", load_picture(folder / first["acquired_picture"]))]
    entries += [(row["method"], load_picture(folder / row["picture"])) for row in chosen]
    figure = Figure(figsize=(1.75 * len(entries), 4.2), dpi=110, layout="constrained", facecolor="black")
    FigureCanvasAgg(figure)
    axes = figure.subplots(2, len(entries))
    reference = _zoomed(plane.middle)
    limit = (high - low) / 6
    levels = {row["method"]: row["psnr"] for row in chosen}
    for column, (name, picture) in enumerate(entries):
        found = picture.plane(plane.name)
        assert found is not None
        image = _zoomed(found.middle)
        extent = (0, found.box_mm[2], found.box_mm[3], 0)
        axes[0, column].imshow(image, cmap="gray", vmin=low, vmax=high, extent=extent, interpolation="nearest")
        label = f"{name}\n{levels[name]:.2f} dB" if name in levels else name
        axes[0, column].set_title(label, color="white", fontsize=9)
        if name in levels:
            axes[1, column].imshow(
                image - reference, cmap="RdBu_r", vmin=-limit, vmax=limit, extent=extent, interpolation="nearest"
            )
        for row in (0, 1):
            axes[row, column].set_axis_off()
    figure.suptitle(f"{first['case'].removesuffix('.nii.gz')}, {first['task']}", color="white", fontsize=10)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)


def _zoomed(image: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The middle of a picture."""
    parts = [slice(int(n * (1 - _ZOOM) / 2), int(np.ceil(n * (1 + _ZOOM) / 2))) for n in image.shape]
    return image[parts[0], parts[1]]


def main() -> None:
    """One picture per modality and task that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("comparison", type=Path, help="output folder of monai-sr compare")
    parser.add_argument("out", type=Path)
    parser.add_argument("--cases", nargs="*", default=["philips", "ct_sts"], help="parts of case names")
    parser.add_argument("--task", default="x3, clean", help="part of a task's name")
    options = parser.parse_args()
    lines = (options.comparison / "rows.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [row for line in lines if "error" not in (row := json.loads(line)["row"])]
    for case in options.cases:
        own = [row for row in rows if case in row["case"] and options.task in row["task"]]
        own = [row for row in own if (row["case"], row["task"]) == (own[0]["case"], own[0]["task"])]  # the first match
        if own:
            name = f"{options.comparison.name}_{case}.png"
            draw(own, options.comparison / "pictures", options.out / name)
            print(options.out / name)


if __name__ == "__main__":
    main()
