"""Losses; they take tensors or logits, never a network or a trainer."""

from monai_sr.losses.adversarial import SigmoidBCELoss
from monai_sr.losses.composite import WeightedLosses

__all__ = ["SigmoidBCELoss", "WeightedLosses"]
