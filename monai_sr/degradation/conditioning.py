"""What a generator is given: the restored start and what is known of the acquisition. Training and use share this.

All in units of the intensity range (``monai_sr.intensity``); in a volume the axis that is being restored is the
last one, in a slice both axes are.

| channel | content |
|---|---|
| 0 | start: interpolated and back-projected volume; a zero residual returns it unchanged |
| 1 | plain cubic B-spline interpolation of the same acquired volume |
| 2 | factor of the restored axis / 4, constant |
| 3 | width of the slice profile in acquired spacings, constant |
| 4 | noise standard deviation x 30, constant |
| 5, 6 | what the slice profile lets through of waves just below and above the limit of the acquired grid, constant |

The last two tell a box from a Gaussian or a k-space crop of the same width. A network that knows fewer conditions
leaves out the last ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch

from monai_sr.degradation.backprojection import backprojection_matrix, backprojection_steps
from monai_sr.degradation.operator import CoarseAxis
from monai_sr.degradation.profiles import SliceProfile
from monai_sr.grid import apply_along, interpolation_matrix

__all__ = [
    "CONDITION_CHANNELS",
    "FACTOR_UNIT",
    "IMAGE_CHANNELS",
    "conditions_of",
    "generator_input",
    "start_volume",
    "with_conditions",
]

IMAGE_CHANNELS = 2
CONDITION_CHANNELS = 5
FACTOR_UNIT, _NOISE_UNIT = 4.0, 1.0 / 30.0  # bring every condition to the order of 1
_TRANSFER_AT = (0.45, 0.75)  # cycles per acquired spacing; 0.5 is the highest that the acquired grid holds


def start_volume(acquired: torch.Tensor, coarse: Iterable[CoarseAxis], noise: float, modality: str) -> torch.Tensor:
    """Interpolate and back-project along the coarse axes, with as many steps as the noise allows.

    Args:
        acquired: in any affine intensity scale.
        coarse: the axes that are to be restored.
        noise: standard deviation as a fraction of the intensity range.
        modality: ``"CT"``, ``"MR"`` or ``"photo"``.

    Returns:
        The volume on the target grid.
    """
    steps = backprojection_steps(noise, modality)
    for axis, grid, profile in coarse:
        acquired = apply_along(backprojection_matrix(grid, profile, steps), acquired, axis)
    return acquired


def generator_input(acquired: torch.Tensor, coarse: Sequence[CoarseAxis], noise: float, modality: str) -> torch.Tensor:
    """The channels of the table above, for a normalised acquired volume.

    Args:
        acquired: ``(X, Y, Z)`` or a slice ``(X, Y)``, normalised.
        coarse: the last axis of a volume, or both axes of a slice; factor and profile are those of the first.
        noise: standard deviation as a fraction of the intensity range.
        modality: ``"CT"``, ``"MR"`` or ``"photo"``.

    Returns:
        ``(7, X, Y, Z)`` or ``(7, X, Y)`` on the target grid.
    """
    cubic = acquired
    for axis, grid, _ in coarse:
        cubic = apply_along(interpolation_matrix(grid), cubic, axis)
    images = torch.stack([start_volume(acquired, coarse, noise, modality), cubic])
    _, grid, profile = coarse[0]
    return with_conditions(images[None], factor=grid.factor, profile=profile, noise=noise)[0]


def with_conditions(images: torch.Tensor, *, factor: float, profile: SliceProfile, noise: float) -> torch.Tensor:
    """Append the constant channels to normalised images ``(B, 2, X, Y, Z)`` or ``(B, 2, X, Y)``.

    Args:
        images: start and plain interpolation.
        factor: acquired spacing divided by target spacing.
        profile: slice profile along the restored axis.
        noise: standard deviation as a fraction of the intensity range.

    Returns:
        The same with 7 channels.
    """
    return torch.cat([images, conditions_of(images, factor=factor, profile=profile, noise=noise)], dim=1)


def conditions_of(images: torch.Tensor, *, factor: float, profile: SliceProfile, noise: float) -> torch.Tensor:
    """The constant channels alone, ``(B, 5, X, Y, Z)``: a view that takes no memory."""
    passed = (profile.transfer(frequency) for frequency in _TRANSFER_AT)
    conditions = images.new_tensor([factor / FACTOR_UNIT, profile.width, noise / _NOISE_UNIT, *passed])
    spatial = images.shape[2:]
    return conditions.reshape(1, -1, *(1 for _ in spatial)).expand(len(images), -1, *spatial)
