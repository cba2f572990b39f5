"""The forward model and its train-free inverse: one operator for training, evaluation and data consistency."""

from monai_sr.degradation.backprojection import backprojection_matrix, backprojection_steps, correct, residual
from monai_sr.degradation.conditioning import (
    CONDITION_CHANNELS,
    FACTOR_UNIT,
    IMAGE_CHANNELS,
    conditions_of,
    generator_input,
    start_volume,
    with_conditions,
)
from monai_sr.degradation.operator import CoarseAxis, NoiseKind, add_noise, degradation_matrix, degrade
from monai_sr.degradation.profiles import ProfileKind, SliceProfile, default_profile
from monai_sr.degradation.sampling import Degradation, DegradationSampler
from monai_sr.degradation.total_variation import total_variation, tv_weight

__all__ = [
    "CONDITION_CHANNELS",
    "FACTOR_UNIT",
    "IMAGE_CHANNELS",
    "CoarseAxis",
    "Degradation",
    "DegradationSampler",
    "NoiseKind",
    "ProfileKind",
    "SliceProfile",
    "add_noise",
    "backprojection_matrix",
    "backprojection_steps",
    "conditions_of",
    "correct",
    "default_profile",
    "degradation_matrix",
    "degrade",
    "generator_input",
    "residual",
    "start_volume",
    "total_variation",
    "tv_weight",
    "with_conditions",
]
