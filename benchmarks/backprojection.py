"""How many steps of back-projection are worth taking at which noise.

    python benchmarks/backprojection.py

Every fine axis of every training volume, factors 2, 3 and 4, is degraded with the modality's own profile and noise, and
restored with 0, 1, 2, 3 and 5 steps. Rows are bins of the noise that is *estimated* on the acquired volume, since that
is what the pipeline knows. It justifies ``monai_sr.degradation.backprojection_steps``. See docs/definitions.md.
"""

from __future__ import annotations

import argparse
import itertools
import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from common import files_of, machine

from monai_sr.data.simulate import thicken
from monai_sr.degradation import SliceProfile, backprojection_matrix, backprojection_steps
from monai_sr.engines.tasks import crop_to_body
from monai_sr.grid import AxisGrid
from monai_sr.intensity import body_mask, estimate_noise, intensity_range
from monai_sr.io import Volume, read_volume
from monai_sr.io.modality import guess_modality
from monai_sr.metrics import psnr

STEPS = (0, 1, 2, 3, 5)
NOISE = (0.0, 0.005, 0.01, 0.015, 0.02, 0.03, 0.04, 0.06)
BINS = (0.0, 0.005, 0.01, 0.015, 0.02, 0.025, 0.03, 0.04, 0.05, 0.07, 0.1)


def settings(volume: Volume, crop: int) -> Iterator[tuple[float, dict[int, float]]]:
    """Estimated noise and PSNR per number of steps, for every axis, factor and noise level."""
    spacing = volume.geometry.spacing
    for axis in (a for a in range(3) if spacing[a] <= 1.5 * min(spacing)):
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
                levels = {}
                for steps in STEPS:
                    matrix = backprojection_matrix(grid, profile, steps).astype(np.float32)
                    restored = np.moveaxis(np.moveaxis(acquired.array, axis, -1) @ matrix.T, -1, axis)
                    levels[steps] = psnr(restored, truth.array, mask, scale)
                yield noise, levels


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--crop", type=int, default=96, help="voxels per axis around the body")
    parser.add_argument("--json", type=Path, help="write the raw numbers here")
    options = parser.parse_args()
    found: dict[str, list[tuple[float, dict[int, float]]]] = defaultdict(list)
    for file in files_of("train"):
        volume = read_volume(file, affine="sform")
        modality = guess_modality(volume.array)[0]
        found[modality] += settings(Volume(volume.array, volume.geometry, modality, name=volume.name), options.crop)
    found["all"] = [row for rows in found.values() for row in rows]
    if options.json:
        options.json.write_text(json.dumps(found))
    print(f"Gain in PSNR (dB, body mask) over cubic, mean over settings; crops of {options.crop} voxels per axis.\n")
    steps = " | ".join(f"{s} steps" for s in STEPS[1:])
    print(f"| estimated noise | modality | settings | {steps} | best | chosen |")
    print("|---|---|" + "---:|" * (len(STEPS) + 2))
    for low, high in itertools.pairwise(BINS):
        for kind, rows in found.items():
            inside = [levels for noise, levels in rows if low <= noise < high]
            if not inside:
                continue
            gains = {s: float(np.mean([levels[s] - levels[0] for levels in inside])) for s in STEPS}
            best = max(gains, key=lambda s: gains[s])
            cells = " | ".join(f"{gains[s]:+.2f}" for s in STEPS[1:])
            chosen = "" if kind == "all" else backprojection_steps((low + high) / 2, kind)
            print(f"| {100 * low:g} to {100 * high:g} % | {kind} | {len(inside)} | {cells} | {best} | {chosen} |")
    print(f"\n{machine()}")


if __name__ == "__main__":
    main()
