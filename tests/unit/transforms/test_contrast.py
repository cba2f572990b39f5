from __future__ import annotations

import numpy as np
import pytest
import torch

from monai_sr.transforms import RandContrast


def patch() -> torch.Tensor:
    return torch.rand(12, 10, 8, generator=torch.Generator().manual_seed(0))


def drawn(transform: RandContrast, seed: int) -> tuple[torch.Tensor, bool]:
    transform.set_random_state(seed=seed)
    return transform(patch())


def test_one_state_one_contrast() -> None:
    transform = RandContrast(warp=1.0, invert=0.5, bias=1.0)
    (a, _), (b, _), (c, _) = drawn(transform, 1), drawn(transform, 1), drawn(transform, 2)
    assert torch.equal(a, b)
    assert not torch.allclose(a, c)
    assert a.shape == patch().shape and a.dtype == torch.float32 and bool(torch.isfinite(a).all())


@pytest.mark.parametrize("seed", range(8))
def test_without_a_bias_field_order_is_kept_or_turned_round(seed: int) -> None:
    """No two tissues become one: the map is monotone, so edges stay where they are."""
    changed, keeps_zero = drawn(RandContrast(warp=1.0, invert=0.5, bias=0.0), seed)
    order = np.argsort(patch().numpy(), axis=None, kind="stable")
    steps = np.diff(changed.numpy().ravel()[order])
    assert (steps >= -1e-5).all() if keeps_zero else (steps <= 1e-5).all()
    assert changed.std() > 0.02


def test_both_directions_are_drawn_and_nothing_else_may_be() -> None:
    kept = [drawn(RandContrast(warp=0.0, invert=0.5, bias=0.0, spread=0.0), seed)[1] for seed in range(30)]
    assert 5 < sum(kept) < 25
    unchanged, keeps_zero = drawn(RandContrast(0.0, 0.0, 0.0, 0.0), 3)
    assert keeps_zero and torch.equal(unchanged, patch())
