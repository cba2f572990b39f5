"""How sure is a difference between two methods: bootstrap interval of paired differences."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

__all__ = ["PairedInterval", "paired_interval"]

FloatArray = npt.NDArray[np.floating]


@dataclass(frozen=True)
class PairedInterval:
    """Mean difference and its confidence interval, in the units of the differences.

    Args:
        mean: of all differences.
        low: lower end; NaN if there are fewer than two groups, for then nothing is known of their spread.
        high: upper end, or NaN.
        groups: how many independent pieces (subjects) it rests on.
    """

    mean: float
    low: float
    high: float
    groups: int


def paired_interval(
    differences: Sequence[float] | FloatArray,
    groups: Sequence[Hashable] | None = None,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> PairedInterval:
    """Mean and percentile bootstrap interval (Efron 1979) of paired differences between two methods.

    Several tasks of one subject are not independent, so whole groups are drawn with replacement (cluster bootstrap,
    Davison & Hinkley 1997, section 3.8), each with all of its differences. With few groups the interval is too narrow:
    of normal differences 95 % cover 84 % of the time with 5 groups, 90 % with 8, 91 % with 15 (simulated). Read it
    beside the number of groups.

    Args:
        differences: ``(N,)``, method minus reference on the same case and task, e.g. in dB.
        groups: ``(N,)`` names of the subjects; without them each difference stands for itself.
        level: of the interval, between 0 and 1.
        resamples: how many times the groups are drawn.
        seed: of the draws; the same input gives the same interval.

    Raises:
        ValueError: if there is no difference, one that is not finite, or a group name is missing.
    """
    values = np.asarray(differences, dtype=np.float64)
    if values.ndim != 1 or values.size == 0 or not np.isfinite(values).all():
        raise ValueError(
            f"differences of shape {values.shape} must be a list of at least one finite number; "
            "leave out cases in which one of the two methods has no value"
        )
    names: Sequence[Hashable] = range(len(values)) if groups is None else groups
    if len(names) != len(values):
        raise ValueError(f"{len(values)} differences came with {len(names)} group names; give one name to each")
    number = {name: i for i, name in enumerate(dict.fromkeys(names))}
    index = [number[name] for name in names]
    sums, counts = np.bincount(index, weights=values), np.bincount(index).astype(np.float64)
    mean = float(values.mean())
    if len(sums) < 2:
        return PairedInterval(mean, float("nan"), float("nan"), len(sums))

    def mean_of(drawn: Any, sizes: Any, axis: int = -1) -> Any:
        return drawn.sum(axis=axis) / sizes.sum(axis=axis)

    # percentile and not BCa: BCa has no value where all differences are equal, and gains nothing for a mean
    interval = stats.bootstrap(
        (sums, counts),
        mean_of,
        paired=True,
        vectorized=True,
        confidence_level=level,
        n_resamples=resamples,
        method="percentile",
        random_state=np.random.default_rng(seed),  # "rng" from SciPy 1.15 on, which still knows this name
    ).confidence_interval
    return PairedInterval(mean, float(interval.low), float(interval.high), len(sums))
