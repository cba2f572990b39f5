"""Adversarial losses that MONAI's ``PatchAdversarialLoss`` lacks, with the same call."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

__all__ = ["SigmoidBCELoss"]


class SigmoidBCELoss(nn.Module):
    """Sigmoid and binary cross entropy (Goodfellow 2014), computed from the logits in one step.

    It is the loss of the papers that end the discriminator in a sigmoid. MONAI's ``criterion="bce"`` applies sigmoid
    and ``BCELoss`` one after the other, which CUDA's autocast refuses and which saturates.

    Example:
        >>> import torch
        >>> loss = SigmoidBCELoss()
        >>> round(float(loss(torch.zeros(1, 1, 2, 2), target_is_real=True, for_discriminator=True)), 4)
        0.6931
    """

    def forward(self, logits: torch.Tensor, target_is_real: bool, for_discriminator: bool) -> torch.Tensor:
        """Mean over all logits; the generator's goal is that its output is taken for real."""
        real = target_is_real or not for_discriminator
        target = torch.full_like(logits, 1.0 if real else 0.0)
        return functional.binary_cross_entropy_with_logits(logits, target)
