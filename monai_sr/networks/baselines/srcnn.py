"""SRCNN (Dong 2014): three convolutions on the interpolated volume."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from monai.networks.blocks import Convolution
from torch import nn

from monai_sr.networks.blocks import local_detail

__all__ = ["SRCNN"]

_MEAN_REACH = 8  # voxels: two acquired voxels at x4


class SRCNN(nn.Module):
    """Patch extraction, non-linear mapping, reconstruction.

    It sees the interpolated volume minus its local mean, times 10, and its output, divided by 10, is added to it: see
    ``post_upsampling``, all systems of the comparison are treated so. The paper learns the image itself, in 10^8
    steps.

    Args:
        spatial_dims: 2 or 3.
        channels: widths of the two hidden layers; the paper's are 64 and 32.
        kernels: sizes of the three; the paper's are 9, 1, 5.

    Example:
        >>> import torch
        >>> SRCNN(channels=(4, 2))(torch.zeros(1, 5, 10, 10, 10)).shape
        torch.Size([1, 1, 10, 10, 10])
    """

    consistency = False

    def __init__(
        self, spatial_dims: int = 3, channels: Sequence[int] = (64, 32), kernels: Sequence[int] = (9, 1, 5)
    ) -> None:
        super().__init__()
        self.spatial_dims = spatial_dims
        self.factors: tuple[int, ...] = ()
        self.size_multiple = 1
        self.receptive_field = sum(k // 2 for k in kernels) + _MEAN_REACH
        first, second = channels
        self.layers = nn.Sequential(
            Convolution(spatial_dims, 1, first, kernel_size=kernels[0], norm=None, act="RELU"),
            Convolution(spatial_dims, first, second, kernel_size=kernels[1], norm=None, act="RELU"),
            Convolution(spatial_dims, second, 1, kernel_size=kernels[2], conv_only=True),
        )
        for parameter in self.layers[-1].parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``(B, 5, X, Y, Z)`` to ``(B, 1, X, Y, Z)``."""
        detail, gain = local_detail(x[:, 1:2], _MEAN_REACH)
        sr: torch.Tensor = x[:, 1:2] + self.layers(detail).float() / gain
        return sr
