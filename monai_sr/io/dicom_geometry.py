"""From frames to one regular grid, or a refusal that says what is wrong with it.

Slices are ordered by their position along the slice normal; InstanceNumber and file names decide nothing. No spacing
is ever averaged over a gap. With the rules that a user gave, a tilt is kept as a sheared grid, and unevenly spaced
slices get a regular grid on which their values have to be interpolated.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from monai_sr.geometry import LPS_TO_RAS, VolumeGeometry
from monai_sr.io.dicom_frames import Frame
from monai_sr.io.dicom_headers import number
from monai_sr.io.dicom_repeats import PLACE_TOLERANCE_MM, check_repeats, counted
from monai_sr.io.series_rules import SeriesRules
from monai_sr.io.volume import InputError

__all__ = ["FEWEST_SLICES", "Stack", "alike", "orthonormal", "stack_frames"]

FloatArray = npt.NDArray[np.float64]

# A slice may lie this far from its place on the regular grid, or PLACE_TOLERANCE_MM: readers such as 3D Slicer and
# highdicom draw the line at 0.01 mm and 1 %.
PLACE_TOLERANCE_SPACING = 0.01
# Slices may be shifted sideways by a tenth of a pixel over the whole stack: rounded cosines do that, a tilt does more.
SHIFT_TOLERANCE_PIXELS = 0.1
ORIENTATION_TOLERANCE = 1e-4
SPACING_TOLERANCE = 1e-4
TILT_TOLERANCE_DEGREES = 0.1
# Two slices leave one gap, and one gap proves no regularity: a missing slice between them could not be seen.
FEWEST_SLICES = 3
# Over a wider gap, in narrowest gaps, interpolation would make up most of what lies between.
WIDEST_GAP = 4.0


@dataclass(frozen=True, eq=False)
class Stack:
    """Frames in order along the slice normal, and a regular grid.

    Args:
        frames: all frames.
        geometry: grid of the volume ``(X, Y, Z)`` = (column, row, slice), RAS; its last axis is the way from slice to
            slice, off the slice normal where there is a tilt.
        notes: what was found and accepted, one sentence each.
        places: where the frames lie on the last axis of the grid, in voxels; None where frame ``k`` is slice ``k``.
    """

    frames: tuple[Frame, ...]
    geometry: VolumeGeometry
    notes: tuple[str, ...]
    places: FloatArray | None = None


def orthonormal(orientation: FloatArray) -> FloatArray:
    """``(3, 3)``: unit vectors along a row, along a column and along the slice normal, as rows; LPS."""
    row = orientation[:3] / np.linalg.norm(orientation[:3])
    normal = np.cross(row, orientation[3:])
    normal = normal / np.linalg.norm(normal)
    return np.array([row, np.cross(normal, row), normal])


def stack_frames(frames: Sequence[Frame], label: str, rules: SeriesRules | None = None) -> Stack:
    """Order the frames of one series and prove that they are one regular, right-angled stack.

    Args:
        frames: all frames of the series, in any order.
        label: how messages name the series.
        rules: what is accepted beyond that.

    Raises:
        InputError: if they are not.
    """
    rules = rules or SeriesRules()
    _check_alike(frames, label)
    axes = orthonormal(frames[0].orientation)
    places = np.array([frame.position for frame in frames]) @ axes.T  # (n, 3) mm along row, column and normal
    order = np.argsort(places[:, 2], kind="stable")
    ordered, places = [frames[i] for i in order], places[order]
    check_repeats(ordered, places[:, 2], label)
    if len(ordered) < FEWEST_SLICES:
        raise InputError(
            f"{label} has {counted(len(ordered), 'slice')}; a volume needs at least {FEWEST_SLICES}, since the gap "
            "between fewer slices cannot be checked; give the whole series"
        )
    notes: list[str] = []
    count = len(ordered)
    try:
        spacing = _check_regular(ordered, places[:, 2], label)
    except InputError:
        if not rules.resample_irregular:
            raise
        count, note = _even_count(ordered, places[:, 2], label)
        spacing = float(places[-1, 2] - places[0, 2]) / (count - 1)
        notes.append(note)
    shift, tilt_notes = _check_upright(ordered, places, label, allow_tilt=rules.allow_tilt)
    first = ordered[0]
    rows, columns = first.size
    affine = np.eye(4)
    affine[:3, 0] = axes[0] * first.column_spacing_mm
    affine[:3, 1] = axes[1] * first.row_spacing_mm
    affine[:3, 2] = axes.T @ np.append(shift / (count - 1), spacing)
    affine[:3, 3] = first.position
    geometry = VolumeGeometry((columns, rows, count), LPS_TO_RAS @ affine)
    uneven = (places[:, 2] - places[0, 2]) / spacing if notes else None
    return Stack(tuple(ordered), geometry, (*notes, *tilt_notes), uneven)


def alike(first: Frame, other: Frame) -> bool:
    """Whether two frames could be slices of one stack: parallel, of one size and pixel spacing."""
    try:
        _check_alike([first, other], "")
    except InputError:
        return False
    return True


def _check_alike(frames: Sequence[Frame], label: str) -> None:
    first = frames[0]
    for other in frames[1:]:
        if np.abs(other.orientation - first.orientation).max() > ORIENTATION_TOLERANCE:
            raise InputError(
                f"{label} mixes slice orientations ({first.label} and {other.label} differ by "
                f"{_angle(first, other):.2f} degrees); give one stack of parallel slices"
            )
        if other.size != first.size:
            raise InputError(
                f"{label} mixes image sizes: {first.label} has {first.size[0]} x {first.size[1]} pixels, {other.label} "
                f"{other.size[0]} x {other.size[1]}; give slices of one size"
            )
        pixels = np.array([first.row_spacing_mm, first.column_spacing_mm])
        others = np.array([other.row_spacing_mm, other.column_spacing_mm])
        if np.abs(others / pixels - 1).max() > SPACING_TOLERANCE:
            raise InputError(
                f"{label} mixes pixel spacings: {first.label} has {pixels[0]:g} x {pixels[1]:g} mm, {other.label} "
                f"{others[0]:g} x {others[1]:g} mm; give slices of one PixelSpacing"
            )


def _angle(first: Frame, other: Frame) -> float:
    """Largest angle in degrees between the row and column directions and normals of two frames."""
    cosines = np.sum(orthonormal(first.orientation) * orthonormal(other.orientation), axis=1)
    return math.degrees(math.acos(float(np.clip(cosines.min(), -1, 1))))


def _check_regular(ordered: Sequence[Frame], heights: FloatArray, label: str) -> float:
    """Refuse missing slices and uneven spacing.

    Returns:
        Spacing in mm, from the first to the last slice.
    """
    gaps = np.diff(heights)
    usual = float(np.sort(gaps)[(len(gaps) - 1) // 2])
    tolerance = max(PLACE_TOLERANCE_MM, PLACE_TOLERANCE_SPACING * usual)
    steps = np.rint(gaps / usual)
    if (steps > 1).any() and (np.abs(gaps - steps * usual) <= tolerance * np.maximum(steps, 1)).all():
        missing = int((steps - 1).sum())
        where = "; ".join(_gap(ordered, gaps, int(i)) for i in np.flatnonzero(steps > 1)[:3])
        more = "; ..." if (steps > 1).sum() > 3 else ""
        raise InputError(
            f"{label} misses {counted(missing, 'slice')}: spacing is {usual:g} mm, but {where}{more}; "
            "export the whole series again, or have the gap interpolated by --resample-irregular"
        )
    spacing = float(heights[-1] - heights[0]) / len(gaps)
    off = np.abs(heights - (heights[0] + spacing * np.arange(len(heights))))
    allowed = max(PLACE_TOLERANCE_MM, PLACE_TOLERANCE_SPACING * spacing)
    if off.max() > allowed:
        oddest = int(np.argmax(np.abs(gaps - usual)))
        raise InputError(
            f"{label} is irregularly spaced: gaps of {gaps.min():g} to {gaps.max():g} mm, {off.max():.3g} mm off a "
            f"regular grid where {allowed:g} mm are allowed ({_gap(ordered, gaps, oddest)}); "
            "give one evenly spaced stack, or have it interpolated by --resample-irregular"
        )
    return spacing


def _even_count(ordered: Sequence[Frame], heights: FloatArray, label: str) -> tuple[int, str]:
    """How many evenly spaced slices cover the same extent about as finely as the closest ones, and a note on it."""
    gaps = np.diff(heights)
    widest = int(np.argmax(gaps))
    if gaps[widest] > WIDEST_GAP * gaps.min():
        raise InputError(
            f"{label} is too unevenly spaced to be interpolated: gaps of {gaps.min():g} to {gaps.max():g} mm, where "
            f"{WIDEST_GAP:g} times the narrowest are allowed ({_gap(ordered, gaps, widest)}); "
            "give one evenly spaced stack"
        )
    count = round(float(heights[-1] - heights[0]) / float(gaps.min())) + 1
    note = (
        f"gaps of {gaps.min():g} to {gaps.max():g} mm between slices: {len(ordered)} slices were interpolated at "
        f"{count} even places by monotone cubics (--resample-irregular); the widest: {_gap(ordered, gaps, widest)}"
    )
    return count, note


def _gap(ordered: Sequence[Frame], gaps: FloatArray, i: int) -> str:
    return f"{gaps[i]:g} mm lie between {ordered[i].label} and {ordered[i + 1].label}"


def _check_upright(
    ordered: Sequence[Frame], places: FloatArray, label: str, *, allow_tilt: bool
) -> tuple[FloatArray, tuple[str, ...]]:
    """Refuse a stack whose steps are not parallel to the slice normal (gantry tilt), if that is not allowed.

    A shift below the tolerance is rounding in the header; the stack is then taken as upright from its first slice.

    Returns:
        Shift of the last slice against the first along row and column in mm, and notes.
    """
    first = ordered[0]
    shifts = np.linalg.norm(places[:, :2] - places[0, :2], axis=1)
    allowed = SHIFT_TOLERANCE_PIXELS * min(first.row_spacing_mm, first.column_spacing_mm)
    if shifts.max() > allowed:
        extent = float(places[-1, 2] - places[0, 2])
        straight = np.outer((places[:, 2] - places[0, 2]) / extent, places[-1, :2] - places[0, :2])
        wobble = np.linalg.norm(places[:, :2] - places[0, :2] - straight, axis=1).max()
        if wobble > allowed:
            raise InputError(
                f"{label} has slices shifted sideways by up to {shifts.max():g} mm against each other; "
                f"at most {allowed:g} mm are allowed; give one straight stack"
            )
        tilt = math.degrees(math.atan2(float(shifts[-1]), extent))
        if allow_tilt:
            note = (
                f"slices are stacked {tilt:.2f} degrees off their normal (gantry tilt); the grid is sheared alike, and "
                "can be written as DICOM only"
            )
            return places[-1, :2] - places[0, :2], (note,)
        raise InputError(
            f"{label} has a gantry tilt: its slices are stacked {tilt:.2f} degrees off their normal "
            f"({shifts[-1]:g} mm over the stack); take it as it is with --allow-tilt, or resample it to a right-angled "
            "grid first"
        )
    told = _told_tilt(ordered)
    normal = orthonormal(first.orientation)[2]
    leaning = math.degrees(math.acos(min(1.0, abs(float(normal[2])))))
    if abs(told) > TILT_TOLERANCE_DEGREES and leaning < abs(told) / 2:
        raise InputError(
            f"{label} contradicts itself: GantryDetectorTilt is {told:g} degrees, but its slices are stacked without "
            "a tilt; correct the tag if the series was resampled"
        )
    note = f"slices are shifted sideways by {shifts.max():.3f} mm over the stack; taken as rounding"
    return np.zeros(2), (note,) * int(shifts.max() > PLACE_TOLERANCE_MM)


def _told_tilt(ordered: Sequence[Frame]) -> float:
    """The largest GantryDetectorTilt in degrees that a header states; 0 where none does."""
    tilts = []
    for frame in ordered:
        try:
            tilts.append(number(frame.instance.header, "GantryDetectorTilt", frame.label, low=-90, high=90) or 0.0)
        except InputError:
            continue  # unreadable: the positions decide
    return max(tilts, key=abs, default=0.0)
