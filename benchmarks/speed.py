"""Time and peak memory of ``monai-sr upscale``: a 256 x 256 x 40 MR phantom, x4 through-plane, on two CPU cores.

    python benchmarks/speed.py [--model none] [--shape 512 512 100]

The command runs as a user would run it, in a process of its own, whose largest resident memory the system reports.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from common import REPOSITORY, machine

from monai_sr.data.phantom import ellipsoids
from monai_sr.data.simulate import thicken
from monai_sr.io import write_volume


def phantom(shape: tuple[int, int, int], factor: int, file: Path) -> None:
    """A body in MR contrast with 1 % noise, thickened by ``factor``."""
    x, y, z = shape
    thin = ellipsoids((x, y, z * factor), modality="MR", oversampling=1)
    write_volume(thicken(thin, axis=2, factor=float(factor), noise=0.01), file)


def measured(command: list[str], cores: int) -> tuple[float, int | None, int]:
    """Wall seconds, peak resident bytes where the system tells, exit code."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(cores), "MKL_NUM_THREADS": str(cores)}
    environment["PYTHONPATH"] = os.pathsep.join([str(REPOSITORY), environment.get("PYTHONPATH", "")])

    def pin() -> None:
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])

    began = time.perf_counter()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, preexec_fn=pin)
    if not hasattr(os, "wait4"):
        return time.perf_counter() - began, None, process.wait()
    _, status, usage = os.wait4(process.pid, 0)
    unit = 1 if sys.platform == "darwin" else 1024
    return time.perf_counter() - began, usage.ru_maxrss * unit, os.waitstatus_to_exitcode(status)


def main() -> None:
    """Make the phantom, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="default")
    parser.add_argument("--shape", type=int, nargs=3, default=(256, 256, 40), help="acquired voxels")
    parser.add_argument("--factor", type=int, default=4)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--repeat", type=int, default=1)
    options = parser.parse_args()
    shape = (options.shape[0], options.shape[1], options.shape[2])
    size = " x ".join(map(str, shape))
    print(f"{size} MR, x{options.factor} through-plane, --model {options.model}, {options.cores} cores\n")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "phantom.nii.gz"
        phantom(shape, options.factor, file)
        for _ in range(options.repeat):
            out = Path(folder) / "out"
            command = [sys.executable, "-m", "monai_sr", "upscale", str(file), "-o", str(out), "--device", "cpu"]
            command += ["--scale", f"1,1,{options.factor}", "--modality", "mr", "--model", options.model]
            seconds, peak, code = measured([*command, "--quiet", "--overwrite"], options.cores)
            if code != 0:
                sys.exit(f"the command ended with exit code {code}")
            record: dict[str, Any] = json.loads((out / "phantom" / "run.json").read_text(encoding="utf-8"))
            memory = "" if peak is None else f", peak memory {peak / 2**30:.2f} GB"
            print(f"whole command: {seconds:.1f} s{memory}\n")
            print("| stage | seconds |\n|---|---:|")
            for stage, spent in record["seconds"].items():
                print(f"| {stage} | {spent:.2f} |")
            used = ", ".join(f"axis {axis['axis']}: {axis['treatment']}" for axis in record["axes"])
            own = record["peak_memory_bytes"]
            print(f"\nrun.json: {'' if own is None else f'{own / 2**30:.2f} GB, '}{used}\n")
    print(machine())


if __name__ == "__main__":
    main()
