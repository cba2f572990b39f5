"""Processor seconds and bytes of each stage of each real scan: what the simulation of an archive draws from.

    python benchmarks/archive_times.py [--every 2] [--out benchmarks/archive_times.json]

Processor time of one thread, so that other work on the machine does not count; a second of it is a second of one core
that has nothing else to do. Scans that are refused are counted with the time until the refusal.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from datetime import date
from pathlib import Path
from typing import Any

import torch
from common import data_folder, machine

from monai_sr.casework import Upscaling, case_folder, gather_cases
from monai_sr.io import Case, InputError


def measured(upscaling: Upscaling, case: Case, out: Path) -> dict[str, object]:
    """One scan through the three stages of a worker."""
    files = case.files or (case.path,)
    row: dict[str, object] = {"series": case.name, "files": len(files)}
    row["bytes_in"] = sum(file.stat().st_size for file in files)
    marks = [time.process_time()]
    try:
        volume = upscaling.read(case)
        marks.append(time.process_time())
        result = upscaling.resolve(volume)
        marks.append(time.process_time())
        with case_folder(out / case.name, case.name) as staging:
            upscaling.write(result, staging, case.name, read_seconds=0.0)
        row["bytes_out"] = sum(file.stat().st_size for file in (out / case.name).rglob("*") if file.is_file())
    except InputError:
        row["refused"] = True
    marks.append(time.process_time())
    for stage, begin, end in zip(("read", "resolve", "write"), marks, marks[1:], strict=False):
        row[stage] = round(end - begin, 3)
    return row


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    parser.add_argument("--model", default="default")
    parser.add_argument("--every", type=int, default=1, help="take every so manieth scan")
    options = parser.parse_args()
    torch.set_num_threads(1)
    upscaling = Upscaling(options.model, "cpu", affine="sform", options={"spacing": "auto"})
    folder = data_folder()
    cases = gather_cases([folder / "train"], folder / "none", affine="sform")[:: options.every]
    facts: dict[str, Any] = {"date": date.today().isoformat(), "machine": machine(), "model": options.model}
    rows = facts["series"] = []
    with tempfile.TemporaryDirectory() as out:
        first = min((case for case in cases if "sts" in case.name), key=lambda case: case.path.stat().st_size)
        measured(upscaling, first, Path(out) / "first")  # imports and weights are not a scan's
        for case in cases:
            rows.append(measured(upscaling, case, Path(out)))
            print(json.dumps(rows[-1]), flush=True)
            options.out.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
