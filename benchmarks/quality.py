"""THE TABLE of the quality bar: the model against everything that needs no training, on subjects it has never seen.

    python benchmarks/quality.py                       # the shipped model
    python benchmarks/quality.py --model runs/x/model.pt --out runs/x/quality

Prints Markdown, and keeps ``rows.jsonl``, ``quality.json`` and ``quality.md`` in the output folder. A run that was
interrupted, or one with another model, takes up the rows that are there. Definitions: docs/definitions.md.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import torch
from common import files_of, machine

from monai_sr.catalogue import find_model
from monai_sr.engines.evaluate import evaluate
from monai_sr.engines.scoreboard import case_table, markdown_table, summary
from monai_sr.engines.tasks import STANDARD_TASKS, Task

Row = dict[str, Any]

BAR_DB = 0.5  # mean gain over the best reference of each case, and over --model none


def header(options: argparse.Namespace, rows: list[Row]) -> str:
    """What every number of the table rests on."""
    model = "no model"
    if options.model != "none":
        records = {r.name: r for r in (find_model(options.model, modality) for modality in ("CT", "MR"))}
        model = "model " + ", ".join(f"`{name}`, sha256 `{r.sha256[:16]}`" for name, r in records.items())
    axes = "\n".join(dict.fromkeys(f"  - {row['case']}: {row['note']}, {_crop(row)}" for row in rows if "note" in row))
    in_plane = "" if options.profile is None else f" In-plane tasks: {options.profile}."
    return f"""PSNR in dB, {model}. Validation subjects of `configs/splits/development.json`; none was trained on.

- **Mask**: body mask of the truth. **Range**: CT 2000 HU, MR p99.8 - p0.5 inside the mask. **Border**: none cut away.
- **Crop**: at most {options.crop} voxels per axis around the body; degraded axes are multiples of 12.
- **LR simulation**: edge-aligned; CT slab average (box), MR Gaussian, of one spacing.{in_plane} 2 % noise: 40 HU,
  Gaussian (CT); 2 % of the range, Rician (MR magnitude) or Gaussian (MR that holds negative values).
- **References**: cubic B-spline; back-projection with 1, 3 and 5 steps and the true profile; `none`: our pipeline
  without the network.
- **gain**: model minus the best of cubic and back-projection *of that case*. (!): the network declined, with a warning.
- **Axes**: through-plane degrades one axis, in-plane two. Thick slices are no thin truth: there an in-plane axis serves
  as slice direction.
{axes}"""


def _crop(row: Row) -> str:
    shape, spacing = (" x ".join(f"{v:g}" for v in row[key]) for key in ("shape", "spacing"))
    return f"{shape} voxels of {spacing} mm"


def verdict(rows: list[Row]) -> str:
    """Whether the bar is reached, in one sentence with its numbers."""
    found = summary(rows)["all"]
    if found["mean_gain"] is None:
        return "No model was measured."
    reached = found["mean_gain"] >= BAR_DB and found["below_cubic"] == 0 and not found["failed"]
    over_none = found["mean_gain_over_none"]
    reached = reached and over_none is not None and over_none >= BAR_DB
    return (
        f"**The bar is {'reached' if reached else 'MISSED'}**: mean gain {found['mean_gain']:+.2f} dB over the best "
        f"reference of each case (asked: {BAR_DB:+.1f}), {over_none:+.2f} dB over `none` (asked: {BAR_DB:+.1f}), "
        f"worst case {found['worst_gain']:+.2f} dB, below cubic in {found['below_cubic']} of {found['cases']} cases "
        f"(asked: 0), {found['failed']} failed."
    )


def tasks(options: argparse.Namespace) -> list[Task]:
    """The standard tasks, in-plane ones with another profile if asked, only some factors if asked."""
    chosen = []
    for task in STANDARD_TASKS:
        if options.factors and task.factor not in options.factors:
            continue
        profile = options.profile if task.kind == "in-plane" else None
        chosen.append(Task(task.kind, task.factor, task.noise, profile))
    return chosen


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="default", help="name, path, or none")
    parser.add_argument("--out", type=Path, default=Path("runs/quality"))
    parser.add_argument("--crop", type=int, default=160, help="voxels per axis around the body")
    parser.add_argument("--profile", choices=["box", "gaussian", "sinc", "kspace"], help="of the in-plane tasks")
    parser.add_argument("--factors", type=float, nargs="*", help="only these")
    parser.add_argument("--cases", nargs="*", help="only volumes whose file name holds one of these")
    parser.add_argument("--ssim", action="store_true", help="SSIM into the JSON; about doubles the time")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    files = [f for f in files_of("validation") if not options.cases or any(c in f.name for c in options.cases)]
    began = time.perf_counter()

    def show(row: Row) -> None:
        told = row.get("error") or f"{row['psnr']:.2f} dB"
        print(
            f"{time.perf_counter() - began:7.1f} s  {row['case']}, {row['task']}, {row['method']}: {told}",
            file=sys.stderr,
        )

    rows = evaluate(
        files,
        model=options.model,
        tasks=tasks(options),
        out=options.out,
        crop=options.crop,
        affine="sform",
        device=options.device,
        measures="ssim" if options.ssim else "psnr",
        progress=show,
    )
    minutes = (time.perf_counter() - began) / 60
    text = "\n\n".join(
        [header(options, rows), verdict(rows), markdown_table(rows), f"{machine()}; {minutes:.1f} minutes"]
    )
    (options.out / "quality.md").write_text(text + "\n", encoding="utf-8")
    found = {"summary": summary(rows), "cases": case_table(rows)}
    (options.out / "quality.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
