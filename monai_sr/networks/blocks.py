"""What networks share; all of it can be compiled by TorchScript, which MONAI's own pixel shuffle cannot."""

from __future__ import annotations

import torch
from monai.networks.blocks import Convolution
from torch import nn
from torch.nn import functional as F

__all__ = [
    "DetailStem",
    "Joined",
    "ResidualDenseBlock",
    "depth_to_space",
    "init_rectified",
    "last_convolution",
    "local_detail",
    "local_mean",
    "space_to_depth",
]


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


def local_mean(x: torch.Tensor, reach: int) -> torch.Tensor:
    """Mean over ``2 reach + 1`` voxels along each axis, at the edge over those that exist; any size will do."""
    width = 2 * reach + 1
    for axis in range(2, x.dim()):  # axis by axis: a window of 9 voxels costs 27 additions instead of 729
        last = x.movedim(axis, -1)
        lines = last.reshape(1, -1, last.shape[-1])
        inside = F.avg_pool1d(F.pad(torch.ones_like(lines[:, :1]), [reach, reach]), width, 1)
        x = (F.avg_pool1d(F.pad(lines, [reach, reach]), width, 1) / inside).reshape(last.shape).movedim(-1, axis)
    return x


def local_detail(x: torch.Tensor, reach: int, gain: float = 10.0) -> tuple[torch.Tensor, float]:
    """What stands out from the local mean, amplified to the order of 1, and the gain by which results are divided."""
    x = x.float()
    return gain * (x - local_mean(x, reach)), gain


class ResidualDenseBlock(nn.Module):
    """Densely connected convolutions whose scaled sum is added to the input (Zhang 2018, as used by Wang 2018).

    Args:
        spatial_dims: 2 or 3.
        channels: width of input and output.
        growth: channels that each of the four inner layers adds.
        scale: of what is added; 0.2 in the paper.
    """

    def __init__(self, spatial_dims: int, channels: int, growth: int, scale: float = 0.2) -> None:
        super().__init__()
        act = ("LEAKYRELU", {"negative_slope": 0.2})
        self.layers = nn.ModuleList(
            Convolution(spatial_dims, channels + i * growth, growth, norm=None, act=act) for i in range(4)
        )
        self.last = Convolution(spatial_dims, channels + 4 * growth, channels, conv_only=True)
        self.scale = scale

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``(B, channels, X, Y, Z)`` to the same shape."""
        found = [x]
        for layer in self.layers:
            found.append(layer(torch.cat(found, dim=1)))
        out: torch.Tensor = x + self.scale * self.last(torch.cat(found, dim=1))
        return out


class Joined(nn.Module):
    """No stem: images and conditions in one tensor."""

    def forward(self, x: torch.Tensor, conditions: torch.Tensor) -> torch.Tensor:
        """``(B, a, X, Y, Z)`` and ``(B, b, X, Y, Z)`` to ``(B, a + b, X, Y, Z)``."""
        return torch.cat([x, conditions], dim=1)


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

    def forward(self, x: torch.Tensor, conditions: torch.Tensor) -> torch.Tensor:
        """``(B, image_channels, X, Y, Z)`` and ``(B, condition_channels, X, Y, Z)`` to ``(B, out_channels, ...)``."""
        start = space_to_depth(x[:, :1], self.factor)
        level = start.mean(dim=1, keepdim=True)
        around = local_mean(level, self.reach)
        parts = [self.gain * (start - level), self.gain * (level - around), level]
        if self.image_channels > 1:
            other = x[:, :1] - x[:, 1 : self.image_channels]
            parts.append(self.gain * space_to_depth(other, self.factor))
        conditions = conditions[:, :, :: self.factor, :: self.factor]
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
