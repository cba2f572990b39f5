"""HR volume or photograph to a two-dimensional training pair: both axes of a slice coarse, restored at once."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import torch
from monai.transforms import RandomizableTransform

from monai_sr.degradation import CoarseAxis, DegradationSampler, degrade, generator_input
from monai_sr.grid import AxisGrid
from monai_sr.keys import HR, LR
from monai_sr.transforms.prepare import usable_planes
from monai_sr.transforms.simulate import added_noise, span_with_margin

__all__ = ["RandSimulateSliced"]

_MIN_BODY = 0.2  # smallest share of body in a patch: air teaches nothing


class RandSimulateSliced(RandomizableTransform):
    """Dictionary transform: a random patch of an HR slice and the 2-D network input simulated from it.

    A slice spans two fine axes of the volume (of a photograph its only two). Both are degraded by the same factor and
    profile, restored by interpolation and back-projection, and the margin is cut off.

    Args:
        patch: size of the patch along both axes, a multiple of the generator's ``size_multiple``.
        sampler: draws factor, profile and noise.

    Returns (in the dictionary):
        ``LR``: ``(7, patch, patch)``, channels as in ``degradation.conditioning``; ``HR``: ``(1, patch, patch)``.
    """

    def __init__(self, patch: int = 72, sampler: DegradationSampler | None = None) -> None:
        super().__init__(prob=1.0)
        self.patch = patch
        self.sampler = sampler or DegradationSampler()

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Draw a patch, then simulate."""
        shape, patch = data[HR].shape, self.patch
        planes = usable_planes(shape, data["fine_axes"], patch)
        if not planes:
            raise ValueError(f"{data['name']} has no slice that holds a patch of {patch} x {patch}")
        plane = planes[int(self.R.choice(len(planes)))]
        drawn = self.sampler(self.R, data["modality"], int(data.get("index", 0)))
        seed = int(self.R.randint(2**31))
        across = next(axis for axis in range(3) if axis not in plane)
        position, corner = self._place(data, plane, across)
        spans = [span_with_margin(c, patch, shape[axis], drawn.factor) for c, axis in zip(corner, plane, strict=True)]
        window = dict(zip(plane, (slice(*span) for span in spans), strict=True))
        hr = data[HR][tuple(position if axis == across else window[axis] for axis in range(3))]
        inner = [slice(c - span[0], c - span[0] + patch) for c, span in zip(corner, spans, strict=True)]
        for axis in range(2):
            if self.R.uniform() < 0.5:
                hr, n = torch.flip(hr, [axis]), hr.shape[axis]
                inner[axis] = slice(n - inner[axis].stop, n - inner[axis].start)
        if self.R.uniform() < 0.5:
            hr, inner = hr.T, inner[::-1]
        coarse = [
            CoarseAxis(axis, AxisGrid(max(round(n / drawn.factor), 2), n), drawn.profile)
            for axis, n in enumerate(hr.shape)
        ]
        acquired = hr
        for axis, grid, profile in coarse:
            acquired = degrade(acquired, grid, profile, axis)
        acquired = added_noise(acquired, drawn.noise, data["floor"], seed)
        own = max(data["noise_after"](axis, drawn.factor) for axis in plane)
        lr = generator_input(acquired, coarse, float(np.hypot(own, drawn.noise)), data["modality"])
        return {LR: lr[(slice(None), *inner)].clone(), HR: hr[tuple(inner)][None].clone(), "name": data["name"]}

    def _place(self, data: Mapping[Hashable, Any], plane: tuple[int, int], across: int) -> tuple[int, list[int]]:
        """Slice and first voxel of a patch that holds body; a volume with hardly any body still gives a patch."""
        shape, position, corner = data[HR].shape, 0, [0, 0]
        for _ in range(30):
            position = int(self.R.randint(shape[across]))
            corner = [int(self.R.randint(shape[axis] - self.patch + 1)) for axis in plane]
            window = {axis: slice(c, c + self.patch, 4) for axis, c in zip(plane, corner, strict=True)}
            inside = data["mask"][tuple(position if axis == across else window[axis] for axis in range(3))]
            if float(inside.float().mean()) >= _MIN_BODY:
                break
        return position, corner
