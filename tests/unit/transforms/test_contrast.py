from __future__ import annotations

import numpy as np
import pytest
import torch

from monai_sr.keys import HR
from monai_sr.transforms import RandContrast, contrast_seen


def patch() -> torch.Tensor:
    return torch.rand(12, 10, 8, generator=torch.Generator().manual_seed(0))


def drawn(transform: RandContrast, seed: int, floor: float | None = 0.0) -> tuple[torch.Tensor, float | None]:
    transform.set_random_state(seed=seed)
    return transform(patch(), floor)


def test_one_state_one_contrast() -> None:
    transform = RandContrast(warp=1.0, invert=0.5, bias=1.0)
    (a, _), (b, _), (c, _) = drawn(transform, 1), drawn(transform, 1), drawn(transform, 2)
    assert torch.equal(a, b)
    assert not torch.allclose(a, c)
    assert a.shape == patch().shape and a.dtype == torch.float32 and bool(torch.isfinite(a).all())


@pytest.mark.parametrize("seed", range(8))
def test_without_a_bias_field_order_is_kept_or_turned_round(seed: int) -> None:
    """No two tissues become one: the map is monotone, so edges stay where they are."""
    changed, floor = drawn(RandContrast(warp=1.0, invert=0.5, bias=0.0), seed)
    order = np.argsort(patch().numpy(), axis=None, kind="stable")
    steps = np.diff(changed.numpy().ravel()[order])
    assert (steps >= -1e-5).all() if floor is not None else (steps <= 1e-5).all()
    assert changed.std() > 0.02


def test_both_directions_are_drawn_and_nothing_else_may_be() -> None:
    transform = RandContrast(warp=0.0, invert=0.5, bias=0.0, spread=0.0)
    kept = [drawn(transform, seed)[1] is not None for seed in range(30)]
    assert 5 < sum(kept) < 25
    unchanged, floor = drawn(RandContrast(0.0, 0.0, 0.0, 0.0), 3)
    assert floor == 0.0 and torch.equal(unchanged, patch())


def test_what_multiplies_leaves_the_scanners_zero_where_it_is() -> None:
    """Rician noise is drawn from there; of a range that begins above the zero it is negative."""
    at_zero = torch.full((6, 6, 6), -0.25)
    for seed in range(6):
        transform = RandContrast(warp=0.0, invert=0.0, bias=1.0, spread=0.5)
        transform.set_random_state(seed=seed)
        changed, floor = transform(at_zero, -0.25)
        assert floor == -0.25
        torch.testing.assert_close(changed, at_zero)
    assert RandContrast(invert=1.0)(patch(), None)[1] is None


def test_what_is_seen_is_measured_on_patches_that_hold_body() -> None:
    hr = torch.zeros(40, 40, 40)
    hr[20:] = 0.5
    hr[30:] = 0.7
    case = {HR: hr, "mask": hr > 0, "floor": 0.0}
    still = RandContrast(warp=0.0, invert=0.0, bias=0.0, spread=0.0)
    seen = contrast_seen(case, still, patch=12)
    assert seen["median"] == pytest.approx((0.5, 0.7), abs=1e-6)
    assert seen["spread"] == pytest.approx((0.0, 0.2), abs=1e-6)
    assert contrast_seen({**case, "mask": hr > 1}, still, patch=12) == {}, "no patch holds any"
