"""HR scan to the LR scan that a scanner with thicker slices would have made: for the demo and every evaluation."""

from __future__ import annotations

from dataclasses import replace

import torch

from monai_sr.degradation import NoiseKind, SliceProfile, add_noise, default_profile, degrade
from monai_sr.grid import AxisGrid
from monai_sr.intensity import body_mask, intensity_range
from monai_sr.io import Volume

__all__ = ["thicken"]


def thicken(
    volume: Volume,
    *,
    axis: int,
    factor: float,
    profile: SliceProfile | None = None,
    noise: float = 0.0,
    seed: int = 0,
) -> Volume:
    """Apply the forward model along one axis.

    The field of view is kept, outer edge to outer edge, in ``round(n / factor)`` samples.

    Args:
        volume: HR scan.
        axis: array axis to thicken.
        factor: new spacing divided by old spacing.
        profile: slice profile; default: :func:`default_profile` of the modality.
        noise: standard deviation as a fraction of the intensity range of the HR scan, as in ``docs/definitions.md``;
            Rician for MR that has no negative values, Gaussian otherwise.
        seed: of the noise.

    Returns:
        LR scan with ``slice_axis`` and ``slice_thickness_mm`` set.
    """
    n = volume.geometry.shape[axis]
    grid = AxisGrid(max(round(n / factor), 2), n)
    used = default_profile(volume.modality) if profile is None else profile
    y = degrade(torch.from_numpy(volume.array), grid, used, axis)
    if noise > 0:
        modality = volume.modality or "MR"
        scale = intensity_range(volume.array, modality, body_mask(volume.array, modality))
        magnitude = modality == "MR" and float(volume.array.min()) >= 0.0
        kind: NoiseKind = "rician" if magnitude else "gaussian"
        y = add_noise(y, noise * scale.width, kind, torch.Generator().manual_seed(seed))
    shape = list(volume.geometry.shape)
    shape[axis] = grid.n_lr
    geometry = volume.geometry.resized((shape[0], shape[1], shape[2]))
    return replace(
        volume.with_values(y.numpy(), geometry),
        slice_axis=axis,
        slice_thickness_mm=used.width * geometry.spacing[axis],
    )
