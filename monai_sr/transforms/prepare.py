"""What is computed once per training volume and kept."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor
from monai.transforms import Transform

from monai_sr.intensity import IntensityRange, body_mask, contrast, estimate_noise
from monai_sr.keys import HR

__all__ = ["DescribeScand"]


class DescribeScand(Transform):
    """Dictionary transform: from a normalised HR MetaTensor ``(1, X, Y, Z)`` to what the patch transforms need.

    Adds ``mask`` (body, bool), ``modality``, ``noise`` (of the HR volume itself, fraction of the range), ``floor``
    (where the scanner's zero lies in normalised units; None if the volume has negative MR values or is CT),
    ``contrast`` (see ``monai_sr.intensity.contrast``) and ``fine_axes``: axes that may serve as truth, spacing at most
    ``max_spacing`` mm and not coarser than 1.5 times the finest.

    Args:
        max_spacing: coarsest spacing in mm that counts as high resolution.
    """

    def __init__(self, max_spacing: float = 1.05) -> None:
        self.max_spacing = max_spacing

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Measure the volume."""
        d = dict(data)
        volume: MetaTensor = d[HR]
        low, high = volume.meta["intensity_range"]
        modality, spacing = volume.meta["modality"], volume.meta["spacing"]
        array = np.asarray(volume[0])
        scanned = array * (high - low) + low
        mask = body_mask(scanned, modality)
        limit = min(self.max_spacing, 1.5 * min(spacing))
        fine = tuple(axis for axis in range(3) if spacing[axis] <= limit)
        in_plane = np.argsort(spacing, kind="stable")[:2]
        floor = -low / (high - low)
        magnitude = modality == "MR" and float(array.min()) >= floor - 1e-4
        d.update(
            {
                HR: torch.as_tensor(array),
                "mask": torch.as_tensor(mask),
                "modality": modality,
                "name": volume.meta["name"],
                "noise": estimate_noise(array, mask, (int(in_plane[0]), int(in_plane[1]))),
                "contrast": contrast(scanned, mask, IntensityRange(low, high)),
                "floor": floor if magnitude else None,
                "fine_axes": fine,
            }
        )
        return d
