"""A network ready for use, with what it was trained for."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from monai_sr import networks
from monai_sr.catalogue import ModelError, ModelRecord, find_model, perceptual_partner, sha256
from monai_sr.degradation import SliceProfile, conditions_of, with_conditions
from monai_sr.inference.precision import Precision, computing_in, network_dtype
from monai_sr.intensity import IntensityRange

__all__ = [
    "AddedDetail",
    "DeviceError",
    "NotFiniteError",
    "SRModel",
    "build_network",
    "in_half_precision",
    "load_model",
    "load_perceptual",
    "select_device",
    "with_fidelity",
    "working_bytes",
]

_IMAGE_BYTES = 10  # per voxel beside the features: the images, of which not all are held where the features peak
_UNKNOWN_BYTES = 160
"""Of networks that do not say."""


class DeviceError(RuntimeError):
    """The device that was asked for is not there."""


class NotFiniteError(RuntimeError):
    """A network returned values that are not finite."""


def select_device(name: str = "auto") -> torch.device:
    """``auto`` is CUDA where there is one, else the CPU.

    Raises:
        DeviceError: if a device is named that this machine does not have.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise DeviceError(f"unknown device {name!r}; use auto, cpu, cuda, cuda:N or mps") from None
    present = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not present.get(device.type, False):
        raise DeviceError(f"device {name} is not available on this machine; use --device auto or cpu")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise DeviceError(
            f"device {name} is not available: this machine has {torch.cuda.device_count()} CUDA device(s)"
        )
    return device


def build_network(record: ModelRecord) -> nn.Module:
    """Untrained network of a record. Only classes that ``monai_sr.networks`` exports are built, so a record is data."""
    arguments = dict(record.network)
    name = str(arguments.pop("_target_", "")).removeprefix("monai_sr.networks.")
    if name not in networks.__all__ or not isinstance(getattr(networks, name), type):
        raise ModelError(f"model {record.name}: {name!r} is not a network of monai_sr.networks")
    try:
        network = getattr(networks, name)(**arguments)
    except (TypeError, ValueError) as error:
        raise ModelError(f"model {record.name}: the record does not fit {name}: {error}") from None
    assert isinstance(network, nn.Module)
    return network


@dataclass(frozen=True)
class SRModel:
    """A generator in evaluation mode, by the contract of ``monai_sr.networks``, and its record.

    Args:
        network: the generator.
        record: what it was trained for.
        fidelity: 1 is the fidelity stage as it is, 0 its GAN stage, and between them lie networks between them.
        adaptation: how it was adapted to one scan, or why it was not, plain JSON types; None: nobody asked for it.
    """

    network: Any
    record: ModelRecord
    fidelity: float = 1.0
    adaptation: Mapping[str, Any] | None = None


def load_model(name: str | Path | ModelRecord = "default") -> SRModel:
    """Build a network and load its weights; no code is run from a state dict.

    Of a TorchScript archive only the weights are taken, and the network is built from the record inside, so that it
    gives the very same values; but torch's loader unpacks its program too, so take archives from people you trust.

    Args:
        name: name, path or record, see :func:`monai_sr.catalogue.find_model`.

    Raises:
        ModelError: if the file is missing, its digest is not the record's, or the weights do not fit or are not finite.
    """
    record = name if isinstance(name, ModelRecord) else find_model(name)
    if not record.file.is_file():
        raise ModelError(f"weights of model {record.name} are missing: {record.file}; reinstall, or name another model")
    state = _weights_in_archive(record.file) if record.file.suffix == ".ts" else _weights(record)
    network = build_network(record)
    try:
        network.load_state_dict(state)
    except (RuntimeError, TypeError, AttributeError) as error:
        raise ModelError(f"{record.file.name} does not fit the network of its record: {error}") from None
    if not all(torch.isfinite(value).all() for value in network.state_dict().values()):
        raise ModelError(f"{record.file.name} holds weights that are not finite; train again")
    return SRModel(channels_last(network.eval()), record)


