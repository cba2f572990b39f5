"""The published example of Shrout and Fleiss, and what a bias does to the two forms."""

from __future__ import annotations

import numpy as np
import pytest

from monai_sr.metrics import icc

SHROUT_FLEISS = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]])
"""Table 2 of Shrout & Fleiss 1979: six targets, four judges."""


def test_the_published_example() -> None:
    """Table 4 there: ICC(2,1) = .29, ICC(3,1) = .71."""
    assert icc(SHROUT_FLEISS) == pytest.approx(0.29, abs=0.005)
    assert icc(SHROUT_FLEISS, "3,1") == pytest.approx(0.71, abs=0.005)


def test_a_bias_lowers_absolute_agreement_only() -> None:
    targets = np.random.default_rng(0).normal(100, 10, 50)
    assert icc(np.stack([targets, targets], axis=1)) == pytest.approx(1.0)
    assert icc(np.stack([targets, targets + 10], axis=1), "3,1") == pytest.approx(1.0)
    # one standard deviation of bias: variance 100 between targets, 10^2 / 2 between raters
    assert icc(np.stack([targets, targets + 10], axis=1)) == pytest.approx(
        targets.var(ddof=1) / (targets.var(ddof=1) + 50), abs=1e-9
    )


def test_noise_gives_the_share_of_variance_between_targets() -> None:
    generator = np.random.default_rng(1)
    targets = generator.normal(0, 3, 20000)
    ratings = targets[:, None] + generator.normal(0, 2, (20000, 2))
    for form in ("2,1", "3,1"):
        assert icc(ratings, form) == pytest.approx(9 / 13, abs=0.01)


def test_tables_that_say_nothing() -> None:
    with pytest.raises(ValueError, match="two targets by two raters"):
        icc(np.ones((1, 2)))
    with pytest.raises(ValueError, match="finite"):
        icc(np.array([[1.0, np.nan], [2.0, 3.0]]))
    assert np.isnan(icc(np.ones((4, 2))))
