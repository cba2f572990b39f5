"""The adapter for generators that start from the acquired grid and enlarge it by a whole factor (SRGAN, ESRGAN ...).

Target grid in, target grid out; outside nobody knows. The way back to the acquired grid is exact: channel 1 of the
input is a cubic B-spline through the acquired samples, so that spline's coefficients, and its values at the acquired
centres, follow from its values at the target centres by linear algebra (:func:`recovery_matrix`). What it costs: one
small matrix product per tile and axis; whole factors only, and tiles that begin on acquired voxels (``size_multiple``).
Where the length of a scan is no multiple of that, the last acquired voxel is met only approximately, because the tile
is padded.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch
from monai.networks.blocks import Convolution
from scipy.interpolate import BSpline
from torch import nn

from monai_sr.degradation import FACTOR_UNIT, IMAGE_CHANNELS
from monai_sr.grid import apply_along
from monai_sr.networks.blocks import depth_to_space, local_mean

__all__ = ["PostUpsampling", "ResidualTrunk", "SubpixelUpsample", "recovery_matrix"]

_MEAN_REACH = 2  # acquired voxels: the neighbourhood whose mean is taken off is 5 wide
_SPLINE_REACH = 8  # acquired voxels beyond which target samples together weigh under 1 % (test_post_upsampling)
GAIN = 10.0  # detail is of the order of 0.03 of the range; networks want inputs and outputs of the order of 1


@lru_cache(maxsize=64)
def recovery_matrix(n_lr: int, factor: int) -> npt.NDArray[np.float64]:
    """From values of a cubic spline at the target centres to its values at the acquired centres, ``(n_lr, n_hr)``.

    No condition at the edges is assumed, so it holds inside a volume as at its border; target and acquired grid share
    their outer edges and ``n_hr = factor * n_lr``.
    """
    knots = np.arange(-4.0, n_lr + 4.0)  # the spline has its knots at the acquired centres 0, 1, ...
    count = len(knots) - 4
    hr_centres = (np.arange(n_lr * factor) + 0.5) / factor - 0.5
    at_hr = BSpline.design_matrix(hr_centres, knots, 3).toarray()
    at_lr = BSpline.design_matrix(np.arange(n_lr, dtype=np.float64), knots, 3).toarray()
    assert at_hr.shape[1] == count
    matrix = np.asarray(at_lr @ np.linalg.pinv(at_hr), dtype=np.float64)
    matrix.setflags(write=False)
    return matrix


class SubpixelUpsample(nn.Module):
    """Convolution and sub-pixel shuffle (Shi 2016) along the restored axes: the last one in 3-D, both in 2-D."""

    def __init__(self, spatial_dims: int, channels: int, factor: int, act: nn.Module | None = None) -> None:
        super().__init__()
        self.factor = factor
        copies = factor if spatial_dims == 3 else factor**2
        self.conv = Convolution(spatial_dims, channels, channels * copies, conv_only=True)
        self.act = nn.Identity() if act is None else act

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``(B, C, X, Y, Z)`` to ``(B, C, X, Y, factor Z)``; ``(B, C, X, Y)`` to ``(B, C, factor X, factor Y)``."""
        h = self.conv(x)
        if h.dim() == 4:
            enlarged = depth_to_space(h, self.factor)
        else:
            b, _, nx, ny, nz = h.shape
            cells = h.reshape(b, -1, self.factor, nx, ny, nz).permute(0, 1, 3, 4, 5, 2)
            enlarged = cells.reshape(b, -1, nx, ny, nz * self.factor)
        activated: torch.Tensor = self.act(enlarged)
        return activated


