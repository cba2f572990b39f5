"""Draw the parameters of a degradation. The only randomness of this room; applying them is deterministic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from monai_sr.degradation.profiles import ProfileKind, SliceProfile

__all__ = ["Degradation", "DegradationSampler"]


@dataclass(frozen=True)
class Degradation:
    """One drawn degradation: factor, profile, and noise as a fraction of the intensity range."""

    factor: float
    profile: SliceProfile
    noise: float


def _default_profiles() -> dict[str, dict[ProfileKind, float]]:
    return {
        "CT": {"box": 0.7, "gaussian": 0.2, "sinc": 0.1},
        "MR": {"gaussian": 0.6, "sinc": 0.15, "kspace": 0.15, "box": 0.1},
        "photo": {"box": 0.7, "gaussian": 0.3},  # the pixel's square; with the blur of the lens it is rounder
    }


@dataclass(frozen=True)
class DegradationSampler:
    """What training volumes are put through.

    Args:
        factors: whole factors drawn in half of the samples; the other half is log-uniform between the limits.
        factor_limits: smallest and largest real factor.
        width: limits of the profile width in acquired spacings, log-uniform in half of the samples: gap below 1,
            overlap above.
        clean_fraction: samples without noise.
        max_noise: upper limit of the noise, as a fraction of the intensity range.
        profiles: probability of each slice profile, per modality.
    """

    factors: Sequence[float] = (2.0, 3.0, 4.0)
    factor_limits: tuple[float, float] = (1.2, 6.0)
    width: tuple[float, float] = (0.6, 2.0)
    clean_fraction: float = 0.45
    max_noise: float = 0.04
    profiles: Mapping[str, Mapping[ProfileKind, float]] = field(default_factory=_default_profiles)

    def __call__(self, rng: np.random.RandomState, modality: str) -> Degradation:
        """Draw factor, profile and noise for a scan of ``"CT"`` or ``"MR"``, or for a ``"photo"``."""
        if rng.uniform() < 0.5:
            factor = float(rng.choice(np.asarray(self.factors)))
        else:
            factor = float(np.exp(rng.uniform(*np.log(self.factor_limits))))
        kinds = list(self.profiles[modality])
        weights = np.array([self.profiles[modality][kind] for kind in kinds])
        kind = kinds[int(rng.choice(len(kinds), p=weights / weights.sum()))]
        # half of the samples have the nominal width, which is what a header without gap or overlap says
        width = 1.0 if kind == "kspace" or rng.uniform() < 0.5 else float(np.exp(rng.uniform(*np.log(self.width))))
        noise = 0.0 if rng.uniform() < self.clean_fraction else float(rng.uniform(0.0, self.max_noise))
        return Degradation(factor, SliceProfile(kind, width), noise)
