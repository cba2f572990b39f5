"""The U-Net generator on the target grid, from MONAI's blocks."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, Literal

import torch
from monai.networks.blocks import Convolution, ResidualUnit
from torch import nn

from monai_sr.degradation import CONDITION_CHANNELS, IMAGE_CHANNELS
from monai_sr.networks.blocks import DetailStem, Joined, depth_to_space, init_rectified, last_convolution

__all__ = ["UNetGenerator"]

_FEATURES = 6.0  # at the merge of the finest level: maps of the first width that are held at once (test_model.py)


class UNetGenerator(nn.Module):
    """U-Net (Ronneberger 2015) that adds a residual to its first input channel.

    A space-to-depth stem halves the grid in front and a sub-pixel head restores it behind (Shi 2016), so that every
    convolution runs on an eighth of the voxels: this is what makes a CPU enough. There is no normalisation layer by
    default, because instance norm makes a tile's result depend on its neighbours. The last layer starts at zero: an
    untrained generator is the identity on channel 0.

    Args:
        spatial_dims: 2 or 3.
        channels: width per level; the first level is at half resolution, each further one halves again.
        blocks: residual units per level, in the encoder and again in the decoder (the lowest level has them once).
        image_channels: input channels that vary in space; the first is the start to which the residual is added.
        condition_channels: constant input channels behind them; the stem reads one voxel per cell of each. Conditions
            of the input beyond that number are left out, so that models outlive new conditions.
        out_channels: output channels.
        stem: space-to-depth factor of :class:`DetailStem` and of the head; 1 leaves both out.
        norm: normalisation layer by MONAI's name, e.g. ``"BATCH"``; None by default.
        act: activation by MONAI's name, or name and arguments: ``["LEAKYRELU", {"negative_slope": 0.1}]``.
        unit: ``"residual"`` units, or ``"plain"`` convolution + norm + activation as in the 2-D GAN papers.
        output: ``"residual"`` adds to the start; ``"tanh"`` replaces it by (tanh + 1) / 2, in [0, 1].

    With one image channel and no condition it is a network of the literature that sees the interpolated volume alone;
    of a full input it takes just that, and no step towards the data belongs to it.

    Attributes:
        size_multiple: spatial sizes must be multiples of it.
        receptive_field: voxels to either side that can influence an output voxel.
        features_per_voxel: feature values held at the peak, per voxel of the input.
        conditions_apart: ``forward`` takes the conditions as a second argument, too.

    Example:
        >>> import torch
        >>> generator = UNetGenerator(spatial_dims=3, channels=(8, 16), blocks=(1, 1))
        >>> generator(torch.zeros(1, 7, 16, 16, 16)).shape
        torch.Size([1, 1, 16, 16, 16])
    """

    def __init__(
        self,
        spatial_dims: int = 3,
        channels: Sequence[int] = (32, 64),
        blocks: Sequence[int] = (2, 3),
        image_channels: int = IMAGE_CHANNELS,
        condition_channels: int = CONDITION_CHANNELS,
        out_channels: int = 1,
        stem: int = 2,
        norm: str | None = None,
        act: str | Sequence[Any] = "RELU",
        unit: Literal["residual", "plain"] = "residual",
        output: Literal["residual", "tanh"] = "residual",
    ) -> None:
        super().__init__()
        act = act if isinstance(act, str) else tuple(act)
        if len(channels) != len(blocks) or len(channels) < 1:
            raise ValueError(f"channels {tuple(channels)} and blocks {tuple(blocks)} must name the same levels")
        self.spatial_dims = spatial_dims
        self.factors: tuple[int, ...] = ()
        self.in_channels = image_channels + condition_channels
        self.image_channels = image_channels
        self.sees_interpolation_only = image_channels == 1 and condition_channels == 0
        self.consistency = not self.sees_interpolation_only
        self.stem = stem
        self.output = output
        self.conditions_apart = True
        self.size_multiple = stem * 2 ** (len(channels) - 1)
        self.features_per_voxel = _FEATURES * channels[0] / stem**spatial_dims
        self.receptive_field = self._receptive_field(blocks, stem, 2 if unit == "residual" else 1)

        def level(width: int, count: int) -> nn.Sequential:
            units: list[nn.Module] = []
            for _ in range(count):
                if unit == "residual":
                    units.append(
                        ResidualUnit(spatial_dims, width, width, subunits=2, norm=norm, act=act, last_conv_only=True)
                    )
                else:
                    units.append(Convolution(spatial_dims, width, width, norm=norm, act=act))
            return nn.Sequential(*units)

        features = self.in_channels
        self.detail_stem: nn.Module = Joined()
        self.gain = 1.0
        if stem > 1:
            self.detail_stem = stem_layer = DetailStem(spatial_dims, image_channels, condition_channels, stem)
            features, self.gain = stem_layer.out_channels, stem_layer.gain
        self.head_in = Convolution(spatial_dims, features, channels[0], norm=norm, act=act)
        self.encoder = nn.ModuleList(level(w, n) for w, n in zip(channels[:-1], blocks[:-1], strict=True))
        self.down = nn.ModuleList(
            Convolution(spatial_dims, a, b, strides=2, norm=norm, act=act) for a, b in itertools.pairwise(channels)
        )
        self.bottom = level(channels[-1], blocks[-1])
        # the way up, lowest level first
        upwards = list(zip(channels[-2::-1], channels[:0:-1], blocks[-2::-1], strict=True))
        self.up = nn.ModuleList(
            Convolution(
                spatial_dims,
                below,
                width,
                strides=2,
                kernel_size=2,
                padding=0,
                output_padding=0,
                is_transposed=True,
                norm=norm,
                act=act,
            )  # kernel = stride: every output voxel has one parent, so no checkerboard
            for width, below, _ in upwards
        )
        self.merge = nn.ModuleList(
            Convolution(spatial_dims, 2 * width, width, kernel_size=1, norm=norm, act=act) for width, _, _ in upwards
        )
        self.decoder = nn.ModuleList(level(width, count) for width, _, count in upwards)
        self.head_out = Convolution(spatial_dims, channels[0], out_channels * stem**spatial_dims, conv_only=True)
        if norm is None:
            init_rectified(self)
            for module in self.modules():
                if isinstance(module, ResidualUnit):  # start near the identity, or the depth multiplies the variance
                    last_convolution(module).weight.data.mul_(0.1)
        if output == "residual":
            for parameter in self.head_out.parameters():
                nn.init.zeros_(parameter)

    @staticmethod
    def _receptive_field(blocks: Sequence[int], stem: int, convolutions: int) -> int:
        radius = 2 * stem  # first and last convolution
        if stem > 1:
            radius += DetailStem.REACH_CELLS * stem
        for depth, count in enumerate(blocks):
            passes = 1 if depth == len(blocks) - 1 else 2
            radius += passes * count * convolutions * stem * 2**depth
        radius += sum(stem * 2**depth for depth in range(len(blocks) - 1))  # strided convolutions
        return int(radius + stem * 2 ** (len(blocks) - 1) - 1)  # a voxel shares its cell with the farthest of its block

    def forward(self, x: torch.Tensor, conditions: torch.Tensor | None = None) -> torch.Tensor:
        """``(B, image_channels + condition_channels, X, Y, Z)`` to ``(B, out_channels, X, Y, Z)``.

        Args:
            x: images and, behind them, conditions.
            conditions: instead of those in ``x``; constant channels that were expanded take no memory so.

        Raises:
            ValueError: if a spatial size is not a multiple of ``size_multiple``.
        """
        for n in x.shape[2:]:
            if n % self.size_multiple != 0:
                raise ValueError(f"spatial sizes must be multiples of {self.size_multiple}, got {x.shape[2:]}")
        if conditions is None:
            conditions = x[:, self.image_channels :]
        conditions = conditions[:, : self.in_channels - self.image_channels]
        if self.sees_interpolation_only:
            x, conditions = x[:, 1:2] if x.shape[1] > 1 else x, conditions[:, :0]
        x = x[:, : self.image_channels]
        h = self.head_in(self.detail_stem(x, conditions))
        skips: list[torch.Tensor] = []
        # TorchScript knows no strict zip; __init__ has built the lists from the same levels
        for encoder, down in zip(self.encoder, self.down):  # noqa: B905
            h = encoder(h)
            skips.append(h)
            h = down(h)
        h = self.bottom(h)
        for up, merge, decoder in zip(self.up, self.merge, self.decoder):  # noqa: B905
            h = decoder(merge(torch.cat([up(h), skips.pop()], dim=1)))
        h = self.head_out(h)
        if self.stem > 1:
            h = depth_to_space(h, self.stem) / self.gain
        if self.output == "tanh":
            return (torch.tanh(h) + 1.0) / 2.0
        sr: torch.Tensor = x[:, :1] + h.to(x.dtype)
        return sr
