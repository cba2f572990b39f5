from __future__ import annotations

import pytest
import torch

from monai_sr.losses import FrequencyLoss, LogL1Loss


def test_every_sample_counts_by_the_share_of_its_error_that_is_removed() -> None:
    """Halving a small error is worth as much as halving a large one; with a plain L1 the large one is all."""
    hr = torch.zeros(2, 1, 4, 4, 4)
    errors = torch.tensor([0.2, 0.002]).reshape(2, 1, 1, 1, 1).expand_as(hr)
    loss = LogL1Loss(floor=0.0)
    whole = loss(errors, hr)
    for halved in ([0.5, 1.0], [1.0, 0.5]):
        smaller = errors * torch.tensor(halved).reshape(2, 1, 1, 1, 1)
        assert float(whole - loss(smaller, hr)) == pytest.approx(0.5 * 0.6931, abs=1e-3)


def test_below_its_floor_nothing_is_gained() -> None:
    hr, loss = torch.zeros(1, 1, 4, 4), LogL1Loss(floor=1e-2)
    sr = torch.full_like(hr, 1e-6).requires_grad_()
    loss(sr, hr).backward()
    assert sr.grad is not None
    assert float(sr.grad.abs().sum()) <= 1.0 / 1e-2 + 1e-3  # without a floor it would be 1e6
    assert torch.isfinite(loss(hr, hr))


@pytest.mark.parametrize("shape", [(2, 1, 8, 6), (2, 1, 8, 6, 4)])
def test_frequencies_are_compared_and_their_phase_counts(shape: tuple[int, ...]) -> None:
    hr = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    loss = FrequencyLoss()
    assert float(loss(hr, hr)) == 0.0
    assert float(loss(torch.roll(hr, 1, dims=2), hr)) > 0.1  # same magnitudes, another place
    # white noise of deviation s has transform coefficients of mean magnitude s sqrt(pi) / 2 (Rayleigh)
    noise = 0.1 * torch.randn((4, 1, 32, 32, 32), generator=torch.Generator().manual_seed(1))
    assert float(loss(noise, torch.zeros_like(noise))) == pytest.approx(0.1 * 0.8862, rel=0.02)
