"""The generator of the attention SRGAN (Liu 2021): SRResNet whose residual blocks weigh channels and places.

The two attentions are those of Woo 2018 (CBAM): channels by their mean and maximum, places by mean and maximum over the
channels. CBAM pools over the whole image; here over a neighbourhood, so that a patch in training and a volume in use
are treated alike (Chu 2022) and tiles leave no trace.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from monai.networks.blocks import Convolution
from torch import nn

from monai_sr.networks.blocks import local_mean
from monai_sr.networks.post_upsampling import PostUpsampling, ResidualTrunk

__all__ = ["AttentionSRResNet"]

_POOL_REACH = 4  # voxels: channels are weighed by their mean over 9
_PLACE_KERNEL = 3


class _ChannelAttention(nn.Module):
    def __init__(self, spatial_dims: int, channels: int) -> None:
        super().__init__()
        hidden = max(channels // 4, 2)
        self.weigh = nn.Sequential(
            Convolution(spatial_dims, channels, hidden, kernel_size=1, norm=None, act="RELU"),
            Convolution(spatial_dims, hidden, channels, kernel_size=1, conv_only=True),
            nn.Sigmoid(),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = x * self.weigh(local_mean(x, _POOL_REACH))
        return out


class _PlaceAttention(nn.Module):
    def __init__(self, spatial_dims: int) -> None:
        super().__init__()
        self.weigh = nn.Sequential(
            Convolution(spatial_dims, 2, 1, kernel_size=_PLACE_KERNEL, conv_only=True), nn.Sigmoid()
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        seen = torch.cat([x.mean(dim=1, keepdim=True), x.amax(dim=1, keepdim=True)], dim=1)
        out: torch.Tensor = x * self.weigh(seen)
        return out


class _AttentionBlock(nn.Module):
    def __init__(self, spatial_dims: int, channels: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            Convolution(spatial_dims, channels, channels, norm="BATCH", act="PRELU"),
            Convolution(spatial_dims, channels, channels, norm="BATCH", act=None),
            _ChannelAttention(spatial_dims, channels),
            _PlaceAttention(spatial_dims),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = x + self.branch(x)
        return out


class AttentionSRResNet(PostUpsampling):
    """SRResNet with channel and spatial attention in every residual block.

    Args:
        spatial_dims: 2 or 3.
        channels: width.
        blocks: residual blocks.
        factors: whole factors, each with its own tail.
        outer_kernel: of the first and the last convolution.

    Example:
        >>> import torch
        >>> x = torch.zeros(1, 5, 12, 12, 12)
        >>> x[:, 2] = 2 / 4  # the condition that says x2
        >>> AttentionSRResNet(channels=4, blocks=1)(x).shape
        torch.Size([1, 1, 12, 12, 12])
    """

    def __init__(
        self,
        spatial_dims: int = 3,
        channels: int = 16,
        blocks: int = 4,
        factors: Sequence[int] = (2, 3, 4),
        outer_kernel: int = 5,
    ) -> None:
        trunk = ResidualTrunk(
            Convolution(spatial_dims, 1, channels, kernel_size=outer_kernel, norm=None, act="PRELU"),
            *(_AttentionBlock(spatial_dims, channels) for _ in range(blocks)),
            Convolution(spatial_dims, channels, channels, norm="BATCH", act=None),
        )
        reach = outer_kernel // 2 + blocks * (2 + _POOL_REACH + _PLACE_KERNEL // 2) + 1
        super().__init__(spatial_dims, trunk, reach, channels, factors, "PRELU", outer_kernel)
