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
from typing import Any, Protocol

import torch
from monai.inferers import Inferer
from torch.nn import functional as F

from monai_sr.inference.memory import memory_budget

__all__ = ["HaloInferer", "Tile", "TileSource", "tile_shape", "tiles"]

_BYTES_PER_VOXEL = 160
"""Of networks that do not say."""


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
    """Core of the tiles such that none, halo included, has more than ``max_voxels``, with the least to compute in all.

    Every axis is cut into equal parts. Where even the smallest tile is too large, the smallest it is.
    """
    halo = _round_up(halo, multiple)  # as ``tiles`` reads it
    choices = [_cuts(n, halo, multiple) for n in shape]
    best, least = tuple(choice[-1][0] for choice in choices), float("inf")
    for combination in itertools.product(*choices):
        if math.prod(largest for _, largest, _ in combination) > max_voxels:
            continue
        work = math.prod(read for _, _, read in combination)
        if work < least:
            best, least = tuple(core for core, _, _ in combination), work
    return best


def _cuts(n: int, halo: int, multiple: int) -> list[tuple[int, int, int]]:
    """Per number of parts of an axis: core, what the largest tile reads, what all read; no core below halo / 2."""
    found: list[tuple[int, int, int]] = []
    smallest = max(_round_up(halo // 2, multiple), multiple)
    for parts in range(1, max(n // smallest, 1) + 1):
        core = _round_up(-(-n // parts), multiple)
        reads = [min(a + core + halo, n) - max(a - halo, 0) for a in range(0, n, core)]
        if not found or core < found[-1][0]:
            found.append((core, max(reads), sum(reads)))
    return found


class TileSource(Protocol):
    """What is tiled: a tensor, or something that computes a part when it is asked for it."""

    @property
    def shape(self) -> Sequence[int]:
        """``(B, C, X, Y, Z)`` or ``(B, C, X, Y)``."""

    @property
    def device(self) -> torch.device:
        """Where its parts lie."""

    def __getitem__(self, index: Any, /) -> torch.Tensor:
        """The part at these slices."""


class HaloInferer(Inferer):
    """A MONAI inferer for same-size networks, without blending.

    If the device runs out of memory the tile is halved and the work repeated, as often as it takes; where even the
    smallest tile does not fit on a GPU, the CPU does it. The result is put together in the memory of the input, so
    a GPU holds one tile at a time.

    Args:
        tile: edge of the kept core in voxels; None chooses it from the free memory.
        progress: called after each tile with the finished share, 0 to 1.

    Attributes:
        core: kept core of the tiles of the last call.
        device: where the last call ended.
        retreats: what was tried before, one sentence each.
    """

    def __init__(self, tile: int | None = None, progress: Callable[[float], None] | None = None) -> None:
        super().__init__()
        self.tile = tile
        self.progress = progress
        self.core: tuple[int, ...] = ()
        self.device: torch.device | None = None
        self.retreats: list[str] = []

    def choose_core(
        self, shape: Sequence[int], halo: int, multiple: int, device: torch.device, bytes_per_voxel: int
    ) -> tuple[int, ...]:
        """Kept core of the tiles for a volume of this shape."""
        if self.tile is not None:
            edge = _round_up(max(self.tile, multiple), multiple)
            return tuple(min(edge, _round_up(n, multiple)) for n in shape)
        return tile_shape(shape, halo, multiple, memory_budget(device) // bytes_per_voxel)

    def __call__(  # type: ignore[override]
        self, inputs: TileSource, network: torch.nn.Module, device: torch.device | None = None
    ) -> torch.Tensor:
        """Run the network over ``(B, C, X, Y, Z)``; only tiles are moved to ``device`` (default: the input's).

        Returns:
            ``(B, C', X, Y, Z)`` on the device of the input.
        """
        device = inputs.device if device is None else device
        multiple, halo = int(network.size_multiple), int(network.receptive_field)  # type: ignore[arg-type]
        padded = [_round_up(n, multiple) for n in inputs.shape[2:]]
        each = int(getattr(network, "bytes_per_voxel", _BYTES_PER_VOXEL)) * inputs.shape[0]
        core = self.choose_core(padded, halo, multiple, device, each)
        while True:
            self.core, self.device = core, device
            try:
                return self._run(inputs, network, device, padded, core, halo, multiple)
            except (RuntimeError, MemoryError) as error:
                if not _out_of_memory(error):
                    raise
                longest = max(core)
                if longest <= multiple and device.type == "cpu":
                    raise
            # here, where the error no longer holds what it was about to use
            if device.type == "cuda":
                torch.cuda.empty_cache()
            if longest > multiple:
                self.retreats.append(f"a tile of {core} did not fit into the memory of {device}")
                core = tuple(_round_up(c // 2, multiple) if c == longest else c for c in core)
            else:
                self.retreats.append(f"no tile fitted into the memory of {device}")
                device = torch.device("cpu")
                network = network.to(device)
                core = self.choose_core(padded, halo, multiple, device, each)

    def _run(
        self,
        inputs: TileSource,
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
                output = torch.empty((*y.shape[:2], *shape), dtype=y.dtype, device=inputs.device)
            target = output[(slice(None), slice(None), *tile.write)]
            inner = [slice(0, n) for n in target.shape[2:]]
            target.copy_(y[(slice(None), slice(None), *inner)])
            if self.progress is not None:
                self.progress(done / len(plan))
        assert output is not None
        return output


def _out_of_memory(error: BaseException) -> bool:
    # on a CPU torch raises a plain RuntimeError
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error)
