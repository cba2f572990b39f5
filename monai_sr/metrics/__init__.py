"""How good a restored volume is. Mask, range and border of every number: ``docs/definitions.md``."""

from monai_sr.metrics.bias import TISSUE_BANDS_HU, body_bias, body_core, nearest_on, tissue_bias
from monai_sr.metrics.fidelity import ms_ssim, psnr, ssim

__all__ = ["TISSUE_BANDS_HU", "body_bias", "body_core", "ms_ssim", "nearest_on", "psnr", "ssim", "tissue_bias"]
