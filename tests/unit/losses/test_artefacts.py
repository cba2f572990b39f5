from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from monai_sr.losses import ArtefactLoss


def test_an_error_that_flickers_weighs_more_than_a_smooth_one_of_the_same_size() -> None:
    hr = torch.zeros(1, 1, 16, 16, 16)
    flicker = 0.05 * torch.sign(torch.randn(hr.shape, generator=torch.Generator().manual_seed(0)))
    smooth = torch.full_like(hr, 0.05)
    smooth[..., 8:] *= -1.0
    loss = ArtefactLoss()
    assert float(loss(flicker, hr)) > 3.0 * float(loss(smooth, hr))
    assert float(loss(torch.full_like(hr, 0.05), hr)) == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("shape", [(1, 1, 12, 10), (1, 1, 12, 10, 8)])
def test_the_weight_is_scipys_local_variance(shape: tuple[int, ...]) -> None:
    error = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    values = error[0, 0].numpy()
    mean, squares = (ndimage.uniform_filter(v, 5, mode="nearest") for v in (values, values**2))
    expected = (squares - mean**2) * values.var(ddof=1) ** 0.2
    np.testing.assert_allclose(ArtefactLoss(unit=1.0).weight(error)[0, 0], expected, atol=1e-10)


def test_no_gradient_goes_through_the_weight() -> None:
    hr = torch.zeros(1, 1, 8, 8)
    sr = torch.rand(1, 1, 8, 8, generator=torch.Generator().manual_seed(2)).requires_grad_()
    loss = ArtefactLoss()
    loss(sr, hr).backward()
    assert sr.grad is not None
    torch.testing.assert_close(sr.grad, loss.weight(sr.detach()) / sr.numel())  # all errors are positive


def test_an_even_window_has_no_middle() -> None:
    with pytest.raises(ValueError, match="odd and at least 3, got 4"):
        ArtefactLoss(window=4)
