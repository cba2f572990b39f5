"""What is computed once per training volume and kept."""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from monai.data import MetaTensor
from monai.transforms import Transform
from numpy.typing import NDArray
from scipy import ndimage

from monai_sr.degradation import default_profile, degrade
from monai_sr.grid import AxisGrid, apply_along, interpolation_matrix
from monai_sr.intensity import IntensityRange, body_mask, contrast, estimate_noise
from monai_sr.io import InputError
from monai_sr.keys import HR

__all__ = ["DescribeScand", "OwnNoise", "usable_axes", "usable_planes"]


def usable_axes(shape: Sequence[int], fine_axes: Sequence[int], patch: int) -> list[int]:
    """Axes along which a patch can be degraded with room for a margin; none if the patch does not fit at all.

    An axis of one voxel, the third of a picture, does not count: patches of pictures are flat.
    """
    fits = all(n >= patch for n in shape if n > 1)
    return [axis for axis in fine_axes if shape[axis] >= 2 * patch] if fits else []


def usable_planes(shape: Sequence[int], fine_axes: Sequence[int], patch: int) -> list[tuple[int, int]]:
    """Pairs of fine axes whose slices hold a patch."""
    return [pair for pair in itertools.combinations(fine_axes, 2) if min(shape[pair[0]], shape[pair[1]]) >= patch]


@dataclass(frozen=True)
class OwnNoise:
    """The noise that an HR volume brings into its degraded versions, measured as inference will measure it.

    A slice profile averages noise away, and what remains of the volume's texture is taken for noise; both depend on the
    axis and the factor, so both are measured.

    Args:
        levels: per axis, the noise in the other two axes after a degradation by each of ``FACTORS``.
    """

    levels: Mapping[int, Sequence[float]]

    FACTORS: ClassVar[tuple[float, ...]] = (1.0, 2.0, 4.0)
    _CROP: ClassVar[int] = 128

    @classmethod
    def measured(
        cls, array: NDArray[np.floating], mask: NDArray[np.bool_], modality: str, axes: Sequence[int]
    ) -> OwnNoise:
        """Degrade the middle of the body along each axis with the modality's usual profile.

        Args:
            array: normalised HR volume ``(X, Y, Z)``.
            mask: body.
            modality: ``"CT"``, ``"MR"`` or ``"photo"``.
            axes: fine axes.
        """
        window = []
        for n, inside in zip(array.shape, ndimage.center_of_mass(mask), strict=True):
            first = int(np.clip(inside - cls._CROP / 2, 0, max(n - cls._CROP, 0)))
            window.append(slice(first, first + cls._CROP))
        values = torch.as_tensor(array[tuple(window)].astype(np.float32))
        body = np.asarray(mask[tuple(window)], dtype=np.float32)
        levels = {}
        for axis in axes:
            others = [a for a in range(3) if a != axis]
            n = values.shape[axis]
            found = []
            for factor in cls.FACTORS:
                grid = AxisGrid(max(round(n / factor), 2), n)
                coarse = degrade(values, grid, default_profile(modality), axis) if factor > 1 else values
                kept = apply_along(interpolation_matrix(grid.reversed(), "nearest"), torch.as_tensor(body), axis)
                found.append(estimate_noise(coarse.numpy(), kept.numpy() > 0.5, (others[0], others[1])))
            levels[axis] = tuple(found)
        return cls(levels)

    def __call__(self, axis: int, factor: float) -> float:
        """Standard deviation after a degradation along an axis, as a fraction of the range."""
        return float(np.interp(np.log(factor), np.log(self.FACTORS), self.levels[axis]))


class DescribeScand(Transform):
    """Dictionary transform: from a normalised HR MetaTensor ``(1, X, Y, Z)`` to what the patch transforms need.

    Adds ``mask`` (body, bool), ``modality``, ``noise`` (of the HR volume itself, fraction of the range),
    ``noise_after`` (:class:`OwnNoise`: what of it is left when an axis is degraded), ``floor`` (where the scanner's
    zero lies in normalised units; None if the volume has negative MR values or is CT),
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
                "noise_after": OwnNoise.measured(array, mask, modality, fine),
                "contrast": contrast(scanned, mask, IntensityRange(low, high)),
                "floor": floor if magnitude else None,
                "fine_axes": fine,
            }
        )
        return d
