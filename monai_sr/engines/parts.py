"""Small parts that the configs put together: device, data, network, schedule."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from monai.utils import set_determinism
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from monai_sr.data import Split, find_scans, of_modality, prepare_cases, split_cases
from monai_sr.data.pairing import Case
from monai_sr.engines.config import ConfigRefused
from monai_sr.io.volume import InputError

__all__ = [
    "TrainingCases",
    "epochs",
    "fix_numerics",
    "memory_format",
    "pick_device",
    "prepare_network",
    "sample_count",
    "share_of",
    "warm_hold_decay",
]

_logger = logging.getLogger(__name__)


def pick_device(name: str = "auto") -> torch.device:
    """Device by name; ``auto`` is the GPU of this process if there is one, else the CPU."""
    if name != "auto":
        return torch.device(name)
    if torch.cuda.is_available():
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    return torch.device("cpu")


def fix_numerics(seed: int, threads: int | None = None) -> None:
    """Seed everything, and make operations that can be deterministic so.

    The number of threads decides in which order a CPU sums: results are equal bit for bit for equal ``threads`` only.
    """
    set_determinism(seed)
    torch.use_deterministic_algorithms(True, warn_only=True)  # transposed 3-D convolutions have no such form on CUDA
    if threads is not None:
        torch.set_num_threads(threads)


def epochs(steps: int, steps_per_epoch: int) -> int:
    """Epochs that hold ``steps`` optimiser steps.

    Raises:
        ConfigRefused: if they do not fill whole epochs.
    """
    if steps < 1 or steps_per_epoch < 1 or steps % steps_per_epoch:
        raise ConfigRefused(f"steps ({steps}) must be a multiple of steps_per_epoch ({steps_per_epoch})")
    return steps // steps_per_epoch


def sample_count(steps: int, batch_size: int, world_size: int = 1) -> int:
    """Samples that a whole training draws."""
    return steps * batch_size * world_size


def share_of(steps: int, share: float) -> int:
    """The step at which a share of the training is done."""
    return round(steps * share)


def warm_hold_decay(optimizer: Optimizer, steps: int, warmup: int = 200, decay: float = 0.3) -> LambdaLR:
    """Learning rate: up in ``warmup`` steps, constant, and down to 0 over the last share ``decay`` of the training.

    Until it falls the rate does not depend on the number of steps, so a training can be stopped, looked at and made
    longer (Hu 2024, MiniCPM; a cosine has to know its end at the beginning).
    """
    falls = steps * (1.0 - decay)

    def rate(step: int) -> float:
        return min((step + 1) / warmup, 1.0) * min(max(steps - step, 0) / max(steps - falls, 1.0), 1.0)

    return LambdaLR(optimizer, rate)


def memory_format(spatial_dims: int) -> torch.memory_format:
    """Channels last, in which a CPU convolves fastest."""
    return torch.channels_last if spatial_dims == 2 else torch.channels_last_3d


class TrainingCases:
    """The cases of a data folder by role, found and split once.

    Args:
        dataset_dir: folder with the data; there is no default.
        output_dir: where the split is written.
        find: how cases are found, e.g. ``monai_sr.data.find_scans`` or ``find_pairs``.
        split_file: a split made before; default: drawn by subject.
        validation_fraction: share of subjects that validate, if a split is drawn.
        seed: of a split that is drawn.
        only: modality of the cases that are used; the split is that of all.
        affine: for NIfTI files that state two different ones; needed with ``only``, which reads every file.

    Raises:
        ConfigRefused: in one sentence, if the folder is missing or empty, or the split does not fit it.
    """

    def __init__(
        self,
        dataset_dir: str | Path | None,
        output_dir: str | Path,
        find: Callable[[Path], list[Case]] = find_scans,
        split_file: str | Path | None = None,
        validation_fraction: float = 0.15,
        seed: int = 0,
        only: Literal["CT", "MR"] | None = None,
        affine: Literal["sform", "qform"] | None = None,
    ) -> None:
        if not dataset_dir:
            raise ConfigRefused("dataset_dir is not given; name the folder with the data: --dataset_dir DIR")
        self.output_dir = Path(output_dir)
        try:
            cases = find(Path(dataset_dir))
            if not cases:
                raise InputError(f"{dataset_dir} holds no NIfTI file and no DICOM series; dataset_dir names the data")
            roles, self.split = split_cases(
                cases, self.output_dir, Path(split_file) if split_file else None, validation_fraction, seed
            )
        except InputError as error:
            raise ConfigRefused(str(error)) from error
        if only is not None:
            roles = {role: of_modality(found, only, affine) for role, found in roles.items()}
            if not roles["train"]:
                raise ConfigRefused(f"{dataset_dir} holds no {only} to train on; change cases::only, or the split")
        self.roles: dict[str, list[Case]] = roles
        _logger.info("cases: %s", ", ".join(f"{len(found)} {role}" for role, found in roles.items() if found))

    def prepared(self, role: str, transform: Callable[..., Any] | Sequence[Callable[..., Any]]) -> list[dict[str, Any]]:
        """Cases of a role with deterministic transforms applied; the faulty are listed in ``set_aside_<role>.json``.

        Raises:
            ConfigRefused: if no case can be used to train on.
        """
        if not self.roles[role]:
            return []
        try:
            return prepare_cases(self.roles[role], transform, self.output_dir / f"set_aside_{role}.json")
        except InputError as error:
            if role != "train":
                _logger.warning("nobody is left in the role %s: %s", role, error)
                return []
            raise ConfigRefused(str(error)) from error

    def __repr__(self) -> str:
        return f"TrainingCases({ {role: len(found) for role, found in self.roles.items()} }, {Split.__name__})"


def prepare_network(
    network: nn.Module,
    device: torch.device | str,
    weights: str | Path | None = None,
    memory_format: torch.memory_format = torch.channels_last_3d,
) -> nn.Module:
    """Move a network where it trains, and start it from the weights of an earlier stage if given.

    Args:
        network: freshly built.
        device: where to.
        weights: state dict, e.g. the ``model.pt`` of the L1 stage.
        memory_format: ``channels_last_3d`` is faster than the default on a CPU; 2-D takes ``channels_last``.

    Raises:
        ConfigRefused: if the weights are missing or belong to another network.
    """
    if weights and str(weights) not in ("null", "none"):  # fire hands YAML's null over as text
        try:
            network.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
        except FileNotFoundError as error:
            raise ConfigRefused(f"init_weights: {weights} does not exist") from error
        except RuntimeError as error:
            reason = str(error).splitlines()[0]
            raise ConfigRefused(f"init_weights: {weights} does not fit network_def: {reason}") from error
        _logger.info("starting from the weights %s", weights)
    moved: nn.Module = network.to(device=torch.device(device), memory_format=memory_format)  # type: ignore[call-overload]
    return moved
