"""What resolution a restored volume truly has: Fourier ring correlation with the truth, and the width of its edges."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import fft, ndimage

from monai_sr.metrics.fidelity import check_grids

__all__ = ["EdgeProfile", "FrcCurve", "edge_profile", "edge_width_mm", "frc", "frc_resolution_mm"]

FloatArray = npt.NDArray[np.floating]
BoolArray = npt.NDArray[np.bool_]

_TAPER = 8  # voxels from the mask's border to half weight; an axis shorter than 8 tapers takes an eighth of itself

_HALF_PROFILE = 6  # samples on either side of an edge
_PLATEAU = 3  # of them, the outermost, give the levels of either side
_STRONGEST_PERCENT = 2.0
_FLATNESS = 0.25  # largest deviation of the truth from the level of a plateau, in steps of the edge
_MIN_EDGES = 200
_BINS_PER_VOXEL = 4


@dataclass(frozen=True)
class FrcCurve:
    """Correlation of two volumes per spatial frequency.

    Args:
        frequency: ``(K,)`` in cycles per mm, rising, without 0.
        correlation: ``(K,)``, -1 to 1.
        nyquist: highest frequency that the grid holds along every restored axis, in cycles per mm: ``1 / (2 spacing)``.
    """

    frequency: npt.NDArray[np.float64]
    correlation: npt.NDArray[np.float64]
    nyquist: float


@dataclass(frozen=True)
class EdgeProfile:
    """The average edge of a volume, rising.

    Args:
        position: ``(K,)`` in mm from the edge of the truth.
        value: ``(K,)``, 0 and 1 at the levels of the truth on either side of the edge.
        edges: how many edges were averaged.
    """

    position: npt.NDArray[np.float64]
    value: npt.NDArray[np.float64]
    edges: int


def frc(
    restored: FloatArray, truth: FloatArray, mask: BoolArray, axes: Sequence[int], spacing: Sequence[float]
) -> FrcCurve:
    """Fourier ring correlation (Saxton & Baumeister 1982; van Heel & Schatz 2005) along the restored axes.

    ``sum Re(R conj(T)) / sqrt(sum |R|^2 sum |T|^2)``, R and T the spectra of restored volume and truth along ``axes``,
    summed over all lines (one axis) or slices (two axes) and over the frequencies of a ring. A ring is as wide as the
    coarsest step of frequency, one over the shortest of the axes in mm; rings beyond Nyquist do not count.

    The body alone is compared: both volumes, less their mean, are multiplied by a weight that is 0 outside the mask and
    rises to 1 inside of it as a Hann window's integral does, over 16 voxels along each of the axes (a Tukey window that
    follows the mask). So neither the field's ends nor the mask's border, which both volumes share, correlate at high
    frequencies. Noise of the truth, which nobody can restore, lowers the curve of every method alike.

    Args:
        restored: ``(X, Y, Z)``, in any units that are affine to the truth's.
        truth: of the same shape.
        mask: body mask.
        axes: the restored axes; those of length 1 do not count.
        spacing: of the truth in mm, one number per axis of the array.

    Returns:
        The curve; 0 where one of the volumes holds nothing.
    """
    check_grids(restored, truth, mask)
    spacing = _in_mm(truth.shape, spacing)
    kept = _long_axes(truth.shape, axes, 2)
    if not kept:
        raise ValueError(f"none of the axes {tuple(axes)} of {truth.shape} has two voxels; name an axis that is longer")
    body = ndimage.find_objects(mask.astype(np.uint8))[0]
    weight = _taper(mask[body], kept)
    spectra = []
    for array in (restored, truth):
        part = np.asarray(array[body], dtype=np.float64)
        # in double precision up to here: HU around -1000 lose four digits when the mean is removed in single precision
        part = part - np.average(part, weights=weight)
        spectra.append(fft.rfftn((part * weight).astype(np.float32), axes=kept))
    r, t = spectra
    lines = tuple(a for a in range(truth.ndim) if a not in kept)
    cross = (r.real * t.real + r.imag * t.imag).sum(axis=lines, dtype=np.float64)
    power_r, power_t = ((s.real**2 + s.imag**2).sum(axis=lines, dtype=np.float64) for s in (r, t))

    sizes = [weight.shape[a] for a in kept]
    squared = np.zeros(cross.shape)
    for i, a in enumerate(kept):
        step = fft.rfftfreq if a == kept[-1] else fft.fftfreq
        along = step(sizes[i], spacing[a]).reshape([-1 if j == i else 1 for j in range(len(kept))])
        squared = squared + along**2
    width = max(1.0 / (n * spacing[a]) for n, a in zip(sizes, kept, strict=True))
    nyquist = min(0.5 / spacing[a] for a in kept)
    ring = np.rint(np.sqrt(squared) / width).astype(int)
    count = int(nyquist / width * (1 + 1e-9)) + 1
    # of a real volume's spectrum the half with positive last frequencies is kept: all but its two ends stand for two
    times = np.full(cross.shape[-1], 2.0)
    times[0] = 1.0
    if sizes[-1] % 2 == 0:
        times[-1] = 1.0
    both, of_r, of_t = (np.bincount(ring.ravel(), (s * times).ravel())[1:count] for s in (cross, power_r, power_t))
    scale = np.sqrt(of_r * of_t)
    correlation = np.divide(both, scale, out=np.zeros_like(both), where=scale > 0)
    return FrcCurve(np.arange(1, count) * width, np.clip(correlation, -1.0, 1.0), nyquist)


def frc_resolution_mm(curve: FrcCurve, threshold: float = 0.5) -> float:
    """Resolution: one over the frequency at which the curve first falls below the threshold.

    Args:
        curve: of :func:`frc`.
        threshold: 0.5 is the fixed one of the literature; where one of the two is the truth, half of the signal's
            correlation is lost there.

    Returns:
        mm per cycle, at best twice the spacing (Nyquist), which also stands for a curve that never falls. Interpolated
        linearly in frequency; the curve begins with 1 at frequency 0.
    """
    frequency, correlation = np.r_[0.0, curve.frequency], np.r_[1.0, curve.correlation]
    below = np.flatnonzero(correlation < threshold)
    if not below.size or below[0] == 0:
        return 1.0 / curve.nyquist
    last, first = below[0] - 1, below[0]
    share = (correlation[last] - threshold) / (correlation[last] - correlation[first])
    at = frequency[last] + share * (frequency[first] - frequency[last])
    return 1.0 / min(max(float(at), 0.5 * float(frequency[1])), curve.nyquist)


def edge_profile(
    restored: FloatArray, truth: FloatArray, mask: BoolArray, axes: Sequence[int], spacing: Sequence[float]
) -> EdgeProfile | None:
    """The average edge of the restored volume, at the places where the **truth** has its clearest ones.

    Along each of the axes: the strongest 2 % of the voxels inside the mask by the truth's central difference, of these
    the local maxima, at least 6 voxels from the ends of the field, and of these the ones that are steps in the truth:
    from the 4th to the 6th voxel on either side it stays within a quarter of the step of its mean there. The place of
    each edge is refined to a fraction of a voxel by a parabola through the difference and its two neighbours.

    The restored values around each edge are normalised by **the truth's** two levels and sorted by their distance to
    the edge into bins of a quarter voxel (the oversampled edge of ISO 12233); the median of each bin counts. Edges,
    places and levels are thus the same for every method.

    Args:
        restored: ``(X, Y, Z)``, in the units of the truth.
        truth: of the same shape.
        mask: body mask; the centre of an edge lies inside, its profile may leave it.
        axes: the restored axes; those shorter than 13 voxels do not count.
        spacing: of the truth in mm, one number per axis of the array.

    Returns:
        The profile, or None where there are fewer than 200 edges.
    """
    check_grids(restored, truth, mask)
    spacing = _in_mm(truth.shape, spacing)
    kept = _long_axes(truth.shape, axes, 2 * _HALF_PROFILE + 1)
    if not kept:
        return None
    positions, values = [], []
    for axis in kept:
        place, value = _aligned(_lines(restored, axis), _lines(truth, axis), _lines(mask, axis))
        positions.append(place * spacing[axis])
        values.append(value)
    position, value = np.concatenate(positions), np.concatenate(values)
    edges = len(position)
    if edges < _MIN_EDGES:
        return None
    step = min(spacing[a] for a in kept) / _BINS_PER_VOXEL
    reach = min(spacing[a] for a in kept) * _HALF_PROFILE
    bins = np.rint(position / step).astype(int)
    bins -= bins.min() - 1
    # a bin of a few samples would be a few edges' own shape
    enough = np.flatnonzero(np.bincount(bins.ravel()) >= edges / 50)
    centre = np.atleast_1d(ndimage.mean(position, bins, enough))
    median = np.atleast_1d(ndimage.median(value, bins, enough))
    inside = np.abs(centre) <= reach
    return EdgeProfile(centre[inside].astype(np.float64), median[inside].astype(np.float64), edges)


def edge_width_mm(
    restored: FloatArray, truth: FloatArray, mask: BoolArray, axes: Sequence[int], spacing: Sequence[float]
) -> float | None:
    """Distance in mm over which the average edge rises from 10 to 90 % of the truth's step.

    Both places are the first ones outwards from the middle of the edge of :func:`edge_profile`, interpolated linearly.
    A Gaussian point-spread function of standard deviation s gives 2.563 s. The truth has a width of its own; below it a
    volume is sharpened beyond the truth. An edge that does not reach a level within the profile is given the profile's
    end, so the largest value is about 12 voxels.

    Args:
        restored: ``(X, Y, Z)``, in the units of the truth.
        truth: of the same shape.
        mask: body mask.
        axes: the restored axes.
        spacing: of the truth in mm, one number per axis of the array.

    Returns:
        mm, or None where the truth has fewer than 200 clear edges.
    """
    profile = edge_profile(restored, truth, mask, axes, spacing)
    if profile is None:
        return None
    x, y = profile.position, profile.value
    rising = np.flatnonzero((y[:-1] < 0.5) & (y[1:] >= 0.5))
    if not rising.size:  # no edge is left
        return float(x[-1] - x[0])
    middle = rising[np.argmin(np.abs(x[rising]))]
    high = _first_crossing(x[middle:], y[middle:], 0.9)
    low = -_first_crossing(-x[middle + 1 :: -1], 1.0 - y[middle + 1 :: -1], 0.9)
    return high - low


def _in_mm(shape: tuple[int, ...], spacing: Sequence[float]) -> tuple[float, ...]:
    if len(spacing) != len(shape):
        raise ValueError(f"{len(spacing)} spacings came with an array of {len(shape)} axes; give one in mm per axis")
    return tuple(float(s) for s in spacing)  # headers hold single precision


def _long_axes(shape: tuple[int, ...], axes: Sequence[int], least: int) -> tuple[int, ...]:
    return tuple(sorted({a % len(shape) for a in axes if shape[a] >= least}))


def _taper(mask: BoolArray, axes: tuple[int, ...]) -> npt.NDArray[np.float32]:
    """Weight of :func:`frc`: 0 outside the mask, 1 well inside of it along the axes.

    The mask is shrunk by half the length of a Hann window and then smoothed with it, so nothing leaks out. Where a body
    is too thin for that the taper is halved, down to none.
    """
    reach = _TAPER
    while True:
        weight = mask.astype(np.float32)
        reaches = {a: min(reach, mask.shape[a] // 8) for a in axes}
        for axis, half in reaches.items():
            weight = ndimage.minimum_filter1d(weight, 2 * half + 1, axis=axis, mode="constant", cval=0.0)
        for axis, half in reaches.items():
            window = np.hanning(2 * half + 3)[1:-1]
            weight = ndimage.correlate1d(weight, window / window.sum(), axis=axis, mode="constant", cval=0.0)
        # at least a tenth of the body has to speak
        if reach == 0 or weight.sum(dtype=np.float64) >= 0.1 * mask.sum():
            return weight
        reach //= 2


def _lines(array: npt.NDArray[Any], axis: int) -> npt.NDArray[Any]:
    return np.moveaxis(array, axis, -1).reshape(-1, array.shape[axis])


def _aligned(
    restored: FloatArray, truth: FloatArray, mask: BoolArray
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Distances (in voxels) and normalised values ``(edges, 13)`` around the edges of lines ``(lines, n)``."""
    h, length = _HALF_PROFILE, truth.shape[1]
    offsets = np.arange(-h, h + 1)
    truth = np.asarray(truth, dtype=np.float32)
    difference = np.zeros_like(truth)
    difference[:, 1:-1] = truth[:, 2:] - truth[:, :-2]
    size = np.abs(difference)
    counted = mask[:, h : length - h]
    inner = size[:, h : length - h]
    if not counted.any():
        return np.zeros((0, len(offsets)), np.float32), np.zeros((0, len(offsets)), np.float32)
    strong = max(float(np.percentile(inner[counted], 100.0 - _STRONGEST_PERCENT)), np.finfo(np.float32).tiny)
    peak = counted & (inner >= strong)
    # ">" on one side and ">=" on the other: a step between two voxels has two equal maxima and is one edge
    peak &= (inner > size[:, h - 1 : length - h - 1]) & (inner >= size[:, h + 1 : length - h + 1])
    line, at = np.nonzero(peak)
    at += h
    around = truth[line[:, None], at[:, None] + offsets]
    before, after = around[:, :_PLATEAU], around[:, -_PLATEAU:]
    low, high = before.mean(axis=1, keepdims=True), after.mean(axis=1, keepdims=True)
    step = high - low
    uneven = np.maximum(np.abs(before - low).max(axis=1), np.abs(after - high).max(axis=1))
    clear = (step[:, 0] * difference[line, at] > 0) & (uneven <= _FLATNESS * np.abs(step[:, 0]))
    line, at, low, step = line[clear], at[clear], low[clear], step[clear]
    left, centre, right = size[line, at - 1], size[line, at], size[line, at + 1]
    place = 0.5 * (left - right) / (left - 2 * centre + right)
    values = np.asarray(restored[line[:, None], at[:, None] + offsets], dtype=np.float32)
    return (offsets - place[:, None]).astype(np.float32), (values - low) / step


def _first_crossing(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64], level: float) -> float:
    """Where y, which begins below the level, first reaches it; the last x if never."""
    reached = np.flatnonzero(y >= level)
    if not reached.size:
        return float(x[-1])
    i = max(int(reached[0]), 1)
    return float(x[i - 1] + (level - y[i - 1]) / (y[i] - y[i - 1]) * (x[i] - x[i - 1]))
