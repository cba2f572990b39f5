"""PSNR and SSIM inside the body mask, in the intensity range of the truth. MONAI's metrics do the arithmetic."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from monai.metrics import PSNRMetric
from monai.metrics.regression import compute_ssim_and_cs

from monai_sr.intensity import IntensityRange

__all__ = ["SSIM_SIGMA", "SSIM_WINDOW", "psnr", "ssim"]

FloatArray = npt.NDArray[np.floating]
BoolArray = npt.NDArray[np.bool_]

SSIM_WINDOW = 11
SSIM_SIGMA = 1.5
"""Gaussian window of Wang et al. 2004, in three dimensions."""


def _check(restored: FloatArray, truth: FloatArray, mask: BoolArray) -> None:
    if not restored.shape == truth.shape == mask.shape:
        raise ValueError(
            f"restored {restored.shape}, truth {truth.shape} and mask {mask.shape} must lie on the same grid; "
            "resample neither of them: ask for the truth's grid instead"
        )
    if not mask.any():
        raise ValueError("the mask holds no voxel; there is nothing to measure")


def psnr(restored: FloatArray, truth: FloatArray, mask: BoolArray, scale: IntensityRange) -> float:
    """Peak signal-to-noise ratio in dB: ``10 log10(width^2 / mean squared error inside the mask)``.

    Args:
        restored: ``(X, Y, Z)`` or ``(X, Y)`` in HU or the scanner's units.
        truth: of the same shape and units.
        mask: voxels that count.
        scale: intensity range of the truth; its width is the peak.

    Returns:
        dB; infinite for identical volumes.
    """
    _check(restored, truth, mask)
    inside = [torch.from_numpy(np.asarray(a[mask], dtype=np.float64) / scale.width)[None] for a in (restored, truth)]
    value = PSNRMetric(max_val=1.0)(y_pred=inside[0], y=inside[1])
    assert isinstance(value, torch.Tensor)  # one batch in, one tensor out
    return float(value)


def ssim(restored: FloatArray, truth: FloatArray, mask: BoolArray, scale: IntensityRange) -> float:
    """Structural similarity (Wang et al. 2004), mean over the mask.

    Both volumes are first brought to the truth's range, ``(v - low) / width``: SSIM compares means and is not
    independent of where zero lies. Only windows that lie inside the volume count, so no padding is invented.

    Args:
        restored: ``(X, Y, Z)`` or ``(X, Y)`` in HU or the scanner's units.
        truth: of the same shape and units.
        mask: voxels that count, by the centre of their window.
        scale: intensity range of the truth.

    Returns:
        At most 1. Axes shorter than the window shorten it to the largest odd size that fits.
    """
    _check(restored, truth, mask)
    window = tuple(min(SSIM_WINDOW, n - 1 + n % 2) for n in truth.shape)
    centres = mask[tuple(slice(w // 2, n - w // 2) for w, n in zip(window, mask.shape, strict=True))]
    if not centres.any():  # a body thinner than half a window: every window that touches the volume's middle
        centres = np.ones_like(centres)
    y_pred, y = (
        torch.from_numpy(np.asarray((a - scale.low) / scale.width, dtype=np.float32))[None, None]
        for a in (restored, truth)
    )
    local, _ = compute_ssim_and_cs(
        y_pred=y_pred,
        y=y,
        spatial_dims=truth.ndim,
        kernel_size=window,
        kernel_sigma=(SSIM_SIGMA,) * truth.ndim,
        data_range=1.0,
    )
    return float(local[0, 0].numpy()[centres].mean(dtype=np.float64))
