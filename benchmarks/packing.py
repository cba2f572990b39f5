"""What gzip costs: the same restored voxels packed by zlib and by ISA-L, which the package writes NIfTI with.

    python benchmarks/packing.py --threads 1

A phantom of the CT case, made finer without a network, is packed at several levels, in turn, and the least CPU time of
each counts; then the whole of ``write_volume``, with and without packing.
"""

from __future__ import annotations

import argparse
import tempfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import machine
from isal import isal_zlib
from speed import CASES, phantom

from monai_sr.inference import super_resolve
from monai_sr.io import write_volume

PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "zlib, level 1": lambda data: zlib.compress(data, 1),
    "zlib, level 6": lambda data: zlib.compress(data, 6),
    "ISA-L, level 1": lambda data: isal_zlib.compress(data, 1),
    "ISA-L, level 2": lambda data: isal_zlib.compress(data, 2),
}


def cpu(work: Callable[[], Any]) -> tuple[float, Any]:
    """CPU seconds, and what came of it."""
    began = time.process_time()
    made = work()
    return time.process_time() - began, made


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    case = CASES["ct"]
    small = case._replace(shape=(192, 192, 60))
    restored = super_resolve(
        phantom(small), spacing=list(case.target), modality="CT", model="none", device="cpu"
    ).volume
    data = np.asfortranarray(restored.array).tobytes("F")[: 2**25]
    times: dict[str, list[float]] = {name: [] for name in PACKERS}
    sizes: dict[str, int] = {}
    for _ in range(options.repeat):
        for name, pack in PACKERS.items():
            seconds, packed = cpu(lambda pack=pack: pack(data))  # type: ignore[misc]
            times[name].append(seconds)
            sizes[name] = len(packed)
    print(f"{len(data) / 1e6:.0f} MB of a restored CT phantom, float32.\n")
    print("| packed by | MB per CPU second | to 1 / |\n|---|---:|---:|")
    for name, found in times.items():
        print(f"| {name} | {len(data) / min(found) / 1e6:.0f} | {len(data) / sizes[name]:.2f} |")
    whole: dict[str, list[float]] = {".nii": [], ".nii.gz": []}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(options.repeat):
            for suffix, found in whole.items():
                file = Path(folder) / f"volume{suffix}"
                found.append(cpu(lambda file=file: write_volume(restored, file, overwrite=True))[0])  # type: ignore[misc]
    plain, packed_seconds = min(whole[".nii"]), min(whole[".nii.gz"])
    print(
        f"\n`write_volume` of {restored.array.nbytes / 1e6:.0f} MB: {packed_seconds:.2f} s CPU as .nii.gz, "
        f"{plain:.2f} s as .nii\n\n{machine()}"
    )


if __name__ == "__main__":
    main()