def _weights(record: ModelRecord) -> Any:
    digest = sha256(record.file)
    if digest != record.sha256:
        raise ModelError(
            f"{record.file.name}: sha256 {digest[:12]}... is not the recorded {record.sha256[:12]}...; "
            "the file is damaged or was replaced"
        )
    try:
        return torch.load(record.file, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many types for damaged or unsafe files
        raise ModelError(f"{record.file.name} is not a weights-only state dict: {type(error).__name__}") from None


def _weights_in_archive(file: Path) -> Any:
    """Weights of a TorchScript archive; its own checksums, not a digest, tell of damage."""
    try:
        with zipfile.ZipFile(file) as content:
            damaged = content.testzip()
        if damaged is None:
            return torch.jit.load(file, map_location="cpu").state_dict()
    except Exception as error:  # torch raises many types for damaged files
        raise ModelError(f"{file.name} is not a TorchScript archive: {type(error).__name__}") from None
    raise ModelError(f"{file.name} is damaged at {damaged}; copy or export it again")


def in_half_precision(record: ModelRecord, file: Path) -> ModelRecord:
    """A model with its weights stored as float16: half the size, and computed in float32 like any other.

    Args:
        record: of the model.
        file: where the weights are written.

    Returns:
        The record of the new file.

    Raises:
        ModelError: if a weight is too large for float16 (65504).
    """
    state = load_model(record).network.state_dict()
    half = {name: v.contiguous().half() if v.is_floating_point() else v for name, v in state.items()}
    if not all(torch.isfinite(value).all() for value in half.values()):
        raise ModelError(
            f"{record.file.name} holds weights beyond 65504, which float16 cannot; export it without --half"
        )
    torch.save(half, file)
    return replace(record, file=file, sha256=sha256(file))


def load_perceptual(model: SRModel) -> SRModel | None:
    """The GAN stage of a shipped fidelity model; None if it has none.

    Raises:
        ModelError: if it is there but cannot be loaded.
    """
    record = perceptual_partner(model.record)
    return None if record is None else load_model(record)


def with_fidelity(model: SRModel, fidelity: float) -> SRModel:
    """A model between the fidelity stage and its GAN stage, by interpolating their weights (Wang 2018).

    Args:
        model: of the fidelity stage.
        fidelity: 1 is the model itself, 0 its GAN stage.

    Raises:
        ModelError: if the model has no GAN stage, or the fidelity is not within 0 and 1.
    """
    if not 0.0 <= fidelity <= 1.0:
        raise ModelError(f"the fidelity is within 0 (GAN stage) and 1 (fidelity stage), got {fidelity:g}")
    if fidelity == 1.0:
        return model
    perceptual = load_perceptual(model)
    if perceptual is None:
        raise ModelError(f"model {model.record.name} has no GAN stage, so its fidelity can only be 1")
    network = build_network(model.record).eval()
    states = model.network.state_dict(), perceptual.network.state_dict()
    network.load_state_dict(networks.interpolate_weights(states[0], states[1], 1.0 - fidelity))
    return replace(model, network=channels_last(network), fidelity=fidelity)


def channels_last(network: nn.Module) -> nn.Module:
    """Weights in the memory format in which a CPU runs 3-D convolutions fastest."""
    for parameter in network.parameters():
        if parameter.dim() in (4, 5):
            layout = torch.channels_last_3d if parameter.dim() == 5 else torch.channels_last
            parameter.data = parameter.data.contiguous(memory_format=layout)
    return network


def working_bytes(network: Any, dtype: torch.dtype) -> int:
    """Memory per voxel of a tile in which :class:`AddedDetail` runs a network, features in ``dtype``."""
    if not hasattr(network, "features_per_voxel"):
        return _UNKNOWN_BYTES
    return _IMAGE_BYTES + math.ceil(float(network.features_per_voxel) * dtype.itemsize)


class AddedDetail(nn.Module):
    """What a generator adds to the start, in the scan's own units, for a tile of start and plain interpolation.

    The generator sees values clamped to the range it was trained on, as metal in CT lies far outside; the start, to
    which the result is added, stays exact.

    Args:
        generator: network by the contract of ``monai_sr.networks``.
        scale: intensity range of the scan.
        factor: acquired spacing divided by target spacing.
        profile: slice profile along the restored axis.
        noise: standard deviation as a fraction of the intensity range.
        precision: of the generator's layers, see :mod:`monai_sr.inference.precision`.
    """

    _LIMITS = (-1.0, 3.0)  # in units of the range: -3000 to 5000 HU

    def __init__(
        self,
        generator: nn.Module,
        scale: IntensityRange,
        *,
        factor: float,
        profile: SliceProfile,
        noise: float,
        precision: Precision = "auto",
    ) -> None:
        super().__init__()
        self.generator, self.scale = generator, scale
        self.conditions: dict[str, Any] = {"factor": factor, "profile": profile, "noise": noise}
        self.precision = precision
        self.size_multiple = generator.size_multiple
        self.receptive_field = generator.receptive_field

    @property
    def bytes_per_voxel(self) -> int:
        """Working memory per voxel of a tile."""
        device = next((parameter.device for parameter in self.generator.parameters()), torch.device("cpu"))
        return working_bytes(self.generator, network_dtype(self.precision, device))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``(B, 2, X, Y, Z)`` or ``(B, 2, X, Y)`` in HU or the scanner's units to one channel."""
        images = (x - self.scale.low).div_(self.scale.width).clamp_(*self._LIMITS)
        dtype = network_dtype(self.precision, x.device)
        with computing_in(dtype, x.device):
            if getattr(self.generator, "conditions_apart", False):  # seven channels would be a third of the memory
                seen = self.generator(images, conditions_of(images, **self.conditions))
            else:
                seen = self.generator(with_conditions(images, **self.conditions))
        added: torch.Tensor = seen.float().sub_(images[:, :1]).mul_(self.scale.width)
        return added
