from __future__ import annotations

import torch
from torch import nn

from monai_sr.networks import RRDBNet, SRGenerator
from monai_sr.networks.blocks import ResidualDenseBlock

CHANNELS, GROWTH = 6, 3


def test_the_contract() -> None:
    network = RRDBNet(channels=4, growth=2, blocks=1)
    assert isinstance(network, SRGenerator)
    assert (network.size_multiple, network.factors, network.consistency) == (12, (2, 3, 4), False)
    # three dense blocks of five convolutions each
    assert RRDBNet(channels=4, growth=2, blocks=2).receptive_field == network.receptive_field + 15 * 4


def test_a_dense_block_hands_everything_found_to_every_later_layer() -> None:
    block = ResidualDenseBlock(2, CHANNELS, GROWTH)
    convolutions = [m for m in block.modules() if isinstance(m, nn.Conv2d)]
    assert [(c.in_channels, c.out_channels) for c in convolutions] == [(6, 3), (9, 3), (12, 3), (15, 3), (18, 6)]
    slopes = [m.negative_slope for m in block.modules() if isinstance(m, nn.LeakyReLU)]
    assert slopes == [0.2] * 4, "none behind the last"


def test_a_dense_block_is_what_the_paper_writes_down() -> None:
    torch.manual_seed(0)
    block = ResidualDenseBlock(2, CHANNELS, GROWTH)
    *inner, last = [m for m in block.modules() if isinstance(m, nn.Conv2d)]
    x = torch.rand(1, CHANNELS, 7, 7)
    found = x
    for convolution in inner:
        found = torch.cat([found, nn.functional.leaky_relu(convolution(found), 0.2)], dim=1)
    torch.testing.assert_close(block(x), x + 0.2 * last(found))


def test_dense_blocks_are_three_in_a_row_and_scaled_again() -> None:
    torch.manual_seed(0)
    network = RRDBNet(spatial_dims=2, channels=CHANNELS, growth=GROWTH, blocks=2)
    outer = list(network.trunk.blocks)[:-1]
    assert len(outer) == 2
    x = torch.rand(1, CHANNELS, 7, 7)
    for rrdb in outer:
        dense = [m for m in rrdb.modules() if isinstance(m, ResidualDenseBlock)]
        assert len(dense) == 3
        torch.testing.assert_close(rrdb(x), x + 0.2 * dense[2](dense[1](dense[0](x))))


def test_there_is_no_normalisation() -> None:
    for dims in (2, 3):
        network = RRDBNet(dims, channels=4, growth=2, blocks=1)
        assert not any("Norm" in type(m).__name__ for m in network.modules())
        x = torch.rand(1, 1, *[8] * dims)
        assert torch.equal(network.train().trunk(x), network.eval().trunk(x))
