"""Every validation volume in three planes: acquired, cubic, back-projection, the model, the truth. For eyes.

python benchmarks/pictures.py --out runs/pictures
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from common import files_of

from monai_sr.catalogue import find_model
from monai_sr.engines.methods import network_method, train_free
from monai_sr.engines.problem import simulated
from monai_sr.engines.tasks import Task
from monai_sr.inference import load_model
from monai_sr.io import read_volume
from monai_sr.metrics import psnr
from monai_sr.report import write_preview

TASKS = (Task("through-plane", 4.0), Task("through-plane", 3.0, 0.02), Task("in-plane", 2.0))


def main() -> None:
    """Restore, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="default", help="name or path")
    parser.add_argument("--out", type=Path, default=Path("runs/pictures"))
    parser.add_argument("--crop", type=int, default=144, help="voxels per axis around the body")
    parser.add_argument("--cases", nargs="*", help="only volumes whose file name holds one of these")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    for file in files_of("validation"):
        if options.cases and not any(part in file.name for part in options.cases):
            continue
        whole = read_volume(file, affine="sform")
        model = network_method(load_model(find_model(options.model, whole.modality)))
        for task in TASKS:
            problem = simulated(whole, task, options.crop, seed=0)
            rows = [("acquired", problem.acquired)]
            for method in (train_free("cubic"), train_free("ibp5"), model):
                array, _ = method.restore(problem, options.device)
                level = psnr(array, problem.truth.array, problem.mask, problem.scale)
                rows.append((f"{method.name}\n{level:.2f} dB", problem.truth.with_values(array)))
            rows.append(("truth", problem.truth))
            picture = options.out / f"{problem.slug}.png"
            modality = problem.truth.modality
            assert modality is not None
            write_preview(rows, modality, picture, title=f"{file.name}: {task.name}", overwrite=True)
            print(picture)


if __name__ == "__main__":
    main()
