"""Losses; they take tensors, logits or feature maps, never a network or a trainer."""

from monai_sr.losses.adversarial import AdversarialLoss, RelativisticAverageLoss
from monai_sr.losses.artefacts import ArtefactLoss
from monai_sr.losses.composite import WeightedLosses
from monai_sr.losses.fidelity import FrequencyLoss, LogL1Loss
from monai_sr.losses.perceptual import FeatureLoss

__all__ = [
    "AdversarialLoss",
    "ArtefactLoss",
    "FeatureLoss",
    "FrequencyLoss",
    "LogL1Loss",
    "RelativisticAverageLoss",
    "WeightedLosses",
]
