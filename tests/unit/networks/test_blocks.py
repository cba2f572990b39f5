"""What networks share: the local mean, and dense blocks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import nn

from monai_sr.networks.blocks import ResidualDenseBlock, local_detail, local_mean


@pytest.mark.parametrize("reach", [1, 2, 4])
@pytest.mark.parametrize("shape", [(15, 20), (12, 15, 18)], ids=["2-D", "3-D"])
def test_the_local_mean_is_scipys_uniform_filter(shape: tuple[int, ...], reach: int) -> None:
    x = torch.rand(2, 3, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    expected = ndimage.uniform_filter(x.numpy(), (1, 1, *[2 * reach + 1] * len(shape)))
    inner = (..., *[slice(reach, -reach)] * len(shape))
    np.testing.assert_allclose(local_mean(x, reach)[inner], expected[inner], atol=1e-12)


@pytest.mark.parametrize("shape", [(3, 12), (9, 7), (2, 5, 9)])
def test_at_an_edge_it_is_the_mean_of_those_voxels_that_exist(shape: tuple[int, ...]) -> None:
    """Also where an axis is shorter than the window: the whole axis is then the neighbourhood."""
    x = torch.rand(1, 1, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    found = local_mean(x, 4)
    for index in np.ndindex(shape):
        window = tuple(slice(max(i - 4, 0), i + 5) for i in index)
        assert float(found[0, 0][index]) == pytest.approx(float(x[0, 0][window].mean()), abs=1e-12)


def test_a_constant_stays_constant_and_has_no_detail() -> None:
    x = torch.full((2, 1, 6, 7, 8), 0.7)
    torch.testing.assert_close(local_mean(x, 3), x)
    detail, gain = local_detail(x, 3)
    assert float(detail.abs().max()) < gain * 1e-6


def test_detail_is_amplified_and_computed_in_float32() -> None:
    """bfloat16 holds 0.7 and 0.7003 as one value."""
    x = torch.full((1, 1, 9, 9), 0.7)
    x[0, 0, 4, 4] += 0.0003 * 25 / 24
    detail, gain = local_detail(x, 2)
    assert gain == 10.0
    assert float(detail[0, 0, 4, 4]) == pytest.approx(10.0 * 0.0003, rel=1e-3)
    assert local_detail(x.bfloat16(), 2)[0].dtype == torch.float32


def test_detail_and_local_mean_are_the_whole_and_brightness_does_not_matter() -> None:
    x = torch.rand(1, 1, 12, 12, generator=torch.Generator().manual_seed(2))
    detail, gain = local_detail(x, 2)
    torch.testing.assert_close(detail / gain + local_mean(x, 2), x)
    torch.testing.assert_close(local_detail(x + 0.5, 2)[0], detail, atol=1e-5, rtol=0)


def test_the_local_mean_can_be_compiled() -> None:
    compiled = torch.jit.script(local_mean)
    for shape in ((1, 2, 9, 8), (2, 1, 5, 6, 7)):
        x = torch.rand(shape)
        torch.testing.assert_close(compiled(x, 2), local_mean(x, 2))


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_a_dense_block_connects_every_layer_with_all_behind_it(spatial_dims: int) -> None:
    """Layer i reads the input and all i layers before it; the sum is scaled by 0.2; nothing is normalised."""
    torch.manual_seed(0)
    block = ResidualDenseBlock(spatial_dims, channels=6, growth=4)
    convolutions = [m for m in block.modules() if isinstance(m, (nn.Conv2d, nn.Conv3d))]
    assert [c.in_channels for c in convolutions] == [6, 10, 14, 18, 22]
    assert [c.out_channels for c in convolutions] == [4, 4, 4, 4, 6]
    assert not any("Norm" in type(m).__name__ for m in block.modules())
    x = torch.rand(1, 6, *[6] * spatial_dims)
    before = block(x)
    for parameter in convolutions[-1].parameters():
        parameter.data *= 2.0
    torch.testing.assert_close(block(x) - x, 2.0 * (before - x))
    block.scale = 0.0
    assert torch.equal(block(x), x)
    assert ResidualDenseBlock(2, 2, 2).scale == 0.2
