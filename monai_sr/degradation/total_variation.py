"""Total variation: the train-free restoration with a prior, beside back-projection which has none.

``min_x 0.5 ||A x - y||^2 + weight TV(x)`` (Rudin, Osher & Fatemi 1992) by FISTA (Beck & Teboulle 2009, SIAM J. Imaging
Sci. 2). A acts along each degraded axis, so its adjoint is the transposed matrices and its norm their product.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import reduce

import numpy as np
import torch
from skimage.restoration import denoise_tv_chambolle

from monai_sr.degradation.operator import degradation_matrix
from monai_sr.degradation.profiles import SliceProfile
from monai_sr.grid import AxisGrid, apply_along, interpolation_matrix

__all__ = ["total_variation", "tv_weight"]

# Of the proximal map; the weight is measured with it. 20 take three times as long, and of four crops gave the CT at 2 %
# noise 0.3 dB more and the three MR nothing.
_INNER_STEPS = 5


def tv_weight(noise: float) -> float:
    """Weight of the total variation at a noise level, both as fractions of the intensity range.

    Measured on the training subjects by ``benchmarks/total_variation.py``.
    """
    return 3e-4 + 0.03 * noise + 3.0 * noise**2


def total_variation(
    y: torch.Tensor,
    grids: Sequence[tuple[int, AxisGrid, SliceProfile]],
    weight: float,
    iterations: int = 15,
) -> torch.Tensor:
    """Restore an acquired volume with the isotropic total variation of the target grid as prior.

    Args:
        y: acquired volume ``(X, Y, Z)``, in units of the intensity range.
        grids: array axis, grids and slice profile of every degraded axis.
        weight: of the total variation, see :func:`tv_weight`; differences are taken between neighbouring voxels.
        iterations: of FISTA; 0 is cubic interpolation, which is the start. At small weights more than 15 follow the
            noise (``benchmarks/total_variation.py --iterations 30``).

    Returns:
        The volume on the target grid, type and device as ``y``.

    Raises:
        ValueError: if no axis is given or the weight is not above 0.
    """
    if not grids:
        raise ValueError("total variation restores degraded axes, but none is given")
    if not weight > 0:
        raise ValueError(f"the weight of the total variation must be > 0, got {weight:g}")
    forward = [(axis, degradation_matrix(grid, profile)) for axis, grid, profile in grids]
    # the gradient of the data term changes at most so much per change of x: its step is the inverse
    steepness = math.prod(float(np.linalg.norm(matrix, 2)) ** 2 for _, matrix in forward)
    x = reduce(lambda volume, item: apply_along(interpolation_matrix(item[1]), volume, item[0]), grids, y)
    ahead, momentum = x, 1.0
    for _ in range(iterations):
        missed = y - reduce(lambda volume, item: apply_along(item[1], volume, item[0]), forward, ahead)
        towards = reduce(lambda volume, item: apply_along(item[1].T, volume, item[0]), forward, missed)
        following = _denoised(ahead + towards / steepness, weight / steepness)
        next_momentum = (1.0 + math.sqrt(1.0 + 4.0 * momentum**2)) / 2.0
        ahead = following + (momentum - 1.0) / next_momentum * (following - x)
        x, momentum = following, next_momentum
    return x


def _denoised(x: torch.Tensor, weight: float) -> torch.Tensor:
    """The proximal map of the total variation (Chambolle 2004): ``argmin_u 0.5 ||u - x||^2 + weight TV(u)``."""
    array = x.detach().cpu().numpy()
    # its own stop compares with the first objective and would end after one step where the weight is small
    result = denoise_tv_chambolle(array, weight=weight, eps=0.0, max_num_iter=_INNER_STEPS)
    return torch.as_tensor(np.asarray(result), dtype=x.dtype, device=x.device)
