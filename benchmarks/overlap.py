"""What a batch gains by reading, restoring and writing three cases at once: wall time against one case after the other.

    python benchmarks/overlap.py --series 8 --repeat 3
    python benchmarks/overlap.py --series 4 --repeat 1 --shape 64 64 16     # a try that takes a minute

Both are done by the same process, in turn, with the network loaded before; a run of a single case overlaps nothing, so
eight such runs are the comparison. Wall time says nothing where other work shares the cores, so the idle share before
is printed. The gain cannot be more than the share that reading and writing have of all stages, and the network takes
what idle cores there are: the fewer threads it has beside the cores, the more there is to gain.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import psutil
import torch
from common import machine
from speed import CASES, phantom

from monai_sr.casework import Upscaling
from monai_sr.cli.batch import Batch
from monai_sr.cli.console import QuietConsole
from monai_sr.cli.outcome import ExitCode
from monai_sr.io import Case, find_cases, write_volume


def wall(batches: Sequence[Sequence[Case]], upscaling: Upscaling, out: Path) -> float:
    """Seconds of one run after the other."""
    began = time.perf_counter()
    for cases in batches:
        if Batch(upscaling, out, QuietConsole(), overwrite=True).run(cases) != ExitCode.DONE:
            sys.exit("a case was not done")
    return time.perf_counter() - began


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", type=int, default=8)
    parser.add_argument("--case", choices=list(CASES), default="mr")
    parser.add_argument("--shape", type=int, nargs=3, help="acquired voxels, other than those of the case")
    parser.add_argument("--model", default="fast", help="none: reading and writing are most of the time")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    case = CASES[options.case]
    case = case._replace(shape=tuple(options.shape or case.shape))
    idle = 100.0 - psutil.cpu_percent(interval=3.0)
    chosen = {"modality": case.modality, "spacing": case.target}
    upscaling = Upscaling(model=options.model, device="cpu", options=chosen)
    with tempfile.TemporaryDirectory() as folder:
        inputs, out = Path(folder) / "in", Path(folder) / "out"
        inputs.mkdir()
        scan = phantom(case)
        for number in range(options.series):
            write_volume(scan, inputs / f"case{number:02d}.nii.gz")
        del scan
        cases = find_cases(inputs)
        ways = {"one after the other": [[one] for one in cases], "overlapping": [cases]}
        wall([cases[:1]], upscaling, out)  # loads libraries and network
        times: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(options.repeat):
            for name, batches in ways.items():
                times[name].append(wall(batches, upscaling, out))
    apart, together = (min(found) for found in times.values())
    shape = " x ".join(map(str, case.shape))
    print(
        f"{options.series} {case.modality} scans of {shape} voxels, --model {options.model}; {idle:.0f} % idle before\n"
    )
    print("| way | wall s, least | all |\n|---|---:|---|")
    for name, found in times.items():
        print(f"| {name} | {min(found):.2f} | {', '.join(f'{seconds:.2f}' for seconds in found)} |")
    print(f"\nOverlap takes **{together / apart:.2f}** of the time.\n\n{machine()}")


if __name__ == "__main__":
    main()
