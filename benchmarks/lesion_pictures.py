"""Pictures for docs/safety.md: of every kind the lesion that the model keeps worst, by all methods.

    python benchmarks/lesion_pictures.py docs/images --out runs/safety

After ``benchmarks/lesions.py`` with the same ``--model`` and ``--out``.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from lesions import KINDS, Twins, twins
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from unseen import Restorer, cases

from monai_sr.engines.tasks import Task

Array = np.ndarray[Any, Any]
Row = dict[str, Any]

HALF_MM = 14.0


def worst(rows: list[Row], task: Task, method: str) -> dict[str, tuple[str, Row]]:
    """Per kind: scan and lesion of the smallest share of contrast."""
    contrast = {kind.name: kind.contrast for kind in KINDS}
    found: dict[str, tuple[str, Row]] = {}
    for row in rows:
        if (row["task"], row["method"]) != (task.name, method):
            continue
        for lesion in row["lesions"]:
            other = found.get(lesion["kind"])
            share = lesion["contrast"] / contrast[lesion["kind"]]
            if other is None or share < other[1]["contrast"] / contrast[lesion["kind"]]:
                found[lesion["kind"]] = (row["case"], lesion)
    return found


def sections(pair: Twins, task: Task, restore: Restorer, number: int) -> tuple[dict[str, Array], float]:
    """Truth, acquired and restored around a lesion, the degraded axis running down; and the pixels' aspect."""
    problem = pair.unseen.problem(pair.changed, task)
    axis, spacing = pair.unseen.axis, problem.truth.geometry.spacing
    across = min((a for a in range(3) if a != axis), key=lambda a: (round(spacing[a], 3), a))
    window: list[Any] = [int(c / s) for c, s in zip(pair.lesions[number][1].centre_mm, spacing, strict=True)]
    for a in (axis, across):
        half = int(HALF_MM / spacing[a])
        window[a] = slice(max(window[a] - half, 0), window[a] + half + 1)
    volumes = {"truth": problem.truth.array, "acquired": np.repeat(problem.acquired.array, round(task.factor), axis)}
    volumes |= {method.name: restore(problem, method) for method in restore.methods}
    images = {name: np.array(volume[tuple(window)]) for name, volume in volumes.items()}
    return {name: image.T if axis > across else image for name, image in images.items()}, spacing[axis] / spacing[
        across
    ]


def figure(
    chosen: list[tuple[str, Row, dict[str, Array], float]], shares: list[dict[str, float]], title: str
) -> Figure:
    """A line per lesion, a column per volume, each line in one window."""
    columns = list(chosen[0][2])
    drawn = Figure(figsize=(1.7 * len(columns) + 0.6, 1.95 * len(chosen) + 0.4), dpi=80, layout="constrained")
    FigureCanvasAgg(drawn)
    axes = drawn.subplots(len(chosen), len(columns), squeeze=False)
    for line, share, (case, lesion, images, aspect) in zip(axes, shares, chosen, strict=True):
        low, high = np.percentile(images["truth"], (0.5, 99.9))
        for place, name in zip(line, columns, strict=True):
            place.imshow(images[name], cmap="gray", vmin=low, vmax=high, aspect=aspect, interpolation="nearest")
            place.set_xticks([])
            place.set_yticks([])
            kept = f"\nkeeps {100 * share[name]:.0f} %" if name in share else "\n"
            place.set_title(f"{name}{kept}", fontsize=8)
        line[0].set_ylabel(f"{lesion['kind']}, {lesion['diameter_mm']:g} mm\n{case[:22]}", fontsize=7)
    drawn.suptitle(title, fontsize=8)
    return drawn


def main() -> None:
    """Choose, cut, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="for lesions_ct.png and lesions_mr.png")
    parser.add_argument("--model", default="default")
    parser.add_argument("--out", type=Path, default=Path("runs/safety"))
    parser.add_argument("--factor", type=float, default=4.0)
    parser.add_argument("--noise", type=float, default=0.0)
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    restore = Restorer(options.model, options.out / "restored", options.device)
    task = Task("through-plane", options.factor, options.noise)
    rows = [row for row in json.loads((options.out / "lesions.json").read_text()) if row["task"] in ("", task.name)]
    found = worst(rows, task, restore.names[-1])
    pairs = {unseen.truth.name: twins(unseen) for unseen in cases([case for case, _ in found.values()])}
    options.folder.mkdir(parents=True, exist_ok=True)
    for modality in ("CT", "MR"):
        chosen, shares = [], []
        for kind in KINDS:
            if kind.modality != modality or kind.name not in found:
                continue
            case, lesion = found[kind.name]
            chosen.append((case, lesion, *sections(pairs[case], task, restore, lesion["number"])))
            own = [row for row in rows if row["case"] == case and row["task"]]
            shares.append({r["method"]: _same(r, lesion)["contrast"] / kind.contrast for r in own})
        if chosen:
            title = (
                f"{modality}, {task.name} (downwards): of every kind the lesion that {restore.names[-1]} keeps worst"
            )
            figure(chosen, shares, title).savefig(options.folder / f"lesions_{modality.lower()}.png")


def _same(row: Row, lesion: Row) -> Row:
    return next(other for other in row["lesions"] if other["number"] == lesion["number"])


if __name__ == "__main__":
    main()
