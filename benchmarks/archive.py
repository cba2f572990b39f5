"""Throughput of ``monai-sr archive run`` with one worker and with two: series per minute, and their ratio.

    python benchmarks/archive.py [--series 16] [--shape 96 96 24] [--model none]

One thread per worker. The rate is that between the first and the last series that ended, so that Ray's start and the
loading of the network do not count; a machine that does other work at the same time makes the ratio worthless, so the
share of the processors that was idle before is printed too.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import psutil
from common import REPOSITORY, machine

from monai_sr.data.phantom import ellipsoids
from monai_sr.io import write_volume


def job(inputs: Path, out: Path, workers: int, model: str) -> list[dict[str, Any]]:
    """The rows of a job."""
    path = os.pathsep.join([str(REPOSITORY), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "RAY_worker_niceness": "0", "PYTHONPATH": path}
    command = [sys.executable, "-m", "monai_sr", "archive", "run", "--scan", str(inputs), "-o", str(out)]
    command += ["--workers", str(workers), "--device", "cpu", "--model", model, "--json"]
    ended = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    events = [json.loads(line) for line in ended.stdout.splitlines() if line.startswith("{")]
    return [event for event in events if event["event"] == "series"]


def rate(rows: list[dict[str, Any]]) -> float:
    """Series per minute after each worker has ended its first one."""
    began = {row["worker"]: float("inf") for row in rows}
    for row in rows:
        began[row["worker"]] = min(began[row["worker"]], row["finished"])
    start = max(began.values())
    later = [row["finished"] for row in rows if row["finished"] > start]
    return 60.0 * len(later) / (max(later) - start)


def main() -> None:
    """Make the series, run both jobs, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", type=int, default=16)
    parser.add_argument("--shape", type=int, nargs=3, default=(96, 96, 24), help="acquired voxels")
    parser.add_argument("--model", default="default")
    options = parser.parse_args()
    idle = 100.0 - psutil.cpu_percent(interval=5.0)
    print(f"{options.series} series of {options.shape}, --model {options.model}; {idle:.0f} % of the processors idle\n")
    print("| workers | series per minute | median s: read | resolve | write |\n|---:|---:|---:|---:|---:|")
    rates = {}
    with tempfile.TemporaryDirectory() as folder:
        inputs = Path(folder) / "in"
        x, y, z = options.shape
        for number in range(options.series):
            volume = ellipsoids((x, y, z), (1.0, 1.0, 3.0 + 0.01 * number), modality="MR", oversampling=1)
            write_volume(volume, inputs / f"s{number:03d}.nii.gz")
        for workers in (1, 2):
            rows = job(inputs, Path(folder) / f"out{workers}", workers, options.model)
            rates[workers] = rate(rows)
            middle = [
                sorted(row[stage] for row in rows)[len(rows) // 2]
                for stage in ("read_seconds", "resolve_seconds", "write_seconds")
            ]
            print(f"| {workers} | {rates[workers]:.2f} | {' | '.join(f'{seconds:.2f}' for seconds in middle)} |")
    print(f"\ntwo workers against one: {rates[2] / rates[1]:.2f}\n\n{machine()}")


if __name__ == "__main__":
    main()
