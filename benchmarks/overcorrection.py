"""Is a network that loses against interpolation wrong, or does it only correct too much? A share of it at a time.

    python benchmarks/overcorrection.py runs/compare_through_plane/training autoencoder edsr

Prints, for the CT and one MR of the validation subjects at through-plane x2, the gain in PSNR over cubic interpolation
of ``cubic + share * (network - cubic)``.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from common import files_of

from monai_sr.engines.methods import compared_network, train_free
from monai_sr.engines.problem import simulated
from monai_sr.engines.tasks import Task
from monai_sr.io import read_volume
from monai_sr.io.modality import guess_modality
from monai_sr.metrics import psnr

SHARES = (0.1, 0.25, 0.5, 0.75, 1.0)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trainings", type=Path)
    parser.add_argument("methods", nargs="+")
    parser.add_argument("--cases", nargs="*", default=["ct_sts", "philips"])
    options = parser.parse_args()
    print("| case | method | " + " | ".join(f"{share:g}" for share in SHARES) + " |")
    print("|---|---|" + "---:|" * len(SHARES))
    for file in files_of("validation"):
        if not any(case in file.name for case in options.cases):
            continue
        volume = read_volume(file, affine="sform")
        volume = replace(volume, modality=volume.modality or guess_modality(volume.array)[0])
        problem = simulated(volume, Task("through-plane", 2.0), 96, 0)
        truth, mask, scale = problem.truth.array, problem.mask, problem.scale
        cubic, _ = train_free("cubic").restore(problem, "cpu")
        for name in options.methods:
            restored, _ = compared_network(name, options.trainings / name / "model.pt").restore(problem, "cpu")
            gains = [
                psnr(cubic + share * (restored - cubic), truth, mask, scale) - psnr(cubic, truth, mask, scale)
                for share in SHARES
            ]
            print(f"| {problem.truth.name} | {name} | " + " | ".join(f"{gain:+.2f}" for gain in gains) + " |")


if __name__ == "__main__":
    main()
