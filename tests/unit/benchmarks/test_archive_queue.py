"""The simulated archive job against cases whose answer is known."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "benchmarks"))

from archive_queue import Times, World, simulate

CALM = World(days_between_deaths=1e9, poison=0.0, stragglers=0.0, storage=1e18)


def times(resolve: list[float]) -> Times:
    zeros = np.zeros(len(resolve))
    return Times(zeros + 1.0, np.array(resolve), zeros + 2.0, zeros + 1e6, zeros + 4e6)


def test_alone_and_undisturbed_it_is_the_sum():
    found = simulate(times([7.0]), 100, 1, CALM)
    assert found["seconds"] == pytest.approx(1000.0, rel=1e-6)
    assert found["busy"] == pytest.approx(1.0, rel=1e-6)
    assert (found["deaths"], found["again"]) == (0, 0)


def test_equal_series_on_a_number_of_workers_that_divides_them():
    assert simulate(times([7.0]), 100, 20, CALM)["seconds"] == pytest.approx(50.0, rel=1e-6)
    assert simulate(times([7.0]), 101, 20, CALM)["seconds"] == pytest.approx(60.0, rel=1e-6)  # one works alone at last


def test_a_gpu_leaves_reading_and_writing():
    fast = World(speedup=1000.0, days_between_deaths=1e9, poison=0.0, stragglers=0.0, storage=1e18)
    assert simulate(times([7.0]), 100, 1, fast)["seconds"] == pytest.approx(100 * 3.007 / 3, rel=1e-6)


def test_the_storage_bounds_what_no_worker_can_pass():
    slow = World(days_between_deaths=1e9, poison=0.0, stragglers=0.0, storage=1e6)
    found = simulate(times([0.0]), 100, 50, slow)
    assert found["seconds"] == pytest.approx(100 * 5e6 / 1e6, rel=1e-6)  # five million bytes each, one million a second


def test_every_disturbance_costs_time_and_none_loses_a_series():
    calm = simulate(times([5.0, 9.0]), 2000, 10, CALM)
    for world in (
        World(days_between_deaths=0.01, poison=0.0, stragglers=0.0, storage=1e18),
        World(days_between_deaths=1e9, poison=0.05, stragglers=0.0, storage=1e18),
        World(days_between_deaths=1e9, poison=0.0, stragglers=0.5, storage=1e18),
    ):
        found = simulate(times([5.0, 9.0]), 2000, 10, world)
        assert found["seconds"] > 1.02 * calm["seconds"], world
        assert found["busy"] < 0.98 * calm["busy"]
    deadly = simulate(times([5.0]), 2000, 10, World(days_between_deaths=0.01, poison=0.0, stragglers=0.0))
    assert deadly["deaths"] > 5
