"""Do two measurements of the same things agree: the intraclass correlation of Shrout and Fleiss."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

__all__ = ["icc"]


def icc(ratings: npt.NDArray[np.floating], form: Literal["2,1", "3,1"] = "2,1") -> float:
    """Intraclass correlation of single measurements (Shrout & Fleiss, Psychological Bulletin 86, 1979).

    ``ICC(2,1)``, absolute agreement, is lowered by a bias between the columns; ``ICC(3,1)``, consistency, is not.

    Args:
        ratings: ``(targets, raters)``: the same measurement of every target by every rater, for instance a feature of
            several regions on the truth and on a restored volume.
        form: which of the two.

    Returns:
        At most 1; near 0 or below it where targets differ no more than raters do; NaN if all ratings are equal.

    Raises:
        ValueError: if there are fewer than two targets or raters, or a rating is not finite.

    Example:
        >>> truth_and_restored = np.array([[9.0, 8.5], [6.0, 6.5], [8.0, 7.0], [7.0, 7.0]])
        >>> round(icc(truth_and_restored), 2)
        0.84
    """
    values = np.asarray(ratings, dtype=np.float64)
    if values.ndim != 2 or min(values.shape) < 2 or not np.isfinite(values).all():
        raise ValueError(
            f"ratings of shape {values.shape} must be a finite table of at least two targets by two raters; "
            "leave out targets that a rater could not measure"
        )
    n, k = values.shape
    rows, columns, mean = values.mean(axis=1), values.mean(axis=0), values.mean()
    between_targets = k * np.square(rows - mean).sum() / (n - 1)
    between_raters = n * np.square(columns - mean).sum() / (k - 1)
    left = np.square(values - rows[:, None] - columns[None, :] + mean).sum() / ((n - 1) * (k - 1))
    bias = 0.0 if form == "3,1" else k * (between_raters - left) / n
    whole = between_targets + (k - 1) * left + bias
    return float((between_targets - left) / whole) if whole > 0 else float("nan")
