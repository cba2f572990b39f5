"""Several restorations of one scan: their mean, and how far they disagree."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["FLIPS", "RunningSpread"]

FLIPS: tuple[tuple[bool, bool, bool], ...] = (
    (False, False, False),
    (True, True, False),
    (True, False, True),
    (False, True, True),
    (True, True, True),
    (False, False, True),
    (False, True, False),
    (True, False, False),
)
"""Axes along which the network sees the volume mirrored; the first four flip every axis in half of the cases."""

FloatArray = npt.NDArray[np.float32]


class RunningSpread:
    """Mean and standard deviation of volumes that come one after the other, without keeping them (Welford 1962).

    Args:
        first: the first volume.
    """

    def __init__(self, first: FloatArray) -> None:
        self.count = 1
        self._mean = first.copy()
        self._squares = np.zeros_like(first)

    def add(self, volume: FloatArray) -> None:
        """Count in one more volume."""
        self.count += 1
        before = volume - self._mean
        self._mean += before / self.count
        before *= volume - self._mean
        self._squares += before

    @property
    def mean(self) -> FloatArray:
        """Of the volumes so far; later ones do not change it."""
        return self._mean.copy()

    @property
    def deviation(self) -> FloatArray:
        """Standard deviation of the volumes so far (n - 1 in the denominator), 0 for one."""
        return np.asarray(np.sqrt(np.maximum(self._squares, 0.0) / max(self.count - 1, 1)), dtype=np.float32)
