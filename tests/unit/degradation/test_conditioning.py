"""What a generator is shown: the same channels in training and use."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from monai_sr.degradation import (
    CONDITION_CHANNELS,
    IMAGE_CHANNELS,
    SliceProfile,
    backprojection_matrix,
    backprojection_steps,
    degrade,
    generator_input,
    start_volume,
)
from monai_sr.grid import AxisGrid, apply_along, interpolation_matrix

GRID, PROFILE = AxisGrid(8, 24), SliceProfile("gaussian", 1.2)


@pytest.fixture
def acquired() -> torch.Tensor:
    return torch.rand(5, 6, 8, generator=torch.Generator().manual_seed(0))


def test_channels_hold_what_the_table_says(acquired: torch.Tensor) -> None:
    x = generator_input(acquired, GRID, PROFILE, 0.01)
    assert x.shape == (IMAGE_CHANNELS + CONDITION_CHANNELS, 5, 6, 24)
    assert torch.equal(x[0], start_volume(acquired, GRID, PROFILE, 0.01))
    assert torch.equal(x[1], apply_along(interpolation_matrix(GRID), acquired, -1))
    for channel, value in ((2, 3.0 / 4.0), (3, 1.2), (4, 0.3)):
        np.testing.assert_allclose(x[channel], value, rtol=1e-6)


@pytest.mark.parametrize("noise", [0.0, 0.03, 0.1])
def test_noise_decides_how_far_the_start_goes_to_the_data(acquired: torch.Tensor, noise: float) -> None:
    expected = apply_along(backprojection_matrix(GRID, PROFILE, backprojection_steps(noise)), acquired, -1)
    assert torch.equal(start_volume(acquired, GRID, PROFILE, noise), expected)


def test_the_start_commutes_with_the_intensity_scale(acquired: torch.Tensor) -> None:
    """So a zero residual gives the same volume whatever the normalisation was."""
    volume = acquired.double()
    scaled = start_volume(2000.0 * volume - 1000.0, GRID, PROFILE, 0.0)
    np.testing.assert_allclose(scaled, 2000.0 * start_volume(volume, GRID, PROFILE, 0.0) - 1000.0, atol=1e-9)


def test_the_start_explains_the_data_better_than_the_interpolation() -> None:
    truth = torch.rand(4, 4, 24, generator=torch.Generator().manual_seed(1))
    y = degrade(truth, GRID, PROFILE, 2)
    x = generator_input(y, GRID, PROFILE, 0.0)
    assert (degrade(x[0], GRID, PROFILE, 2) - y).norm() < 0.5 * (degrade(x[1], GRID, PROFILE, 2) - y).norm()