class ResidualTrunk(nn.Module):
    """Head, blocks, and a way around all blocks: the trunk of the SRGAN family."""

    def __init__(self, head: nn.Module, *blocks: nn.Module) -> None:
        super().__init__()
        self.head = head
        self.blocks = nn.Sequential(*blocks)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Input to features of the same spatial size."""
        h = self.head(x)
        out: torch.Tensor = h + self.blocks(h)
        return out


class PostUpsampling(nn.Module):
    """What the generators of the SRGAN family share: back to the acquired grid, trunk, sub-pixel tail per factor.

    One trunk with a tail per factor is MDSR's way (Lim 2017) of serving several factors. The trunk sees the acquired
    volume minus its local mean, times 10, and the tail's output, divided by 10, is added to the interpolated volume
    (Kim 2016): with a short training the brightness is not what a network should spend its steps on. All systems of the
    comparison are treated so.

    Args:
        spatial_dims: 3 enlarges the last axis, 2 both axes.
        trunk: features ``(B, 1, ...)`` to ``(B, channels, ...)`` on the acquired grid.
        trunk_reach: voxels to either side that the trunk sees.
        channels: width of the trunk's output.
        factors: whole factors, each with a tail of its own.
        act: activation behind each sub-pixel shuffle.
        kernel_size: of the last convolution, on the target grid.
    """

    consistency = False

    def __init__(
        self,
        spatial_dims: int,
        trunk: nn.Module,
        trunk_reach: int,
        channels: int,
        factors: Sequence[int] = (2, 3, 4),
        act: str | None = None,
        kernel_size: int = 3,
    ) -> None:
        super().__init__()
        self.spatial_dims = spatial_dims
        self.factors = tuple(int(f) for f in factors)
        self.trunk = trunk
        self.tails = nn.ModuleDict({str(f): _tail(spatial_dims, channels, f, act) for f in self.factors})
        self.last = Convolution(spatial_dims, channels, 1, kernel_size=kernel_size, conv_only=True)
        for parameter in self.last.parameters():
            nn.init.zeros_(parameter)  # an untrained generator is the interpolation
        self.size_multiple = math.lcm(*self.factors)
        cells = _SPLINE_REACH + _MEAN_REACH + trunk_reach + 2
        self.receptive_field = cells * max(self.factors) + kernel_size // 2

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``(B, 5, X, Y, Z)`` to ``(B, 1, X, Y, Z)``; the samples of a batch may have different factors.

        Raises:
            ValueError: if a sample's factor is none of ``factors``.
        """
        interpolated = x[:, 1:2]
        factors = (x[:, IMAGE_CHANNELS].flatten(1)[:, 0].float() * FACTOR_UNIT).tolist()
        sr = torch.empty_like(interpolated, dtype=torch.float32)
        for factor in sorted({round(f) for f in factors}):
            if factor not in self.factors or any(abs(f - factor) > 0.01 for f in factors if round(f) == factor):
                raise ValueError(f"factor {factor} is none of {self.factors}; this generator takes whole factors only")
            chosen = [i for i, f in enumerate(factors) if round(f) == factor]
            volume = interpolated[chosen].float()
            detail = GAIN * self.detail(volume, factor)
            features = self.enlarge(self.trunk(detail), factor)
            sr[chosen] = volume + self.correction(features, factor).float() / GAIN
        return sr

    def enlarge(self, features: torch.Tensor, factor: int) -> torch.Tensor:
        """Features on the acquired grid to features on the target grid."""
        enlarged: torch.Tensor = self.tails[str(factor)](features)
        return enlarged

    def correction(self, features: torch.Tensor, factor: int) -> torch.Tensor:
        """Features on the target grid to what is added to the interpolation, times ``GAIN``."""
        correction: torch.Tensor = self.last(features)
        return correction

    def detail(self, interpolated: torch.Tensor, factor: int) -> torch.Tensor:
        """The acquired samples behind an interpolated volume ``(B, 1, X, Y, Z)``, minus their local mean."""
        with torch.autocast(interpolated.device.type, enabled=False):  # bfloat16 would lose what is to be enlarged
            acquired = interpolated
            for axis in (-1,) if self.spatial_dims == 3 else (-2, -1):
                acquired = apply_along(recovery_matrix(acquired.shape[axis] // factor, factor), acquired, axis)
            return acquired - local_mean(acquired, _MEAN_REACH)


def _tail(spatial_dims: int, channels: int, factor: int, act: str | None) -> nn.Sequential:
    """x4 in two steps of x2, as all the papers do it."""
    steps = [2, 2] if factor == 4 else [factor]
    return nn.Sequential(*(SubpixelUpsample(spatial_dims, channels, step, _activation(act)) for step in steps))


def _activation(name: str | None) -> nn.Module | None:
    return {None: None, "PRELU": nn.PReLU(), "LEAKYRELU": nn.LeakyReLU(0.2)}[name]
