"""Every system of the comparison keeps what inference asks of a generator, in slices as in volumes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from monai_sr.degradation import CoarseAxis, SliceProfile, generator_input
from monai_sr.grid import AxisGrid
from monai_sr.inference import HaloInferer
from monai_sr.networks import (
    EDSR,
    SRCNN,
    AttentionSRResNet,
    ProgressiveSR,
    RRDBNet,
    SRAutoencoder,
    SRGenerator,
    SRResNet,
    UNetGenerator,
)

Make = Callable[[int], nn.Module]
SYSTEMS: dict[str, Make] = {
    "srcnn": lambda d: SRCNN(d, channels=(4, 2)),
    "autoencoder": lambda d: SRAutoencoder(d, channels=(4, 4), strides=(2, 1)),
    "srresnet": lambda d: SRResNet(d, channels=2, blocks=1),
    "edsr": lambda d: EDSR(d, channels=2, blocks=1),
    "rrdb": lambda d: RRDBNet(d, channels=2, growth=2, blocks=1),
    "attention": lambda d: AttentionSRResNet(d, channels=2, blocks=1),
    "progressive": lambda d: ProgressiveSR(d, channels=2, growth=2, blocks=(1, 1)),
    "unet": lambda d: UNetGenerator(d, channels=(4, 8), blocks=(1, 1)),
}


def learned(make: Make, spatial_dims: int) -> nn.Module:
    """As after a training: no layer is zero."""
    torch.manual_seed(0)
    network = make(spatial_dims).eval()
    for parameter in network.parameters():
        parameter.data += 0.05 * torch.randn_like(parameter)
    return network


@pytest.mark.parametrize("spatial_dims", [2, 3])
@pytest.mark.parametrize("name", SYSTEMS)
def test_the_contract(name: str, spatial_dims: int) -> None:
    network = SYSTEMS[name](spatial_dims)
    assert isinstance(network, SRGenerator)
    assert network.spatial_dims == spatial_dims
    assert network.consistency == (name == "unet"), "the published systems are measured without it"
    assert all(network.size_multiple % factor == 0 for factor in network.factors)


@pytest.mark.parametrize("spatial_dims", [2, 3])
@pytest.mark.parametrize("name", SYSTEMS)
def test_tiles_leave_no_trace(name: str, spatial_dims: int) -> None:
    """Along the restored axis, where the field of view of a network is largest; the others are as short as they may."""
    network = learned(SYSTEMS[name], spatial_dims)
    multiple = int(network.size_multiple)
    short = 12
    halo = -(-int(network.receptive_field) // 12) * 12
    length = 2 * halo + 24  # two tiles, neither of which sees all of the other
    factor = 2
    if spatial_dims == 3:
        acquired = torch.rand(short, short, length // factor)
        coarse = [CoarseAxis(-1, AxisGrid(length // factor, length), SliceProfile("box"))]
    else:
        acquired = torch.rand(short // factor, length // factor)
        coarse = [
            CoarseAxis(axis, AxisGrid(n, factor * n), SliceProfile("box")) for axis, n in enumerate(acquired.shape)
        ]
    x = generator_input(acquired, coarse, 0.0, "MR")[None]
    with torch.no_grad():
        whole = network(x)
        tiled = HaloInferer(tile=halo + 12)(x, network)
    assert length % multiple == 0
    assert not torch.allclose(whole, x[:, 1:2], atol=1e-3), "the network must have changed something"
    torch.testing.assert_close(tiled, whole, atol=2e-4, rtol=0)
