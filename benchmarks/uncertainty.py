"""Are the maps right? Rank correlation with the true error, reliability of the expected error, gain of an ensemble.

    python benchmarks/uncertainty.py --picture docs/images/reliability.png --write

Validation volumes are degraded, restored with ``ensemble=4, maps=True`` and held against the truth, in the body mask.
Prints Markdown. The deviation is that of four restorations with mirrored axes, and of the GAN stage where there is one.
The expected error of a subject follows from the other subjects of its modality; where there is no other, from itself,
which is said. ``--write`` puts the fit of all subjects into the record of the model.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from common import files_of, machine, subject_of
from scipy.stats import spearmanr

from monai_sr.catalogue import ModelRecord, bundle_root, find_model
from monai_sr.engines.problem import Problem, simulated
from monai_sr.engines.tasks import Task
from monai_sr.inference import SRModel, load_model, super_resolve
from monai_sr.inference.calibration import binned, fit_calibration, smoothed
from monai_sr.io import read_volume
from monai_sr.metrics import psnr

TASKS = (
    Task("through-plane", 2.0),
    Task("through-plane", 4.0),
    Task("through-plane", 4.0, 0.02),
    Task("in-plane", 3.0),
)
BINS = 10
SAMPLE = 50_000  # voxels of a case, evenly spread: neighbours say the same


def restored(problem: Problem, model: SRModel, ensemble: int, device: str) -> tuple[np.ndarray, np.ndarray | None]:
    """The volume, and the deviation map of an ensemble."""
    result = super_resolve(
        problem.acquired,
        modality=problem.truth.modality,
        scale=problem.factors,
        model=model,
        ensemble=ensemble,
        maps=ensemble > 1,
        device=device,
    )
    return result.volume.array, result.maps["deviation"].array if ensemble > 1 else None


def draw(curves: dict[str, np.ndarray], file: Path) -> None:
    """The reliability curves, in % of the intensity range."""
    figure, axes = plt.subplots(figsize=(6, 4.5), layout="constrained")
    for name, points in curves.items():
        axes.plot(points[:, 0], points[:, 1], "o-", markersize=3, label=name)
    ends = [min(c.min() for c in curves.values()), max(c.max() for c in curves.values())]
    axes.plot(ends, ends, "k:", label="as expected")
    axes.set(
        xscale="log", yscale="log", xlabel="expected error, % of the range", ylabel="true error (RMS), % of the range"
    )
    axes.legend(fontsize=8)
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=120)


def write(record: ModelRecord, found: dict[str, Any]) -> None:
    """Put the calibration into the record of a model: of the bundle, or beside its weights."""
    metadata = bundle_root() / "configs" / "metadata.json"
    inside = record.file.parent == bundle_root() / "models"
    file = metadata if inside else record.file.with_suffix(".json")
    content = json.loads(file.read_text(encoding="utf-8"))
    entry = content["models"][record.name] if inside else content
    entry["calibration"] = {**entry.get("calibration", {}), **found}
    file.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def main() -> None:
    """Measure, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="default", help="name or path")
    parser.add_argument("--crop", type=int, default=96, help="voxels per axis around the body")
    parser.add_argument("--cases", nargs="*", help="only volumes whose file name holds one of these")
    parser.add_argument("--picture", type=Path, help="PNG of the reliability curves")
    parser.add_argument("--write", action="store_true", help="into the record of the model")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    began = time.perf_counter()
    rows: list[dict[str, Any]] = []
    models: dict[str, SRModel] = {}
    for file in files_of("validation"):
        if options.cases and not any(part in file.name for part in options.cases):
            continue
        volume = read_volume(file, affine="sform")
        modality = str(volume.modality)
        model = models.setdefault(modality, load_model(find_model(options.model, modality)))
        for task in TASKS:
            problem = simulated(volume, task, options.crop, seed=0)
            truth, inside, width = problem.truth.array, problem.mask, problem.scale.width
            single, _ = restored(problem, model, 1, options.device)
            mean, deviation = restored(problem, model, 4, options.device)
            assert deviation is not None
            step = max(1, int(inside.sum()) // SAMPLE)
            d, e = (np.abs(v[inside][::step]).astype(np.float64) / width for v in (smoothed(deviation), mean - truth))
            before, after = (psnr(v, truth, inside, problem.scale) for v in (single, mean))
            rows.append(
                {
                    "case": file.name.removesuffix(".nii.gz"),
                    "subject": subject_of(file),
                    "modality": modality,
                    "task": task.name,
                    "pair": (d, e),
                    "rank": float(spearmanr(d, e).statistic),
                    "levels": (before, after),
                }
            )
            print(f"{time.perf_counter() - began:7.1f} s  {rows[-1]['case']}, {task.name}", file=sys.stderr)
    report(rows, options.picture)
    fits = {m: asdict(fit_calibration([r["pair"] for r in rows if r["modality"] == m])) for m in models}
    for modality, found in fits.items():
        print(
            f"\n{modality}: expected error = {found['scale']:.3g} x deviation ^ {found['power']:.2f}, of all subjects"
        )
        if options.write:
            write(models[modality].record, {modality: found})
    print(f"\n{machine()}; {(time.perf_counter() - began) / 60:.1f} minutes")


def report(rows: list[dict[str, Any]], picture: Path | None) -> None:
    """Every volume and task against what the other subjects let expect; the curves, pooled by modality and task."""
    print(
        "| case | task | rank correlation | true / expected error, by fifth of it | single, dB | ensemble of 4 | gain |"
    )
    print("|---|---|---:|---:|---:|---:|---:|")
    pooled: dict[str, list[np.ndarray]] = {}
    ratios: dict[str, list[float]] = {}
    for row in rows:
        alike = [r for r in rows if r["modality"] == row["modality"]]
        others = [r for r in alike if r["subject"] != row["subject"]] or alike
        calibration = fit_calibration([r["pair"] for r in others])
        deviation, error = row["pair"]
        expected = calibration.scale * deviation**calibration.power
        by_fifth = [true / told for told, true in binned(expected, error, 5)]
        ratios.setdefault(row["modality"], []).extend(by_fifth)
        pooled.setdefault(f"{row['modality']}, {row['task']}", []).append(100.0 * binned(expected, error, BINS))
        before, after = row["levels"]
        case = row["case"] + ("" if others is not alike else " (fitted to itself)")
        print(
            f"| {case} | {row['task']} | {row['rank']:.2f} | {', '.join(f'{v:.2f}' for v in by_fifth)} "
            f"| {before:.2f} | {after:.2f} | {after - before:+.2f} |"
        )
    ranks, gains = [r["rank"] for r in rows], [r["levels"][1] - r["levels"][0] for r in rows]
    print(f"\nMean rank correlation {np.mean(ranks):.2f} (lowest {min(ranks):.2f}).")
    print(f"Mean gain of the ensemble {np.mean(gains):+.3f} dB (lowest {min(gains):+.3f}).")
    for modality, found in ratios.items():
        low, middle, high = np.percentile(found, [5, 50, 95])
        print(
            f"{modality}: true error over expected error, by fifths: 5 to 95 % {low:.2f} to {high:.2f}, "
            f"median {middle:.2f}."
        )
    if picture:
        draw({name: np.sqrt(np.mean(np.square(found), axis=0)) for name, found in pooled.items()}, picture)


if __name__ == "__main__":
    main()
