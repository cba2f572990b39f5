"""The way back to the acquired grid is exact, and tiles and factors are treated right."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from monai_sr.degradation import CoarseAxis, SliceProfile, generator_input
from monai_sr.grid import AxisGrid, apply_along, interpolation_matrix
from monai_sr.inference import HaloInferer
from monai_sr.networks import EDSR, AttentionSRResNet, ProgressiveSR, RRDBNet, SRResNet
from monai_sr.networks.post_upsampling import recovery_matrix

GENERATORS = [
    lambda d: SRResNet(spatial_dims=d, channels=4, blocks=1),
    lambda d: EDSR(spatial_dims=d, channels=4, blocks=1),
    lambda d: RRDBNet(spatial_dims=d, channels=4, growth=2, blocks=1),
    lambda d: AttentionSRResNet(spatial_dims=d, channels=4, blocks=1),
    lambda d: ProgressiveSR(spatial_dims=d, channels=4, growth=2, blocks=(1, 1)),
]
NAMES = ["srresnet", "edsr", "rrdb", "attention", "progressive"]


def seen(acquired: torch.Tensor, factor: int, spatial_dims: int) -> torch.Tensor:
    """Generator input ``(1, 7, ...)`` of an acquired volume whose last axis, or a slice whose both axes, are coarse."""
    axes = (-1,) if spatial_dims == 3 else (-2, -1)
    coarse = [
        CoarseAxis(a, AxisGrid(acquired.shape[a], factor * acquired.shape[a]), SliceProfile("gaussian")) for a in axes
    ]
    return generator_input(acquired, coarse, 0.0, "MR")[None]


@pytest.mark.parametrize("factor", [2, 3, 4])
@pytest.mark.parametrize("n_lr", [6, 13, 40])
def test_the_acquired_samples_come_back_from_their_interpolation(n_lr: int, factor: int) -> None:
    acquired = torch.rand(3, n_lr, generator=torch.Generator().manual_seed(0))
    cubic = apply_along(interpolation_matrix(AxisGrid(n_lr, factor * n_lr)), acquired, -1)
    back = apply_along(recovery_matrix(n_lr, factor), cubic, -1)
    torch.testing.assert_close(back, acquired, atol=1e-5, rtol=0)


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_they_come_back_from_a_piece_of_the_volume_too(factor: int) -> None:
    """A tile knows nothing of what lies beside it, and the spline does not end at its border."""
    acquired = torch.rand(3, 40, generator=torch.Generator().manual_seed(0))
    cubic = apply_along(interpolation_matrix(AxisGrid(40, factor * 40)), acquired, -1)
    back = apply_along(recovery_matrix(12, factor), cubic[:, 10 * factor : 22 * factor], -1)
    torch.testing.assert_close(back, acquired[:, 10:22], atol=1e-5, rtol=0)


def test_far_samples_hardly_matter() -> None:
    """The halo of a tile counts on it."""
    for factor in (2, 3, 4):
        row = np.abs(recovery_matrix(40, factor)[20])
        far = np.abs((np.arange(row.size) + 0.5) / factor - 0.5 - 20) > 8
        assert row[far].sum() < 0.01


@pytest.mark.parametrize("make", GENERATORS, ids=NAMES)
@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_an_untrained_generator_is_the_interpolation(make, spatial_dims: int) -> None:  # type: ignore[no-untyped-def]
    x = seen(torch.rand((12,) * spatial_dims), 2, spatial_dims)
    torch.testing.assert_close(make(spatial_dims)(x), x[:, 1:2])


@pytest.mark.parametrize("make", GENERATORS, ids=NAMES)
def test_a_sample_does_not_depend_on_the_factor_of_its_neighbour(make) -> None:  # type: ignore[no-untyped-def]
    generator = make(3).eval()
    torch.nn.init.normal_(generator.last.conv.weight)
    torch.manual_seed(0)
    x2, x4 = (seen(torch.rand(12, 12, 24 // f), f, 3) for f in (2, 4))
    both = generator(torch.cat([x4, x2]))
    torch.testing.assert_close(both[1:], generator(x2))
    torch.testing.assert_close(both[:1], generator(x4))


def test_a_factor_without_a_tail_is_refused() -> None:
    x = seen(torch.rand(12, 12, 8), 3, 3)
    with pytest.raises(ValueError, match=r"factor 3 is none of \(2, 4\)"):
        ProgressiveSR(channels=4, growth=2, blocks=(1, 1))(x)
    x[:, 2] = 2.5 / 4
    with pytest.raises(ValueError, match=r"takes whole factors only"):
        EDSR(channels=4, blocks=1)(x)


@pytest.mark.parametrize("make", GENERATORS, ids=NAMES)
@pytest.mark.parametrize("factor", [2, 4])
def test_tiles_leave_no_trace(make, factor: int) -> None:  # type: ignore[no-untyped-def]
    torch.manual_seed(0)
    generator = make(2).eval()
    for last in (generator.last, getattr(generator, "last_x4", generator.last)):
        torch.nn.init.normal_(last.conv.weight)
    n = 2 * (-(-generator.receptive_field // 12) * 12) + 24
    x = seen(torch.rand(n // factor, n // factor), factor, 2)
    with torch.no_grad():
        whole = generator(x)
        tiled = HaloInferer(tile=12)(x, generator)
    torch.testing.assert_close(tiled, whole, atol=1e-4, rtol=0)
    assert not torch.allclose(whole, x[:, 1:2], atol=1e-2), "the network must have changed something"


@pytest.mark.parametrize("make", GENERATORS, ids=NAMES)
def test_the_receptive_field_is_not_understated(make) -> None:  # type: ignore[no-untyped-def]
    torch.manual_seed(0)
    generator = make(2).eval()
    torch.nn.init.normal_(generator.last.conv.weight)
    reach = -(-generator.receptive_field // 12) * 12
    n = 2 * reach + 24
    x = seen(torch.rand(n // 2, n // 2), 2, 2).requires_grad_()
    middle = n // 2
    generator(x)[0, 0, middle, middle].backward()
    assert x.grad is not None
    outside = x.grad[0, 1].abs().sum(dim=1).clone()
    outside[middle - generator.receptive_field : middle + generator.receptive_field + 1] = 0
    assert float(outside.sum()) < 1e-3 * float(x.grad.abs().sum())
