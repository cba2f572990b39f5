"""The one private element that changes what values mean: Philips' scale slope."""

from __future__ import annotations

import math
from typing import Any

from pydicom.dataset import Dataset

__all__ = ["philips_scale"]

_GROUP = 0x2005
_CREATOR = "Philips MR Imaging DD 001"
_SCALE_SLOPE = 0x0E
# Enhanced objects of Philips keep it per frame, in a private sequence of a later block of theirs.
_FRAME_CREATOR = "Philips MR Imaging DD 005"
_FRAME_SEQUENCE = 0x0F


def philips_scale(dataset: Dataset) -> float | None:
    """Scale slope of a Philips MR image; None where there is none.

    With the standard RescaleSlope ``RS`` and RescaleIntercept a stored value becomes a displayed one, and each series
    is scaled anew; the floating point value, comparable between series, is the displayed one over ``RS`` times the
    scale slope (Chenevert et al., Translational Oncology 2014, 7:65).

    Args:
        dataset: complete, with its private elements.
    """
    found = _in_block(dataset, _CREATOR, _SCALE_SLOPE)
    if found is None:
        for group in (dataset.get("PerFrameFunctionalGroupsSequence") or [])[:1]:
            inner = _in_block(group, _FRAME_CREATOR, _FRAME_SEQUENCE)
            found = _in_block(inner[0], _CREATOR, _SCALE_SLOPE) if inner else None
    try:
        slope = float(found)  # None and text end below
    except (TypeError, ValueError):
        return None
    return slope if math.isfinite(slope) else None


def _in_block(dataset: Dataset, creator: str, element: int) -> Any:
    try:
        return dataset.private_block(_GROUP, creator)[element].value
    except Exception:  # no such block, or a value that its VR forbids
        return None
