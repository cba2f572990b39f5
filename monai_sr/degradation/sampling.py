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
        factors: factors drawn in the share ``listed`` of the samples; the others are log-uniform between the limits.
        factor_limits: smallest and largest real factor.
        listed: share of samples whose factor is one of ``factors``; 1 for networks that know no other.
        width: limits of the profile width in acquired spacings, log-uniform in the samples whose width is not nominal:
            gap below 1, overlap above.
        clean_fraction: samples without noise.
        max_noise: upper limit of the noise, as a fraction of the intensity range.
        profiles: probability of each slice profile, per modality.
        curriculum: factors that change as the training goes on (Bengio 2009; ProSR grows from x2 to x4 so): the share
            of the training at which a stage begins, and its factors, which take the place of all others. Empty: none.
        samples: of the whole training, for the curriculum.
        min_noise: lower limit of the noise where there is any.
        nominal: share of the samples whose width is 1, which is what a header without gap or overlap says.

    Raises:
        ValueError: if a curriculum does not begin at 0, or the number of samples is missing.
    """

    factors: Sequence[float] = (2.0, 3.0, 4.0)
    factor_limits: tuple[float, float] = (1.2, 6.0)
    listed: float = 0.5
    width: tuple[float, float] = (0.6, 2.0)
    clean_fraction: float = 0.45
    max_noise: float = 0.04
    profiles: Mapping[str, Mapping[ProfileKind, float]] = field(default_factory=_default_profiles)
    curriculum: Sequence[tuple[float, Sequence[float]]] = ()
    samples: int = 0
    min_noise: float = 0.0
    nominal: float = 0.5

    def __post_init__(self) -> None:
        begins = [begin for begin, _ in self.curriculum]
        if begins and (begins[0] != 0 or begins != sorted(begins) or self.samples < 1):
            raise ValueError(
                f"the stages of a curriculum begin at 0 and follow each other, and samples says how many there are in "
                f"all; got stages at {begins} and {self.samples} samples"
            )

    def limits(self) -> tuple[float, float]:
        """Smallest and largest factor that is ever drawn."""
        listed = [float(f) for _, factors in self.curriculum for f in factors] or [float(f) for f in self.factors]
        wide = () if self.curriculum or self.listed >= 1.0 else self.factor_limits
        return min([*listed, *wide]), max([*listed, *wide])

    def __call__(self, rng: np.random.RandomState, modality: str, index: int = 0) -> Degradation:
        """Draw factor, profile and noise for a scan of ``"CT"`` or ``"MR"``, or for a ``"photo"``.

        Args:
            rng: all randomness comes from it.
            modality: decides the profiles.
            index: of the sample in the whole training.
        """
        factors, listed = self.factors, self.listed
        if self.curriculum:
            progress = index / self.samples
            factors, listed = [stage for begin, stage in self.curriculum if begin <= progress][-1], 1.0
        if rng.uniform() < listed:
            factor = float(rng.choice(np.asarray(factors)))
        else:
            factor = float(np.exp(rng.uniform(*np.log(self.factor_limits))))
        kinds = list(self.profiles[modality])
        weights = np.array([self.profiles[modality][kind] for kind in kinds])
        kind = kinds[int(rng.choice(len(kinds), p=weights / weights.sum()))]
        width = (
            1.0 if kind == "kspace" or rng.uniform() < self.nominal else float(np.exp(rng.uniform(*np.log(self.width))))
        )
        noise = 0.0 if rng.uniform() < self.clean_fraction else float(rng.uniform(self.min_noise, self.max_noise))
        return Degradation(factor, SliceProfile(kind, width), noise)
