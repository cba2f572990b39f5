"""What inference and training may ask of a generator.

It works on the target grid: ``(B, 5, X, Y, Z)`` in, channels as in ``monai_sr.degradation.conditioning``, and
``(B, 1, X, Y, Z)`` out, both in units of the intensity range. A 3-D generator restores one axis, always the last one. A
2-D generator, ``(B, 5, X, Y)`` in and ``(B, 1, X, Y)`` out, restores both axes of a slice at once.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch

__all__ = ["SRGenerator"]


@runtime_checkable
class SRGenerator(Protocol):
    """A target-grid generator as inference sees it."""

    spatial_dims: int
    size_multiple: int
    """Every spatial size of the input must be a multiple of this."""
    receptive_field: int
    """Voxels to either side that can influence an output voxel: the halo of a tile."""
    factors: tuple[int, ...]
    """Factors that it can enlarge by; empty: any."""
    consistency: bool
    """Whether the step towards the acquired data belongs to the system; published ones are measured without it."""

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """``(B, 5, X, Y, Z)`` to ``(B, 1, X, Y, Z)``."""
        ...
