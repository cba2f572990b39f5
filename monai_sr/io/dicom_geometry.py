"""From frames to one regular grid, or a refusal that says what is wrong with it.

Slices are ordered by their position along the slice normal; InstanceNumber and file names decide nothing. No spacing
is ever averaged over a gap.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from monai_sr.geometry import LPS_TO_RAS, VolumeGeometry
from monai_sr.io.dicom_frames import Frame
from monai_sr.io.dicom_headers import number, strings
from monai_sr.io.volume import InputError

__all__ = ["Stack", "orthonormal", "stack_frames"]

FloatArray = npt.NDArray[np.float64]

# A slice may lie this far from its place on the regular grid: headers round to 0.01 mm, and readers such as 3D Slicer
# and highdicom draw the line at 0.01 mm and 1 %.
PLACE_TOLERANCE_MM = 0.01
PLACE_TOLERANCE_SPACING = 0.01
# Slices may be shifted sideways by a tenth of a pixel over the whole stack: rounded cosines do that, a tilt does more.
SHIFT_TOLERANCE_PIXELS = 0.1
ORIENTATION_TOLERANCE = 1e-4
SPACING_TOLERANCE = 1e-4
TILT_TOLERANCE_DEGREES = 0.1
# Two slices leave one gap, and one gap proves no regularity: a missing slice between them could not be seen.
FEWEST_SLICES = 3


@dataclass(frozen=True, eq=False)
class Stack:
    """Frames in order along the slice normal, on a regular grid.

    Args:
        frames: one per slice.
        geometry: grid of the volume ``(X, Y, Z)`` = (column, row, slice), RAS.
        notes: what was found and accepted, one sentence each.
    """

    frames: tuple[Frame, ...]
    geometry: VolumeGeometry
    notes: tuple[str, ...]


def orthonormal(orientation: FloatArray) -> FloatArray:
    """``(3, 3)``: unit vectors along a row, along a column and along the slice normal, as rows; LPS."""
    row = orientation[:3] / np.linalg.norm(orientation[:3])
    normal = np.cross(row, orientation[3:])
    normal = normal / np.linalg.norm(normal)
    return np.array([row, np.cross(normal, row), normal])


def stack_frames(frames: Sequence[Frame], label: str) -> Stack:
    """Order the frames of one series and prove that they are one regular, right-angled stack.

    Args:
        frames: all frames of the series, in any order.
        label: how messages name the series.

    Raises:
        InputError: if they are not.
    """
    _check_alike(frames, label)
    axes = orthonormal(frames[0].orientation)
    places = np.array([frame.position for frame in frames]) @ axes.T  # (n, 3) mm along row, column and normal
    order = np.argsort(places[:, 2], kind="stable")
    ordered, places = [frames[i] for i in order], places[order]
    _check_repeats(ordered, places[:, 2], label)
    if len(ordered) < FEWEST_SLICES:
        raise InputError(
            f"{label} has {_count(len(ordered), 'slice')}; a volume needs at least {FEWEST_SLICES}, since the gap "
            "between fewer slices cannot be checked; give the whole series"
        )
    spacing = _check_regular(ordered, places[:, 2], label)
    notes = _check_upright(ordered, places, label)
    first = ordered[0]
    rows, columns = first.size
    affine = np.eye(4)
    affine[:3, 0] = axes[0] * first.column_spacing_mm
    affine[:3, 1] = axes[1] * first.row_spacing_mm
    affine[:3, 2] = axes[2] * spacing
    affine[:3, 3] = first.position
    geometry = VolumeGeometry((columns, rows, len(ordered)), LPS_TO_RAS @ affine)
    return Stack(tuple(ordered), geometry, notes)


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


def _check_repeats(ordered: Sequence[Frame], heights: FloatArray, label: str) -> None:
    """Refuse several images at one slice position: copies, or several volumes in one series."""
    starts = np.concatenate([[0], np.flatnonzero(np.diff(heights) > PLACE_TOLERANCE_MM) + 1, [len(ordered)]])
    counts = np.diff(starts)
    if counts.max(initial=1) == 1:
        return
    if twin := _same_instance_twice(ordered):
        raise InputError(
            f"{label} holds the same image twice ({twin[0].label} and {twin[1].label} have one SOPInstanceUID); "
            "remove the duplicates"
        )
    if len(counts) == 1:
        raise InputError(
            f"{label} is not a volume: all its {len(ordered)} images lie at one slice position; "
            "give slices side by side"
        )
    if (counts == counts[0]).all():
        raise InputError(
            f"{label} holds {counts[0]} volumes: {counts[0]} images at each of {len(counts)} slice positions (echoes, "
            "diffusion directions, phases or time points); give one volume at a time"
        )
    place = int(starts[int(np.argmax(counts > 1))])
    extra = int((counts - 1).sum())
    raise InputError(
        f"{label} has {_count(extra, 'duplicate slice')}: {ordered[place].label} and {ordered[place + 1].label} lie at "
        f"one position and hold {_pixels_alike(ordered[place], ordered[place + 1])} pixels; keep one image per position"
    )


def _same_instance_twice(frames: Sequence[Frame]) -> tuple[Frame, Frame] | None:
    seen: dict[tuple[tuple[str, ...], int], Frame] = {}
    for frame in frames:
        uid = strings(frame.instance.header, "SOPInstanceUID")
        if uid and (uid, frame.index) in seen:
            return seen[uid, frame.index], frame
        seen[uid, frame.index] = frame
    return None


def _pixels_alike(one: Frame, two: Frame) -> str:
    if one.instance is two.instance:
        return "other"
    try:
        return "identical" if one.instance.load().get("PixelData") == two.instance.load().get("PixelData") else "other"
    except InputError:
        return "unreadable"


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
            f"{label} misses {_count(missing, 'slice')}: spacing is {usual:g} mm, but {where}{more}; "
            "export the whole series again"
        )
    spacing = float(heights[-1] - heights[0]) / len(gaps)
    off = np.abs(heights - (heights[0] + spacing * np.arange(len(heights))))
    allowed = max(PLACE_TOLERANCE_MM, PLACE_TOLERANCE_SPACING * spacing)
    if off.max() > allowed:
        oddest = int(np.argmax(np.abs(gaps - usual)))
        raise InputError(
            f"{label} is irregularly spaced: gaps of {gaps.min():g} to {gaps.max():g} mm, {off.max():.3g} mm off a "
            f"regular grid where {allowed:g} mm are allowed ({_gap(ordered, gaps, oddest)}); "
            "give one evenly spaced stack"
        )
    return spacing


def _gap(ordered: Sequence[Frame], gaps: FloatArray, i: int) -> str:
    return f"{gaps[i]:g} mm lie between {ordered[i].label} and {ordered[i + 1].label}"


def _check_upright(ordered: Sequence[Frame], places: FloatArray, label: str) -> tuple[str, ...]:
    """Refuse a stack whose steps are not parallel to the slice normal (gantry tilt).

    A shift below the tolerance is rounding in the header; the stack is then taken as upright from its first slice.
    """
    first = ordered[0]
    shifts = np.linalg.norm(places[:, :2] - places[0, :2], axis=1)
    allowed = SHIFT_TOLERANCE_PIXELS * min(first.row_spacing_mm, first.column_spacing_mm)
    if shifts.max() > allowed:
        extent = float(places[-1, 2] - places[0, 2])
        straight = np.outer(np.linspace(0, 1, len(places)), places[-1, :2] - places[0, :2])
        wobble = np.linalg.norm(places[:, :2] - places[0, :2] - straight, axis=1).max()
        if wobble > allowed:
            raise InputError(
                f"{label} has slices shifted sideways by up to {shifts.max():g} mm against each other; "
                f"at most {allowed:g} mm are allowed; give one straight stack"
            )
        tilt = math.degrees(math.atan2(float(shifts[-1]), extent))
        raise InputError(
            f"{label} has a gantry tilt: its slices are stacked {tilt:.2f} degrees off their normal "
            f"({shifts[-1]:g} mm over the stack); resample it to a right-angled grid first"
        )
    told = _told_tilt(ordered)
    normal = orthonormal(first.orientation)[2]
    leaning = math.degrees(math.acos(min(1.0, abs(float(normal[2])))))
    if abs(told) > TILT_TOLERANCE_DEGREES and leaning < abs(told) / 2:
        raise InputError(
            f"{label} contradicts itself: GantryDetectorTilt is {told:g} degrees, but its slices are stacked without "
            "a tilt; correct the tag if the series was resampled"
        )
    return (f"slices are shifted sideways by {shifts.max():.3f} mm over the stack; taken as rounding",) * int(
        shifts.max() > PLACE_TOLERANCE_MM
    )


def _told_tilt(ordered: Sequence[Frame]) -> float:
    """The largest GantryDetectorTilt in degrees that a header states; 0 where none does."""
    tilts = []
    for frame in ordered:
        try:
            tilts.append(number(frame.instance.header, "GantryDetectorTilt", frame.label, low=-90, high=90) or 0.0)
        except InputError:
            continue  # unreadable: the positions decide
    return max(tilts, key=abs, default=0.0)


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
