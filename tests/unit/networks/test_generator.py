from __future__ import annotations

from typing import Any

import pytest
import torch
from monai.networks.utils import pixelshuffle, pixelunshuffle

from monai_sr.networks import SRGenerator, UNetGenerator
from monai_sr.networks.blocks import DetailStem, depth_to_space, space_to_depth

SMALL: dict[str, Any] = {"channels": (4, 8), "blocks": (1, 1)}
PAPER: dict[str, Any] = {
    "spatial_dims": 2, "channels": (4, 8, 16), "blocks": (1, 1, 1), "image_channels": 1, "condition_channels": 0,
    "stem": 1, "norm": "BATCH", "unit": "plain", "output": "tanh",
}  # fmt: skip


def shaken(**arguments: Any) -> UNetGenerator:
    """A generator whose last layer is not zero any more."""
    torch.manual_seed(0)
    network = UNetGenerator(**arguments).eval()
    for parameter in network.parameters():
        parameter.data += 0.02 * torch.randn_like(parameter)
    return network


@pytest.mark.parametrize("channels", [(4,), (4, 8), (4, 8, 8)])
def test_untrained_it_is_the_identity_on_the_start(channels: tuple[int, ...]) -> None:
    network = UNetGenerator(channels=channels, blocks=(1,) * len(channels))
    n = network.size_multiple
    x = torch.rand(1, 7, 4 * n, 5 * n, 3 * n)
    assert torch.equal(network(x), x[:, :1])
    assert isinstance(network, SRGenerator)


@pytest.mark.parametrize(
    ("arguments", "shape"),
    [(SMALL, (2, 7, 4, 8, 12)), ({**SMALL, "spatial_dims": 2}, (2, 7, 4, 12)), (PAPER, (2, 1, 16, 8))],
    ids=["3-D", "2-D", "paper"],
)
def test_the_output_has_the_size_of_the_input(arguments: dict[str, Any], shape: tuple[int, ...]) -> None:
    """Also where an axis is shorter than the neighbourhood of the stem."""
    network = shaken(**arguments)
    assert network(torch.rand(shape)).shape == (shape[0], 1, *shape[2:])


@pytest.mark.parametrize("output", ["residual", "tanh"])
def test_a_network_of_the_literature_takes_the_interpolation_of_a_full_input(output: str) -> None:
    """One image channel and no conditions: of the seven channels it sees the plain interpolation, channel 1."""
    network = shaken(**{**PAPER, "output": output})
    x = torch.rand(2, 7, 16, 24)
    assert torch.equal(network(x), network(x[:, 1:2]))
    other = x.clone()
    other[:, [0, *range(2, 7)]] = torch.rand(2, 6, 16, 24)
    assert torch.equal(network(other), network(x))
    assert not torch.allclose(network(x), network(x[:, :1]), atol=1e-3)


def test_untrained_it_is_the_interpolation() -> None:
    x = torch.rand(2, 7, 16, 24)
    assert torch.equal(UNetGenerator(**{**PAPER, "output": "residual"}).eval()(x), x[:, 1:2])


def test_only_a_network_of_the_literature_goes_without_the_step_towards_the_data() -> None:
    assert UNetGenerator(**SMALL).consistency
    assert not UNetGenerator(**PAPER).consistency
    assert UNetGenerator(**{**SMALL, "condition_channels": 0}).consistency
    assert UNetGenerator(**{**SMALL, "image_channels": 1}).consistency
    assert UNetGenerator(**PAPER).factors == ()


@pytest.mark.parametrize("spatial", [(8, 12), (8, 12, 16)])
def test_conditions_that_a_network_does_not_know_are_left_out(spatial: tuple[int, ...]) -> None:
    """A model that was trained before a condition was added stays what it is."""
    network = shaken(**SMALL, condition_channels=3, spatial_dims=len(spatial))
    x = torch.rand(2, 7, *spatial)
    assert torch.equal(network(x), network(x[:, :5]))


def test_other_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="must be multiples of 4"):
        UNetGenerator(**SMALL)(torch.zeros(1, 7, 8, 8, 10))
    with pytest.raises(ValueError, match="must name the same levels"):
        UNetGenerator(channels=(4, 8), blocks=(1,))


def test_the_paper_network_stays_in_0_to_1() -> None:
    y = shaken(**PAPER)(10.0 * torch.randn(1, 1, 32, 32))
    assert 0.0 <= float(y.min()) < float(y.max()) <= 1.0


@pytest.mark.parametrize("channels", [(4,), (4, 8), (4, 8, 8)])
def test_the_stated_receptive_field_holds(channels: tuple[int, ...]) -> None:
    """No voxel farther away than stated moves the output; one not much nearer does."""
    network = shaken(channels=channels, blocks=(1,) * len(channels)).double()
    reach, n = network.receptive_field, network.size_multiple
    size = (2 * reach // n + 4) * n
    x = torch.rand(1, 7, 8 * n, 8 * n, size, dtype=torch.float64, requires_grad=True)
    centre = size // 2
    network(x)[0, 0, 4 * n, 4 * n, centre].backward()
    assert x.grad is not None
    moved = torch.nonzero(x.grad[0, :2].abs().amax(dim=(0, 1, 2))).flatten() - centre
    assert int(moved.abs().max()) <= reach
    assert int(moved.abs().max()) >= reach // 2


@pytest.mark.parametrize("shape", [(2, 3, 4, 6), (2, 3, 4, 6, 8)])
def test_space_to_depth_has_monais_order_and_an_inverse(shape: tuple[int, ...]) -> None:
    x = torch.rand(shape)
    cells = space_to_depth(x, 2)
    assert torch.equal(cells, pixelunshuffle(x, len(shape) - 2, 2))
    assert torch.equal(depth_to_space(cells, 2), x)
    assert torch.equal(depth_to_space(cells, 2), pixelshuffle(cells, len(shape) - 2, 2))


def test_the_stem_separates_detail_from_brightness() -> None:
    stem = DetailStem(3, 2, 3, gain=10.0)
    x = torch.rand(1, 5, 8, 8, 8)
    brighter = x + torch.tensor([0.3, 0.3, 0, 0, 0])[None, :, None, None, None]
    a, b = (stem(v[:, :2], v[:, 2:]) for v in (x, brighter))
    changed = (a - b).abs().amax(dim=(0, 2, 3, 4)) > 1e-5
    assert a.shape[1] == stem.out_channels
    assert changed.nonzero().flatten().tolist() == [9]  # 8 voxels, the neighbourhood, then the brightness itself
    assert torch.allclose((b - a)[:, 9], torch.tensor(0.3))


@pytest.mark.parametrize("arguments", [SMALL, {**SMALL, "spatial_dims": 2}, PAPER], ids=["3-D", "2-D", "paper"])
def test_torchscript_computes_the_same(arguments: dict[str, Any]) -> None:
    network = shaken(**arguments)
    compiled = torch.jit.script(network)
    dims, inputs = network.spatial_dims, 1 if arguments is PAPER else 7
    for n in (2, 3):  # sizes are not frozen
        x = torch.rand(1, inputs, *[n * network.size_multiple] * dims)
        torch.testing.assert_close(compiled(x), network(x), rtol=0, atol=1e-6)
