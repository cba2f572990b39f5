"""What networks share."""

from __future__ import annotations

import torch
from monai.networks.utils import pixelunshuffle
from torch import nn
from torch.nn import functional as F

__all__ = ["DetailStem", "init_rectified", "last_convolution"]


class DetailStem(nn.Module):
    """Space-to-depth that separates detail from brightness.

    Brightness is of the order of 1, the detail that super-resolution is about of the order of 0.03. A plain
    space-to-depth leaves it to the first convolution to tell them apart, and training then stands still for thousands
    of steps (``docs/decisions/0005-detail-stem.md``). Here, per cell of ``factor ** dims`` voxels of the start volume:
    each voxel minus the cell's mean, and the cell's mean minus its neighbourhood, both times ``gain``; then the mean
    itself; further image channels as their difference to the start, times ``gain``; then the constant conditions.

    Args:
        spatial_dims: 2 or 3.
        image_channels: channels that vary in space.
        condition_channels: constant channels behind them.
        factor: edge of a cell in voxels.
        gain: amplification of everything that is a difference.

    Attributes:
        out_channels: channels of the result.
    """

    REACH_CELLS = 2  # the neighbourhood of a cell is 5 cells wide

    def __init__(
        self, spatial_dims: int, image_channels: int, condition_channels: int, factor: int = 2, gain: float = 10.0
    ) -> None:
        super().__init__()
        self.spatial_dims, self.image_channels = spatial_dims, image_channels
        self.factor, self.gain = factor, gain
        self.out_channels = image_channels * factor**spatial_dims + 2 + condition_channels

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``(B, image + condition channels, X, Y, Z)`` to ``(B, out_channels, X / factor, ...)``."""
        start = pixelunshuffle(x[:, :1], self.spatial_dims, self.factor)
        level = start.mean(dim=1, keepdim=True)
        pool = F.avg_pool3d if self.spatial_dims == 3 else F.avg_pool2d
        around = pool(level, 2 * self.REACH_CELLS + 1, 1, self.REACH_CELLS, count_include_pad=False)
        parts = [self.gain * (start - level), self.gain * (level - around), level]
        if self.image_channels > 1:
            other = x[:, :1] - x[:, 1 : self.image_channels]
            parts.append(self.gain * pixelunshuffle(other, self.spatial_dims, self.factor))
        one_per_cell = [slice(None, None, self.factor)] * self.spatial_dims
        parts.append(x[(slice(None), slice(self.image_channels, None), *one_per_cell)])
        return torch.cat(parts, dim=1)


def init_rectified(network: nn.Module) -> None:
    """Weights for ReLU networks without normalisation (He 2015), so that signals keep their size through the depth."""
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.Conv3d)):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        elif isinstance(module, (nn.ConvTranspose2d, nn.ConvTranspose3d)):
            # kernel = stride: each output voxel sums over the input channels alone
            nn.init.normal_(module.weight, std=(2.0 / module.in_channels) ** 0.5)
        else:
            continue
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def last_convolution(module: nn.Module) -> nn.Conv2d | nn.Conv3d:
    """The convolution through which a residual unit's branch leaves; its shortcut, if it has one, comes apart."""
    branch = module.get_submodule("conv")
    return [m for m in branch.modules() if isinstance(m, (nn.Conv2d, nn.Conv3d))][-1]
