"""Real LR/HR pairs of one scan: the LR volume is brought to the HR grid, as inference would do it."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from monai.data import MetaTensor
from monai.transforms import RandomizableTransform, Transform

from monai_sr.degradation import CoarseAxis, ProfileKind, SliceProfile, generator_input
from monai_sr.grid import AxisGrid, apply_along, interpolation_matrix
from monai_sr.intensity import IntensityRange, body_mask, contrast, estimate_noise
from monai_sr.io import InputError
from monai_sr.keys import HR, LR

__all__ = ["RandPairedPatchd", "RestorePaird"]

FloatArray = npt.NDArray[np.float64]

_DRIFT = 0.5  # HR voxels by which the axes of a pair may run apart over the field
_MIN_FACTOR = 1.1  # as at inference: below it there is nothing to restore


@dataclass(frozen=True)
class _AxisPair:
    """One HR axis and the LR axis beside it, after cropping both to what they share."""

    lr_axis: int
    flipped: bool
    hr: slice
    lr: slice
    grid: AxisGrid


class RestorePaird(Transform):
    """Dictionary transform: normalised MetaTensors under ``LR`` and ``HR`` to network input and truth on the HR grid.

    The two must be registered and their axes parallel, in any order and direction. Both are cropped to the field they
    share. The axis with the largest factor is the restored one and comes last; others are interpolated.

    Args:
        profile: kind of the LR volume's slice profile; default: Gaussian for MR, box for all others. Its width is the
            slice thickness over the spacing where the file says so, else one spacing.
        patch: size of the patches that will be drawn; a pair that shares less is refused here, where it is set aside.

    Returns (in the dictionary):
        ``LR``: ``(5, X, Y, Z)``, channels as in ``degradation.conditioning``; ``HR``: ``(1, X, Y, Z)``; ``mask``,
        ``modality``, ``name``, ``factor``, ``width``, ``noise`` (of LR, fraction of the range), ``contrast``.

    Raises:
        InputError: if the axes are not parallel, the fields do not overlap, or LR is nowhere coarser than HR.
    """

    def __init__(self, profile: ProfileKind | None = None, patch: int | None = None) -> None:
        self.profile = profile
        self.patch = patch

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Align, crop, interpolate, back-project."""
        lr, hr = data[LR], data[HR]
        axes = _pair_axes(lr, hr)
        restored = max(range(3), key=lambda a: axes[a].grid.factor)
        if axes[restored].grid.factor < _MIN_FACTOR:
            raise InputError(f"{hr.meta['name']}: no axis of the LR volume is at least 10 % coarser than in HR")
        others = [a for a in range(3) if a != restored]
        noise = _noise(lr)
        order = [*others, restored]
        acquired = torch.as_tensor(np.asarray(lr[0])).permute([axes[a].lr_axis for a in order])
        acquired = torch.flip(acquired, [i for i, a in enumerate(order) if axes[a].flipped])
        acquired = acquired[tuple(axes[a].lr for a in order)]
        for i, a in enumerate(others):
            if not _same(axes[a].grid):
                acquired = apply_along(interpolation_matrix(axes[a].grid), acquired, i)
        truth = torch.as_tensor(np.asarray(hr[0]))[tuple(axes[a].hr for a in range(3))].permute(order)
        if self.patch is not None and min(truth.shape) < self.patch:
            raise InputError(f"{hr.meta['name']}: a patch of {self.patch} does not fit the shared field {truth.shape}")
        profile = self._profile(lr, axes[restored].lr_axis)
        scale = IntensityRange(*hr.meta["intensity_range"])
        scanned = truth.numpy() * scale.width + scale.low
        mask = body_mask(scanned, hr.meta["modality"])
        return {
            LR: generator_input(acquired, [CoarseAxis(-1, axes[restored].grid, profile)], noise, hr.meta["modality"]),
            HR: truth[None],
            "mask": torch.as_tensor(mask),
            "modality": hr.meta["modality"],
            "name": hr.meta["name"],
            "factor": axes[restored].grid.factor,
            "width": profile.width,
            "noise": noise,
            "contrast": contrast(scanned, mask, scale),
        }

    def _profile(self, lr: MetaTensor, axis: int) -> SliceProfile:
        kind: ProfileKind = self.profile or ("gaussian" if lr.meta["modality"] == "MR" else "box")
        thickness = lr.meta["slice_thickness_mm"]
        if kind == "kspace" or thickness is None or lr.meta["slice_axis"] != axis:
            return SliceProfile(kind)
        return SliceProfile(kind, float(np.clip(thickness / lr.meta["spacing"][axis], 0.1, 4.0)))


