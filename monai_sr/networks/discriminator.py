"""The patch discriminator, around MONAI's, and that of SRGAN, which judges a patch as a whole."""

from __future__ import annotations

from typing import Literal

import torch
from monai.networks.blocks import Convolution
from monai.networks.nets import PatchDiscriminator
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

__all__ = ["SRGANDiscriminator", "SRPatchDiscriminator"]


class SRPatchDiscriminator(nn.Module):
    """PatchGAN (Isola 2017) that judges single volumes, real HR against SR, and returns logits.

    MONAI's ``PatchDiscriminator`` returns a list of features whose last entry holds the logits; here both have names.

    Args:
        spatial_dims: 2 or 3.
        channels: width of the first layer.
        num_layers: strided layers; a logit sees a patch of about ``2 ** (num_layers + 2)`` voxels along each axis.
        in_channels: channels of the volume.
        norm: ``"spectral"`` (Miyato 2018), ``"instance"`` or ``"batch"``.

    Example:
        >>> import torch
        >>> SRPatchDiscriminator(spatial_dims=2, channels=8, num_layers=2)(torch.zeros(1, 1, 32, 32)).shape
        torch.Size([1, 1, 6, 6])
    """

    def __init__(
        self,
        spatial_dims: int = 3,
        channels: int = 32,
        num_layers: int = 3,
        in_channels: int = 1,
        norm: Literal["spectral", "instance", "batch"] = "spectral",
    ) -> None:
        super().__init__()
        self.smallest = 3 * 2**num_layers  # the strided layers halve; the two behind them want 3 voxels
        self.net = PatchDiscriminator(
            spatial_dims=spatial_dims,
            channels=channels,
            in_channels=in_channels,
            out_channels=1,
            num_layers_d=num_layers,
            # MONAI builds an affine norm after each convolution; spectral norm acts on the weights instead
            norm="INSTANCE" if norm == "spectral" else norm.upper(),
        )
        if norm == "spectral":
            self._use_spectral_norm()

    def _use_spectral_norm(self) -> None:
        for name, module in list(self.net.named_modules()):
            if isinstance(module, (nn.InstanceNorm2d, nn.InstanceNorm3d)):
                parent = self.net.get_submodule(name.rpartition(".")[0])
                setattr(parent, name.rpartition(".")[2], nn.Identity())
            elif isinstance(module, (nn.Conv2d, nn.Conv3d)):
                spectral_norm(module)

    def features(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Feature maps of every layer before the logits.

        Raises:
            ValueError: if the patch is too small for a logit.
        """
        if min(x.shape[2:]) < self.smallest:
            raise ValueError(
                f"this discriminator needs patches of at least {self.smallest} voxels along every axis, got "
                f"{' x '.join(map(str, x.shape[2:]))}; take larger patches, or fewer layers (num_layers)"
            )
        found: list[torch.Tensor] = []
        for layer in list(self.net.children())[:-1]:
            x = layer(x)
            found.append(x)
        return found

    def judge(self, features: list[torch.Tensor]) -> torch.Tensor:
        """Feature maps to logits ``(B, 1, X', Y', Z')``, always float32."""
        last = features[-1]
        # torch 2.13 on a CPU: the bfloat16 gradient of a convolution to one channel with few voxels reads memory that
        # nobody wrote, and is NaN now and then; a last layer in float32 costs nothing and is good practice anyway
        with torch.autocast(last.device.type, enabled=False):
            logits: torch.Tensor = self.net.get_submodule("final_conv")(last.float())
        return logits

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``(B, C, X, Y, Z)`` to logits ``(B, 1, X', Y', Z')``; positive means real."""
        return self.judge(self.features(x))


class SRGANDiscriminator(nn.Module):
    """The discriminator of SRGAN (Ledig 2017), which ESRGAN took over: one logit for a whole patch.

    Pairs of convolutions, the second with stride 2, each with batch norm and LeakyReLU(0.2), the width doubling from
    pair to pair; then two dense layers. The paper's patches are 96 x 96 and its dense layer reads 6 x 6 positions; here
    the positions are averaged first, so that any patch fits.

    Args:
        spatial_dims: 2 or 3.
        channels: width of the first pair; the paper's is 64.
        pairs: the paper has 4.
        in_channels: channels of the volume.
        dense: width of the dense layer; the paper's is 1024.

    Example:
        >>> import torch
        >>> SRGANDiscriminator(spatial_dims=2, channels=4, pairs=2, dense=8)(torch.zeros(2, 1, 32, 32)).shape
        torch.Size([2, 1])
    """

    def __init__(
        self, spatial_dims: int = 3, channels: int = 16, pairs: int = 4, in_channels: int = 1, dense: int = 64
    ) -> None:
        super().__init__()
        act = ("LEAKYRELU", {"negative_slope": 0.2})
        layers: list[nn.Module] = []
        width = in_channels
        for pair in range(pairs):
            wider = channels * 2**pair
            layers += [
                # no normalisation behind the very first convolution, as in the paper
                Convolution(spatial_dims, width, wider, norm="BATCH" if pair else None, act=act),
                Convolution(spatial_dims, wider, wider, strides=2, norm="BATCH", act=act),
            ]
            width = wider
        self.layers = nn.ModuleList(layers)
        self.dense = nn.Sequential(nn.Linear(width, dense), nn.LeakyReLU(0.2), nn.Linear(dense, 1))

    def features(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Feature maps of every layer before the logits."""
        found: list[torch.Tensor] = []
        for layer in self.layers:
            x = layer(x)
            found.append(x)
        return found

    def judge(self, features: list[torch.Tensor]) -> torch.Tensor:
        """Feature maps to logits ``(B, 1)``, float32."""
        pooled = features[-1].float().flatten(2).mean(dim=2)
        with torch.autocast(pooled.device.type, enabled=False):
            logits: torch.Tensor = self.dense(pooled)
        return logits

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``(B, C, X, Y, Z)`` to logits ``(B, 1)``; positive means real."""
        return self.judge(self.features(x))
