"""How near a whole scan comes to what the hardware could do: floors first, then the gap.

    python benchmarks/floors.py --case ct                 # on the GPU if there is one
    python benchmarks/floors.py --case ct --compile       # the network compiled for its tile, too
    python benchmarks/floors.py --case small --device cpu --edge 48 --repeat 2

Two floors of the network stage: its floating point operations over the rate that a large matrix product reaches
here, and the bytes that its convolutions read and write at least (each its input and its output once, in the type
that it computes in) over the bandwidth that a copy reaches here. Beside them what ``super_resolve`` takes for the
scan, stage by stage, after one call that does not count: kernels are chosen and memory is taken then.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from common import machine
from speed import CASES, phantom
from torch.utils.flop_counter import FlopCounterMode

from monai_sr import super_resolve
from monai_sr.catalogue import find_model
from monai_sr.inference import load_model, select_device
from monai_sr.inference.precision import computing_in, network_dtype

AROUND = ("interpolate", "consistency")  # stages that compute beside the network


class Cost(NamedTuple):
    """Of the network, for each voxel that it is given."""

    operations: float
    bytes: float


def seconds(work: Callable[[], Any], device: torch.device, repeat: int) -> float:
    """The least of some repetitions, after one that does not count."""
    found = []
    for _ in range(repeat + 1):
        began = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        found.append(time.perf_counter() - began)
    return min(found[1:])


def matrix_rate(device: torch.device, dtype: torch.dtype, repeat: int) -> float:
    """Operations per second of a square matrix product."""
    n = 8192 if device.type == "cuda" else 1536
    a, b = (torch.rand(n, n, device=device).to(dtype) for _ in range(2))
    return 2.0 * n**3 / seconds(lambda: a @ b, device, 3 * repeat)


def bandwidth(device: torch.device, repeat: int) -> float:
    """Bytes per second of a copy, read and written."""
    a = torch.rand(2**28 if device.type == "cuda" else 2**26, device=device)
    b = torch.empty_like(a)
    return 2.0 * a.numel() * a.element_size() / seconds(lambda: b.copy_(a), device, 3 * repeat)


def cost_of(network: torch.nn.Module, x: torch.Tensor, dtype: torch.dtype) -> Cost:
    """Operations and least traffic of one pass over ``(1, 7, X, Y, Z)``, for each voxel."""
    moved = 0

    def count(module: torch.nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        nonlocal moved
        moved += (inputs[0].numel() + output.numel()) * dtype.itemsize

    kinds = (torch.nn.Conv3d, torch.nn.ConvTranspose3d)
    hooks = [m.register_forward_hook(count) for m in network.modules() if isinstance(m, kinds)]
    with FlopCounterMode(display=False) as counter:
        network(x)
    for hook in hooks:
        hook.remove()
    voxels = x[0, 0].numel()
    return Cost(counter.get_total_flops() / voxels, moved / voxels)


def _compiled_seconds(
    network: torch.nn.Module, run: Callable[[Any], Any], device: torch.device, repeat: int
) -> float | None:
    """Of the compiled network; None where it cannot be compiled, which is said."""
    try:
        faster = torch.compile(network)
        return seconds(lambda: run(faster), device, repeat)
    except Exception as error:  # compilers are missing in many ways; the other numbers are worth having
        print(f"not compiled: {type(error).__name__}: {str(error).splitlines()[0]}", file=sys.stderr)
        return None


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", choices=list(CASES), default="ct")
    parser.add_argument("--model", default="fast")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", choices=["auto", "float32"], default="auto")
    parser.add_argument("--edge", type=int, default=128, help="of the cube that the network alone is timed on")
    parser.add_argument("--compile", action="store_true", help="time the network compiled by torch.compile, too")
    parser.add_argument("--threads", type=int, default=2, help="on a CPU")
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    device = select_device(options.device)
    dtype = network_dtype(options.precision, device)
    case = CASES[options.case]
    model = load_model(find_model(options.model, case.modality))
    network = model.network.to(device)
    x = torch.rand(1, 7, *(options.edge,) * 3, device=device)
    x = x.contiguous(memory_format=torch.channels_last_3d)

    def run(net: Any = network) -> torch.Tensor:
        with computing_in(dtype, device):
            return torch.as_tensor(net(x))

    with torch.inference_mode():
        cost = cost_of(network, x, dtype)
        rate, copied = matrix_rate(device, dtype, options.repeat), bandwidth(device, options.repeat)
        alone = seconds(run, device, options.repeat)
        compiled = _compiled_seconds(network, run, device, options.repeat) if options.compile else None
    voxels = options.edge**3
    floors = {"operations": cost.operations / rate, "bytes": cost.bytes / copied}
    floor = max(floors.values())
    operations, traffic = (f"{1e9 * floors[kind]:.2f} ns" for kind in ("operations", "bytes"))
    lines = [
        f"`{model.record.name}`, {str(dtype).partition('.')[2]}: {cost.operations / 1e3:.1f} kFLOP and at least "
        f"{cost.bytes:.0f} bytes for each voxel. Matrix product {rate / 1e12:.2f} TFLOP/s, copy "
        f"{copied / 1e9:.0f} GB/s: floors of {operations} and {traffic} for each voxel.",
        "",
        "| what | Mvoxel/s | times the larger floor |",
        "|---|---:|---:|",
        f"| network alone, {options.edge}^3 | {voxels / alone / 1e6:.2f} | {alone / voxels / floor:.1f} |",
    ]
    if compiled is not None:
        lines.append(
            f"| compiled, {options.edge}^3 | {voxels / compiled / 1e6:.2f} | {compiled / voxels / floor:.1f} |"
        )
    scan = phantom(case)
    if device.type == "cuda":  # of the network alone: what follows chooses its tiles by what is free
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
    best: dict[str, Any] = {}
    for counted in range(options.repeat + 1):
        report = super_resolve(
            scan, spacing=case.target, model=model, device=options.device, precision=options.precision, engine="torch"
        ).report
        if counted and (not best or sum(report["seconds"].values()) < sum(best["seconds"].values())):
            best = report
    total = math.prod(best["target"]["shape"])
    stages = best["seconds"]
    spent = stages["network"]
    lines += [
        f"| network stage of {case.words} | {total / spent / 1e6:.2f} | {spent / total / floor:.1f} |",
        "",
        f"{case.words}, {total / 1e6:.1f} million voxels, tiles {best['tile_voxels']}: network {spent:.2f} s, "
        + ", ".join(f"{name} {stages[name]:.2f} s" for name in AROUND)
        + f"; all {sum(stages.values()):.2f} s without reading and writing. Floor of the network {floor * total:.3f} s."
        + f" Peak memory {best['peak_memory_bytes'] / 1e9:.1f} GB.",
    ]
    print("\n".join(lines))
    print(f"\n{torch.cuda.get_device_name(device) if device.type == 'cuda' else 'CPU'}; {machine()}")


if __name__ == "__main__":
    main()
