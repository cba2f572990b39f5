"""HR volume to training pair: crop, degrade, restore; every draw from the transform's own random state."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import torch
from monai.transforms import RandomizableTransform

from monai_sr.degradation import (
    CoarseAxis,
    Degradation,
    DegradationSampler,
    add_noise,
    backprojection_matrix,
    default_profile,
    degrade,
    generator_input,
)
from monai_sr.grid import AxisGrid, apply_along
from monai_sr.keys import HR, LR
from monai_sr.transforms.contrast import RandContrast
from monai_sr.transforms.prepare import usable_axes

__all__ = ["RandSimulatePatchd", "added_noise", "span_with_margin"]

_MARGIN_LR = 4  # acquired samples beside the patch: reach of the profile, the spline and two back-projection steps
_MIN_BODY = 0.2  # smallest share of body in a patch: air teaches nothing


def span_with_margin(corner: int, patch: int, n: int, factor: float) -> tuple[int, int]:
    """First and last voxel of a patch with a margin for the reach of the degradation, as far as the axis of ``n`` goes.

    For a whole factor both margins hold whole acquired voxels, so that the factor is exact and the patch begins where
    an acquired voxel does.
    """
    margin = math.ceil(_MARGIN_LR * factor)
    before, after = min(margin, corner), min(margin, n - corner - patch)
    if factor == round(factor):
        before, after = (m - m % round(factor) for m in (before, after))
    return corner - before, corner + patch + after


def added_noise(acquired: torch.Tensor, noise: float, floor: float | None, seed: int) -> torch.Tensor:
    """An acquired volume with noise: Rician on the scanner's zero ``floor``, Gaussian where it has none."""
    generator = torch.Generator().manual_seed(seed)
    if floor is None:
        return add_noise(acquired, noise, "gaussian", generator)
    return add_noise(acquired - floor, noise, "rician", generator) + floor


