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

__all__ = ["CONDITION_CHANNELS", "IMAGE_CHANNELS", "generator_input", "start_volume"]

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
    x = acquired.new_empty((IMAGE_CHANNELS + CONDITION_CHANNELS, *acquired.shape[:-1], grid.n_hr))
    x[0] = start_volume(acquired, grid, profile, noise)
    x[1] = apply_along(interpolation_matrix(grid), acquired, -1)
    x[2] = grid.factor / _FACTOR_UNIT
    x[3] = profile.width
    x[4] = noise / _NOISE_UNIT
    return x
