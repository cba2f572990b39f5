"""Slice profiles: centred, as wide as they say, and of the shape they are named after."""

from __future__ import annotations

import numpy as np
import pytest

from monai_sr.degradation import SliceProfile

KINDS = ["box", "gaussian", "sinc"]


def density(profile: SliceProfile) -> tuple[np.ndarray, np.ndarray]:
    """Position in acquired spacings and the profile itself, by differences of its integral."""
    edges = np.linspace(-5.0, 5.0, 20001)
    values = np.diff(profile.cumulative(edges)) / np.diff(edges)
    return (edges[1:] + edges[:-1]) / 2, values


@pytest.mark.parametrize("width", [0.6, 1.0, 1.7])
@pytest.mark.parametrize("kind", KINDS)
def test_unit_area_zero_centroid_and_stated_width(kind: str, width: float) -> None:
    position, values = density(SliceProfile(kind, width))
    step = position[1] - position[0]
    assert values.sum() * step == pytest.approx(1.0, abs=1e-5)
    assert (position * values).sum() * step == pytest.approx(0.0, abs=1e-6)
    half = position[values >= values[position.size // 2 - 1] / 2]
    assert half[-1] - half[0] == pytest.approx(width, rel=0.01)


@pytest.mark.parametrize("kind", KINDS)
def test_symmetric(kind: str) -> None:
    profile, t = SliceProfile(kind, 1.2), np.linspace(0, 4, 101)
    np.testing.assert_allclose(profile.cumulative(t) + profile.cumulative(-t), 1.0, atol=1e-6)


def test_gaussian_has_half_its_maximum_at_half_its_width() -> None:
    position, values = density(SliceProfile("gaussian", 2.0))
    expected = np.exp(-4 * np.log(2) * (position / 2.0) ** 2)
    np.testing.assert_allclose(values / values.max(), expected, atol=1e-5)


def test_sinc_is_the_spectrum_of_a_windowed_sinc_pulse() -> None:
    """Oracle: zero-padded FFT of the pulse, small tip angle; widths are compared in units of the half maximum."""
    n = 4096
    time = (np.arange(n) + 0.5) / n - 0.5
    pulse = np.sinc(4.0 * time) * 0.5 * (1.0 + np.cos(2 * np.pi * time))
    spectrum = np.fft.fftshift(np.abs(np.fft.fft(pulse, 64 * n)))
    frequency = np.fft.fftshift(np.fft.fftfreq(64 * n, 1 / n))
    half = frequency[spectrum >= spectrum.max() / 2]
    position, values = density(SliceProfile("sinc", 1.0))
    inside = np.abs(position) < 1.5
    expected = np.interp(position[inside], frequency / (half[-1] - half[0]), spectrum / spectrum.max())
    # the magnitude spectrum loses the sign of the side lobes, which are below 1 %
    np.testing.assert_allclose(np.abs(values[inside]) / values.max(), expected, atol=0.01)


def test_sinc_lies_between_box_and_gaussian() -> None:
    """Softer edges than a box, steeper than a Gaussian: that is why it is a model of its own."""
    position, values = density(SliceProfile("sinc"))
    assert np.interp(0.35, position, values) / values.max() > np.exp(-4 * np.log(2) * 0.35**2)
    assert 0 < np.interp(0.6, position, values) / values.max() < np.exp(-4 * np.log(2) * 0.6**2)


def test_unknown_kinds_and_widths_are_refused_with_the_value() -> None:
    with pytest.raises(ValueError, match="got 'triangle'"):
        SliceProfile("triangle")  # type: ignore[arg-type]  # the wrong kind is the point
    for width in (0.0, -1.0, 5.0):
        with pytest.raises(ValueError, match="width must be in"):
            SliceProfile("box", width)


def test_a_kspace_crop_has_no_profile_of_its_own() -> None:
    with pytest.raises(ValueError, match="no slice profile"):
        SliceProfile("kspace").cumulative(np.zeros(3))


@pytest.mark.parametrize("width", [0.7, 1.0, 1.4])
@pytest.mark.parametrize("frequency", [0.0, 0.2, 0.45, 0.75])
def test_what_a_profile_lets_through_is_its_fourier_transform(width: float, frequency: float) -> None:
    assert SliceProfile("box", width).transfer(frequency) == pytest.approx(np.sinc(width * frequency), abs=5e-3)
    sigma = width / (2.0 * np.sqrt(2.0 * np.log(2.0)))
    expected = np.exp(-2.0 * (np.pi * sigma * frequency) ** 2)
    assert SliceProfile("gaussian", width).transfer(frequency) == pytest.approx(expected, abs=5e-3)
    assert SliceProfile("kspace").transfer(frequency) == (1.0 if frequency < 0.5 else 0.0)
