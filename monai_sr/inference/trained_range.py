"""Is this scan like what the model has seen? If not, the network is not used."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

__all__ = ["outside_trained_range"]

_CONTRAST_MARGIN = 0.1  # of the intensity range; thick slices and new subjects move the statistics by less


def _outside(value: float, limits: Any) -> bool:
    low, high = limits
    return not low - 1e-6 <= value <= high + 1e-6


def outside_trained_range(
    trained: Mapping[str, Any],
    *,
    modality: str,
    profile: str,
    factor: float,
    width: float,
    noise: float,
    contrast: Mapping[str, float],
    body_part: str | None,
) -> list[str]:
    """Reasons why a scan lies outside, as half sentences; empty if it lies inside.

    Args:
        trained: ``trained_range`` of a model's record: ``modalities`` as a list, ``factor``, ``width``, ``noise`` as
            ``[low, high]``, ``contrast`` as ``{modality: {statistic: [low, high]}}``, and perhaps ``profiles`` as a
            list and ``body_parts`` as ``{modality: [names]}``.
        modality: of the scan.
        profile: kind of the slice profile.
        factor: acquired spacing divided by target spacing.
        width: of the slice profile, in acquired spacings.
        noise: standard deviation as a fraction of the intensity range.
        contrast: statistics of ``monai_sr.intensity.contrast``.
        body_part: what the header says, upper case, or None.
    """
    if modality not in trained["modalities"]:
        return [f"modality {modality}"]
    reasons = []
    if profile not in trained.get("profiles", [profile]):
        reasons.append(f"slice profile {profile} is not one of {', '.join(trained['profiles'])}")
    for name, value, limits in (
        ("factor", factor, trained["factor"]),
        ("slice profile width (in spacings)", width, trained["width"]),
        ("noise level (of the range)", noise, trained["noise"]),
    ):
        if _outside(value, limits):
            reasons.append(f"{name} {value:.3g} is not within {limits[0]:.3g} to {limits[1]:.3g}")
    for name, (low, high) in trained.get("contrast", {}).get(modality, {}).items():
        limits = (low - _CONTRAST_MARGIN, high + _CONTRAST_MARGIN)
        if _outside(contrast[name], limits):
            reasons.append(f"contrast ({name} {contrast[name]:.2f}) is not within {limits[0]:.2f} to {limits[1]:.2f}")
    parts = trained.get("body_parts", {}).get(modality)
    if parts and body_part and not set(re.findall("[A-Z]+", body_part.upper())) & set(parts):
        reasons.append("the body part named in the header is not among those of the training")
    return reasons
