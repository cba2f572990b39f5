"""What networks share; all of it can be compiled by TorchScript, which MONAI's own pixel shuffle cannot."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

__all__ = ["DetailStem", "depth_to_space", "init_rectified", "last_convolution", "space_to_depth"]


def space_to_depth(x: torch.Tensor, factor: int) -> torch.Tensor:
    """``(B, C, X, Y[, Z])`` to ``(B, C factor^dims, X / factor, ...)``, in the order of ``monai...pixelunshuffle``."""
    if x.dim() == 4:
        return F.pixel_unshuffle(x, factor)
    b, c, nx, ny, nz = x.shape
    cells = x.reshape(b, c, nx // factor, factor, ny // factor, factor, nz // factor, factor)
    return cells.permute(0, 1, 3, 5, 7, 2, 4, 6).reshape(b, -1, nx // factor, ny // factor, nz // factor)


def depth_to_space(x: torch.Tensor, factor: int) -> torch.Tensor:
    """The inverse of :func:`space_to_depth`."""
    if x.dim() == 4:
        return F.pixel_shuffle(x, factor)
    b, _, nx, ny, nz = x.shape
    cells = x.reshape(b, -1, factor, factor, factor, nx, ny, nz)
    return cells.permute(0, 1, 5, 2, 6, 3, 7, 4).reshape(b, -1, nx * factor, ny * factor, nz * factor)


def _local_mean(x: torch.Tensor, reach: int) -> torch.Tensor:
    """Mean over ``2 reach + 1`` cells along each axis, at the edge over those that exist; any size will do."""
    pad, width = [reach] * (2 * (x.dim() - 2)), 2 * reach + 1
    padded, inside = F.pad(x, pad), F.pad(torch.ones_like(x[:1]), pad)
    if x.dim() == 4:
        return F.avg_pool2d(padded, width, 1) / F.avg_pool2d(inside, width, 1)
    return F.avg_pool3d(padded, width, 1) / F.avg_pool3d(inside, width, 1)


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
        self.image_channels, self.factor, self.gain = image_channels, factor, gain
        self.reach = self.REACH_CELLS  # TorchScript sees no class attributes
        self.out_channels = image_channels * factor**spatial_dims + 2 + condition_channels

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``(B, image + condition channels, X, Y, Z)`` to ``(B, out_channels, X / factor, ...)``."""
        start = space_to_depth(x[:, :1], self.factor)
        level = start.mean(dim=1, keepdim=True)
        around = _local_mean(level, self.reach)
        parts = [self.gain * (start - level), self.gain * (level - around), level]
        if self.image_channels > 1:
            other = x[:, :1] - x[:, 1 : self.image_channels]
            parts.append(self.gain * space_to_depth(other, self.factor))
        conditions = x[:, self.image_channels :, :: self.factor, :: self.factor]
        parts.append(conditions if x.dim() == 4 else conditions[..., :: self.factor])
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
