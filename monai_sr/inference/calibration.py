"""From how far restorations disagree to how large the error is likely to be.

Mirrored restorations by one network share most of their error, so their deviation is some nine times too small. On
volumes whose truth is known the error grows with a power of the deviation, by much the same law for every factor and
noise (``benchmarks/uncertainty.py``); that law, fitted per modality, stands in the model's record.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter

from monai_sr.catalogue import ModelRecord

__all__ = ["Calibration", "binned", "calibration_of", "fit_calibration", "smoothed"]

_SIGMA = 1.0  # voxels of the result: the deviation of four values is itself uncertain, that of a neighbourhood is not
_BINS = 20  # of equally many voxels, per volume


@dataclass(frozen=True)
class Calibration:
    """Expected error = ``scale * deviation ** power``, both as fractions of the intensity range.

    Args:
        scale: error where the deviation is the whole range.
        power: 1 where the error is proportional to the deviation, 0 where it has nothing to do with it.
    """

    scale: float
    power: float

    def expected_error(self, deviation: npt.NDArray[np.float32], width: float) -> npt.NDArray[np.float32]:
        """Root mean square of the error to be expected at each voxel.

        Args:
            deviation: ``(X, Y, Z)``, standard deviation of the restorations in HU or the scanner's units.
            width: of the intensity range, in the same unit.
        """
        share = smoothed(deviation) / np.float32(width)
        return np.asarray(width * self.scale * share**self.power, dtype=np.float32)


def smoothed(deviation: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Root of the local mean variance (Gaussian, one voxel)."""
    return np.asarray(np.sqrt(gaussian_filter(np.square(deviation, dtype=np.float32), _SIGMA)), dtype=np.float32)


def calibration_of(record: ModelRecord, modality: str) -> Calibration | None:
    """What the record of a model says for a modality; None if it was not measured."""
    found = record.extra.get("calibration", {}).get(modality)
    return None if found is None else Calibration(float(found["scale"]), float(found["power"]))


def fit_calibration(volumes: list[tuple[npt.NDArray[np.floating], npt.NDArray[np.floating]]]) -> Calibration:
    """Straight line through the logarithms of error and deviation, by least squares.

    Args:
        volumes: of each, smoothed deviation and true error in the body, ``(N,)``, as fractions of the range. The root
            mean squares of bins of equally many voxels are fitted, so that every volume counts the same.

    Raises:
        ValueError: if there are no two bins with deviation and error.
    """
    points = np.concatenate([binned(deviation, error, _BINS) for deviation, error in volumes])
    points = points[(points > 0).all(axis=1)]
    if len(points) < 2:
        raise ValueError("a calibration needs volumes whose restorations disagree and err somewhere")
    power, offset = np.polyfit(np.log(points[:, 0]), np.log(points[:, 1]), 1)
    return Calibration(scale=float(np.exp(offset)), power=float(max(power, 0.0)))


def binned(deviation: npt.NDArray[np.floating], error: npt.NDArray[np.floating], bins: int) -> npt.NDArray[np.float64]:
    """``(bins, 2)``: root mean square of the deviation, and of the error, in bins of equally many voxels."""
    order = np.array_split(np.argsort(deviation), bins)
    return np.array([[np.sqrt(np.mean(np.square(v[part]))) for v in (deviation, error)] for part in order])
