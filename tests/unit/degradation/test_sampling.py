"""Draws stay within their limits and repeat with their seed."""

from __future__ import annotations

from collections import Counter
from typing import Any

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


def test_noise_lies_between_its_limits_where_there_is_any() -> None:
    drawn = [d.noise for d in draws("MR", clean_fraction=0.5, min_noise=0.02, max_noise=0.03)]
    assert min(drawn) == 0.0
    assert all(0.02 <= noise <= 0.03 for noise in drawn if noise)
    assert {d.noise for d in draws("MR", clean_fraction=0.0, min_noise=0.01, max_noise=0.01)} == {0.01}


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


@pytest.mark.parametrize(
    ("options", "limits"),
    [
        ({}, (1.2, 6.0)),
        ({"factors": (2.0, 8.0)}, (1.2, 8.0)),
        ({"factors": (3, 4), "listed": 1.0}, (3.0, 4.0)),
        ({"factors": (3.0,), "curriculum": [(0.0, [2]), (0.5, [2, 4])], "samples": 100}, (2.0, 4.0)),
    ],
)
def test_limits_are_what_is_drawn(options: dict[str, Any], limits: tuple[float, float]) -> None:
    """Never beyond them, and a uniform draw of thousands comes near both."""
    sampler, rng = DegradationSampler(**options), np.random.RandomState(0)
    factors = [sampler(rng, "CT", index % 100).factor for index in range(4000)]
    assert sampler.limits() == limits
    assert limits[0] <= min(factors) < 1.01 * limits[0]
    assert 0.99 * limits[1] < max(factors) <= limits[1]


def test_a_curriculum_brings_its_factors_in_one_stage_after_the_other() -> None:
    sampler = DegradationSampler(factors=(3.0,), listed=0.0, curriculum=[(0.0, [2]), (0.5, [2, 4])], samples=1000)
    rng = np.random.RandomState(0)
    factors = [sampler(rng, "MR", index).factor for index in range(1000)]
    assert set(factors[:500]) == {2.0}
    assert set(factors[500:]) == {2.0, 4.0}
    assert factors[500:].count(4.0) / 500 == pytest.approx(0.5, abs=0.07)
    assert 4.0 in {sampler(rng, "MR", 5000).factor for _ in range(20)}, "the last stage goes on"


def test_without_a_curriculum_the_index_changes_nothing() -> None:
    a, b = (DegradationSampler()(np.random.RandomState(7), "MR", index) for index in (0, 999))
    assert a == b


@pytest.mark.parametrize(
    ("curriculum", "samples"), [([(0.1, [2])], 10), ([(0.0, [2]), (0.6, [4]), (0.3, [3])], 10), ([(0.0, [2])], 0)]
)
def test_a_curriculum_with_a_hole_is_refused(curriculum: list[tuple[float, list[float]]], samples: int) -> None:
    with pytest.raises(ValueError, match="the stages of a curriculum begin at 0 and follow each other"):
        DegradationSampler(curriculum=curriculum, samples=samples)


@pytest.mark.parametrize("listed", [0.0, 0.25, 1.0])
def test_the_listed_share_has_whole_factors(listed: float) -> None:
    factors = [d.factor for d in draws("MR", factors=(2.0, 4.0), listed=listed)]
    whole = [f in (2.0, 4.0) for f in factors]
    assert sum(whole) / len(whole) == pytest.approx(listed, abs=0.03)
    if listed:
        assert factors.count(2.0) / sum(whole) == pytest.approx(0.5, abs=0.05)


def test_other_factors_are_log_uniform() -> None:
    """As many below the geometric mean of the limits as above."""
    factors = np.array([d.factor for d in draws("CT", listed=0.0, factor_limits=(1.5, 6.0))])
    assert np.mean(factors < 3.0) == pytest.approx(0.5, abs=0.03)
    assert 1.5 <= factors.min() < 1.55 and 5.8 < factors.max() <= 6.0


CURRICULUM = [(0.0, [2.0]), (0.4, [2.0, 4.0]), (0.9, [3.0])]


@pytest.mark.parametrize(
    ("index", "expected"),
    [(0, {2.0}), (399, {2.0}), (400, {2.0, 4.0}), (899, {2.0, 4.0}), (900, {3.0}), (5000, {3.0})],
)
def test_a_curriculum_follows_the_number_of_the_sample(index: int, expected: set[float]) -> None:
    """Nothing else is ever drawn, whatever ``listed`` and ``factors`` say."""
    sampler = DegradationSampler(factors=(6.0,), listed=0.0, curriculum=CURRICULUM, samples=1000)
    rng = np.random.RandomState(0)
    assert {sampler(rng, "MR", index).factor for _ in range(100)} == expected
