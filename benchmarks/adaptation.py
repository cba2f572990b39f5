"""What ``upscale --adapt`` gains and loses: the model tuned on the acquired scan alone, measured on the true volume.

    python benchmarks/adaptation.py --out runs/adaptation
    python benchmarks/adaptation.py --cases philips --noise 0 --minutes 10 --learning-rate 1e-3

Validation subjects, one axis degraded as ``monai-sr evaluate`` does it (docs/definitions.md). Minutes are CPU time of
one thread, so that other programs on the machine do not count. Every tuned model is measured, also those that the
held-out slices refuse: that is the harm they prevent, or the gain they miss. Prints Markdown; ``rows.jsonl`` in the
output folder is taken up again.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import files_of, machine

from monai_sr.engines.adaptation import LEARNING_RATE, Budget, adapt, better
from monai_sr.engines.problem import Problem, simulated
from monai_sr.engines.tasks import Task
from monai_sr.inference import SRModel, load_model, super_resolve
from monai_sr.io import read_volume
from monai_sr.io.modality import guess_modality
from monai_sr.metrics import psnr

Row = dict[str, Any]

CASES = ("t1_philips", "flair_oms_p19", "thick_mr_t2w", "ct_sts")
KEYS = ("case", "task", "crop", "minutes", "learning_rate", "seed", "model")


def problems(options: argparse.Namespace) -> list[Problem]:
    """The scans with their truths."""
    found = []
    for file in files_of("validation"):
        if any(case in file.name for case in options.cases):
            volume = read_volume(file, affine="sform")
            volume = replace(volume, modality=volume.modality or guess_modality(volume.array)[0])
            tasks = [Task("through-plane", options.factor, noise) for noise in options.noise]
            found += [simulated(volume, task, options.crop, 0) for task in tasks]
    return found


def restored(problem: Problem, model: SRModel) -> float:
    """PSNR against the truth, in the body."""
    result = super_resolve(problem.acquired, model=model, device="cpu", **_ways(problem))
    return psnr(result.volume.array, problem.truth.array, problem.mask, problem.scale)


def _ways(problem: Problem) -> dict[str, Any]:
    shapes = zip(problem.truth.geometry.shape, problem.acquired.geometry.shape, strict=True)
    return {"modality": problem.truth.modality, "scale": [hr / lr for hr, lr in shapes]}


def measure(problem: Problem, model: SRModel, key: Row) -> Row:
    """One tuning, adopted whatever the held-out slices say, and what they say."""
    tuned = adapt(
        model,
        problem.acquired,
        Budget(key["minutes"], clock=time.process_time),
        options=_ways(problem),
        device="cpu",
        learning_rate=key["learning_rate"],
        seed=key["seed"],
        adopts=lambda before, after: True,
    )
    facts = dict(tuned.adaptation or {})
    row = {**key, "steps": facts["steps"], "seconds": facts["seconds"], "shipped": restored(problem, model)}
    if "psnr_after" not in facts:
        return {**row, "tuned": row["shipped"], "held_out": 0.0, "adopted": False, "reason": facts["reason"]}
    held = np.subtract(facts["psnr_after"], facts["psnr_before"])
    return {
        **row,
        "tuned": restored(problem, tuned),
        "held_out": float(held.mean()),
        "adopted": better(facts["psnr_before"], facts["psnr_after"]),
    }


def table(rows: list[Row]) -> str:
    """Markdown."""
    lines = [
        "| case | task | rate | min | steps | shipped | held-out slices | adopted | truth, tuned | truth, as given |",
        "|---|---|---:|---:|---:|---:|---:|---|---:|---:|",
    ]
    for row in sorted(rows, key=lambda r: (r["case"], r["task"], r["learning_rate"], r["minutes"])):
        gain = row["tuned"] - row["shipped"]
        lines.append(
            f"| {row['case']} | {row['task']} | {row['learning_rate']:g} | {row['minutes']:g} | {row['steps']} "
            f"| {row['shipped']:.2f} | {row['held_out']:+.2f} | {'yes' if row['adopted'] else 'no'} | {gain:+.2f} "
            f"| {gain if row['adopted'] else 0.0:+.2f} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="default")
    parser.add_argument("--cases", nargs="*", default=CASES, help="volumes whose file name holds one of these")
    parser.add_argument("--factor", type=float, default=4.0)
    parser.add_argument("--noise", type=float, nargs="*", default=[0.0, 0.02], help="as a fraction of the range")
    parser.add_argument("--minutes", type=float, nargs="*", default=[1.0, 3.0, 10.0])
    parser.add_argument("--learning-rate", type=float, nargs="*", default=[LEARNING_RATE])
    parser.add_argument("--crop", type=int, default=128, help="voxels per axis around the body")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("runs/adaptation"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.out.mkdir(parents=True, exist_ok=True)
    file = options.out / "rows.jsonl"
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.exists() else []
    model = load_model(options.model)
    for problem in problems(options):
        for minutes in options.minutes:
            for rate in options.learning_rate:
                values = (problem.facts["case"], problem.facts["task"], options.crop, minutes, rate, options.seed)
                key = dict(zip(KEYS, (*values, model.record.sha256), strict=True))
                if any(all(row[name] == value for name, value in key.items()) for row in rows):
                    continue
                rows.append(measure(problem, model, key))
                with file.open("a", encoding="utf-8") as stream:
                    stream.write(json.dumps(rows[-1]) + "\n")
                print(rows[-1], file=sys.stderr, flush=True)
    print(
        f"PSNR of the shipped model and gains over it, dB in the body; crop to {options.crop} voxels per axis;\n"
        "minutes of one thread. 'tuned' is the tuned model, whatever the held-out slices say: where they refuse it,\n"
        "the user is given the shipped one.\n"
    )
    print(table(rows))
    print(f"\n{machine()}")


if __name__ == "__main__":
    main()
