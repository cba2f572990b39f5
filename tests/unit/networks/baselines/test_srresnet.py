from __future__ import annotations

import pytest
import torch
from torch import nn

from monai_sr.networks import EDSR, SRGenerator, SRResNet

NORMS = (nn.BatchNorm2d, nn.BatchNorm3d, nn.InstanceNorm2d, nn.InstanceNorm3d)


def count(network: nn.Module, *kinds: type[nn.Module]) -> int:
    return sum(isinstance(m, kinds) for m in network.modules())


@pytest.mark.parametrize("kind", [SRResNet, EDSR])
@pytest.mark.parametrize(("factors", "multiple"), [((2, 3, 4), 12), ((2, 4), 4), ((3,), 3)])
def test_the_contract(kind: type[SRResNet | EDSR], factors: tuple[int, ...], multiple: int) -> None:
    network = kind(channels=4, blocks=1, factors=factors)
    assert isinstance(network, SRGenerator)
    assert (network.size_multiple, network.factors, network.consistency) == (multiple, factors, False)
    assert network.receptive_field > max(factors) * (2 * 1 + 1)
    assert kind(channels=4, blocks=3, factors=factors).receptive_field == network.receptive_field + 4 * max(factors)


def test_srresnet_has_batch_norm_and_prelu() -> None:
    network = SRResNet(spatial_dims=2, channels=8, blocks=3, outer_kernel=9)
    trunk = network.trunk
    assert count(trunk, *NORMS) == count(trunk, nn.BatchNorm2d) == 2 * 3 + 1
    assert count(trunk, nn.PReLU) == 1 + 3  # behind the head, and one in each block
    assert count(network, nn.ReLU, nn.LeakyReLU) == 0
    convolutions = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
    assert [c.kernel_size for c in convolutions if c.kernel_size != (3, 3)] == [(9, 9), (9, 9)]
    assert convolutions[0].in_channels == 1 and network.last.conv.out_channels == 1
    assert count(network.tails, nn.PReLU) == 1 + 1 + 2  # one behind each shuffle; x4 is x2 twice


def test_edsr_has_no_norm_and_scales_what_a_block_adds_by_a_tenth() -> None:
    network = EDSR(spatial_dims=2, channels=8, blocks=3)
    assert count(network, *NORMS) == 0
    assert count(network.trunk, nn.ReLU) == 3  # one in each block, none behind the head
    assert count(network, nn.PReLU) == 0
    full = EDSR(spatial_dims=2, channels=8, blocks=3, scale=1.0)
    full.load_state_dict(network.state_dict())
    x = torch.rand(1, 8, 6, 6)
    for tenth, whole in list(zip(network.trunk.blocks, full.trunk.blocks, strict=True))[:-1]:
        torch.testing.assert_close(tenth(x) - x, 0.1 * (whole(x) - x))
        assert float((whole(x) - x).abs().max()) > 1e-3


@pytest.mark.parametrize("kind", [SRResNet, EDSR])
def test_the_trunk_has_a_way_around_all_blocks(kind: type[SRResNet | EDSR]) -> None:
    network = kind(spatial_dims=2, channels=4, blocks=2).eval()
    last = [m for m in network.trunk.blocks.modules() if isinstance(m, nn.Conv2d)][-1]
    nn.init.zeros_(last.weight)
    assert last.bias is not None
    nn.init.zeros_(last.bias)
    x = torch.rand(1, 1, 8, 8)
    assert torch.equal(network.trunk(x), network.trunk.head(x))


@pytest.mark.parametrize("kind", [SRResNet, EDSR])
def test_the_trunk_works_on_the_acquired_grid(kind: type[SRResNet | EDSR]) -> None:
    network = kind(channels=4, blocks=1).eval()
    seen: list[torch.Size] = []
    network.trunk.register_forward_hook(lambda _, args, __: seen.append(args[0].shape))
    x = torch.rand(1, 5, 12, 12, 24)
    for factor in (2, 3, 4):
        x[:, 2] = factor / 4
        assert network(x).shape == (1, 1, 12, 12, 24)
    assert seen == [(1, 1, 12, 12, 12), (1, 1, 12, 12, 8), (1, 1, 12, 12, 6)]
