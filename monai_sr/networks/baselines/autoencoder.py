"""A convolutional autoencoder: encoder, bottleneck, decoder with deconvolutions. MONAI's."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from monai.networks.nets import AutoEncoder
from torch import nn

from monai_sr.networks.blocks import local_detail

__all__ = ["SRAutoencoder"]

_MEAN_REACH = 8  # voxels: two acquired voxels at x4


class SRAutoencoder(nn.Module):
    """The interpolated volume through a bottleneck; no way around it inside.

    It sees the interpolated volume minus its local mean, times 10, and its output, divided by 10, is added to it: see
    ``post_upsampling``, all systems of the comparison are treated so. Without that the bottleneck loses more
    detail than interpolation does.

    Args:
        spatial_dims: 2 or 3.
        channels: width per layer of the encoder; the decoder mirrors it.
        strides: of those layers.

    Example:
        >>> import torch
        >>> SRAutoencoder(channels=(4, 8), strides=(2, 2))(torch.zeros(1, 5, 8, 8, 8)).shape
        torch.Size([1, 1, 8, 8, 8])
    """

    consistency = False

    def __init__(
        self, spatial_dims: int = 3, channels: Sequence[int] = (32, 64, 128), strides: Sequence[int] = (2, 2, 1)
    ) -> None:
        super().__init__()
        self.spatial_dims = spatial_dims
        self.factors: tuple[int, ...] = ()
        # no norm: instance norm, MONAI's default here, makes a tile's result depend on its neighbours
        self.net = AutoEncoder(
            spatial_dims=spatial_dims,
            in_channels=1,
            out_channels=1,
            channels=tuple(channels),
            strides=tuple(strides),
            norm=None,  # type: ignore[arg-type]  # None is "no normalisation" in all of MONAI's blocks
        )
        total, reach = 1, 0
        for stride in strides:  # each layer once down and once up, with kernels of 3
            reach += 2 * total + 2 * stride * total
            total *= stride
        self.size_multiple = total
        self.receptive_field = reach + total + _MEAN_REACH

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``(B, 5, X, Y, Z)`` to ``(B, 1, X, Y, Z)``; sizes are multiples of ``size_multiple``."""
        detail, gain = local_detail(x[:, 1:2], _MEAN_REACH)
        sr: torch.Tensor = x[:, 1:2] + self.net(detail).float() / gain
        return sr
