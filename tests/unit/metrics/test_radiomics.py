"""Features of regions whose answer is known by hand."""

from __future__ import annotations

import numpy as np
import pytest

from monai_sr.metrics import FEATURES, region_features


def features(array: np.ndarray, region: np.ndarray | None = None, axis: int = 2) -> dict[str, float]:
    inside = np.ones(array.shape, bool) if region is None else region
    return dict(zip(FEATURES, region_features(array, inside, (0.0, 32.0), axis), strict=True))


def test_intensity_statistics() -> None:
    values = np.random.default_rng(0).exponential(4.0, (40, 40, 40))
    found = features(values)
    assert found["mean"] == pytest.approx(4.0, rel=0.02)
    assert found["deviation"] == pytest.approx(4.0, rel=0.02)
    assert found["skewness"] == pytest.approx(2.0, rel=0.05)
    assert found["kurtosis"] == pytest.approx(6.0, rel=0.15)
    assert found["p10"] == pytest.approx(-4.0 * np.log(0.9), rel=0.05)
    assert found["p90"] == pytest.approx(-4.0 * np.log(0.1), rel=0.02)


def test_texture_of_a_chessboard_counts_its_pairs() -> None:
    """Levels 10 and 14: side by side they differ, across a diagonal they are equal."""
    x, y, _ = np.indices((8, 8, 3))
    board = np.where((x + y) % 2 == 0, 10.5, 14.5)
    found = features(board)
    beside, across = 2 * 8 * 7, 2 * 7 * 7
    share = beside / (beside + across)
    assert found["texture contrast"] == pytest.approx(16 * share)
    assert found["texture homogeneity"] == pytest.approx(share / 17 + (1 - share))
    assert features(np.full((8, 8, 3), 10.5))["texture contrast"] == 0.0


def test_what_lies_outside_the_region_does_not_count() -> None:
    array = np.random.default_rng(1).uniform(5, 20, (16, 16, 16))
    region = np.zeros(array.shape, bool)
    region[4:12, 4:12, 4:12] = True
    other = np.where(region, array, 31.0)
    assert features(array, region) == features(other, region)
    assert features(array, region)["texture contrast"] == pytest.approx(
        features(array[4:12, 4:12, 4:12])["texture contrast"]
    )


def test_slices_are_taken_across_the_axis_that_is_asked_for() -> None:
    stripes = np.broadcast_to(np.where(np.arange(12) % 2 == 0, 5.5, 25.5), (12, 12, 12))  # along the last axis
    assert features(stripes, axis=2)["texture contrast"] == 0.0
    assert features(stripes, axis=0)["texture contrast"] > 0.0
    with pytest.raises(ValueError, match="too small"):
        features(stripes, np.zeros(stripes.shape, bool))
