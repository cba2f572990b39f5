"""Network interpolation (Wang 2018): one network between a faithful and a perceptual one."""

from __future__ import annotations

from collections.abc import Mapping

import torch

__all__ = ["interpolate_weights"]


def interpolate_weights(
    faithful: Mapping[str, torch.Tensor], perceptual: Mapping[str, torch.Tensor], share: float
) -> dict[str, torch.Tensor]:
    """``(1 - share) faithful + share perceptual``, weight by weight; whole numbers (counters) are the perceptual ones.

    Raises:
        ValueError: if the two are not states of one network, or the share is not within 0 and 1.
    """
    if set(faithful) != set(perceptual) or any(faithful[k].shape != perceptual[k].shape for k in faithful):
        raise ValueError("only two states of one network can be interpolated; these two differ in names or shapes")
    if not 0.0 <= share <= 1.0:
        raise ValueError(f"the share of the perceptual network is within 0 and 1, got {share:g}")
    return {
        name: torch.lerp(faithful[name], value, share) if value.is_floating_point() else value
        for name, value in perceptual.items()
    }
