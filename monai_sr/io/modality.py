"""CT or MR, told from the voxel values alone."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from monai_sr.io.volume import Modality

__all__ = ["guess_modality"]

# Enough voxels for shares of 0.1 %, few enough to cost a fraction of a second.
_SAMPLE = 2**22

# In HU. Air is -1000; the scanner's noise and the lung spread it, and no tissue is thinner than air.
_AIR = (-1150.0, -800.0)
_BELOW_AIR = -1150.0
# Fat lies between -150 and -50. MR has hardly any voxels there beyond the ringing of an interpolation.
_FAT = (-160.0, -30.0)
_FEW, _SOME = 0.001, 0.01


def guess_modality(array: npt.NDArray[np.float32]) -> tuple[Modality, str]:
    """Decide between CT and MR by the values.

    CT in HU has air near -1000, and nothing below it but one padding value. A CT that was cropped to the body or padded
    beyond the scan circle has fat at -100 and that padding value. Everything else is MR: magnitudes from 0 upwards,
    or, after filtering, with small negative values; phase and real-part images have negative values of every size.

    Args:
        array: ``(X, Y, Z)`` finite values.

    Returns:
        The modality, and the reason as half a sentence with the numbers it rests on.
    """
    values = _sample(array)
    lowest = float(values.min())
    padded = values == lowest
    is_padding = lowest < _AIR[1] and float(padded.mean()) >= _FEW
    inside = values[~padded] if is_padding and lowest < _BELOW_AIR else values
    if inside.size == 0:
        return "MR", f"all values are {lowest:g}"
    air, fat = _share(inside, *_AIR), _share(inside, *_FAT)
    below_air = float(np.mean(inside < _BELOW_AIR))
    if air >= _FEW and below_air <= max(_FEW, 0.1 * air):
        return "CT", f"{100 * air:.1f} % of the values lie near -1000 HU (air) and next to none below"
    if is_padding and fat >= _SOME and below_air <= _FEW:
        return "CT", f"values are padded with {lowest:g} and {100 * fat:.1f} % of the others lie near -100 HU (fat)"
    if lowest >= 0:
        return "MR", f"no value is negative (lowest {lowest:g})"
    return "MR", f"the lowest value is {lowest:g}, and values near -1000 HU (air) are missing or not the lowest"


def _sample(array: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Evenly spread voxels in memory order; the step is odd, so that it does not fall in with even row lengths."""
    flat = array.ravel(order="K")
    return flat[:: max(1, flat.size // _SAMPLE) | 1]


def _share(values: npt.NDArray[np.float32], low: float, high: float) -> float:
    return float(np.mean((values >= low) & (values <= high)))
