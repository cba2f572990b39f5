"""What is computed once per training volume and kept."""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor
from monai.transforms import Transform

from monai_sr.intensity import IntensityRange, body_mask, contrast, estimate_noise
from monai_sr.io import InputError
from monai_sr.keys import HR

__all__ = ["DescribeScand", "usable_axes", "usable_planes"]


def usable_axes(shape: Sequence[int], fine_axes: Sequence[int], patch: int) -> list[int]:
    """Axes along which a patch can be degraded with room for a margin; none if the patch does not fit at all.

    An axis of one voxel, the third of a picture, does not count: patches of pictures are flat.
    """
    fits = all(n >= patch for n in shape if n > 1)
    return [axis for axis in fine_axes if shape[axis] >= 2 * patch] if fits else []


def usable_planes(shape: Sequence[int], fine_axes: Sequence[int], patch: int) -> list[tuple[int, int]]:
    """Pairs of fine axes whose slices hold a patch."""
    return [pair for pair in itertools.combinations(fine_axes, 2) if min(shape[pair[0]], shape[pair[1]]) >= patch]


class DescribeScand(Transform):
    """Dictionary transform: from a normalised HR MetaTensor ``(1, X, Y, Z)`` to what the patch transforms need.

    Adds ``mask`` (body, bool), ``modality``, ``noise`` (of the HR volume itself, fraction of the range), ``floor``
    (where the scanner's zero lies in normalised units; None if the volume has negative MR values or is CT),
    ``contrast`` (see ``monai_sr.intensity.contrast``) and ``fine_axes``: axes that may serve as truth, spacing at most
    ``max_spacing`` mm, not coarser than 1.5 times the finest, and longer than one voxel.

    Args:
        max_spacing: coarsest spacing in mm that counts as high resolution.
        patch: size of the patches that will be drawn; a volume too small for them is refused here, where it is set
            aside, and not in the middle of a training.
        spatial_dims: of the patches: 3, or 2 for patches of slices, both of whose axes are restored.

    Raises:
        InputError: if no patch of that size can be drawn.
    """

    def __init__(self, max_spacing: float = 1.05, patch: int | None = None, spatial_dims: int = 3) -> None:
        self.max_spacing = max_spacing
        self.patch = patch
        self.spatial_dims = spatial_dims

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Measure the volume."""
        d = dict(data)
        volume: MetaTensor = d[HR]
        low, high = volume.meta["intensity_range"]
        modality, spacing = volume.meta["modality"], volume.meta["spacing"]
        array = np.asarray(volume[0])
        scanned = array * (high - low) + low
        mask = body_mask(scanned, modality)
        long = [axis for axis in range(3) if array.shape[axis] > 1] or [0, 1, 2]
        limit = min(self.max_spacing, 1.5 * min(spacing[axis] for axis in long))
        fine = tuple(axis for axis in range(3) if spacing[axis] <= limit and array.shape[axis] > 1)
        if self.patch is not None and self.spatial_dims == 2 and not usable_planes(array.shape, fine, self.patch):
            raise InputError(
                f"{volume.meta['name']}: a patch of {self.patch} x {self.patch} pixels needs slices of that size with "
                f"two axes of high resolution (at most {limit:.3g} mm), got shape {array.shape}, spacing {spacing} mm"
            )
        if self.patch is not None and self.spatial_dims == 3 and not usable_axes(array.shape, fine, self.patch):
            raise InputError(
                f"{volume.meta['name']}: a patch of {self.patch} voxels needs every axis that long and one of high "
                f"resolution (at most {limit:.3g} mm) twice as long, got shape {array.shape}, spacing {spacing} mm"
            )
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
