"""Several processes train one model: each takes its own samples of a step, and gradients are averaged.

No wrapper around the network, so checkpoints, the moving average and the discriminator's two passes stay what they are
in one process; n processes with batch b do what one process does with batch n b.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

import torch
from torch import distributed, nn

__all__ = ["average_gradients", "average_values", "in_any_process", "start_processes", "stop_processes"]


def start_processes() -> None:
    """Join the processes that ``torchrun`` started: NCCL on GPUs, gloo on CPUs."""
    if distributed.is_initialized():
        return
    on_gpu = torch.cuda.is_available()
    if on_gpu:
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    distributed.init_process_group("nccl" if on_gpu else "gloo")


def stop_processes() -> None:
    """Leave the group."""
    if distributed.is_initialized():
        distributed.destroy_process_group()


def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Replace all gradients by their mean over the processes, in one message; alone it does nothing."""
    if not _several():
        return
    gradients = [p.grad for p in parameters if p.grad is not None]
    flat = torch.cat([g.reshape(-1) for g in gradients])
    distributed.all_reduce(flat)
    flat /= distributed.get_world_size()
    for gradient, mean in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(mean.view_as(gradient))


def average_values(values: Mapping[str, float], device: torch.device) -> dict[str, float]:
    """Means over the processes of values that all of them have by the same names; alone they stay as they are.

    Args:
        values: e.g. the losses of one step.
        device: on which the processes talk.
    """
    if not _several():
        return dict(values)
    means = torch.tensor(list(values.values()), dtype=torch.float32, device=device)
    distributed.all_reduce(means)
    return dict(zip(values, (means / distributed.get_world_size()).tolist(), strict=True))


def in_any_process(found: bool, device: torch.device) -> bool:
    """Whether something was found in at least one process; all of them learn it, so that none waits for one that ended.

    Args:
        found: in this process.
        device: on which the processes talk.
    """
    if not _several():
        return found
    flag = torch.tensor(float(found), device=device)
    distributed.all_reduce(flag, distributed.ReduceOp.MAX)
    return bool(flag)


def _several() -> bool:
    return distributed.is_available() and distributed.is_initialized() and distributed.get_world_size() > 1
