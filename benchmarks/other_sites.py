"""Scans of scanners and protocols that no training saw a scan of: what is gained there, by each model.

    python benchmarks/other_sites.py                                  # the shipped models for MR
    python benchmarks/other_sites.py --models fast runs/x/model.pt

Subjects of the validation are never trained on, but their scanners are. These three come from elsewhere: two DICOM
series of heads by Siemens scanners, and the brain scan that nibabel ships. Definitions: docs/definitions.md.
"""

from __future__ import annotations

import argparse

import torch
from common import data_folder, machine

from monai_sr.catalogue import find_model
from monai_sr.demo import brain_scan
from monai_sr.engines.evaluate import evaluate
from monai_sr.engines.methods import NetworkMethod
from monai_sr.engines.tasks import Task
from monai_sr.inference import load_model
from monai_sr.io import read_volume

SERIES = ("siemens_HFP_t1_sag", "siemens_xa30_enhanced_5_anat-T1w_acq-tfl")
REFERENCES = ("cubic", "ibp1", "ibp3", "ibp5")
TASKS = tuple(Task("through-plane", factor, noise) for factor in (2.0, 3.0, 4.0) for noise in (0.0, 0.02))


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["fast", "best"], help="names or paths")
    parser.add_argument("--crop", type=int, default=120, help="voxels per axis around the body")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    models = {str(name): load_model(find_model(name, "MR")) for name in options.models}
    truths = [read_volume(data_folder() / "dicom" / name) for name in SERIES] + [brain_scan()]
    names = ", ".join(f"`{m.record.name}` ({m.record.sha256[:16]})" for m in models.values())
    print(f"Models: {names}; gain in dB over the best of cubic and back-projection, of which the PSNR is told.\n")
    print(f"| scan | task | best reference, dB | {' | '.join(models)} |")
    print(f"|---|---|---:|{'---:|' * len(models)}")
    for truth, name in zip(truths, (*SERIES, "nibabel"), strict=True):
        rows = evaluate(
            [truth],
            model=None,
            tasks=TASKS,
            references=REFERENCES,
            methods=[NetworkMethod(key, model) for key, model in models.items()],
            crop=options.crop,
            device=options.device,
        )
        for task in dict.fromkeys(row["task"] for row in rows):
            found = {row["method"]: row for row in rows if row["task"] == task}
            best = max(found[reference]["psnr"] for reference in REFERENCES)
            gains = (f"{found[key]['psnr'] - best:+.2f}{' (!)' * bool(found[key]['warnings'])}" for key in models)
            print(f"| {name} | {task} | {best:.2f} | {' | '.join(gains)} |", flush=True)
    print(f"\n(!): the network declined, with a warning. {machine()}")


if __name__ == "__main__":
    main()
