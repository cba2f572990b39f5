from __future__ import annotations

import pytest
import torch
from torch import nn

from monai_sr.networks import SRCNN, SRGenerator


def moved(network: nn.Module) -> nn.Module:
    """Last layer no longer zero."""
    torch.manual_seed(0)
    for parameter in network.parameters():
        parameter.data += 0.05 * torch.randn_like(parameter)
    return network.eval()


def test_the_contract() -> None:
    network = SRCNN(spatial_dims=2)
    assert isinstance(network, SRGenerator)
    assert (network.size_multiple, network.factors, network.consistency) == (1, (), False)
    assert network.receptive_field == 4 + 0 + 2 + 8  # the three kernels, and the local mean that is taken off


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_untrained_it_is_the_interpolation(spatial_dims: int) -> None:
    x = torch.rand(2, 5, *[11] * spatial_dims)
    assert torch.equal(SRCNN(spatial_dims, channels=(4, 2))(x), x[:, 1:2])


def test_it_is_three_convolutions_of_9_1_and_5() -> None:
    network = SRCNN(spatial_dims=2)
    convolutions = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
    shapes = [(c.in_channels, c.out_channels, c.kernel_size) for c in convolutions]
    assert shapes == [(1, 64, (9, 9)), (64, 32, (1, 1)), (32, 1, (5, 5))]
    assert [type(m) for m in network.modules() if not list(m.children())] == [
        nn.Conv2d, nn.ReLU, nn.Conv2d, nn.ReLU, nn.Conv2d
    ]  # fmt: skip


def test_it_sees_the_interpolation_alone_and_not_its_brightness() -> None:
    network = moved(SRCNN(spatial_dims=2, channels=(4, 2)))
    x = torch.rand(1, 5, 40, 40)
    other = x.clone()
    other[:, [0, 2, 3, 4]] = 0.5
    assert torch.equal(network(x), network(other))
    brighter = x.clone()
    brighter[:, 1] += 0.25
    torch.testing.assert_close(network(brighter), network(x) + 0.25, atol=1e-5, rtol=0)
    assert not torch.allclose(network(x), x[:, 1:2], atol=0.01)


def test_the_stated_receptive_field_holds() -> None:
    network = moved(SRCNN(spatial_dims=2, channels=(4, 2)))
    x = torch.rand(1, 5, 41, 41, requires_grad=True)
    network(x)[0, 0, 20, 20].backward()
    assert x.grad is not None
    seen = torch.nonzero(x.grad[0, 1].abs().amax(dim=1)).flatten() - 20
    assert int(seen.abs().max()) == network.receptive_field
