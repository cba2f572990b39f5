"""L1 where a GAN invents: after LDL (Liang, Zeng & Zhang 2022, CVPR, "Details or artifacts")."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

__all__ = ["ArtefactLoss"]


class ArtefactLoss(nn.Module):
    """L1 weighted by the local variance of the error.

    A smooth error is a missing detail; an error that changes from voxel to voxel is an invented one. The weight is the
    variance of SR - HR in a window, times the fifth root of its variance in the whole patch, so that patches full of
    artefacts weigh more; no gradient goes through it. The comparison with the averaged generator of the paper is left
    out: it needs a second pass.

    Args:
        window: edge in voxels, odd; 7 in the paper.
        unit: error of the order that counts as 1, as a fraction of the intensity range.
    """

    def __init__(self, window: int = 5, unit: float = 0.05) -> None:
        super().__init__()
        if window < 3 or window % 2 == 0:
            raise ValueError(f"the window must be odd and at least 3, got {window}")
        self.window = window
        self.unit = unit

    def forward(self, sr: torch.Tensor, hr: torch.Tensor) -> torch.Tensor:
        """``(B, 1, X, Y, Z)`` or ``(B, 1, X, Y)`` to a scalar."""
        error = sr - hr
        weight = self.weight(error.detach())
        return (weight * error.abs()).mean()

    def weight(self, error: torch.Tensor) -> torch.Tensor:
        """Weight of every voxel, of the shape of the error."""
        scaled = error / self.unit
        pool = F.avg_pool3d if error.dim() == 5 else F.avg_pool2d
        pad = [self.window // 2] * 2 * (error.dim() - 2)

        def local_mean(x: torch.Tensor) -> torch.Tensor:
            return pool(F.pad(x, pad, mode="replicate"), self.window, 1)

        variance = torch.clamp(local_mean(scaled**2) - local_mean(scaled) ** 2, min=0.0)
        whole = scaled.flatten(1).var(dim=1).reshape(-1, *[1] * (error.dim() - 1))
        return variance * whole**0.2
