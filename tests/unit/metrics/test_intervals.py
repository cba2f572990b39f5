"""The interval covers what it promises, knows subjects, and is the same every time."""

from __future__ import annotations

import math

import numpy as np
import pytest

from monai_sr.metrics import paired_interval


def test_covers_the_true_mean_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(200):
        interval = paired_interval(rng.normal(0.3, 1.0, 40), resamples=500)
        covered += interval.low <= 0.3 <= interval.high
    assert 0.89 <= covered / 200 <= 0.99


def test_about_the_normal_interval_of_a_large_sample() -> None:
    values = np.random.default_rng(1).normal(0.2, 0.5, 400)
    interval = paired_interval(values)
    error = values.std() / math.sqrt(400)
    assert interval.mean == pytest.approx(values.mean())
    assert interval.low == pytest.approx(values.mean() - 1.96 * error, abs=0.2 * error)
    assert interval.high == pytest.approx(values.mean() + 1.96 * error, abs=0.2 * error)


def width(values: np.ndarray, groups: list[str] | None = None, level: float = 0.95) -> float:
    interval = paired_interval(values, groups, level)
    return interval.high - interval.low


def test_narrower_with_more_data_and_lower_level() -> None:
    values = np.random.default_rng(2).normal(size=400)
    assert width(values) < 0.7 * width(values[:100])
    assert width(values, level=0.8) < width(values)


def test_tasks_of_one_subject_are_not_independent() -> None:
    """20 subjects with 5 equal differences each know as much as 20 differences, not as 100."""
    per_subject = np.random.default_rng(3).normal(size=20)
    values, groups = np.repeat(per_subject, 5), [f"s{i}" for i in range(20) for _ in range(5)]
    assert width(values, groups) == pytest.approx(width(per_subject), rel=1e-6)
    assert width(values, groups) > 1.8 * width(values)
    assert paired_interval(values, groups).groups == 20


def test_the_mean_is_that_of_all_differences_also_in_unequal_groups() -> None:
    interval = paired_interval([1.0, 1.0, 1.0, 5.0], ["a", "a", "a", "b"])
    assert interval.mean == 2.0
    assert (interval.low, interval.high) == (1.0, 5.0)


def test_the_same_every_time_and_from_the_seed() -> None:
    values = np.random.default_rng(4).normal(size=12)
    assert paired_interval(values) == paired_interval(values)
    assert paired_interval(values, seed=1) != paired_interval(values)


def test_equal_differences_and_a_single_subject() -> None:
    equal = paired_interval([0.5] * 6)
    assert (equal.low, equal.mean, equal.high) == (0.5, 0.5, 0.5)
    single = paired_interval([0.1, 0.3], ["a", "a"])
    assert single.mean == pytest.approx(0.2)
    assert math.isnan(single.low)
    assert math.isnan(single.high)


@pytest.mark.parametrize("values", [[], [1.0, math.nan], [[1.0], [2.0]]])
def test_what_is_no_list_of_numbers_is_refused(values: list[float]) -> None:
    with pytest.raises(ValueError, match="at least one finite number"):
        paired_interval(values)


def test_a_missing_group_is_refused() -> None:
    with pytest.raises(ValueError, match="2 differences came with 1 group"):
        paired_interval([1.0, 2.0], ["a"])
