from __future__ import annotations

import torch
from torch import nn

from monai_sr.networks import ProgressiveSR, SRGenerator
from monai_sr.networks.blocks import ResidualDenseBlock


def network(spatial_dims: int = 3) -> ProgressiveSR:
    torch.manual_seed(0)
    return ProgressiveSR(spatial_dims, channels=4, growth=2, blocks=(2, 1)).eval()


def seen(factor: int) -> torch.Tensor:
    x = torch.rand(1, 5, 8, 8, 16, generator=torch.Generator().manual_seed(1))
    x[:, 2] = factor / 4
    return x


def test_the_contract() -> None:
    prosr = network()
    assert isinstance(prosr, SRGenerator)
    assert (prosr.size_multiple, prosr.factors, prosr.consistency) == (4, (2, 4), False)
    assert not len(prosr.tails)
    more = ProgressiveSR(channels=4, growth=2, blocks=(3, 1))
    assert more.receptive_field == prosr.receptive_field + 5 * 4


def test_the_pyramid_is_asymmetric() -> None:
    counts = [sum(isinstance(m, ResidualDenseBlock) for m in level.modules()) for level in network().levels]
    assert counts == [2, 1]
    default = [sum(isinstance(m, ResidualDenseBlock) for m in level.modules()) for level in ProgressiveSR().levels]
    assert default[0] > default[1]


def test_x4_goes_through_the_level_of_x2() -> None:
    prosr = network()
    calls: list[int] = []
    for number, level in enumerate(prosr.levels):
        level.register_forward_hook(lambda _, args, y, number=number: calls.append((number, args[0].shape[-1])))  # type: ignore[misc]
    prosr(seen(2))
    assert calls == [(0, 8)]
    calls.clear()
    prosr(seen(4))
    assert calls == [(0, 4), (1, 8)], "the second level works on the grid of x2"


def test_what_x2_has_learned_changes_x4_but_not_the_other_way_round() -> None:
    prosr = network()
    for last in (prosr.last, prosr.last_x4):
        nn.init.normal_(last.conv.weight)
    before = [prosr(seen(f)) for f in (2, 4)]
    for parameter in prosr.levels[1].parameters():
        parameter.data += 0.1
    after = [prosr(seen(f)) for f in (2, 4)]
    assert torch.equal(before[0], after[0]) and not torch.allclose(before[1], after[1], atol=1e-4)
    for parameter in prosr.levels[0].parameters():
        parameter.data += 0.1
    last = [prosr(seen(f)) for f in (2, 4)]
    assert not any(torch.allclose(a, b, atol=1e-4) for a, b in zip(after, last, strict=True))


def test_x4_fades_in_from_the_interpolation() -> None:
    """When the curriculum brings it in, x2 has learned, and x4 does no harm."""
    prosr = network()
    nn.init.normal_(prosr.last.conv.weight)
    assert torch.equal(prosr(seen(4)), seen(4)[:, 1:2])
    assert not torch.allclose(prosr(seen(2)), seen(2)[:, 1:2], atol=1e-3)
