"""ProSR (Wang 2018): a pyramid that is grown, x2 first and x4 on top of it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from monai.networks.blocks import Convolution
from torch import nn

from monai_sr.networks.blocks import ResidualDenseBlock
from monai_sr.networks.post_upsampling import PostUpsampling, SubpixelUpsample

__all__ = ["ProgressiveSR"]


class _Level(nn.Module):
    """Dense blocks at one resolution, then x2."""

    def __init__(self, spatial_dims: int, channels: int, growth: int, blocks: int) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*(ResidualDenseBlock(spatial_dims, channels, growth) for _ in range(blocks)))
        self.up = SubpixelUpsample(spatial_dims, channels, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.up(x + self.blocks(x))
        return out


class ProgressiveSR(PostUpsampling):
    """ProSR: each level of the pyramid doubles the grid and corrects the interpolation at its own factor.

    The lower level has more blocks (the paper's asymmetric pyramid). The x4 level's last convolution begins at zero, so
    it fades in from interpolation when the curriculum of the sampler brings x4 in. There
    is no x3: a pyramid of doublings has none.

    Args:
        spatial_dims: 2 or 3.
        channels: width.
        growth: channels that each dense layer adds.
        blocks: dense blocks per level.

    Example:
        >>> import torch
        >>> x = torch.zeros(1, 5, 12, 12, 12)
        >>> x[:, 2] = 4 / 4  # the condition that says x4
        >>> ProgressiveSR(channels=4, growth=2, blocks=(1, 1))(x).shape
        torch.Size([1, 1, 12, 12, 12])
    """

    def __init__(
        self, spatial_dims: int = 3, channels: int = 16, growth: int = 8, blocks: Sequence[int] = (3, 1)
    ) -> None:
        trunk = Convolution(spatial_dims, 1, channels, conv_only=True)
        super().__init__(spatial_dims, trunk, 5 * sum(blocks) + 2, channels, factors=(2, 4))
        self.tails = nn.ModuleDict()  # the levels take their place
        self.levels = nn.ModuleList(_Level(spatial_dims, channels, growth, n) for n in blocks)
        self.last_x4 = Convolution(spatial_dims, channels, 1, conv_only=True)
        for parameter in self.last_x4.parameters():
            nn.init.zeros_(parameter)

    def enlarge(self, features: torch.Tensor, factor: int) -> torch.Tensor:
        """One level for x2, both for x4."""
        x2: torch.Tensor = self.levels[0](features)
        if factor == 2:
            return x2
        x4: torch.Tensor = self.levels[1](x2)
        return x4

    def correction(self, features: torch.Tensor, factor: int) -> torch.Tensor:
        """Each factor has its own last convolution."""
        last: torch.Tensor = (self.last if factor == 2 else self.last_x4)(features)
        return last
