"""Which weight of the total variation is worth taking at which noise, and after how many iterations to stop.

    python benchmarks/total_variation.py

The through-plane axis of every training volume, factors 2, 3 and 4, is degraded with the modality's own profile and
noise, and restored with each weight. Rows are bins of the noise that is *estimated* on the acquired volume, since that
is what the pipeline knows. It justifies ``monai_sr.degradation.tv_weight``. See docs/definitions.md.
"""

from __future__ import annotations

import argparse
import itertools
import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from common import files_of, machine

from monai_sr.data.simulate import thicken
from monai_sr.degradation import SliceProfile, backprojection_matrix, backprojection_steps, total_variation, tv_weight
from monai_sr.engines.tasks import crop_to_body, task_axes
from monai_sr.grid import AxisGrid, apply_along
from monai_sr.intensity import body_mask, estimate_noise, intensity_range
from monai_sr.io import Volume, read_volume
from monai_sr.io.modality import guess_modality
from monai_sr.metrics import psnr

WEIGHTS = (1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 2e-3, 4e-3, 8e-3)
NOISE = (0.0, 0.01, 0.02, 0.04)
BINS = (0.0, 0.0025, 0.005, 0.01, 0.015, 0.02, 0.03, 0.05, 0.1)


def settings(volume: Volume, crop: int, iterations: int) -> Iterator[tuple[float, dict[str, float]]]:
    """Estimated noise and PSNR per method, for every factor and noise level."""
    axis = task_axes(volume, "through-plane").axes[0]
    truth = crop_to_body(volume, (axis,), crop)
    modality = str(truth.modality)
    mask = body_mask(truth.array, modality)
    scale = intensity_range(truth.array, modality, mask)
    for factor in (2.0, 3.0, 4.0):
        grid = AxisGrid(int(truth.geometry.shape[axis] / factor), truth.geometry.shape[axis])
        profile = SliceProfile("box" if modality == "CT" else "gaussian")
        for level in NOISE:
            acquired = thicken(truth, axis=axis, factor=factor, noise=level, seed=0)
            lr_mask = body_mask(acquired.array, modality)
            fine = sorted(range(3), key=lambda a: acquired.geometry.spacing[a])[:2]
            sigma = estimate_noise(acquired.array, lr_mask, (fine[0], fine[1]))
            noise = sigma / intensity_range(acquired.array, modality, lr_mask).width
            y = torch.from_numpy((acquired.array - scale.low) / scale.width).float()
            restored = {
                "cubic": apply_along(backprojection_matrix(grid, profile, 0), y, axis),
                "back-projection": apply_along(
                    backprojection_matrix(grid, profile, backprojection_steps(noise, modality)), y, axis
                ),
                "chosen": total_variation(y, [(axis, grid, profile)], tv_weight(noise), iterations),
            }
            for weight in WEIGHTS:
                restored[f"{weight:g}"] = total_variation(y, [(axis, grid, profile)], weight, iterations)
            yield (
                noise,
                {
                    name: psnr(x.numpy() * scale.width + scale.low, truth.array, mask, scale)
                    for name, x in restored.items()
                },
            )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--crop", type=int, default=48, help="voxels per axis around the body")
    parser.add_argument("--iterations", type=int, default=15, help="of FISTA")
    parser.add_argument("--every", type=int, default=1, help="take only every n-th volume")
    parser.add_argument("--json", type=Path, help="write the raw numbers here")
    options = parser.parse_args()
    found: dict[str, list[tuple[float, dict[str, float]]]] = defaultdict(list)
    for file in files_of("train")[:: options.every]:
        volume = read_volume(file, affine="sform")
        modality = guess_modality(volume.array)[0]
        volume = Volume(volume.array, volume.geometry, modality, name=volume.name)
        found[modality] += settings(volume, options.crop, options.iterations)
    found["all"] = [row for rows in found.values() for row in rows]
    if options.json:
        options.json.write_text(json.dumps(found))
    print(
        f"Gain in PSNR (dB, body mask) over cubic, mean over settings; crops of {options.crop} voxels per axis, "
        f"{options.iterations} iterations.\n"
    )
    names = [name for name in found["all"][0][1] if name != "cubic"]
    print(f"| estimated noise | modality | settings | {' | '.join(names)} |")
    print("|---|---|" + "---:|" * (len(names) + 1))
    for low, high in [*itertools.pairwise(BINS), (0.0, 1.0)]:
        for kind, rows in found.items():
            inside = [levels for noise, levels in rows if low <= noise < high]
            if inside:
                gains = " | ".join(f"{np.mean([row[name] - row['cubic'] for row in inside]):+.2f}" for name in names)
                print(f"| {100 * low:g} to {100 * high:g} % | {kind} | {len(inside)} | {gains} |")
    print(f"\n{machine()}")


if __name__ == "__main__":
    main()
