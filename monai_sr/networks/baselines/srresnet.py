"""SRResNet (Ledig 2017), the generator of SRGAN, and EDSR (Lim 2017), which leaves its normalisation out."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from monai.networks.blocks import Convolution
from torch import nn

from monai_sr.networks.post_upsampling import PostUpsampling, ResidualTrunk

__all__ = ["EDSR", "SRResNet"]


class _ResidualBlock(nn.Module):
    """Convolution, activation, convolution, and a way around; with batch norm after both in SRResNet."""

    def __init__(self, spatial_dims: int, channels: int, norm: str | None, act: str, scale: float) -> None:
        super().__init__()
        self.first = Convolution(spatial_dims, channels, channels, norm=norm, act=act)
        self.second = Convolution(spatial_dims, channels, channels, norm=norm, act=None)
        self.scale = scale

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = x + self.scale * self.second(self.first(x))
        return out


class SRResNet(PostUpsampling):
    """SRResNet: residual blocks with batch norm and PReLU, sub-pixel tail.

    Args:
        spatial_dims: 2 or 3.
        channels: width; the paper's is 64.
        blocks: residual blocks; the paper has 16.
        factors: whole factors, each with its own tail.
        outer_kernel: of the first and the last convolution; the paper's is 9.

    Example:
        >>> import torch
        >>> x = torch.zeros(1, 5, 12, 12, 12)
        >>> x[:, 2] = 2 / 4  # the condition that says x2
        >>> SRResNet(channels=4, blocks=1)(x).shape
        torch.Size([1, 1, 12, 12, 12])
    """

    def __init__(
        self,
        spatial_dims: int = 3,
        channels: int = 16,
        blocks: int = 8,
        factors: Sequence[int] = (2, 3, 4),
        outer_kernel: int = 5,
    ) -> None:
        trunk = ResidualTrunk(
            Convolution(spatial_dims, 1, channels, kernel_size=outer_kernel, norm=None, act="PRELU"),
            *(_ResidualBlock(spatial_dims, channels, "BATCH", "PRELU", 1.0) for _ in range(blocks)),
            Convolution(spatial_dims, channels, channels, norm="BATCH", act=None),
        )
        reach = outer_kernel // 2 + 2 * blocks + 1
        super().__init__(spatial_dims, trunk, reach, channels, factors, "PRELU", outer_kernel)


class EDSR(PostUpsampling):
    """EDSR: wider residual blocks without normalisation, their output scaled; with a tail per factor it is MDSR.

    Args:
        spatial_dims: 2 or 3.
        channels: width; the baseline of the paper has 64.
        blocks: residual blocks; the baseline of the paper has 16.
        factors: whole factors, each with its own tail.
        scale: of a block's output; the paper's is 0.1.

    Example:
        >>> import torch
        >>> x = torch.zeros(1, 5, 12, 12)
        >>> x[:, 2] = 3 / 4  # the condition that says x3
        >>> EDSR(spatial_dims=2, channels=4, blocks=1)(x).shape
        torch.Size([1, 1, 12, 12])
    """

    def __init__(
        self,
        spatial_dims: int = 3,
        channels: int = 24,
        blocks: int = 4,
        factors: Sequence[int] = (2, 3, 4),
        scale: float = 0.1,
    ) -> None:
        trunk = ResidualTrunk(
            Convolution(spatial_dims, 1, channels, conv_only=True),
            *(_ResidualBlock(spatial_dims, channels, None, "RELU", scale) for _ in range(blocks)),
            Convolution(spatial_dims, channels, channels, conv_only=True),
        )
        super().__init__(spatial_dims, trunk, 2 * blocks + 2, channels, factors)
