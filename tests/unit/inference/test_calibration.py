"""From the deviation of restorations to the error that is to be expected."""

from __future__ import annotations

import numpy as np
import pytest

from monai_sr.inference.calibration import Calibration, binned, fit_calibration, smoothed


def test_the_law_behind_the_errors_is_found() -> None:
    """Normal errors whose size is 2 * deviation ^ 0.6, of two volumes."""
    generator = np.random.default_rng(0)
    volumes = []
    for median in (0.002, 0.01):
        deviation = median * np.exp(generator.normal(0.0, 0.8, 200_000))
        volumes.append((deviation, generator.normal(0.0, 2.0 * deviation**0.6)))
    found = fit_calibration(volumes)
    assert found.power == pytest.approx(0.6, abs=0.02)
    assert found.scale == pytest.approx(2.0, rel=0.1)
    told = np.asarray([2.0 * d**0.6 for d in (0.001, 0.05)])
    np.testing.assert_allclose([found.scale * d**found.power for d in (0.001, 0.05)], told, rtol=0.05)


def test_an_error_that_falls_with_the_deviation_is_a_constant() -> None:
    deviation = np.linspace(0.001, 0.1, 10_000)
    assert fit_calibration([(deviation, 0.01 / deviation)]).power == 0.0


def test_without_doubt_there_is_nothing_to_fit() -> None:
    with pytest.raises(ValueError, match="disagree"):
        fit_calibration([(np.zeros(1000), np.ones(1000))])


def test_the_unit_is_that_of_the_scan() -> None:
    """Twice the unit, twice the error."""
    deviation = np.random.default_rng(1).uniform(1.0, 9.0, (12, 12, 12)).astype(np.float32)
    calibration = Calibration(scale=1.7, power=0.65)
    once, twice = calibration.expected_error(deviation, 300.0), calibration.expected_error(2 * deviation, 600.0)
    assert once.dtype == np.float32
    np.testing.assert_allclose(twice, 2 * once, rtol=1e-5)
    share = smoothed(deviation)[6, 6, 6] / 300.0
    assert once[6, 6, 6] == pytest.approx(300.0 * 1.7 * share**0.65, rel=1e-5)


def test_smoothing_keeps_the_mean_variance() -> None:
    deviation = np.zeros((15, 15, 15), dtype=np.float32)
    deviation[7, 7, 7] = 3.0
    found = smoothed(deviation)
    assert float(np.sum(found**2)) == pytest.approx(9.0, rel=1e-3)
    assert found[7, 7, 7] == found.max() < 1.0


def test_bins_hold_equally_many_voxels() -> None:
    deviation = np.asarray([4.0, 1.0, 3.0, 2.0])
    np.testing.assert_allclose(binned(deviation, 10 * deviation, 2), np.sqrt([[2.5, 250.0], [12.5, 1250.0]]))
