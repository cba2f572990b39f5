"""What a later analysis finds on restored volumes: tissue segmented by fixed rules, its volume, features of regions.

    python benchmarks/downstream.py                       # the shipped model
    python benchmarks/downstream.py --model runs/x/model.pt --out runs/x/safety

Rules are fixed on the truth and applied to every restored volume as they are. Restorations are shared with
``benchmarks/lesions.py`` in the same output folder, and rows are kept as there. Prints Markdown tables; definitions:
docs/safety.md.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import machine
from monai.metrics import compute_dice
from skimage.filters import threshold_multiotsu
from unseen import Restorer, Unseen, cases, describe, tasks, warned

from monai_sr.catalogue import find_model
from monai_sr.intensity import intensity_range
from monai_sr.metrics import FEATURES, TISSUE_BANDS_HU, icc, region_features

Array = np.ndarray[Any, Any]
Row = dict[str, Any]
Segment = Callable[[Array], dict[str, Array]]

REGION_MM = 12.0  # side of the cubes whose features are compared
REGIONS = 60  # about so many of a scan
LEAST_VOXELS = 500  # of a tissue in the truth
MR_CLASSES = ("dark", "middle", "bright")
BONE_HU = 200.0


def segmentation(unseen: Unseen) -> Segment:
    """The rule of a scan.

    CT: lung and fat by the bands of ``definitions.md``, bone from 200 HU, in the body. MR: brain, and what else the
    part holds, in three classes by two thresholds, multi-Otsu (Liao et al. 2001) of the truth's body.
    """
    body, truth = unseen.body, unseen.truth.array
    if unseen.truth.modality == "CT":

        def by_hu(array: Array) -> dict[str, Array]:
            found = {"bone": body & (array >= BONE_HU)}
            for name in ("lung", "fat"):
                low, high = TISSUE_BANDS_HU[name]
                found[name] = body & (array >= low) & (array < high)
            return found

        return by_hu
    # the brightest and darkest voxels are few, and would take a class for themselves
    inside = np.clip(truth[body], *np.percentile(truth[body], (1, 99)))
    first, second = threshold_multiotsu(inside, classes=3)

    def by_classes(array: Array) -> dict[str, Array]:
        masks = (array < first, (array >= first) & (array < second), array >= second)
        return {name: body & mask for name, mask in zip(MR_CLASSES, masks, strict=True)}

    return by_classes


def regions(unseen: Unseen) -> list[Array]:
    """Cubes that lie in the body with at least 9 of 10 voxels, evenly chosen where there are more than are needed."""
    side = [max(1, round(REGION_MM / s)) for s in unseen.truth.geometry.spacing]
    found = []
    counts = [n // k for n, k in zip(unseen.body.shape, side, strict=True)]
    for corner in np.ndindex(*counts):
        window = tuple(slice(c * k, (c + 1) * k) for c, k in zip(corner, side, strict=True))
        if unseen.body[window].mean() >= 0.9:
            found.append(window)
    return found[:: max(1, round(len(found) / REGIONS))]


def features(unseen: Unseen, array: Array, windows: list[Array]) -> Array:
    """``(regions, features)``."""
    scale = intensity_range(unseen.truth.array, str(unseen.truth.modality), unseen.body)
    across = [a for a in range(3) if a != unseen.axis]
    axis = max(across, key=lambda a: unseen.truth.geometry.spacing[a])  # slices that hold the restored axis
    limits = (scale.low, scale.high)
    return np.stack([region_features(array[w], unseen.body[w], limits, axis) for w in windows])


def dice(own: Array, truth: Array) -> float:
    """Overlap of two masks, by MONAI."""
    pair = [torch.from_numpy(np.ascontiguousarray(mask))[None, None] for mask in (own, truth)]
    return float(compute_dice(pair[0], pair[1]))


def agreement(own: Array, truth: Array) -> dict[str, float]:
    """ICC(2,1) of every feature over the regions where both have a value."""
    found = {}
    for k, name in enumerate(FEATURES):
        ratings = np.stack([truth[:, k], own[:, k]], axis=1)
        ratings = ratings[np.isfinite(ratings).all(axis=1)]
        if len(ratings) >= 10:
            found[name] = icc(ratings, "2,1")
    return found


def kept_rows(unseen: Unseen, restore: Restorer, folder: Path, began: float) -> list[Row]:
    """Rows of one scan, measured, or read where a run with the same methods and truth has left them."""
    file = folder / f"{restore.digest(unseen.truth.array)}.json"
    if file.exists():
        return list(json.loads(file.read_text(encoding="utf-8")))
    segment, truth = segmentation(unseen), unseen.truth.array
    real = {name: mask for name, mask in segment(truth).items() if mask.sum() >= LEAST_VOXELS}
    windows = regions(unseen)
    own_features = features(unseen, truth, windows)
    rows = []
    for task in tasks():
        problem = unseen.problem(unseen.truth, task)
        for method in restore.methods:
            restored = restore(problem, method)
            tissue = segment(restored)
            rows.append(
                {
                    "case": unseen.truth.name,
                    "modality": unseen.truth.modality,
                    "task": task.name,
                    "method": method.name,
                    "dice": {name: dice(tissue[name], mask) for name, mask in real.items()},
                    "volume": {name: float(tissue[name].sum() / mask.sum() - 1) for name, mask in real.items()},
                    "icc": agreement(features(unseen, restored, windows), own_features),
                    "regions": len(windows),
                }
            )
        print(f"{time.perf_counter() - began:7.1f} s  {unseen.truth.name}, {task.name}", file=sys.stderr, flush=True)
    rows[0]["warnings"] = sorted(w for w in restore.warnings if w.startswith(unseen.truth.name))
    folder.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(rows) + "\n", encoding="utf-8")
    return rows


def table(rows: list[Row], methods: list[str], key: str, form: Callable[[list[float]], str]) -> str:
    """A line per setting and name in ``row[key]``, a column per method; over the scans."""
    out = [f"| setting | {key} | scans | " + " | ".join(methods) + " |", "|---|---|---:|" + "---:|" * len(methods)]
    settings = sorted({(row["modality"], row["task"]) for row in rows})
    for modality, task in settings:
        own = [row for row in rows if (row["modality"], row["task"]) == (modality, task)]
        for name in dict.fromkeys(name for row in own for name in row[key]):
            values = {m: [row[key][name] for row in own if row["method"] == m and name in row[key]] for m in methods}
            cells = " | ".join(form(values[m]) for m in methods)
            label = f"{modality}, {task.removeprefix('through-plane ')}"
            out.append(f"| {label} | {name} | {len(values[methods[0]])} | {cells} |")
    return "\n".join(out)


def short(rows: list[Row], methods: list[str]) -> str:
    """Means over tissues, features and scans."""
    out = ["| setting | measure | " + " | ".join(methods) + " |", "|---|---|" + "---:|" * len(methods)]
    kinds: dict[str, tuple[Callable[[Row], list[float]], str]] = {
        "Dice, mean": (lambda row: list(row["dice"].values()), "{:.3f}"),
        "volume error, mean": (lambda row: [100 * abs(v) for v in row["volume"].values()], "{:.1f} %"),
        "ICC, mean": (lambda row: [v for v in row["icc"].values() if np.isfinite(v)], "{:.3f}"),
    }
    for modality, task in sorted({(row["modality"], row["task"]) for row in rows}):
        for name, (values, form) in kinds.items():
            cells = []
            for method in methods:
                own = [r for r in rows if (r["modality"], r["task"], r["method"]) == (modality, task, method)]
                cells.append(form.format(np.mean([v for r in own for v in values(r)])))
            label = f"{modality}, {task.removeprefix('through-plane ')}"
            out.append(f"| {label} | {name} | " + " | ".join(cells) + " |")
    return "\n".join(out)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="default", help="name, path, or none")
    parser.add_argument("--out", type=Path, default=Path("runs/safety"))
    parser.add_argument("--cases", nargs="*", help="only scans whose name holds one of these")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    restore = Restorer(options.model, options.out / "restored", options.device)
    began = time.perf_counter()
    rows: list[Row] = []
    told = []
    for unseen in cases(options.cases):
        rows += kept_rows(unseen, restore, options.out / "tissue", began)
        told.append(describe(unseen))
    record = None if options.model == "none" else find_model(options.model)
    model = "no model" if record is None else f"model `{record.name}`, sha256 `{record.sha256[:16]}`"
    methods = restore.names
    text = "\n\n".join(
        [
            f"Segmentation and features on {len(told)} parts of scans, {model}.\n\n" + "\n".join(told),
            "### In short\n\n" + short(rows, methods),
            "### Dice\n\n" + table(rows, methods, "dice", lambda v: f"{np.mean(v):.3f}"),
            "### Volume against the truth's: mean (worst)\n\n"
            + table(rows, methods, "volume", lambda v: f"{100 * np.mean(v):+.1f} % ({100 * max(v, key=abs):+.1f} %)"),
            "### ICC(2,1) of features: median (lowest)\n\n"
            + table(rows, methods, "icc", lambda v: f"{np.median(v):.3f} ({min(v):.3f})"),
            warned(rows) + machine(),
        ]
    )
    (options.out / "downstream.json").write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    (options.out / "downstream.md").write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
