"""Distances between SR and HR."""

from __future__ import annotations

import torch
from torch import nn

__all__ = ["FrequencyLoss", "LogL1Loss"]


class LogL1Loss(nn.Module):
    """Mean over the batch of the logarithm of each sample's L1.

    A plain L1 follows the samples with the largest errors: high factors, strong edges, noise. Its logarithm counts
    every sample by the share of its error that is removed, as decibels do.

    Args:
        floor: L1 below which nothing is gained, as a fraction of the intensity range.
    """

    def __init__(self, floor: float = 5e-4) -> None:
        super().__init__()
        self.floor = floor

    def forward(self, sr: torch.Tensor, hr: torch.Tensor) -> torch.Tensor:
        """``(B, 1, X, Y, Z)`` or ``(B, 1, X, Y)`` to a scalar."""
        return torch.log((sr - hr).abs().flatten(1).mean(dim=1) + self.floor).mean()


class FrequencyLoss(nn.Module):
    """L1 between the Fourier transforms, over the root of the number of voxels (after Cho 2021, MIMO-UNet).

    MONAI's ``JukeboxLoss`` compares magnitudes alone; here the phase counts, and with it where a structure lies.
    """

    def forward(self, sr: torch.Tensor, hr: torch.Tensor) -> torch.Tensor:
        """``(B, 1, X, Y, Z)`` or ``(B, 1, X, Y)`` to a scalar."""
        axes = tuple(range(2, sr.dim()))
        difference: torch.Tensor = torch.fft.rfftn((sr - hr).float(), dim=axes, norm="ortho")
        return difference.abs().mean()
