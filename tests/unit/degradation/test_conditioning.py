"""What a generator is shown: the same channels in training and use."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from monai_sr.degradation import (
    CONDITION_CHANNELS,
    IMAGE_CHANNELS,
    CoarseAxis,
    SliceProfile,
    backprojection_matrix,
    backprojection_steps,
    degrade,
    generator_input,
    start_volume,
    with_conditions,
)
from monai_sr.grid import AxisGrid, apply_along, interpolation_matrix

GRID, PROFILE = AxisGrid(8, 24), SliceProfile("gaussian", 1.2)
LAST = [CoarseAxis(-1, GRID, PROFILE)]


@pytest.fixture
def acquired() -> torch.Tensor:
    return torch.rand(5, 6, 8, generator=torch.Generator().manual_seed(0))


def check_conditions(x: torch.Tensor) -> None:
    """Those of GRID, PROFILE and 1 % noise."""
    expected = (3.0 / 4.0, 1.2, 0.3, PROFILE.transfer(0.45), PROFILE.transfer(0.75))
    for channel, value in zip(x[IMAGE_CHANNELS:], expected, strict=True):
        np.testing.assert_allclose(channel, value, rtol=1e-6)


def test_channels_hold_what_the_table_says(acquired: torch.Tensor) -> None:
    x = generator_input(acquired, LAST, 0.01, "MR")
    assert x.shape == (IMAGE_CHANNELS + CONDITION_CHANNELS, 5, 6, 24)
    assert torch.equal(x[0], start_volume(acquired, LAST, 0.01, "MR"))
    assert torch.equal(x[1], apply_along(interpolation_matrix(GRID), acquired, -1))
    check_conditions(x)


@pytest.mark.parametrize("modality", ["CT", "MR"])
@pytest.mark.parametrize("noise", [0.0, 0.007, 0.03, 0.1])
def test_noise_decides_how_far_the_start_goes_to_the_data(acquired: torch.Tensor, noise: float, modality: str) -> None:
    expected = apply_along(backprojection_matrix(GRID, PROFILE, backprojection_steps(noise, modality)), acquired, -1)
    assert torch.equal(start_volume(acquired, LAST, noise, modality), expected)


def test_the_start_commutes_with_the_intensity_scale(acquired: torch.Tensor) -> None:
    """So a zero residual gives the same volume whatever the normalisation was."""
    volume = acquired.double()
    scaled = start_volume(2000.0 * volume - 1000.0, LAST, 0.0, "CT")
    np.testing.assert_allclose(scaled, 2000.0 * start_volume(volume, LAST, 0.0, "CT") - 1000.0, atol=1e-9)


def test_a_slice_is_restored_along_both_axes() -> None:
    """Channels of a slice whose two axes are coarse, against the Kronecker product of the axes."""
    acquired = torch.rand(5, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    grids = AxisGrid(5, 15), GRID
    coarse = [CoarseAxis(axis, grid, PROFILE) for axis, grid in enumerate(grids)]
    x = generator_input(acquired, coarse, 0.01, "MR")
    assert x.shape == (IMAGE_CHANNELS + CONDITION_CHANNELS, 15, 24)
    for channel, steps in ((0, backprojection_steps(0.01, "MR")), (1, 0)):
        both = np.kron(*(backprojection_matrix(grid, PROFILE, steps) for grid in grids))
        np.testing.assert_allclose(x[channel], (both @ acquired.numpy().ravel()).reshape(15, 24), atol=1e-12)
    assert not torch.allclose(x[0], x[1])
    check_conditions(x)


@pytest.mark.parametrize("spatial", [(4, 6), (4, 6, 8)])
def test_conditions_are_the_same_for_every_sample_of_a_batch(spatial: tuple[int, ...]) -> None:
    images = torch.rand(3, IMAGE_CHANNELS, *spatial, generator=torch.Generator().manual_seed(3))
    x = with_conditions(images, factor=2.0, profile=SliceProfile("kspace"), noise=0.02)
    assert x.shape == (3, IMAGE_CHANNELS + CONDITION_CHANNELS, *spatial)
    assert torch.equal(x[:, :IMAGE_CHANNELS], images)
    for channel, value in ((2, 0.5), (3, 1.0), (4, 0.6), (5, 1.0), (6, 0.0)):
        np.testing.assert_allclose(x[:, channel], value, rtol=1e-6)


def test_the_start_explains_the_data_better_than_the_interpolation() -> None:
    truth = torch.rand(4, 4, 24, generator=torch.Generator().manual_seed(1))
    y = degrade(truth, GRID, PROFILE, 2)
    x = generator_input(y, LAST, 0.0, "MR")
    assert (degrade(x[0], GRID, PROFILE, 2) - y).norm() < 0.5 * (degrade(x[1], GRID, PROFILE, 2) - y).norm()


def test_the_plain_channel_of_a_slice_is_the_spline_in_two_dimensions() -> None:
    """Against scipy's two-dimensional spline, away from the short axes where its prefilter is not exact."""
    acquired = torch.rand(20, 24, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    coarse = [CoarseAxis(axis, AxisGrid(n, 3 * n), PROFILE) for axis, n in enumerate(acquired.shape)]
    x = generator_input(acquired, coarse, 0.01, "MR")
    places = np.meshgrid(*((np.arange(3 * n) + 0.5) / 3 - 0.5 for n in acquired.shape), indexing="ij")
    spline = ndimage.map_coordinates(acquired.numpy(), places, order=3, mode="reflect")
    np.testing.assert_allclose(x[1], spline, atol=1e-5)


def test_a_slice_may_be_transposed_before_or_after() -> None:
    acquired = torch.rand(8, 12, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
    here, there = (
        [CoarseAxis(axis, AxisGrid(n, 2 * n), PROFILE) for axis, n in enumerate(shape)] for shape in ((8, 12), (12, 8))
    )
    turned = generator_input(acquired.T, there, 0.0, "MR")
    torch.testing.assert_close(turned.mT, generator_input(acquired, here, 0.0, "MR"), rtol=0, atol=1e-12)
