"""Draws stay within their limits and repeat with their seed."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from monai_sr.degradation import Degradation, DegradationSampler


def draws(modality: str, count: int = 3000, seed: int = 0, **options: object) -> list[Degradation]:
    rng = np.random.RandomState(seed)
    sampler = DegradationSampler(**options)  # type: ignore[arg-type]  # options of several types
    return [sampler(rng, modality) for _ in range(count)]


@pytest.mark.parametrize("modality", ["CT", "MR"])
def test_limits(modality: str) -> None:
    sampler = DegradationSampler()
    for drawn in draws(modality):
        assert sampler.factor_limits[0] <= drawn.factor <= sampler.factor_limits[1]
        assert sampler.width[0] <= drawn.profile.width <= sampler.width[1]
        assert 0.0 <= drawn.noise <= sampler.max_noise


def test_shares_are_what_the_options_say() -> None:
    drawn = draws("MR", clean_fraction=0.3)
    whole = sum(d.factor in (2.0, 3.0, 4.0) for d in drawn) / len(drawn)
    clean = sum(d.noise == 0.0 for d in drawn) / len(drawn)
    kinds = Counter(d.profile.kind for d in drawn)
    assert whole == pytest.approx(0.5, abs=0.03)
    assert clean == pytest.approx(0.3, abs=0.03)
    for kind, share in DegradationSampler().profiles["MR"].items():
        assert kinds[kind] / len(drawn) == pytest.approx(share, abs=0.03)


def test_ct_is_mostly_slab_averaged_and_never_cropped_in_kspace() -> None:
    kinds = Counter(d.profile.kind for d in draws("CT"))
    assert kinds.most_common(1)[0][0] == "box"
    assert "kspace" not in kinds


def test_a_kspace_crop_has_its_own_width() -> None:
    assert {d.profile.width for d in draws("MR") if d.profile.kind == "kspace"} == {1.0}


def test_the_seed_decides() -> None:
    assert draws("MR", 20, seed=1) == draws("MR", 20, seed=1)
    assert draws("MR", 20, seed=1) != draws("MR", 20, seed=2)


def test_an_unknown_modality_is_an_error() -> None:
    with pytest.raises(KeyError):
        draws("PET", 1)
