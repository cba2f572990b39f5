"""The knob ``--fidelity``: how much is lost in PSNR for how much sharpness, from the fidelity model to its GAN stage.

    python benchmarks/fidelity.py --picture docs/images/fidelity.png

Prints Markdown: means over the validation volumes, degraded and restored, in the body mask. Sharpness is the edge width
(narrower is sharper) and the share of the truth's gradient energy that the result has (Blau and Michaeli 2018 call the
trade-off that of perception and distortion).
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

from monai_sr.catalogue import find_model
from monai_sr.engines.problem import Problem, simulated
from monai_sr.engines.tasks import Task
from monai_sr.inference import load_model, super_resolve
from monai_sr.io import read_volume
from monai_sr.metrics import edge_width_mm, psnr, ssim

KNOB = (1.0, 0.75, 0.5, 0.25, 0.0)
TASKS = (Task("through-plane", 2.0), Task("through-plane", 4.0))


def gradient_energy(array: np.ndarray, problem: Problem) -> float:
    """Mean squared step between neighbours along the restored axes, inside the body."""
    found = []
    for axis in problem.axes:
        steps = np.diff(array, axis=axis)
        both = np.take(problem.mask, range(1, problem.mask.shape[axis]), axis=axis)
        found.append(float(np.mean(np.square(steps[both], dtype=np.float64))))
    return float(np.mean(found))


def measured(array: np.ndarray, problem: Problem) -> tuple[float, float, float, float]:
    """PSNR in dB, SSIM, edge width in mm, gradient energy over that of the truth."""
    truth, mask, scale = problem.truth.array, problem.mask, problem.scale
    return (
        psnr(array, truth, mask, scale),
        ssim(array, truth, mask, scale),
        edge_width_mm(array, truth, mask, problem.axes, problem.truth.geometry.spacing),
        gradient_energy(array, problem) / gradient_energy(truth, problem),
    )


def main() -> None:
    """Measure, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="default", help="name of a model of the bundle that has a GAN stage")
    parser.add_argument("--crop", type=int, default=96, help="voxels per axis around the body")
    parser.add_argument("--cases", nargs="*", help="only volumes whose file name holds one of these")
    parser.add_argument("--picture", type=Path, help="PNG of the curve")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    began = time.perf_counter()
    rows: dict[tuple[str, float], list[tuple[float, ...]]] = {}
    for file in files_of("validation"):
        if options.cases and not any(part in file.name for part in options.cases):
            continue
        volume = read_volume(file, affine="sform")
        model = load_model(find_model(options.model, volume.modality))
        for task in TASKS:
            problem = simulated(volume, task, options.crop, seed=0)
            for knob in KNOB:
                result = super_resolve(
                    problem.acquired,
                    modality=volume.modality,
                    scale=problem.factors,
                    model=model,
                    fidelity=knob,
                    device=options.device,
                )
                rows.setdefault((task.name, knob), []).append(measured(result.volume.array, problem))
            print(f"{time.perf_counter() - began:7.1f} s  {file.name}, {task.name}", file=sys.stderr)
    means = {key: np.mean(found, axis=0) for key, found in rows.items()}
    print("| task | fidelity | PSNR, dB | SSIM | edge width, mm | gradient energy of the truth's |")
    print("|---|---:|---:|---:|---:|---:|")
    for (task, knob), (level, similarity, width, energy) in means.items():
        print(f"| {task} | {knob:g} | {level:.2f} | {similarity:.4f} | {width:.2f} | {energy:.2f} |")
    count, minutes = len(next(iter(rows.values()))), (time.perf_counter() - began) / 60
    print(f"\nMeans of {count} volumes. {machine()}; {minutes:.1f} minutes")
    if options.picture:
        figure, axes = plt.subplots(figsize=(6, 4.5), layout="constrained")
        for task in dict.fromkeys(task for task, _ in means):
            points = np.array([means[task, knob] for knob in KNOB])
            axes.plot(points[:, 3], points[:, 0] - points[0, 0], "o-", label=task)
            for knob, point in zip(KNOB, points, strict=True):
                axes.annotate(
                    f"{knob:g}",
                    (point[3], point[0] - points[0, 0]),
                    fontsize=8,
                    xytext=(3, 3),
                    textcoords="offset points",
                )
        axes.set(xlabel="gradient energy over that of the truth", ylabel="PSNR, dB from fidelity 1")
        axes.legend(fontsize=8)
        options.picture.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(options.picture, dpi=120)


if __name__ == "__main__":
    main()
