"""What bfloat16 costs in image quality: PSNR with ``--precision auto`` against ``float32``, on subjects never seen.

    python benchmarks/precision.py --threads 1

Standard tasks of the quality bar; the range and mask are those of ``benchmarks/quality.py``. Where the machine has no
native bfloat16 the two are the same, and it says so.
"""

from __future__ import annotations

import argparse
import sys
from typing import NamedTuple

import numpy as np
import torch
from common import files_of, machine

from monai_sr.catalogue import find_model
from monai_sr.engines.problem import Problem, simulated
from monai_sr.engines.tasks import STANDARD_TASKS
from monai_sr.inference import SRModel, load_model, super_resolve
from monai_sr.inference.precision import Precision, native_bfloat16
from monai_sr.io import read_volume
from monai_sr.metrics import psnr


class Difference(NamedTuple):
    """Of one problem: PSNR in float32, what it changes in dB, and the results' difference in shares of the range."""

    psnr: float
    change: float
    rms: float
    largest: float


def difference(problem: Problem, model: SRModel) -> Difference | None:
    """Restore in both; None where the network declined, so that neither was used."""

    def restored(precision: Precision) -> np.ndarray | None:
        result = super_resolve(
            problem.acquired,
            modality=problem.truth.modality,
            scale=problem.factors,
            model=model,
            precision=precision,
            device="cpu",
        )
        used = all(axis["treatment"] == "network" for axis in result.report["axes"])
        return result.volume.array if used else None

    half, full = restored("auto"), restored("float32")
    if half is None or full is None:
        return None
    values = [psnr(array, problem.truth.array, problem.mask, problem.scale) for array in (half, full)]
    apart = (half - full)[problem.mask].astype(np.float64) / problem.scale.width
    return Difference(values[1], values[0] - values[1], float(np.sqrt(np.mean(apart**2))), float(np.abs(apart).max()))


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="default")
    parser.add_argument("--crop", type=int, default=96, help="voxels per axis around the body")
    parser.add_argument("--factors", type=float, nargs="*", default=[3.0])
    parser.add_argument("--cases", nargs="*", help="only volumes whose file name holds one of these")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if not native_bfloat16(torch.device("cpu")):
        sys.exit("this CPU computes no bfloat16 natively, so both precisions are float32 here")
    model = load_model(find_model(options.model))
    found: list[Difference] = []
    print("| case | task | PSNR, float32 | bfloat16 | rms difference | largest |\n|---|---|---:|---:|---:|---:|")
    for file in files_of("validation"):
        if options.cases and not any(name in file.name for name in options.cases):
            continue
        scan = read_volume(file, affine="sform")
        for task in STANDARD_TASKS:
            if task.factor not in options.factors:
                continue
            one = difference(simulated(scan, task, options.crop, 0), model)
            if one is None:
                continue
            found.append(one)
            row = (
                scan.name,
                task.name,
                f"{one.psnr:.3f}",
                f"{one.change:+.4f}",
                f"{one.rms:.1e}",
                f"{one.largest:.1e}",
            )
            print(f"| {' | '.join(row)} |", flush=True)
    changes = [one.change for one in found]
    print(
        f"\n{len(found)} tasks: bfloat16 changes PSNR by {np.mean(changes):+.4f} dB in the mean, "
        f"{min(changes):+.4f} dB at the worst.\n\n{machine()}"
    )


if __name__ == "__main__":
    main()