class RandSimulatePatchd(RandomizableTransform):
    """Dictionary transform: a random patch of an HR volume and the network input simulated from it.

    One fine axis is drawn, brought to the last place, cropped with a margin, degraded by A, restored by interpolation
    and back-projection, and the margin cut off. In some samples another axis is coarse, or was restored before, as
    happens when several axes are treated one after the other; input and truth share that.

    Args:
        patch: size of the patch along all axes, a multiple of the generator's ``size_multiple``.
        sampler: draws factor, profile and noise.
        coarse_fraction: samples in which another axis stays on a coarser grid.
        restored_fraction: samples in which another axis was degraded and restored.
        contrast: changes the intensities of the HR patch; None: none are changed.
        noise_error: the network is told a noise level that is wrong by up to this share, as an estimate may be.

    Returns (in the dictionary):
        ``LR``: ``(7, patch, patch, patch)``, channels as in ``degradation.conditioning``;
        ``HR``: ``(1, patch, patch, patch)``.
    """

    def __init__(
        self,
        patch: int = 40,
        sampler: DegradationSampler | None = None,
        coarse_fraction: float = 0.1,
        restored_fraction: float = 0.1,
        contrast: RandContrast | None = None,
        noise_error: float = 0.0,
    ) -> None:
        super().__init__(prob=1.0)
        self.patch = patch
        self.sampler = sampler or DegradationSampler()
        self.coarse_fraction = coarse_fraction
        self.restored_fraction = restored_fraction
        self.contrast = contrast
        self.noise_error = noise_error

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Draw a patch, then simulate."""
        usable = usable_axes(data[HR].shape, data["fine_axes"], self.patch)
        if not usable:
            raise ValueError(f"{data['name']} is too small for patches of {self.patch}: give DescribeScand that size")
        axis = int(self.R.choice(usable))
        drawn = self.sampler(self.R, data["modality"], int(data.get("index", 0)))
        seed = int(self.R.randint(2**31))
        hr, offset = self._crop(data, axis, drawn.factor)
        flips = [d for d in range(3) if self.R.uniform() < 0.5]
        if 2 in flips:
            offset = hr.shape[2] - offset - self.patch
        hr, floor = torch.flip(hr, flips), data["floor"]
        if self.contrast is not None:
            self.contrast.set_random_state(seed=int(self.R.randint(2**31)))
            hr, floor = self.contrast(hr, floor)
        own = data["noise_after"](axis, drawn.factor)
        told = float(np.hypot(own, drawn.noise) * self.R.uniform(1.0 - self.noise_error, 1.0 + self.noise_error))
        acquired, grid = self._acquire(hr, drawn, floor, seed)
        coarse = [CoarseAxis(-1, grid, drawn.profile)]
        window = (..., slice(offset, offset + self.patch))
        lr = generator_input(acquired, coarse, told, data["modality"])[window]
        return {LR: lr.clone(), HR: hr[window][None].clone(), "name": data["name"]}

    def _corner(self, data: Mapping[Hashable, Any]) -> list[int]:
        """First voxel of a patch that holds body; a volume with hardly any body still gives a patch."""
        corner = [0, 0, 0]
        for _ in range(30):
            corner = [int(self.R.randint(n - self.patch + 1)) for n in data[HR].shape]
            inside = data["mask"][tuple(slice(c, c + self.patch, 4) for c in corner)]
            if float(inside.float().mean()) >= _MIN_BODY:
                break
        return corner

    def _crop(self, data: Mapping[Hashable, Any], axis: int, restored: float) -> tuple[torch.Tensor, int]:
        """Patch with a margin along ``axis``, which becomes the last; the other two change places in half of the cases.

        Perhaps the first axis is made coarse, or coarse and restored again: then it is cropped longer before.

        Returns the crop ``(patch, patch, patch + margins)`` and the offset of the patch on the last axis.
        """
        shape, patch, corner = data[HR].shape, self.patch, self._corner(data)
        first, last = span_with_margin(corner[axis], patch, shape[axis], restored)
        others = [a for a in range(3) if a != axis]
        if self.R.uniform() < 0.5:
            others.reverse()
        kind, factor = self.R.uniform(), float(self.R.uniform(1.5, 4.0))
        side = others[0]
        length = patch
        if side in data["fine_axes"] and kind < self.coarse_fraction:
            length = int(factor * patch)
        elif side in data["fine_axes"] and kind < self.coarse_fraction + self.restored_fraction:
            length = 2 * patch
        if length > shape[side]:
            length = patch
        begin = min(corner[side], shape[side] - length)
        window = {axis: slice(first, last), side: slice(begin, begin + length)}
        window[others[1]] = slice(corner[others[1]], corner[others[1]] + patch)
        crop = data[HR][window[0], window[1], window[2]].permute(*others, axis)
        if length > patch:
            crop = self._coarsen(crop, factor, data["modality"], restore=kind >= self.coarse_fraction)
        return crop, corner[axis] - first

    def _coarsen(self, crop: torch.Tensor, factor: float, modality: str, *, restore: bool) -> torch.Tensor:
        """Degrade the first axis to ``patch`` coarse voxels, or degrade and restore it and cut the patch."""
        profile = default_profile(modality)
        n = crop.shape[0]
        grid = AxisGrid(max(round(n / factor), 2) if restore else self.patch, n)
        coarse = degrade(crop, grid, profile, axis=0)
        if not restore:
            return coarse
        middle = (n - self.patch) // 2
        return apply_along(backprojection_matrix(grid, profile, 2), coarse, 0)[middle : middle + self.patch]

    def _acquire(
        self, hr: torch.Tensor, drawn: Degradation, floor: float | None, seed: int
    ) -> tuple[torch.Tensor, AxisGrid]:
        n_hr = hr.shape[2]
        grid = AxisGrid(max(round(n_hr / drawn.factor), 2), n_hr)
        return added_noise(degrade(hr, grid, drawn.profile, axis=2), drawn.noise, floor, seed), grid
