"""Time and memory of a photograph made finer, without the network: what is around it.

    python benchmarks/photograph.py --threads 1

The photograph is made of noise and ramps in colour: what it shows takes no time. Each repetition is a process of its
own, since the peak of the memory is one of the process; the least CPU time and the largest peak count.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time

import numpy as np
import torch
from common import machine

from monai_sr.inference import super_resolve_photo
from monai_sr.inference.facts import peak_memory_bytes
from monai_sr.io.photo import Photo


def once(options: argparse.Namespace) -> None:
    """Make one photograph finer; prints CPU seconds, and peak bytes before and after."""
    random = np.random.default_rng(0)
    width, height = options.size
    ramp = np.linspace(0.2, 0.8, width, dtype=np.float32)[:, None, None]
    luma = np.clip(ramp + random.normal(scale=0.02, size=(width, height, 1)).astype(np.float32), 0.0, 1.0)
    photo = Photo(luma, chroma=np.zeros((2, width, height), np.float32))
    before = peak_memory_bytes(torch.device("cpu"))
    began = time.process_time()
    super_resolve_photo(photo, (options.scale, options.scale), model="none", device="cpu")
    print(time.process_time() - began, before, peak_memory_bytes(torch.device("cpu")))


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, nargs=2, default=[2000, 1500], help="pixels")
    parser.add_argument("--scale", type=float, default=4.0)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--once", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.once:
        once(options)
        return
    command = [sys.executable, *sys.argv, "--once"]
    runs = [
        [float(v) for v in subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()]
        for _ in range(options.repeat)
    ]
    print(
        f"{options.size[0]} x {options.size[1]} pixels in colour, x{options.scale:g}, no network: "
        f"{min(run[0] for run in runs):.1f} s CPU, peak {max(run[2] for run in runs) / 1e9:.2f} GB "
        f"({max(run[1] for run in runs) / 1e9:.2f} GB before it)\n\n{machine()}"
    )


if __name__ == "__main__":
    main()
