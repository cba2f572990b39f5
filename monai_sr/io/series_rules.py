"""What a user allows the strict DICOM reader to accept beyond a regular, right-angled stack of slices."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["SeriesRules"]


@dataclass(frozen=True)
class SeriesRules:
    """By default neither is accepted: the one grid is not what most programs expect, the other was not acquired.

    Args:
        allow_tilt: take slices that are stacked off their normal (gantry tilt), on a grid that is sheared alike.
        resample_irregular: interpolate unevenly spaced slices at even distances.
    """

    allow_tilt: bool = False
    resample_irregular: bool = False
