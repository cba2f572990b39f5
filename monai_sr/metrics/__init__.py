"""How good a restored volume is. Mask, range and border of every number: ``docs/definitions.md``."""

from monai_sr.metrics.agreement import icc
from monai_sr.metrics.bias import TISSUE_BANDS_HU, body_bias, body_core, nearest_on, tissue_bias
from monai_sr.metrics.blobs import contrast_map, unmatched_blobs
from monai_sr.metrics.discriminator import DiscriminatorScores, discriminator_scores
from monai_sr.metrics.fidelity import ms_ssim, psnr, ssim
from monai_sr.metrics.gradient import gradient_similarity
from monai_sr.metrics.intervals import PairedInterval, paired_interval
from monai_sr.metrics.lesions import VISIBLE, contrast_scores, half_maximum_volume, local_contrast
from monai_sr.metrics.radiomics import FEATURES, region_features
from monai_sr.metrics.resolution import EdgeProfile, FrcCurve, edge_profile, edge_width_mm, frc, frc_resolution_mm

__all__ = [
    "FEATURES",
    "TISSUE_BANDS_HU",
    "VISIBLE",
    "DiscriminatorScores",
    "EdgeProfile",
    "FrcCurve",
    "PairedInterval",
    "body_bias",
    "body_core",
    "contrast_map",
    "contrast_scores",
    "discriminator_scores",
    "edge_profile",
    "edge_width_mm",
    "frc",
    "frc_resolution_mm",
    "gradient_similarity",
    "half_maximum_volume",
    "icc",
    "local_contrast",
    "ms_ssim",
    "nearest_on",
    "paired_interval",
    "psnr",
    "region_features",
    "ssim",
    "tissue_bias",
    "unmatched_blobs",
]
