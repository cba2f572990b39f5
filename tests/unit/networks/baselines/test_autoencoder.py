from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import nn

from monai_sr.networks import SRAutoencoder, SRGenerator

PLAIN = (nn.Conv2d, nn.Conv3d)
TRANSPOSED = (nn.ConvTranspose2d, nn.ConvTranspose3d)


@pytest.mark.parametrize(("strides", "multiple"), [((2, 2, 1), 4), ((2, 1), 2), ((2, 2, 2), 8)])
def test_the_contract(strides: Sequence[int], multiple: int) -> None:
    network = SRAutoencoder(channels=(4, 6, 8)[: len(strides)], strides=strides)
    assert isinstance(network, SRGenerator)
    assert (network.size_multiple, network.factors, network.consistency) == (multiple, (), False)
    x = torch.rand(1, 5, *[3 * multiple] * 3)
    assert network(x).shape == (1, 1, *x.shape[2:])


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_it_encodes_to_a_bottleneck_and_decodes_with_transposed_convolutions(spatial_dims: int) -> None:
    network = SRAutoencoder(spatial_dims, channels=(4, 6, 8), strides=(2, 2, 1))
    layers: list[tuple[bool, int, int]] = []
    for module in network.modules():
        if isinstance(module, (*PLAIN, *TRANSPOSED)):
            module.register_forward_hook(lambda m, _, y: layers.append((isinstance(m, TRANSPOSED), *y.shape[1:3])))
    network(torch.rand(1, 5, *[16] * spatial_dims))
    assert layers == [
        (False, 4, 8), (False, 6, 4), (False, 8, 4),  # down to a quarter of the size along every axis
        (True, 6, 4), (True, 4, 8), (True, 1, 16),
    ]  # fmt: skip
    kinds = {type(m).__name__ for m in network.modules()}
    assert not any("Norm" in kind or "Skip" in kind for kind in kinds)


def test_there_is_no_way_around_the_bottleneck() -> None:
    """With the bottleneck silenced the decoder knows nothing of the volume."""
    torch.manual_seed(0)
    network = SRAutoencoder(spatial_dims=2, channels=(4, 6, 8), strides=(2, 2, 1)).eval()
    bottleneck = [m for m in network.net.encode.modules() if isinstance(m, nn.Conv2d)][-1]
    x, y = torch.rand(2, 1, 5, 32, 32)
    added = [network(v) - v[:, 1:2] for v in (x, y)]
    assert not torch.allclose(*added, atol=1e-4)
    nn.init.zeros_(bottleneck.weight)
    added = [network(v) - v[:, 1:2] for v in (x, y)]
    torch.testing.assert_close(*added, atol=1e-6, rtol=0)


def test_the_receptive_field_is_not_understated() -> None:
    torch.manual_seed(0)
    network = SRAutoencoder(spatial_dims=2, channels=(4, 4), strides=(2, 2)).eval()
    n = network.size_multiple
    size = 2 * (network.receptive_field // n + 3) * n
    for centre in range(size // 2, size // 2 + n):  # wherever in its cell
        x = torch.rand(1, 5, 8 * n, size, requires_grad=True)
        network(x)[0, 0, 4 * n, centre].backward()
        assert x.grad is not None
        seen = torch.nonzero(x.grad[0, 1].abs().amax(dim=0)).flatten() - centre
        assert network.receptive_field // 3 <= int(seen.abs().max()) <= network.receptive_field


def test_brightness_goes_around_it() -> None:
    network = SRAutoencoder(spatial_dims=2, channels=(4, 6), strides=(2, 2)).eval()
    x = torch.rand(1, 5, 48, 48)
    brighter = x.clone()
    brighter[:, 1] += 0.25
    torch.testing.assert_close(network(brighter), network(x) + 0.25, atol=1e-5, rtol=0)
