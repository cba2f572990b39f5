from __future__ import annotations

import numpy as np
import torch
from scipy.ndimage import uniform_filter
from torch import nn

from monai_sr.networks import AttentionSRResNet, SRGenerator
from monai_sr.networks.baselines.attention import _ChannelAttention, _PlaceAttention


def test_the_contract() -> None:
    network = AttentionSRResNet(channels=4, blocks=1)
    assert isinstance(network, SRGenerator)
    assert (network.size_multiple, network.factors, network.consistency) == (12, (2, 3, 4), False)
    # a block: two convolutions, the neighbourhood of the channel weights, the kernel of the place weights
    assert AttentionSRResNet(channels=4, blocks=2).receptive_field == network.receptive_field + (2 + 4 + 1) * 4


def test_every_block_weighs_channels_and_then_places() -> None:
    network = AttentionSRResNet(spatial_dims=2, channels=8, blocks=3)
    for block in list(network.trunk.blocks)[:-1]:
        kinds = [type(m) for m in block.branch]
        assert kinds[-2:] == [_ChannelAttention, _PlaceAttention]
        assert sum(isinstance(m, nn.BatchNorm2d) for m in block.modules()) == 2
        assert sum(isinstance(m, nn.PReLU) for m in block.modules()) == 1


def test_channels_are_weighed_by_their_mean_around_each_place() -> None:
    """Against scipy's mean over 9 voxels and the two dense layers written as matrices."""
    torch.manual_seed(0)
    attention = _ChannelAttention(2, 8)
    x = torch.rand(1, 8, 20, 20)
    means = uniform_filter(x[0].double().numpy(), size=(1, 9, 9))
    first, second = (m for m in attention.modules() if isinstance(m, nn.Conv2d))
    assert (first.in_channels, first.out_channels, second.out_channels) == (8, 2, 8)
    w1, w2 = (np.asarray(c.weight.detach()[..., 0, 0], dtype=float) for c in (first, second))
    b1, b2 = (np.asarray(c.bias.detach(), dtype=float)[:, None] for c in (first, second))  # type: ignore[union-attr]
    hidden = np.maximum(w1 @ means.reshape(8, -1) + b1, 0)
    weights = (1 / (1 + np.exp(-(w2 @ hidden + b2)))).reshape(8, 20, 20)
    inner = (slice(None), slice(4, -4), slice(4, -4))
    found = attention(x)[0].detach().numpy()
    np.testing.assert_allclose(found[inner], (x[0].numpy() * weights)[inner], atol=1e-5)


def test_places_have_one_weight_for_all_channels() -> None:
    torch.manual_seed(0)
    attention = _PlaceAttention(3)
    x = 0.5 + torch.rand(1, 6, 5, 5, 5)
    weights = attention(x) / x
    torch.testing.assert_close(weights, weights[:, :1].expand_as(weights))
    assert 0 < float(weights.detach().min()) < float(weights.detach().max()) < 1
    # mean and maximum over the channels are all it knows, so their order does not matter
    torch.testing.assert_close(attention(x.flip(1)), attention(x).flip(1))


def test_an_attention_that_is_closed_leaves_the_way_around() -> None:
    network = AttentionSRResNet(spatial_dims=2, channels=4, blocks=1).eval()
    block = network.trunk.blocks[0]
    place = next(m for m in block.branch[-1].modules() if isinstance(m, nn.Conv2d))
    nn.init.zeros_(place.weight)
    assert place.bias is not None
    nn.init.constant_(place.bias, -100.0)
    x = torch.rand(1, 4, 8, 8)
    torch.testing.assert_close(block(x), x)
