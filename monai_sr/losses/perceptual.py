"""Content loss on feature maps of a network that was trained here."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

__all__ = ["FeatureLoss"]


class FeatureLoss(nn.Module):
    """Mean absolute difference of feature maps, each relative to the size of the true ones.

    The papers take VGG19 (SRGAN, ESRGAN), whose weights cannot be had without the network. The discriminator's own
    features (Salimans 2016, Larsen 2016) are trained on the very data; the trainer hands them over. For a pretrained
    network put ``monai.losses.PerceptualLoss`` with the path of its weights among the terms of ``loss`` instead
    (``configs/README.md``).

    Example:
        >>> import torch
        >>> round(float(FeatureLoss()([torch.zeros(1, 2, 4)], [torch.ones(1, 2, 4)])), 3)
        1.0
    """

    def forward(self, sr: Sequence[torch.Tensor], hr: Sequence[torch.Tensor]) -> torch.Tensor:
        """Feature maps of SR and of HR, layer by layer, to a mean over the layers."""
        terms = []
        for fake, real in zip(sr, hr, strict=True):
            real = real.detach().float()
            terms.append((fake.float() - real).abs().mean() / (real.abs().mean() + 1e-6))
        return torch.stack(terms).mean()
