"""The forward model and its train-free inverse: one operator for training, evaluation and data consistency."""

from monai_sr.degradation.backprojection import backprojection_matrix, correct, residual
from monai_sr.degradation.operator import NoiseKind, add_noise, degradation_matrix, degrade
from monai_sr.degradation.profiles import ProfileKind, SliceProfile

__all__ = [
    "NoiseKind",
    "ProfileKind",
    "SliceProfile",
    "add_noise",
    "backprojection_matrix",
    "correct",
    "degradation_matrix",
    "degrade",
    "residual",
]
