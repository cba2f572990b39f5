"""Several images at one slice position: copies, or several volumes in one series. Never one volume."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from monai_sr.io.dicom_frames import Frame
from monai_sr.io.dicom_headers import strings
from monai_sr.io.volume import InputError

__all__ = ["PLACE_TOLERANCE_MM", "check_repeats", "counted"]

FloatArray = npt.NDArray[np.float64]

# Headers round positions to 0.01 mm; slices that are nearer to each other lie at one place.
PLACE_TOLERANCE_MM = 0.01


def check_repeats(ordered: Sequence[Frame], heights: FloatArray, label: str) -> None:
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
        f"{label} has {counted(extra, 'duplicate slice')}: {ordered[place].label} and {ordered[place + 1].label} lie "
        f"at one position and hold {_pixels_alike(ordered[place], ordered[place + 1])} pixels; "
        "keep one image per position"
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


def counted(n: int, noun: str) -> str:
    """``1 slice``, ``2 slices``."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
