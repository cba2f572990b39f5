"""Seconds and memory belong to the stage in which they were spent."""

from __future__ import annotations

import time

import numpy as np
import pytest

from monai_sr.inference.stages import StageClock


def test_a_stage_within_a_stage_stops_the_outer_one() -> None:
    clock = StageClock()
    with clock.stage("outer"):
        time.sleep(0.02)
        with clock.stage("inner"):
            time.sleep(0.3)
    with clock.stage("inner"):
        time.sleep(0.1)
    assert clock.seconds["inner"] >= 0.4
    assert 0.02 <= clock.seconds["outer"] < 0.25


def test_the_peak_is_that_of_its_own_stage() -> None:
    clock = StageClock()
    with clock.watched():
        with clock.stage("small"):
            time.sleep(0.02)
        with clock.stage("large"):
            held = np.ones(30_000_000, np.float32)
            time.sleep(0.2)
            del held
        with clock.stage("after"):
            time.sleep(0.02)
    assert clock.peak_bytes["large"] - clock.peak_bytes["small"] == pytest.approx(120e6, rel=0.2)
    assert clock.peak_bytes["after"] < clock.peak_bytes["large"] - 60e6


def test_time_counts_where_a_stage_fails() -> None:
    clock = StageClock()
    with pytest.raises(RuntimeError), clock.stage("failing"):
        time.sleep(0.05)
        raise RuntimeError
    with clock.stage("next"):
        pass
    assert clock.seconds["failing"] >= 0.05
    assert clock.seconds["next"] < 0.05
