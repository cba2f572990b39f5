"""What a generator is given: the restored start and what is known of the acquisition. Training and use share this.

All in units of the intensity range (``monai_sr.intensity``), the axis that is being restored last.

| channel | content |
|---|---|
| 0 | start: interpolated and back-projected volume; a zero residual returns it unchanged |
| 1 | plain cubic B-spline interpolation of the same acquired volume |
| 2 | factor of the restored axis / 4, constant |
| 3 | width of the slice profile in acquired spacings, constant |
| 4 | noise standard deviation x 30, constant |
"""

from __future__ import annotations

import torch

from monai_sr.degradation.backprojection import backprojection_matrix, backprojection_steps
from monai_sr.degradation.profiles import SliceProfile
from monai_sr.grid import AxisGrid, apply_along, interpolation_matrix

__all__ = ["CONDITION_CHANNELS", "IMAGE_CHANNELS", "generator_input", "start_volume", "with_conditions"]

IMAGE_CHANNELS = 2
CONDITION_CHANNELS = 3
_FACTOR_UNIT, _NOISE_UNIT = 4.0, 1.0 / 30.0  # bring every condition to the order of 1


def start_volume(acquired: torch.Tensor, grid: AxisGrid, profile: SliceProfile, noise: float) -> torch.Tensor:
    """Interpolate and back-project along the last axis, with as many steps as the noise allows.

    Args:
        acquired: ``(X, Y, n_lr)`` in any affine intensity scale.
        grid: acquired and target grid of the last axis.
        profile: slice profile of the acquisition.
        noise: standard deviation as a fraction of the intensity range.

    Returns:
        ``(X, Y, n_hr)`` on the target grid.
    """
    return apply_along(backprojection_matrix(grid, profile, backprojection_steps(noise)), acquired, -1)


def generator_input(acquired: torch.Tensor, grid: AxisGrid, profile: SliceProfile, noise: float) -> torch.Tensor:
    """The channels of the table above, for a normalised acquired volume.

    Args:
        acquired: ``(X, Y, n_lr)``, normalised.
        grid: acquired and target grid of the last axis.
        profile: slice profile of the acquisition.
        noise: standard deviation as a fraction of the intensity range.

    Returns:
        ``(5, X, Y, n_hr)``.
    """
    cubic = apply_along(interpolation_matrix(grid), acquired, -1)
    images = torch.stack([start_volume(acquired, grid, profile, noise), cubic])
    return with_conditions(images, factor=grid.factor, width=profile.width, noise=noise)


def with_conditions(images: torch.Tensor, *, factor: float, width: float, noise: float) -> torch.Tensor:
    """Append the constant channels to normalised images ``(..., 2, X, Y, Z)``.

    Args:
        images: start and plain interpolation.
        factor: acquired spacing divided by target spacing.
        width: full width at half maximum of the slice profile in acquired spacings.
        noise: standard deviation as a fraction of the intensity range.

    Returns:
        ``(..., 5, X, Y, Z)``.
    """
    conditions = images.new_tensor([factor / _FACTOR_UNIT, width, noise / _NOISE_UNIT])
    shape = (*images.shape[:-4], CONDITION_CHANNELS, *images.shape[-3:])
    return torch.cat([images, conditions[:, None, None, None].expand(shape)], dim=-4)
