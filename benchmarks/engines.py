"""Other engines than torch on the network alone: OpenVINO and ONNX Runtime, in million voxels per CPU second.

    pip install torch==2.13.0 openvino onnxruntime onnx onnxscript   # where monai_sr is, in an environment of its own
    python benchmarks/engines.py --threads 1

None of them is a dependency; one that is not installed is left out. The engines take turns and the best of each counts,
in CPU time, so that other work on the machine does not matter. Decision 0015 has what followed from it.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import machine

from monai_sr.catalogue import find_model
from monai_sr.inference import load_model

Engine = Callable[[np.ndarray], np.ndarray]


def torch_engine(network: torch.nn.Module, dtype: torch.dtype) -> Engine:
    """As the package runs it."""

    def run(x: np.ndarray) -> np.ndarray:
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
            return torch.as_tensor(network(torch.from_numpy(x))).float().numpy()

    return run


def onnx_engine(file: Path, threads: int) -> Engine:
    """ONNX Runtime, float32: its CPU convolutions know no bfloat16."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda x: np.asarray(session.run(None, {name: x})[0])


def openvino_engine(file: Path, threads: int, precision: str) -> Engine:
    """OpenVINO, ``"f32"`` or ``"bf16"``."""
    import openvino

    settings: dict[str, Any] = {"INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": threads}
    compiled = openvino.Core().compile_model(str(file), "CPU", settings)
    return lambda x: np.asarray(compiled(x)[0])


def engines(network: torch.nn.Module, x: np.ndarray, folder: Path, threads: int) -> dict[str, Engine]:
    """Those that are installed, by name with version and precision."""
    found = {
        f"torch {torch.__version__} float32": torch_engine(network, torch.float32),
        f"torch {torch.__version__} bfloat16": torch_engine(network, torch.bfloat16),
    }
    try:
        runtime, vino = (installed(name) for name in ("onnxruntime", "openvino"))
        installed("onnxscript")
    except PackageNotFoundError as error:
        print(f"only torch, for {error.name} is not installed\n")
        return found
    file = folder / "network.onnx"
    torch.onnx.export(network, (torch.from_numpy(x),), file, dynamo=True, verbose=False)
    found[f"ONNX Runtime {runtime} float32"] = onnx_engine(file, threads)
    found[f"OpenVINO {vino} float32"] = openvino_engine(file, threads, "f32")
    found[f"OpenVINO {vino} bfloat16"] = openvino_engine(file, threads, "bf16")
    return found


def installed(package: str) -> str:
    """Its version without what the build adds.

    Raises:
        PackageNotFoundError: if it is not there.
    """
    return version(package).partition("+")[0]


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="fast")
    parser.add_argument("--edge", type=int, default=64, help="voxels")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    network = load_model(find_model(options.model)).network
    edge = options.edge
    x = np.random.default_rng(0).random((1, network.in_channels, edge, edge, edge), dtype=np.float32)
    with tempfile.TemporaryDirectory() as folder:
        candidates = engines(network, x, Path(folder), options.threads)
        expected = next(iter(candidates.values()))(x)
        apart = {name: float(np.abs(run(x) - expected).max()) for name, run in candidates.items()}
        times: dict[str, list[float]] = {name: [] for name in candidates}
        for _ in range(options.repeat):
            for name, run in candidates.items():
                began = time.process_time()
                run(x)
                times[name].append(time.process_time() - began)
    first = min(next(iter(times.values())))
    print("| engine | Mvoxel per CPU second | times torch float32 | largest difference to it |\n|---|---:|---:|---:|")
    for name, found in times.items():
        seconds = min(found)
        print(f"| {name} | {edge**3 / seconds / 1e6:.2f} | {first / seconds:.2f} | {apart[name]:.1e} |")
    print(f"\n{machine()}")


if __name__ == "__main__":
    main()
