"""What inference and training may ask of a generator.

It works on the target grid: ``(B, 5, X, Y, Z)`` in, channels as in ``monai_sr.degradation.conditioning``, and
``(B, 1, X, Y, Z)`` out, both in units of the intensity range. The axis that is being restored is always the last one.
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

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """``(B, 5, X, Y, Z)`` to ``(B, 1, X, Y, Z)``."""
        ...
