"""The generator's loss as a weighted sum of named terms, so that a log line can be read."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

__all__ = ["WeightedLosses"]


class WeightedLosses(nn.Module):
    """Weighted sum of losses between SR and HR.

    Args:
        terms: name to loss module, called as ``loss(sr, hr)`` with ``(B, 1, X, Y, Z)`` tensors.
        weights: name to weight; a missing name counts 1.

    Raises:
        ValueError: if a weight names no term.

    Example:
        >>> import torch
        >>> loss = WeightedLosses({"l1": torch.nn.L1Loss()}, {"l1": 2.0})
        >>> total, named = loss(torch.zeros(1, 1, 4, 4, 4), torch.ones(1, 1, 4, 4, 4))
        >>> float(total), float(named["l1"])
        (2.0, 1.0)
    """

    def __init__(self, terms: Mapping[str, nn.Module], weights: Mapping[str, float] | None = None) -> None:
        super().__init__()
        unknown = set(weights or {}) - set(terms)
        if unknown:
            raise ValueError(f"weights name no loss term: {sorted(unknown)}; terms are {sorted(terms)}")
        self.terms = nn.ModuleDict(terms)
        self.weights = {name: float((weights or {}).get(name, 1.0)) for name in terms}

    def forward(self, sr: torch.Tensor, hr: torch.Tensor) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Weighted sum, and every unweighted term by name."""
        named = {name: loss(sr, hr) for name, loss in self.terms.items()}
        total = torch.stack([self.weights[name] * value for name, value in named.items()]).sum()
        return total, named
