"""More contrasts than the training volumes have, so that a model relies on structure and not on what bright means."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from monai.transforms import RandAdjustContrast, RandBiasField, RandHistogramShift, Randomizable
from monai.utils import convert_to_tensor

from monai_sr.intensity import IntensityRange, contrast
from monai_sr.keys import HR

__all__ = ["RandContrast", "contrast_seen"]

_LEAST_BODY = 0.1  # share of a patch


class RandContrast(Randomizable):
    """Random monotone and smooth changes of intensity, before the degradation: the scanner sees the new contrast.

    MONAI's histogram warp (as in SynthSeg, Billot 2023), gamma and bias field, an inversion, and a change of the range
    by up to ``spread``: inference measures the range on the acquired volume, training on the HR volume.

    Args:
        warp: probability of a smooth monotone warp of the histogram, or of a gamma between 0.6 and 1.6.
        invert: probability that dark and bright change places.
        bias: probability of a bias field.
        spread: largest relative change of the range.
    """

    def __init__(self, warp: float = 0.3, invert: float = 0.1, bias: float = 0.2, spread: float = 0.15) -> None:
        self.invert = invert
        self.spread = spread
        self.warps = (
            RandHistogramShift(num_control_points=(4, 8), prob=warp / 2),
            RandAdjustContrast(prob=warp / 2, gamma=(0.6, 1.6)),
            RandBiasField(degree=2, coeff_range=(-0.15, 0.15), prob=bias),
        )

    def __call__(self, hr: torch.Tensor, floor: float | None) -> tuple[torch.Tensor, float | None]:
        """Change a normalised patch ``(X, Y, Z)``.

        Args:
            hr: the patch.
            floor: where the scanner's zero lies in it; None where it has none.

        Returns:
            The patch, and where the scanner's zero lies in it now: in its place, or after an inversion nowhere.
        """
        zero = 0.0 if floor is None else floor
        changed = hr[None] - zero  # what multiplies a signal does so from the scanner's zero
        for warp in self.warps:
            warp.set_random_state(seed=int(self.R.randint(2**31)))
            changed = convert_to_tensor(warp(changed), track_meta=False)  # meta data cost half of a sample's time
        inverted = bool(self.R.uniform() < self.invert)
        if inverted:
            changed = changed.max() + changed.min() - changed
        scale = float(self.R.uniform(1.0 - self.spread, 1.0 + self.spread))
        return scale * changed[0].to(hr.dtype) + zero, None if inverted else floor


def contrast_seen(
    case: Mapping[str, Any], change: RandContrast, patch: int, draws: int = 50, seed: int = 0
) -> dict[str, tuple[float, float]]:
    """The statistics of ``monai_sr.intensity.contrast`` that a network meets in training, which sees patches.

    Args:
        case: a volume that ``DescribeScand`` has described.
        change: of the contrast, in training.
        patch: size of the patches.
        draws: patches that are looked at.
        seed: of the draws.

    Returns:
        1st and 99th percentile of every statistic.
    """
    random = np.random.RandomState(seed)
    change.set_random_state(seed=seed)
    found: list[dict[str, float]] = []
    for _ in range(10 * draws):
        corner = [int(random.randint(max(n - patch, 0) + 1)) for n in case[HR].shape]
        window = tuple(slice(c, c + patch) for c in corner)
        inside = np.asarray(case["mask"][window], dtype=bool)
        if inside.mean() < _LEAST_BODY:
            continue
        changed, _ = change(case[HR][window], case["floor"])
        found.append(contrast(changed.numpy(), inside, IntensityRange(0.0, 1.0)))
        if len(found) == draws:
            break
    names = found[0] if found else ()
    return {name: tuple(np.percentile([f[name] for f in found], (1, 99)).tolist()) for name in names}
