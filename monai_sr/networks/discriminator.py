"""The patch discriminator, around MONAI's."""

from __future__ import annotations

from typing import Literal

import torch
from monai.networks.nets import PatchDiscriminator
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

__all__ = ["SRPatchDiscriminator"]


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
        """Feature maps of every layer before the logits."""
        found: list[torch.Tensor] = []
        for layer in list(self.net.children())[:-1]:
            x = layer(x)
            found.append(x)
        return found

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``(B, C, X, Y, Z)`` to logits ``(B, 1, X', Y', Z')``, always float32; positive means real."""
        last = self.features(x)[-1]
        # torch 2.13 on a CPU: the bfloat16 gradient of a convolution to one channel with few voxels reads memory that
        # nobody wrote, and is NaN now and then; a last layer in float32 costs nothing and is good practice anyway
        with torch.autocast(x.device.type, enabled=False):
            logits: torch.Tensor = self.net.get_submodule("final_conv")(last.float())
        return logits
