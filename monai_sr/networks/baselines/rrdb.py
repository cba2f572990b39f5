"""The generator of ESRGAN (Wang 2018): residual-in-residual dense blocks, no normalisation."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from monai.networks.blocks import Convolution
from torch import nn

from monai_sr.networks.blocks import ResidualDenseBlock
from monai_sr.networks.post_upsampling import PostUpsampling, ResidualTrunk

__all__ = ["RRDBNet"]


class _RRDB(nn.Module):
    """Three residual dense blocks in a row, and a way around them."""

    def __init__(self, spatial_dims: int, channels: int, growth: int) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*(ResidualDenseBlock(spatial_dims, channels, growth) for _ in range(3)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = x + 0.2 * self.blocks(x)
        return out


class RRDBNet(PostUpsampling):
    """RRDBNet. ESRGAN enlarges with nearest neighbours and convolutions, here as for the others by sub-pixels.

    Args:
        spatial_dims: 2 or 3.
        channels: width; the paper's is 64.
        growth: channels that each dense layer adds; the paper's is 32.
        blocks: residual-in-residual dense blocks; the paper has 23.
        factors: whole factors, each with its own tail.

    Example:
        >>> import torch
        >>> x = torch.zeros(1, 5, 12, 12, 12)
        >>> x[:, 2] = 4 / 4  # the condition that says x4
        >>> RRDBNet(channels=4, growth=2, blocks=1)(x).shape
        torch.Size([1, 1, 12, 12, 12])
    """

    def __init__(
        self,
        spatial_dims: int = 3,
        channels: int = 16,
        growth: int = 8,
        blocks: int = 2,
        factors: Sequence[int] = (2, 3, 4),
    ) -> None:
        trunk = ResidualTrunk(
            Convolution(spatial_dims, 1, channels, conv_only=True),
            *(_RRDB(spatial_dims, channels, growth) for _ in range(blocks)),
            Convolution(spatial_dims, channels, channels, conv_only=True),
        )
        super().__init__(spatial_dims, trunk, 15 * blocks + 2, channels, factors, "LEAKYRELU")