class RandPairedPatchd(RandomizableTransform):
    """Dictionary transform: the same random patch of input and truth, flipped and transposed alike.

    Args:
        patch: size of the patch along all axes, a multiple of the generator's ``size_multiple``.
    """

    def __init__(self, patch: int = 40) -> None:
        super().__init__(prob=1.0)
        self.patch = patch

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Draw a patch centred in the body, if a few tries find one."""
        shape, patch = data[HR].shape[1:], self.patch
        if min(shape) < patch:
            raise InputError(f"{data['name']}: a patch of {patch} voxels does not fit the shared field {tuple(shape)}")
        for _ in range(30):
            corner = [int(self.R.randint(n - patch + 1)) for n in shape]
            if bool(data["mask"][tuple(c + patch // 2 for c in corner)]):
                break
        window = (slice(None), *(slice(c, c + patch) for c in corner))
        flips = [axis for axis in (1, 2, 3) if self.R.uniform() < 0.5]
        swap = self.R.uniform() < 0.5  # the two axes that are not restored
        sample: dict[Hashable, Any] = {"name": data["name"]}
        for key in (LR, HR):
            x = torch.flip(data[key][window], flips)
            sample[key] = (x.transpose(1, 2) if swap else x).contiguous()
        return sample


def _pair_axes(lr: MetaTensor, hr: MetaTensor) -> list[_AxisPair]:
    """Which LR axis lies along each HR axis, and where."""
    to_lr = np.linalg.inv(np.asarray(lr.affine, dtype=np.float64)) @ np.asarray(hr.affine, dtype=np.float64)
    direction, shape = to_lr[:3, :3], np.array(hr.shape[1:])
    lr_axes = np.abs(direction).argmax(axis=0)  # for every HR axis
    along = direction[lr_axes, range(3)]
    off = np.abs(direction) * shape
    off[lr_axes, range(3)] = 0.0
    if sorted(lr_axes) != [0, 1, 2] or (off.sum(axis=1)[lr_axes] > _DRIFT * np.abs(along)).any():
        raise InputError(f"{hr.meta['name']}: the axes of the pair are not parallel; resample one onto the other first")
    return [_share(axis, lr_axes[axis], to_lr, lr.shape[1:], int(shape[axis]), hr) for axis in range(3)]


def _share(axis: int, lr_axis: int, to_lr: FloatArray, lr_shape: torch.Size, n_hr: int, hr: MetaTensor) -> _AxisPair:
    n_lr, step, first = int(lr_shape[lr_axis]), float(to_lr[lr_axis, axis]), float(to_lr[lr_axis, 3])
    flipped = step < 0
    if flipped:
        step, first = -step, n_lr - 1 - first
    factor, start = 1.0 / step, first - 0.5 * step + 0.5  # outer edges, in acquired voxels
    low = max(math.ceil(-start * factor - 1e-3), 0)
    high = min(math.floor((n_lr - start) * factor + 1e-3), n_hr)
    if high - low < 2:
        raise InputError(f"{hr.meta['name']}: the fields of view of the pair do not overlap along axis {axis}")
    start += low / factor
    from_lr = max(math.floor(start + 1e-3), 0)
    to = min(math.ceil(start + (high - low) / factor - 1e-3), n_lr)
    grid = AxisGrid(to - from_lr, high - low, factor, start - from_lr)
    return _AxisPair(int(lr_axis), flipped, slice(low, high), slice(from_lr, to), grid)


def _same(grid: AxisGrid) -> bool:
    """Whether the two grids are one, to a tenth of a voxel at both ends."""
    return grid.n_lr == grid.n_hr and abs(grid.start) < 0.1 and abs(grid.hr_edges()[-1] - grid.n_lr) < 0.1


def _noise(lr: MetaTensor) -> float:
    array = np.asarray(lr[0])
    low, high = lr.meta["intensity_range"]
    x, y = np.argsort(lr.meta["spacing"], kind="stable")[:2]
    return estimate_noise(array, body_mask(array * (high - low) + low, lr.meta["modality"]), (int(x), int(y)))
