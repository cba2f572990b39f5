"""Accuracy, precision, recall and F1 of calling patches real."""

from __future__ import annotations

import numpy as np
import pytest

from monai_sr.metrics import discriminator_scores


def test_hand_made_counts() -> None:
    """3 of 4 real patches and 1 of 6 restored ones are called real; a logit of exactly 0 is not."""
    scores = discriminator_scores(np.array([2.0, 0.1, 5.0, -1.0]), np.array([-3.0, -0.2, 0.0, 0.4, -1.0, -9.0]))
    assert scores.accuracy == pytest.approx((3 + 5) / 10)
    assert scores.precision == pytest.approx(3 / 4)
    assert scores.recall == pytest.approx(3 / 4)
    assert scores.f1 == pytest.approx(3 / 4)


def test_equals_scikit_learn() -> None:
    oracle = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(0)
    real, fake = rng.normal(0.4, 1, 300), rng.normal(-0.2, 1, 200)
    label, called = np.r_[np.ones(300), np.zeros(200)], np.r_[real, fake] > 0
    scores = discriminator_scores(real, fake)
    for name in ("accuracy", "precision", "recall", "f1"):
        assert getattr(scores, name) == pytest.approx(getattr(oracle, f"{name}_score")(label, called))


def test_the_pieces_of_a_map_vote_by_their_sigmoid() -> None:
    """One very sure piece of nine: the mean logit is positive, the mean sigmoid is not above one half."""
    one_sure = np.full((1, 1, 3, 3), -1.0)
    one_sure[0, 0, 1, 1] = 50.0
    assert one_sure.mean() > 0
    assert discriminator_scores(one_sure, -one_sure).recall == 0.0
    assert discriminator_scores(one_sure, one_sure).accuracy == 0.5


def test_never_and_always_called_real() -> None:
    never = discriminator_scores(np.full(5, -1.0), np.full(5, -1.0))
    assert (never.accuracy, never.precision, never.recall, never.f1) == (0.5, 0.0, 0.0, 0.0)
    perfect = discriminator_scores(np.full(5, 900.0), np.full(3, -900.0))
    assert (perfect.accuracy, perfect.precision, perfect.recall, perfect.f1) == (1.0, 1.0, 1.0, 1.0)


def test_no_patches_and_diverged_ones_are_refused() -> None:
    with pytest.raises(ValueError, match=r"fake_logits .* no patch"):
        discriminator_scores(np.ones(3), np.ones(0))
    with pytest.raises(ValueError, match=r"real_logits .* not finite"):
        discriminator_scores(np.array([1.0, np.nan]), np.ones(3))
