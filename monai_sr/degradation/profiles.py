"""Slice profiles: how the signal along one axis is weighted into one acquired sample.

All widths are full widths at half maximum. The unit is the acquired spacing: width 1 means that the slice is as thick
as the distance between slices, below 1 there is a gap, above 1 the slices overlap.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
from scipy import integrate, special

__all__ = ["ProfileKind", "SliceProfile", "default_profile"]

FloatArray = npt.NDArray[np.float64]
ProfileKind = Literal["box", "gaussian", "sinc", "kspace"]

_FWHM_PER_SIGMA = 2.0 * np.sqrt(2.0 * np.log(2.0))
# Of the excitation pulse; 4 is a common compromise for 2-D spin echo (Bernstein 2004, ch. 2 and 8).
_TIME_BANDWIDTH = 4.0
_REACH = 3.0  # slice widths beyond which the sinc pulse's profile is below 1e-3


@lru_cache(maxsize=1)
def _sinc_pulse_cdf() -> tuple[FloatArray, FloatArray]:
    """Cumulative profile of a Hann-windowed sinc pulse, small tip angle: the pulse's Fourier transform."""
    time = np.linspace(-0.5, 0.5, 2001)
    pulse = np.sinc(_TIME_BANDWIDTH * time) * np.hanning(time.size)
    position = np.linspace(-_REACH, _REACH, 6001)  # slice widths; frequency * duration = time_bandwidth * position
    phase = 2.0 * np.pi * _TIME_BANDWIDTH * position[:, None] * time
    profile = integrate.trapezoid(pulse * np.cos(phase), time, axis=1)
    half = position[profile >= profile.max() / 2.0]
    position = position / (half[-1] - half[0])  # unit full width at half maximum
    cdf = integrate.cumulative_trapezoid(profile, position, initial=0.0)
    return position, cdf / cdf[-1]


@dataclass(frozen=True)
class SliceProfile:
    """Shape and width of the slice profile.

    Args:
        kind: ``box`` (slab average: CT), ``gaussian`` (2-D MR), ``sinc`` (slice excited by a windowed-sinc pulse:
            a box with soft edges and small side lobes), ``kspace`` (the centre of k-space is kept: 3-D MR, in-plane).
        width: full width at half maximum in acquired spacings; ``kspace`` has none of its own, the grid fixes it.
    """

    kind: ProfileKind
    width: float = 1.0

    def __post_init__(self) -> None:
        if self.kind not in get_args(ProfileKind):
            raise ValueError(f"slice profile must be one of {', '.join(get_args(ProfileKind))}, got {self.kind!r}")
        if not 0.0 < self.width <= 4.0:
            raise ValueError(f"slice profile width must be in (0, 4] acquired spacings, got {self.width:g}")

    def cumulative(self, position: FloatArray) -> FloatArray:
        """Integral of the profile up to ``position``, in acquired spacings from the slice centre; runs from 0 to 1."""
        t = np.asarray(position, dtype=np.float64) / self.width
        if self.kind == "box":
            return np.clip(t + 0.5, 0.0, 1.0)
        if self.kind == "gaussian":
            return np.asarray(special.ndtr(t * _FWHM_PER_SIGMA))
        if self.kind == "sinc":
            return np.interp(t, *_sinc_pulse_cdf())
        raise ValueError("a k-space crop has no slice profile; degradation_matrix treats it apart")

    def transfer(self, frequency: float) -> float:
        """Share of a wave's amplitude that the profile lets through.

        Args:
            frequency: cycles per acquired spacing; the acquired grid holds what is below 0.5.
        """
        if self.kind == "kspace":
            return 1.0 if frequency < 0.5 else 0.0
        edges = np.linspace(-_REACH * self.width, _REACH * self.width, 1201)
        weights = np.diff(self.cumulative(edges))
        return float(weights @ np.cos(np.pi * frequency * (edges[1:] + edges[:-1])))


def default_profile(modality: str | None) -> SliceProfile:
    """Profile assumed where no header tells, one spacing wide.

    A slab average for CT; a Gaussian for MR. A photograph has the average too: a camera's pixel collects the light that
    falls onto its own square.
    """
    return SliceProfile("box" if modality in ("CT", "photo") else "gaussian", 1.0)
