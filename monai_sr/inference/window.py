"""Run a network over a volume in tiles without leaving a trace of them.

Tile origins lie on multiples of the network's stride, and every tile carries a halo of at least the receptive field
which is cut off, not blended. Then each output voxel is computed from the same inputs in the same phase, whatever the
tile size: the result does not depend on it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import psutil
import torch
from monai.inferers import Inferer
from torch.nn import functional as F

__all__ = ["HaloInferer", "Tile", "memory_budget", "tile_shape", "tiles"]

BYTES_PER_VOXEL = 160
"""Working memory allowed per tile voxel; the default generator takes about 100 (``benchmarks/speed.py``)."""
_MAX_TILE_VOXELS = 24_000_000  # larger tiles save no time


@dataclass(frozen=True)
class Tile:
    """One tile: what is read of the volume, which part of the output is kept, and where it goes."""

    read: tuple[slice, ...]
    keep: tuple[slice, ...]
    write: tuple[slice, ...]


def _round_up(n: int, multiple: int) -> int:
    return -(-n // multiple) * multiple


def tiles(shape: Sequence[int], core: Sequence[int], halo: int, multiple: int) -> Iterator[Tile]:
    """Cover a volume with tiles.

    Args:
        shape: of the volume; every size a multiple of ``multiple``.
        core: part of a tile that is kept, a multiple of ``multiple`` along each axis.
        halo: voxels read around the core where the volume goes on; rounded up to ``multiple``.
        multiple: stride of the network.
    """
    halo = _round_up(halo, multiple)
    axes = []
    for n, c in zip(shape, core, strict=True):
        if n % multiple or c % multiple or c < multiple:
            raise ValueError(f"size {n} and core {c} must be multiples of {multiple}")
        axes.append([(first, min(first + c, n)) for first in range(0, n, c)])
    for spans in itertools.product(*axes):
        read = tuple(slice(max(a - halo, 0), min(b + halo, n)) for (a, b), n in zip(spans, shape, strict=True))
        keep = tuple(slice(a - r.start, b - r.start) for (a, b), r in zip(spans, read, strict=True))
        yield Tile(read, keep, tuple(slice(a, b) for a, b in spans))


def tile_shape(shape: Sequence[int], halo: int, multiple: int, max_voxels: int) -> tuple[int, ...]:
    """Core of the tiles such that none, halo included, has more than ``max_voxels``, with little halo in all.

    The axis whose core is longest is halved until the tile fits or the cores are as small as the halo.
    """
    core = [_round_up(n, multiple) for n in shape]
    halo = _round_up(halo, multiple)  # as ``tiles`` reads it

    def read(sizes: Sequence[int]) -> int:
        return math.prod(min(c + 2 * halo, _round_up(n, multiple)) for c, n in zip(sizes, shape, strict=True))

    smallest = max(halo // 2, multiple)
    while read(core) > max_voxels:
        axis = max(range(len(core)), key=lambda a: core[a])
        if core[axis] <= smallest:
            break
        core[axis] = max(_round_up(core[axis] // 2, multiple), multiple)
    return tuple(core)


def memory_budget(device: torch.device) -> int:
    """Bytes that tiles may take: half of what is free on the device now."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0] * 0.5)
    return int(psutil.virtual_memory().available * 0.5)


class HaloInferer(Inferer):
    """A MONAI inferer for same-size networks, without blending.

    If the device runs out of memory the tile is halved and the tile repeated, as often as it takes.

    Args:
        tile: edge of the kept core in voxels; None chooses it from the free memory.
        progress: called after each tile with the finished share, 0 to 1.
    """

    def __init__(self, tile: int | None = None, progress: Callable[[float], None] | None = None) -> None:
        super().__init__()
        self.tile = tile
        self.progress = progress

    def core(self, shape: Sequence[int], halo: int, multiple: int, device: torch.device) -> tuple[int, ...]:
        """Kept core of the tiles for a volume of this shape."""
        if self.tile is not None:
            edge = _round_up(max(self.tile, multiple), multiple)
            return tuple(min(edge, _round_up(n, multiple)) for n in shape)
        fits = min(memory_budget(device) // BYTES_PER_VOXEL, _MAX_TILE_VOXELS)
        return tile_shape(shape, halo, multiple, fits)

    def __call__(  # type: ignore[override]
        self, inputs: torch.Tensor, network: torch.nn.Module, device: torch.device | None = None
    ) -> torch.Tensor:
        """Run the network over ``(B, C, X, Y, Z)``; only tiles are moved to ``device`` (default: the input's).

        Returns:
            ``(B, C', X, Y, Z)`` on the device of the input.
        """
        device = inputs.device if device is None else device
        multiple, halo = int(network.size_multiple), int(network.receptive_field)  # type: ignore[arg-type]
        shape = inputs.shape[2:]
        padded = [_round_up(n, multiple) for n in shape]
        core = self.core(padded, halo, multiple, device)
        while True:
            try:
                return self._run(inputs, network, device, padded, core, halo, multiple)
            except torch.OutOfMemoryError:
                longest = max(core)
                if longest <= multiple:
                    raise
                core = tuple(_round_up(c // 2, multiple) if c == longest else c for c in core)
            torch.cuda.empty_cache()

    def _run(
        self,
        inputs: torch.Tensor,
        network: torch.nn.Module,
        device: torch.device,
        padded: Sequence[int],
        core: Sequence[int],
        halo: int,
        multiple: int,
    ) -> torch.Tensor:
        shape = inputs.shape[2:]
        plan = list(tiles(padded, core, halo, multiple))
        output: torch.Tensor | None = None
        for done, tile in enumerate(plan, start=1):
            x = inputs[(slice(None), slice(None), *tile.read)]
            missing = [r.stop - r.start - n for r, n in zip(tile.read, x.shape[2:], strict=True)]
            if any(missing):
                x = F.pad(x, [v for m in reversed(missing) for v in (0, m)], mode="replicate")
            y = network(x.to(device))[(slice(None), slice(None), *tile.keep)].to(inputs.device)
            if output is None:
                output = inputs.new_empty((*y.shape[:2], *shape))
            target = output[(slice(None), slice(None), *tile.write)]
            inner = [slice(0, n) for n in target.shape[2:]]
            target.copy_(y[(slice(None), slice(None), *inner)])
            if self.progress is not None:
                self.progress(done / len(plan))
        assert output is not None
        return output
