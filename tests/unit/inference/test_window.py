"""Tiles leave no trace: every voxel once, in phase with the network's stride, with all that it can see."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from torch import nn

from monai_sr.inference import HaloInferer
from monai_sr.inference.window import tile_shape, tiles
from monai_sr.networks import UNetGenerator


def network(channels: tuple[int, ...] = (4, 8), blocks: tuple[int, ...] = (1, 1)) -> UNetGenerator:
    torch.manual_seed(0)
    made = UNetGenerator(channels=channels, blocks=blocks).eval()
    torch.nn.init.normal_(made.head_out.conv.weight, std=0.3)
    return made


def image(*shape: int) -> torch.Tensor:
    x = torch.rand(1, 7, *shape, generator=torch.Generator().manual_seed(1))
    x[:, 2:] = torch.tensor([0.75, 1.0, 0.3, 0.5, 0.1])[None, :, None, None, None]
    return x


@pytest.mark.parametrize("core", [(8, 8, 8), (16, 24, 8), (48, 40, 56)])
def test_every_voxel_is_written_once_and_tiles_start_in_phase(core: tuple[int, int, int]) -> None:
    shape = (48, 40, 56)
    written = np.zeros(shape, int)
    for tile in tiles(shape, core, halo=13, multiple=8):
        written[tile.write] += 1
        for read, keep, write, n in zip(tile.read, tile.keep, tile.write, shape, strict=True):
            assert read.start % 8 == 0
            assert (read.stop - read.start) % 8 == 0
            assert read.start + keep.start == write.start
            assert keep.stop - keep.start == write.stop - write.start
            assert read.start == 0 or write.start - read.start >= 13
            assert read.stop == n or read.stop - write.stop >= 13
    assert (written == 1).all()


def test_tiles_out_of_phase_are_refused() -> None:
    with pytest.raises(ValueError, match="multiples of 8"):
        list(tiles((48, 40, 50), (16, 16, 16), 8, 8))
    with pytest.raises(ValueError, match="multiples of 8"):
        list(tiles((48, 40, 56), (12, 16, 16), 8, 8))


@pytest.mark.parametrize("limit", [20_000, 100_000, 10**9])
def test_the_tile_fits_with_its_halo(limit: int) -> None:
    shape, halo = (96, 80, 64), 10
    core = tile_shape(shape, halo, 8, limit)
    for tile in tiles(shape, core, halo, 8):
        assert np.prod([r.stop - r.start for r in tile.read]) <= max(limit, (8 + 2 * 16) ** 3)
    assert (core == shape) == (limit == 10**9)


@pytest.mark.parametrize("shape", [(56, 40, 48), (55, 34, 45)])
def test_the_result_does_not_depend_on_the_tile(shape: tuple[int, int, int]) -> None:
    net, x = network(), image(*shape)
    with torch.inference_mode():
        results = [HaloInferer(tile)(x, net) for tile in (16, 24, 40, None)]
    spread = results[-1].max() - results[-1].min()
    assert spread > 0.5  # the network does something
    for result in results[:-1]:
        assert (result - results[-1]).abs().max() < 1e-3 * spread


def test_a_halo_below_the_receptive_field_would_be_seen() -> None:
    """That the test above can fail: half of the receptive field is not enough."""
    net, x = network(), image(72, 64, 64)
    with torch.inference_mode():
        whole = HaloInferer()(x, net)
        net.receptive_field = 4
        tiled = HaloInferer(16)(x, net)
    assert (tiled - whole).abs().max() > 1e-3 * (whole.max() - whole.min())


def test_the_stated_receptive_field_is_true_and_not_wasteful() -> None:
    net, x = network(), image(96, 16, 16)
    with torch.inference_mode():
        before = net(x)
        reach = 0
        for place in (48, 49, 50, 51):
            changed = x.clone()
            changed[:, :2, place] += 10.0
            moved = (net(changed) - before).abs().amax(dim=(0, 1, 3, 4)) > 1e-7
            touched = torch.nonzero(moved).flatten()
            reach = max(reach, place - int(touched.min()), int(touched.max()) - place)
    assert reach <= net.receptive_field
    assert reach >= net.receptive_field - 2 * net.size_multiple


def test_no_tile_is_padded_where_the_volume_goes_on() -> None:
    """A network that passes its input through returns the input, odd sizes included."""

    class Identity(nn.Module):
        size_multiple, receptive_field = 8, 5

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            assert all(n % 8 == 0 for n in x.shape[2:])
            return x[:, :1]

    x = image(37, 22, 41)
    for tile in (8, 16, None):
        assert torch.equal(HaloInferer(tile)(x, Identity()), x[:, :1])


class Greedy(nn.Module):
    """Runs out of memory on tiles above a limit."""

    size_multiple, receptive_field = 4, 0

    def __init__(self, limit: int) -> None:
        super().__init__()
        self.limit, self.refused = limit, 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x[0, 0].numel() > self.limit:
            self.refused += 1
            raise torch.OutOfMemoryError("out of memory")
        return 2.0 * x[:, :1]


def test_out_of_memory_halves_the_tile_until_it_fits() -> None:
    x, net = image(32, 32, 32), Greedy(5000)
    assert torch.equal(HaloInferer()(x, net), 2.0 * x[:, :1])
    assert net.refused > 0


def test_out_of_memory_at_the_smallest_tile_is_an_error() -> None:
    with pytest.raises(torch.OutOfMemoryError):
        HaloInferer()(image(16, 16, 16), Greedy(10))


def test_progress_rises_to_one() -> None:
    shares: list[float] = []
    HaloInferer(16, shares.append)(image(48, 32, 32), Greedy(10**9))
    assert shares[-1] == 1.0
    assert len(shares) == 12
    assert all(a < b for a, b in itertools.pairwise(shares))


def test_the_tile_is_cut_where_least_is_computed_twice() -> None:
    """A CT at 1 mm: two halves read a fifth more than there is, four quarters would read half more."""
    shape, halo, limit = (512, 512, 300), 56, 49_000_000
    core = tile_shape(shape, halo, 4, limit)
    read = [np.prod([r.stop - r.start for r in tile.read]) for tile in tiles(shape, core, halo, 4)]
    assert max(read) <= limit
    assert sum(read) / np.prod(shape) < 1.25


def test_a_cpu_without_memory_halves_too() -> None:
    class OutOfHostMemory(Greedy):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            try:
                return super().forward(x)
            except torch.OutOfMemoryError:
                raise RuntimeError(
                    "[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory"
                ) from None

    x, infer = image(32, 32, 32), HaloInferer()
    assert torch.equal(infer(x, OutOfHostMemory(5000)), 2.0 * x[:, :1])
    assert infer.retreats[0] == "a tile of (32, 32, 32) did not fit into the memory of cpu"
    assert np.prod(infer.core) <= 5000


def test_other_errors_are_no_lack_of_memory() -> None:
    class Broken(Greedy):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            raise RuntimeError("something else")

    with pytest.raises(RuntimeError, match="something else"):
        HaloInferer()(image(16, 16, 16), Broken(1))


def test_where_no_tile_fits_on_the_device_the_cpu_does_it() -> None:
    """``meta`` stands for a GPU here: the ladder is the same wherever the memory is missing."""

    class OnlyCpu(nn.Module):
        size_multiple, receptive_field = 4, 0

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if x.device.type != "cpu":
                raise torch.OutOfMemoryError("out of memory")
            return 2.0 * x[:, :1]

    x, infer = image(16, 16, 16), HaloInferer(8)
    assert torch.equal(infer(x, OnlyCpu(), torch.device("meta")), 2.0 * x[:, :1])
    assert infer.device == torch.device("cpu")
    assert infer.retreats[-1] == "no tile fitted into the memory of meta"
