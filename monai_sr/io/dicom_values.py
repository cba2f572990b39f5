"""Physical values to 16-bit pixels of a derived series, without moving a tissue.

A common rescale holds for all slices, since viewers and readers expect one; the source's own is kept where it fits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pydicom.valuerep import format_number_as_ds

from monai_sr.io.volume import Modality

__all__ = ["Encoding", "Pixels", "choose_encoding", "decimal"]

FloatArray = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.uint16] | npt.NDArray[np.int16]

UNSIGNED = (0, 2**16 - 1)
SIGNED = (-(2**15), 2**15 - 1)
# Rounding to steps may shift the mean of the body by this share, and add noise of that share of the range of values.
LARGEST_MEAN_SHIFT = 1e-3
LARGEST_NOISE = 5e-3
# In HU; rounding to whole HU is what scanners do.
LARGEST_CT_STEP = 1.0
SAMPLE = 2**21
DS_LENGTH = 16


@dataclass(frozen=True)
class Encoding:
    """How values are stored: ``value = stored * slope + intercept``.

    Args:
        slope: exactly as the header says it (rounded to a decimal string).
        intercept: likewise.
        signed: two's complement or not.
        rescaled: whether the header states slope and intercept; an MR without them has 1 and 0.
    """

    slope: float
    intercept: float
    signed: bool
    rescaled: bool

    def stored(self, values: FloatArray) -> Pixels:
        """Nearest 16-bit numbers of ``(X, Y, Z)`` values; those beyond the range become the outermost ones."""
        low, high = SIGNED if self.signed else UNSIGNED
        shape = values.shape
        out: Pixels = np.empty(shape, np.int16, order="F") if self.signed else np.empty(shape, np.uint16, order="F")
        for k in range(values.shape[-1]):  # slice by slice: the volume in double precision would cost gigabytes
            steps = (values[..., k].astype(np.float64) - self.intercept) / self.slope
            out[..., k] = np.clip(np.rint(steps), low, high)
        return out


def choose_encoding(
    array: FloatArray, modality: Modality, rescales: Sequence[tuple[float, float]], *, rescaled: bool, signed: bool
) -> Encoding:
    """The encoding of a derived series.

    In this order: the source's rescale if all its slices share one and the values fit; whole numbers (CT: HU); for MR
    a slope that spreads the range of values over 16 bits. An MR gets a rescale that its source had not only if
    rounding to whole numbers would be harmful.

    Args:
        array: all values of the series, finite.
        modality: CT or MR.
        rescales: slope and intercept of every source slice.
        rescaled: whether the source's headers state them.
        signed: whether the source's pixels are signed; kept where possible.
    """
    low, high = float(array.min()), float(array.max())
    kept = rescales[0] if len(set(rescales)) == 1 else (1.0, 0.0)
    slope, intercept = as_written(kept[0]), as_written(kept[1])
    fitting = _fitting(low, high, slope, intercept, signed)
    if fitting is not None and _harmless(array, modality, abs(slope), intercept):
        identity = (slope, intercept) == (1.0, 0.0)  # an MR needs no attributes to say nothing
        return Encoding(slope, intercept, fitting, modality == "CT" or (rescaled and not identity))
    if modality == "CT":
        return Encoding(1.0, 0.0, True, True)
    if not rescaled and signed_fits(low, high) and _harmless(array, modality, 1.0, 0.0):
        return Encoding(1.0, 0.0, low < 0 or signed, False)
    return _spread(array, low, high)


def decimal(number: float) -> str:
    """A decimal string (DS) of at most 16 characters: the short form where that is the same number.

    Example:
        >>> decimal(0.1 + 0.2), decimal(-0.0), decimal(5 / 3)
        ('0.3', '0', '1.66666666666667')
    """
    number = float(number) + 0.0  # -0 becomes 0
    short = f"{number:.12g}"
    if len(short) <= DS_LENGTH and math.isclose(float(short), number, rel_tol=1e-14):
        return short
    return str(format_number_as_ds(number))


def as_written(number: float) -> float:
    """A number as its decimal string says it."""
    return float(decimal(number))


def signed_fits(low: float, high: float) -> bool:
    """Whether whole numbers from ``low`` to ``high`` fit into 16 signed bits."""
    return SIGNED[0] <= round(low) and round(high) <= SIGNED[1]


def _fitting(low: float, high: float, slope: float, intercept: float, signed: bool) -> bool | None:
    """Signedness with which the range fits 16 bits, the source's first; None where neither does."""
    ends = [round((value - intercept) / slope) for value in (low, high)]
    for choice in (signed, not signed):
        smallest, largest = SIGNED if choice else UNSIGNED
        if min(ends) >= smallest and max(ends) <= largest:
            return choice
    return None


def _spread(array: FloatArray, low: float, high: float) -> Encoding:
    """An MR spread over 16 bits from 0; the brightest outliers are clipped if they would cost all other values."""
    signed = low < 0
    levels = SIGNED[1] if signed else UNSIGNED[1]
    tops = [max(abs(low), abs(high)), 4 * float(np.percentile(np.abs(_sample(array)), 99.9))]
    slopes = [as_written(top / levels * (1 + 1e-6)) for top in tops if top > 0]
    slope = next((s for s in slopes if s > 0 and _harmless(array, "MR", s, 0.0)), slopes[-1] if slopes else 1.0)
    return Encoding(slope, 0.0, signed, True)


def _sample(array: FloatArray) -> FloatArray:
    return array.ravel(order="K")[:: max(1, array.size // SAMPLE)]


def _harmless(array: FloatArray, modality: Modality, step: float, intercept: float) -> bool:
    """Whether storing in steps keeps what the values say, measured on the values themselves."""
    if modality == "CT":
        return step <= LARGEST_CT_STEP
    values = _sample(array).astype(np.float64)
    body = values[values > values.mean()]
    if body.size == 0:  # a constant
        body = values
    rounded = np.rint((body - intercept) / step) * step + intercept
    shift = abs(float(rounded.mean() - body.mean()))
    low, high = np.percentile(values, [0.5, 99.8])
    noise = step / np.sqrt(12)
    return shift <= LARGEST_MEAN_SHIFT * abs(float(body.mean())) and noise <= LARGEST_NOISE * max(high - low, 1e-30)
