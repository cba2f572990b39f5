from __future__ import annotations

import numpy as np
import pytest

from monai_sr.transforms.prepare import OwnNoise


def test_a_slice_profile_averages_noise_away_and_interpolates_in_between() -> None:
    """White noise: a box over f voxels leaves 1 / sqrt(f) of it (CT)."""
    noise = np.random.default_rng(0).normal(0.5, 0.02, (64, 64, 64)).astype(np.float32)
    own = OwnNoise.measured(noise, np.ones(noise.shape, dtype=bool), "CT", (1, 2))
    assert set(own.levels) == {1, 2}
    for factor in (1.0, 2.0, 4.0):
        assert own(2, factor) == pytest.approx(0.02 / np.sqrt(factor), rel=0.12)
    assert own(2, 2.0) > own(2, 3.0) > own(2, 4.0) == own(2, 6.0)


def test_what_varies_along_the_axis_alone_is_no_noise() -> None:
    along = np.broadcast_to(np.random.default_rng(0).random(64).astype(np.float32), (48, 48, 64))
    own = OwnNoise.measured(np.ascontiguousarray(along), np.ones(along.shape, dtype=bool), "MR", (2,))
    assert own(2, 2.0) == pytest.approx(0.0, abs=1e-5)
