"""HR volume to training pair: crop, degrade, restore; every draw from the transform's own random state."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import torch
from monai.transforms import RandomizableTransform

from monai_sr.degradation import (
    Degradation,
    DegradationSampler,
    SliceProfile,
    add_noise,
    backprojection_matrix,
    degrade,
    generator_input,
)
from monai_sr.grid import AxisGrid, apply_along
from monai_sr.keys import HR, LR

__all__ = ["RandSimulatePatchd"]

_MARGIN_LR = 4  # acquired samples beside the patch: reach of the profile, the spline and two back-projection steps


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

    Returns (in the dictionary):
        ``LR``: ``(5, patch, patch, patch)``, channels as in ``degradation.conditioning``;
        ``HR``: ``(1, patch, patch, patch)``.
    """

    def __init__(
        self,
        patch: int = 40,
        sampler: DegradationSampler | None = None,
        coarse_fraction: float = 0.1,
        restored_fraction: float = 0.1,
    ) -> None:
        super().__init__(prob=1.0)
        self.patch = patch
        self.sampler = sampler or DegradationSampler()
        self.coarse_fraction = coarse_fraction
        self.restored_fraction = restored_fraction

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Draw a patch, then simulate."""
        usable = [a for a in data["fine_axes"] if data[HR].shape[a] >= 2 * self.patch]
        if not usable or min(data[HR].shape) < self.patch:
            raise ValueError(
                f"{data['name']}: a patch of {self.patch} voxels needs every axis at least that long and one axis of "
                f"high resolution twice as long, got shape {tuple(data[HR].shape)}, fine axes {data['fine_axes']}"
            )
        axis = int(self.R.choice(usable))
        drawn = self.sampler(self.R, data["modality"])
        seed = int(self.R.randint(2**31))
        hr = self._other_axis(self._orient(data, axis, math.ceil(_MARGIN_LR * drawn.factor)), data["modality"])
        return {**self._pair(*hr, drawn, data, seed), "name": data["name"]}

    def _orient(self, data: Mapping[Hashable, Any], axis: int, margin: int) -> tuple[torch.Tensor, int, list[bool]]:
        """Crop with a margin along ``axis``, move it last, flip and transpose the others.

        Returns the crop, the offset of the patch on the last axis, and which of the first two axes are fine.
        """
        shape, patch = data[HR].shape, self.patch
        for _ in range(30):  # a patch centred in the body; a volume with hardly any body still gives a patch
            corner = [int(self.R.randint(n - patch + 1)) for n in shape]
            if bool(data["mask"][tuple(c + patch // 2 for c in corner)]):
                break
        first, last = max(corner[axis] - margin, 0), min(corner[axis] + patch + margin, shape[axis])
        others = [a for a in range(3) if a != axis]
        reach = {a: min(4 * patch, shape[a] - corner[a]) for a in others}  # room for a coarser second axis
        window = [slice(first, last) if a == axis else slice(corner[a], corner[a] + reach[a]) for a in range(3)]
        crop = data[HR][tuple(window)]
        fine = [a in data["fine_axes"] for a in others]
        if self.R.uniform() < 0.5:
            others, fine = others[::-1], fine[::-1]
        crop = crop.permute(*others, axis)
        offset = corner[axis] - first
        flips = [d for d in range(3) if self.R.uniform() < 0.5]
        if 2 in flips:
            offset = crop.shape[2] - offset - patch
        return torch.flip(crop, flips), offset, fine

    def _other_axis(self, oriented: tuple[torch.Tensor, int, list[bool]], modality: str) -> tuple[torch.Tensor, int]:
        """Perhaps make the first axis coarse, or coarse and restored; cut the first two axes to the patch."""
        crop, offset, fine = oriented
        kind = self.R.uniform()
        factor = float(self.R.uniform(1.5, 4.0))
        profile = SliceProfile("box" if modality == "CT" else "gaussian")
        n = crop.shape[0]
        if fine[0] and kind < self.coarse_fraction and n >= int(factor * self.patch) + 1:
            grid = AxisGrid(self.patch, int(factor * self.patch))
            crop = degrade(crop[: grid.n_hr, : self.patch], grid, profile, axis=0)
        elif fine[0] and self.coarse_fraction <= kind < self.coarse_fraction + self.restored_fraction:
            crop = crop[: 2 * self.patch, : self.patch]
            grid = AxisGrid(max(round(crop.shape[0] / factor), 2), crop.shape[0])
            crop = apply_along(backprojection_matrix(grid, profile, 2), degrade(crop, grid, profile, 0), 0)
        return crop[: self.patch, : self.patch], offset

    def _pair(
        self, hr: torch.Tensor, offset: int, drawn: Degradation, data: Mapping[Hashable, Any], seed: int
    ) -> dict[Hashable, torch.Tensor]:
        n_hr = hr.shape[2]
        grid = AxisGrid(max(round(n_hr / drawn.factor), 2), n_hr)
        acquired = degrade(hr, grid, drawn.profile, axis=2)
        floor = data["floor"]
        generator = torch.Generator().manual_seed(seed)
        if floor is None:
            acquired = add_noise(acquired, drawn.noise, "gaussian", generator)
        else:
            acquired = add_noise(acquired - floor, drawn.noise, "rician", generator) + floor
        noise = float(np.hypot(data["noise"], drawn.noise))
        window = (..., slice(offset, offset + self.patch))
        lr = generator_input(acquired, grid, drawn.profile, noise)[window]
        return {LR: lr.clone(), HR: hr[window][None].clone()}
