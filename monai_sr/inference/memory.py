"""How much memory a run will need, and how much there is: known before anything large is allocated."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from monai_sr.io import InputError
from monai_sr.io.memory import free_memory

__all__ = ["MemoryNeed", "memory_budget", "memory_need"]

_FLOAT = 4
_CPU_TILE_BYTES = 2_900_000_000
"""More for a tile saves little time, and a laptop has other things to do with its memory."""
_GPU_TILE_BYTES = 8_000_000_000
"""A GPU is busy with less, and tensors of 2^31 values and more leave cuDNN's fast kernels."""
_BESIDE = 100_000_000  # slabs of the work around the network


def memory_budget(device: torch.device) -> int:
    """Bytes that tiles may take: half of what is free on the device now, at most 2.9 GB on a CPU and 8 GB on a GPU."""
    if device.type == "cuda":
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)  # by torch, and free to it
        return min(int((torch.cuda.mem_get_info(device)[0] + kept) * 0.5), _GPU_TILE_BYTES)
    return min(int(free_memory() * 0.5), _CPU_TILE_BYTES)


@dataclass(frozen=True)
class MemoryNeed:
    """What a run will take of the host's memory, in bytes.

    Args:
        acquired: the scan as it was read, and once more with its axes in the order of the work.
        result: the restored volume; once more for each further axis, ensemble or map that is held beside it.
        tile: working memory of the network and of what is around it.
        free: what there is.
    """

    acquired: int
    result: int
    tile: int
    free: int

    @property
    def total(self) -> int:
        """Of all parts."""
        return self.acquired + self.result + self.tile

    def __str__(self) -> str:
        parts = (self.total, self.acquired, self.result, self.tile, self.free)
        total, acquired, result, tile, free = (f"{part / 1e9:.1f} GB" for part in parts)
        return f"needs {total} of memory (scan {acquired}, result {result}, tile {tile}); {free} are free"

    def refuse_if_too_much(self, name: str) -> None:
        """Refuse what cannot work even with the smallest tiles.

        Raises:
            InputError: with the numbers.
        """
        if self.acquired + self.result > self.free:
            raise InputError(f"{name}: {self}; crop the scan, ask for a smaller factor, or use a larger machine")


def memory_need(
    acquired: Sequence[int],
    target: Sequence[int],
    device: torch.device,
    *,
    volumes: int,
    bytes_per_voxel: int,
    tile: int | None = None,
) -> MemoryNeed:
    """Estimate for one scan.

    Args:
        acquired: its shape.
        target: shape of the result.
        device: where the network runs; on a GPU the tile is not of the host's memory.
        volumes: how many volumes of the target's size are held at once.
        bytes_per_voxel: working memory of the network.
        tile: edge of the tiles, where the user has chosen it; what they read around it is counted as half an edge.
    """
    voxels = math.prod(target)
    if device.type != "cpu":
        working = 0
    elif tile is not None:
        working = min(voxels, (2 * tile) ** 3) * bytes_per_voxel
    else:
        working = min(voxels * bytes_per_voxel, memory_budget(device))
    return MemoryNeed(2 * _FLOAT * math.prod(acquired), volumes * _FLOAT * voxels, working + _BESIDE, free_memory())
