"""Which sample is drawn at which step: a function of step and rank alone, so that training can resume anywhere."""

from __future__ import annotations

from collections.abc import Iterator

from torch.utils.data import Sampler

__all__ = ["StepSampler"]


class StepSampler(Sampler[int]):
    """Sample indices for a fixed number of optimiser steps, in order.

    With several processes each takes its own samples of every step, so a run on n GPUs with batch b sees the samples of
    a run on one GPU with batch n b.

    Args:
        steps: optimiser steps of the whole training.
        batch_size: samples per step and process.
        rank: number of this process.
        world_size: number of processes.

    Attributes:
        start_step: first step to draw; set it to the steps already done before resuming.
    """

    def __init__(self, steps: int, batch_size: int, rank: int = 0, world_size: int = 1) -> None:
        self.steps = steps
        self.batch_size = batch_size
        self.rank = rank
        self.world_size = world_size
        self.start_step = 0

    def __iter__(self) -> Iterator[int]:
        """Indices of all samples from ``start_step`` on."""
        for step in range(self.start_step, self.steps):
            first = (step * self.world_size + self.rank) * self.batch_size
            yield from range(first, first + self.batch_size)

    def __len__(self) -> int:
        """Samples of this process in the whole training."""
        return self.steps * self.batch_size
