"""Is the deviation map right? Rank correlation with the true error, reliability curve, and what an ensemble gains.

    python benchmarks/uncertainty.py --picture docs/images/reliability.png

Validation volumes are degraded, restored with ``ensemble=4, maps=True`` and held against the truth, in the body mask.
Prints Markdown. The deviation is that of four restorations with mirrored axes, and of the GAN stage where there is one.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from common import files_of, machine
from scipy.stats import spearmanr

from monai_sr.catalogue import find_model
from monai_sr.engines.problem import Problem, simulated
from monai_sr.engines.tasks import Task
from monai_sr.inference import SRModel, load_model, super_resolve
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


def curve(deviation: np.ndarray, error: np.ndarray) -> np.ndarray:
    """``(BINS, 2)``: root mean square of the deviation, and of the error, in bins of equally many voxels."""
    order = np.array_split(np.argsort(deviation), BINS)
    return np.array([[np.sqrt(np.mean(v[part] ** 2)) for v in (deviation, error)] for part in order])


def draw(curves: dict[str, np.ndarray], file: Path) -> None:
    """The reliability curves, in % of the intensity range."""
    figure, axes = plt.subplots(figsize=(6, 4.5), layout="constrained")
    for name, points in curves.items():
        axes.plot(points[:, 0], points[:, 1], "o-", markersize=3, label=name)
    ends = [min(c.min() for c in curves.values()), max(c.max() for c in curves.values())]
    axes.plot(ends, ends, "k:", label="error = deviation")
    axes.set(xscale="log", yscale="log", xlabel="deviation, % of the range", ylabel="true error (RMS), % of the range")
    axes.legend(fontsize=8)
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=120)


def main() -> None:
    """Measure, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="default", help="name or path")
    parser.add_argument("--crop", type=int, default=96, help="voxels per axis around the body")
    parser.add_argument("--cases", nargs="*", help="only volumes whose file name holds one of these")
    parser.add_argument("--picture", type=Path, help="PNG of the reliability curves")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    began = time.perf_counter()
    lines = [
        "| case | task | rank correlation | error / deviation (RMS) | single, dB | ensemble of 4, dB | gain |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    pooled: dict[str, list[np.ndarray]] = {}
    correlations, gains = [], []
    for file in files_of("validation"):
        if options.cases and not any(part in file.name for part in options.cases):
            continue
        volume = read_volume(file, affine="sform")
        model = load_model(find_model(options.model, volume.modality))
        for task in TASKS:
            problem = simulated(volume, task, options.crop, seed=0)
            truth, inside, width = problem.truth.array, problem.mask, problem.scale.width
            single, _ = restored(problem, model, 1, options.device)
            mean, deviation = restored(problem, model, 4, options.device)
            assert deviation is not None
            step = max(1, int(inside.sum()) // SAMPLE)
            d, e = (100.0 * np.abs(v[inside][::step]).astype(np.float64) / width for v in (deviation, mean - truth))
            before, after = (psnr(v, truth, inside, problem.scale) for v in (single, mean))
            correlations.append(float(spearmanr(d, e).statistic))
            gains.append(after - before)
            ratio = np.sqrt(np.mean(e**2) / np.mean(d**2))
            name = file.name.removesuffix(".nii.gz")
            lines.append(
                f"| {name} | {task.name} | {correlations[-1]:.2f} | {ratio:.1f} | {before:.2f} | {after:.2f} | "
                f"{gains[-1]:+.2f} |"
            )
            pooled.setdefault(task.name, []).append(curve(d, e))
            print(f"{time.perf_counter() - began:7.1f} s  {lines[-1]}", file=sys.stderr)
    curves = {name: np.sqrt(np.mean(np.square(found), axis=0)) for name, found in pooled.items()}
    if options.picture:
        draw(curves, options.picture)
    print("\n".join(lines))
    print(
        f"\nMean rank correlation {np.mean(correlations):.2f} (lowest {min(correlations):.2f}); mean gain of the "
        f"ensemble {np.mean(gains):+.3f} dB (lowest {min(gains):+.3f}).\n"
    )
    print(
        f"| true error (RMS, % of the range) by tenth of the deviation | {' | '.join(map(str, range(1, BINS + 1)))} |"
    )
    print("|---|" + "---:|" * BINS)
    for name, points in curves.items():
        print(f"| {name} | " + " | ".join(f"{v:.2f}" for v in points[:, 1]) + " |")
    print(f"\n{machine()}; {(time.perf_counter() - began) / 60:.1f} minutes")


if __name__ == "__main__":
    main()
