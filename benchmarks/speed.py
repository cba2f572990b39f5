"""Time and peak memory of one scan, as ratios that a busy machine does not spoil.

    python benchmarks/speed.py                            # both cores, the classic cases
    python benchmarks/speed.py --cases mr --threads 1 --repeat 3

Per case: seconds and peak memory of every stage as ``run.json`` has them, of a real ``monai-sr upscale``; the same
upscaling by SimpleITK's cubic B-spline, the floor that users know; and how near the network comes to the rate that
oneDNN reaches on the shape of the model's main layer. Each is repeated and the best of each counts. Besides wall time,
CPU time is told: where other work shares the cores it is what the computation itself takes.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import SimpleITK as sitk
import torch
from common import REPOSITORY, machine
from torch.utils.flop_counter import FlopCounterMode

from monai_sr.catalogue import find_model
from monai_sr.data.phantom import ellipsoids
from monai_sr.geometry import VolumeGeometry
from monai_sr.inference import load_model
from monai_sr.inference.precision import network_dtype
from monai_sr.io import Modality, Volume, write_volume

CPU = torch.device("cpu")


class Case(NamedTuple):
    """A scan of the usual size: acquired voxels, spacing and target spacing in mm."""

    words: str
    modality: Modality
    shape: tuple[int, int, int]
    spacing: tuple[float, float, float]
    target: tuple[float, float, float]


CASES = {
    "small": Case("MR 96 x 96 x 24, 4 mm to 1 mm", "MR", (96, 96, 24), (1.0, 1.0, 4.0), (1.0, 1.0, 1.0)),
    "mr": Case("MR 256 x 256 x 40, 4 mm to 1 mm", "MR", (256, 256, 40), (1.0, 1.0, 4.0), (1.0, 1.0, 1.0)),
    "ct": Case("CT 512 x 512 x 60, 5 mm to 1 mm", "CT", (512, 512, 60), (0.8, 0.8, 5.0), (0.8, 0.8, 1.0)),
    "large": Case("CT 512 x 512 x 600, 2 mm to 1 mm", "CT", (512, 512, 600), (0.8, 0.8, 2.0), (0.8, 0.8, 1.0)),
}


class Spent(NamedTuple):
    """Seconds of the wall and of the CPU."""

    wall: float
    cpu: float


def spent(work: Callable[[], Any], repeat: int) -> Spent:
    """The best of each over some repetitions, after one that is not counted."""
    work()
    found = []
    for _ in range(repeat):
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        found.append((time.perf_counter() - wall, time.process_time() - cpu))
    return Spent(min(wall for wall, _ in found), min(cpu for _, cpu in found))


def phantom(case: Case) -> Volume:
    """A small body enlarged without interpolation, with noise of 0.4 % of the range: what it shows takes no time."""
    nx, ny, nz = case.shape
    small = ellipsoids((64, 64, 40), modality=case.modality, oversampling=1).array
    steps = [(np.arange(n) * m // n) for n, m in zip(case.shape, small.shape, strict=True)]
    array = np.asfortranarray(small[np.ix_(*steps)], dtype=np.float32)
    random = np.random.default_rng(0)
    for k in range(nz):
        array[:, :, k] += random.standard_normal((nx, ny), dtype=np.float32) * (8.0 if case.modality == "CT" else 3.0)
    if case.modality == "CT":
        np.rint(array, out=array)  # scanners store whole HU
    else:
        np.maximum(np.rint(array, out=array), 0.0, out=array)
    geometry = VolumeGeometry(case.shape, np.diag([*case.spacing, 1.0]))
    return Volume(array, geometry, modality=case.modality, name="phantom")


def upscaled(file: Path, case: Case, out: Path, options: argparse.Namespace) -> tuple[Spent, int, dict[str, Any]]:
    """One ``monai-sr upscale`` in a process of its own: time, peak resident bytes, ``run.json``."""
    threads = str(options.threads)
    environment = {**os.environ, "OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}
    environment["PYTHONPATH"] = os.pathsep.join([str(REPOSITORY), environment.get("PYTHONPATH", "")])
    command = [sys.executable, "-m", "monai_sr", "upscale", str(file), "-o", str(out), "--device", "cpu"]
    command += ["--modality", case.modality.lower(), "--spacing", ",".join(map(str, case.target))]
    command += ["--model", options.model, "--precision", options.precision, "--quiet", "--overwrite"]
    command += ["--engine", options.engine]
    began = time.perf_counter()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - began
    if status != 0:
        sys.exit(f"the command ended with exit code {os.waitstatus_to_exitcode(status)}")
    record = json.loads(next(out.glob("*/run.json")).read_text(encoding="utf-8"))
    peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return Spent(wall, usage.ru_utime + usage.ru_stime), peak, record


def spline(file: Path, case: Case, threads: int) -> Spent:
    """SimpleITK: read, cubic B-spline onto the same grid, write."""
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(threads)

    def work() -> None:
        image = sitk.ReadImage(str(file), sitk.sitkFloat32)
        size = [round(n * s / t) for n, s, t in zip(case.shape, case.spacing, case.target, strict=True)]
        step = [n * s / m for n, s, m in zip(case.shape, case.spacing, size, strict=True)]
        origin = image.TransformContinuousIndexToPhysicalPoint(
            [(t / s - 1.0) / 2.0 for t, s in zip(step, case.spacing, strict=True)]
        )
        identity: Any = sitk.Transform()
        fine = sitk.Resample(image, size, identity, sitk.sitkBSpline, origin, step, image.GetDirection())
        sitk.WriteImage(fine, str(file.with_name("spline.nii.gz")), useCompression=True)

    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return Spent(time.perf_counter() - wall, time.process_time() - cpu)


def network_against_convolution(options: argparse.Namespace) -> str:
    """Rate of the whole network, halo and all, over that of one convolution of its main layer, both in GFLOP/s."""
    network = load_model(find_model(options.model)).network
    main = max(
        (m for m in network.modules() if isinstance(m, torch.nn.Conv3d)),
        key=lambda m: m.weight.numel() if m.stride == (1, 1, 1) else 0,
    )
    dtype = network_dtype(options.precision, CPU)
    edge = 96
    x = torch.rand(1, 7, edge, edge, edge)
    inner = torch.rand(1, main.in_channels, edge // 2, edge // 2, edge // 2, dtype=dtype)
    inner = inner.contiguous(memory_format=torch.channels_last_3d)
    layer = torch.nn.Conv3d(main.in_channels, main.out_channels, 3, padding=1).to(dtype)
    layer = layer.to(memory_format=torch.channels_last_3d)

    def run() -> torch.Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
            return torch.as_tensor(network(x))

    with torch.inference_mode():
        with FlopCounterMode(display=False) as counter:
            run()
        counted = counter.get_total_flops()
        whole = spent(run, options.repeat)
        alone = spent(lambda: layer(inner), 3 * options.repeat)
    operations = 2 * layer.weight.numel() * inner[0, 0].numel()
    lines = [
        f"Network `{options.model}` on {edge}^3 voxels against one {main.in_channels} -> {main.out_channels} 3x3x3 "
        f"convolution on {edge // 2}^3, {str(dtype).partition('.')[2]}; {counted / edge**3 / 1e3:.1f} kFLOP per voxel.",
        "",
        "| time | network, Mvoxel/s | network, GFLOP/s | convolution, GFLOP/s | ratio |",
        "|---|---:|---:|---:|---:|",
    ]
    for kind in ("cpu", "wall"):
        seconds, single = getattr(whole, kind), getattr(alone, kind)
        rate, best = counted / seconds / 1e9, operations / single / 1e9
        lines.append(f"| {kind} | {edge**3 / seconds / 1e6:.2f} | {rate:.0f} | {best:.0f} | {rate / best:.2f} |")
    return "\n".join(lines)


def table(case: Case, folder: Path, options: argparse.Namespace) -> str:
    """Stages of the best run of a case, and its ratios."""
    file = folder / "phantom.nii.gz"
    source = phantom(case)
    write_volume(source, file, overwrite=True)
    del source
    runs = [upscaled(file, case, folder / "out", options) for _ in range(options.repeat)]
    best, _, record = min(runs, key=lambda run: run[0].wall)
    peak = max(run[1] for run in runs)
    floor = spline(file, case, options.threads)
    voxels = int(np.prod(record["target"]["shape"]))
    seconds, peaks = record["seconds"], record["peak_memory_bytes_by_stage"]
    total, network = sum(seconds.values()), seconds.get("network", 0.0)
    lines = [f"### {case.words}: {voxels / 1e6:.1f} million voxels", "", "| stage | s | peak memory, GB |"]
    lines += ["|---|---:|---:|"]
    lines += [f"| {stage} | {value:.2f} | {peaks[stage] / 1e9:.2f} |" for stage, value in seconds.items()]
    lines += [
        "",
        f"- whole command: {best.wall:.1f} s wall, {best.cpu:.1f} s CPU, peak {peak / 1e9:.2f} GB; "
        f"tile {record['tile_voxels']}, {record['engine']}, {record['precision']}, {record['threads']} threads",
        f"- around the network: {100 * (total - network) / total:.0f} % of all stages",
        f"- network: {voxels / max(network, 1e-9) / 1e6:.2f} million voxels of the result per second",
        f"- SimpleITK B-spline, read to written: {floor.wall:.1f} s wall, {floor.cpu:.1f} s CPU; ours takes "
        f"{best.wall / floor.wall:.1f} times as long ({best.cpu / floor.cpu:.1f} in CPU time)",
    ]
    lines += [f"- {warning}" for warning in record["warnings"]]
    return "\n".join(lines)


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", nargs="*", choices=list(CASES), default=["mr", "ct"])
    parser.add_argument("--model", default="fast")
    parser.add_argument("--precision", choices=["auto", "float32"], default="auto")
    parser.add_argument("--engine", choices=["auto", "torch", "openvino"], default="auto", help="of the whole command")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.model != "none":
        print(network_against_convolution(options), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for name in options.cases:
            print(f"\n{table(CASES[name], Path(folder), options)}", flush=True)
    print(f"\n{machine()}")


if __name__ == "__main__":
    main()
