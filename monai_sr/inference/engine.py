"""What computes the network: torch, or OpenVINO, which is faster on CPUs that know no bfloat16."""

from __future__ import annotations

import importlib
import platform
import sys
import warnings
from dataclasses import replace
from importlib.util import find_spec
from typing import Any, Literal
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import nn

from monai_sr.inference.model import DeviceError, SRModel
from monai_sr.inference.precision import Precision, network_dtype
from monai_sr.networks import UNetGenerator

__all__ = ["Engine", "EngineError", "OpenVINONetwork", "on_engine", "select_engine"]

Engine = Literal["auto", "torch", "openvino"]

_WORTH_VOXELS = 6_000_000  # of the result: below it the second and a half for conversion is more than OpenVINO gains

_TAKEN_OVER = (
    "spatial_dims",
    "size_multiple",
    "receptive_field",
    "factors",
    "consistency",
    "features_per_voxel",
    "conditions_apart",
)


class EngineError(DeviceError):
    """The engine that was asked for is not there, or cannot work on that device."""


def select_engine(
    engine: Engine, device: torch.device, precision: Precision, voxels: int = _WORTH_VOXELS
) -> Literal["torch", "openvino"]:
    """``auto`` is OpenVINO where it is installed and was measured to be faster: on x86 without bfloat16, scans of size.

    Args:
        engine: what was asked for.
        device: where the network runs.
        precision: of the network.
        voxels: of the result.

    Raises:
        EngineError: if OpenVINO is asked for and is not installed, or the device is no CPU.
    """
    if engine == "openvino":
        if find_spec("openvino") is None:
            raise EngineError(
                "OpenVINO is not installed; pip install torch==2.13.0 'monai_sr[openvino]', or use --engine torch"
            )
        if device.type != "cpu":
            raise EngineError(f"OpenVINO computes on the CPU, not on {device}; use --device cpu, or --engine torch")
        return "openvino"
    if engine == "torch" or voxels < _WORTH_VOXELS:
        return "torch"
    if device.type != "cpu" or platform.machine() not in ("x86_64", "AMD64"):
        return "torch"
    slow = network_dtype(precision, device) == torch.float32
    return "openvino" if slow and find_spec("openvino") is not None else "torch"


class OpenVINONetwork(nn.Module):
    """A U-Net generator that OpenVINO computes, in float32, on the CPU, by as many threads as torch has.

    It is compiled for the shape of a tile when the tile comes, in some tenths of a second, and holds one shape at a
    time: each has working memory of its own.

    Args:
        network: the generator; what it is now is what stays.
    """

    def __init__(self, network: UNetGenerator) -> None:
        super().__init__()
        for name in _TAKEN_OVER:
            setattr(self, name, getattr(network, name))
        self._program = _converted(network)
        self._compiled: Any = None
        self._shape: tuple[int, ...] = ()

    def forward(self, images: torch.Tensor, conditions: torch.Tensor) -> torch.Tensor:
        """``(B, 2, X, Y, Z)`` and the constant conditions ``(B, 5, X, Y, Z)`` to ``(B, 1, X, Y, Z)``."""
        constants = conditions[(slice(None), slice(None), *(slice(0, 1) for _ in images.shape[2:]))]
        if self._compiled is None or self._shape != tuple(images.shape):
            self.release()
            self._compiled = self._compile(images, constants)
            self._shape = tuple(images.shape)
        found = self._compiled([np.ascontiguousarray(images.numpy()), np.ascontiguousarray(constants.numpy())])[0]
        return torch.from_numpy(np.array(found))  # a copy: the next tile is computed into the same memory

    def release(self) -> None:
        """Give the working memory back."""
        self._compiled = None

    def _compile(self, images: torch.Tensor, constants: torch.Tensor) -> Any:
        openvino = _openvino()
        self._program.reshape({0: list(images.shape), 1: list(constants.shape)})
        settings = {
            "INFERENCE_PRECISION_HINT": "f32",
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            "PERFORMANCE_HINT": "LATENCY",
            "ENABLE_CPU_PINNING": False,  # several workers of an archive would be bound to the same cores
        }
        return openvino.Core().compile_model(self._program, "CPU", settings)


class _Constants(nn.Module):
    """The generator with one value for each condition."""

    def __init__(self, network: UNetGenerator) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: torch.Tensor, constants: torch.Tensor) -> torch.Tensor:
        sr: torch.Tensor = self.network(images, constants.expand(-1, -1, *images.shape[2:]))
        return sr


def _openvino() -> Any:
    """The package, kept from telling its makers that it was imported: a hospital's machine sends nothing anywhere."""
    if "openvino" not in sys.modules:
        sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # as if it were not installed
    return importlib.import_module("openvino")


def _converted(network: UNetGenerator) -> Any:
    """The generator as OpenVINO's graph.

    ``openvino.convert_model`` does the same in five times as long: it traces the network three times.
    """
    _openvino()
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

    edge = 4 * network.size_multiple
    images = torch.zeros(1, network.image_channels, *(edge for _ in range(network.spatial_dims)))
    constants = torch.zeros(1, network.in_channels - network.image_channels, *(1 for _ in range(network.spatial_dims)))
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")  # of the tracer: sizes are constant in a program for one tile
        decoder = TorchScriptPythonDecoder(
            _Constants(network).eval(), example_input=(images, constants), trace_kwargs={"check_trace": False}
        )
        frontend = FrontEndManager().load_by_framework("pytorch")
        return frontend.convert(frontend.load(decoder))


_converted_before: WeakKeyDictionary[nn.Module, OpenVINONetwork] = WeakKeyDictionary()


def on_engine(model: SRModel, engine: Literal["torch", "openvino"]) -> SRModel:
    """The model with its network computed by an engine; networks of others than ours stay with torch.

    A network is converted once, in about a second.
    """
    network = model.network
    if engine == "torch" or not isinstance(network, UNetGenerator) or network.sees_interpolation_only:
        return model
    if network not in _converted_before:
        _converted_before[network] = OpenVINONetwork(network)
    return replace(model, network=_converted_before[network])
