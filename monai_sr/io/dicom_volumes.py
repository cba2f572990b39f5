"""Several volumes in one series, taken apart by what their headers say: stacks, echoes, diffusion, time points, phases.

An attribute tells volumes apart only if every slice position has each of its values. What merely changes from slice to
slice, as times and numbers do, fails that, whatever it is called.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydicom.dataset import Dataset

from monai_sr.io.dicom_frames import Frame
from monai_sr.io.dicom_geometry import FEWEST_SLICES, alike, orthonormal
from monai_sr.io.dicom_headers import first_item, has_value, strings
from monai_sr.io.dicom_kinds import ENHANCED
from monai_sr.io.dicom_repeats import PLACE_TOLERANCE_MM

__all__ = ["Part", "separate"]

# What tells volumes apart: for people, then the functional group of an Enhanced object and its attribute, then the
# attribute of a classic one. In this order, so that a series is told by its physics before its counters.
_ATTRIBUTES: tuple[tuple[str, str, str, str], ...] = (
    ("image type {}", "ImageFrameTypeSequence", "FrameType", "ImageType"),
    ("{}", "ImageFrameTypeSequence", "ComplexImageComponent", "ComplexImageComponent"),
    ("echo time {} ms", "MREchoSequence", "EffectiveEchoTime", "EchoTime"),
    ("echo {}", "FrameContentSequence", "", "EchoNumbers"),
    ("inversion time {} ms", "MRModifierSequence", "InversionTimes", "InversionTime"),
    ("flip angle {}", "MRTimingAndRelatedParametersSequence", "FlipAngle", "FlipAngle"),
    ("b {} s/mm2", "MRDiffusionSequence", "DiffusionBValue", "DiffusionBValue"),
    ("direction {}", "MRDiffusionSequence", "DiffusionGradientOrientation", "DiffusionGradientOrientation"),
    ("kV {}", "CTXRayDetailsSequence", "KVP", "KVP"),
    ("kernel {}", "CTReconstructionSequence", "ConvolutionKernel", "ConvolutionKernel"),
    ("trigger delay {} ms", "CardiacSynchronizationSequence", "NominalCardiacTriggerDelayTime", "TriggerTime"),
    ("time point {}", "FrameContentSequence", "TemporalPositionIndex", "TemporalPositionIdentifier"),
    ("acquisition {}", "FrameContentSequence", "FrameAcquisitionNumber", "AcquisitionNumber"),
    ("acquired at {}", "FrameContentSequence", "FrameAcquisitionDateTime", "AcquisitionTime"),
)
_RANKED = ("direction", "acquired at", "kernel")  # shown by their rank: the values themselves are long, or a time
_DIGITS = 6

Key = tuple[Hashable, ...]


@dataclass(frozen=True, eq=False)
class Part:
    """The frames of one volume of a series.

    Args:
        label: what sets it apart, such as ``"b 1000 s/mm2, direction 2"``; empty where the series holds one volume.
        frames: its frames, in no order.
    """

    label: str
    frames: tuple[Frame, ...]


def separate(frames: Sequence[Frame]) -> list[Part]:
    """Take a series apart into its volumes.

    Returns:
        Parts of at least three slices and one image per slice position, in the order of their values. The series as
        one part where it is one volume already, and where nothing in its headers tells its volumes apart.
    """
    whole = [Part("", tuple(frames))]
    stacks = _stacks(frames)
    parts = []
    for number, stack in enumerate(stacks, start=1):
        inside = _split(stack)
        if inside is None or any(len(part.frames) < FEWEST_SLICES for part in inside):
            return whole
        place = f"stack {number} of {len(stacks)}" if len(stacks) > 1 else ""
        parts += [Part(", ".join(filter(None, (place, part.label))), part.frames) for part in inside]
    return parts if len(parts) > 1 else whole


def _stacks(frames: Sequence[Frame]) -> list[list[Frame]]:
    """Frames that are parallel, of one size and pixel spacing, and of one StackID where there are any."""
    found: list[tuple[str, list[Frame]]] = []
    for frame in frames:
        name = "".join(strings(_group(frame, "FrameContentSequence") or Dataset(), "StackID"))
        home = next((stack for told, stack in found if told == name and alike(stack[0], frame)), None)
        if home is None:
            found.append((name, [frame]))
        else:
            home.append(frame)
    return [stack for _, stack in found]


def _split(frames: Sequence[Frame]) -> list[Part] | None:
    """Volumes at the same slice positions; None where they cannot be told apart."""
    places = _places(frames)
    if len(set(places)) == len(frames):
        return [Part("", tuple(frames))]
    keys: list[Key] = [()] * len(frames)
    labels: list[str] = []
    values: list[list[Hashable]] = []
    for label, group, enhanced, classic in _ATTRIBUTES:
        found = [_value(frame, group, enhanced, classic) for frame in frames]
        refined = [(*key, value) for key, value in zip(keys, found, strict=True)]
        if len(set(refined)) > len(set(keys)) and _crosses(places, refined):
            keys, labels, values = refined, [*labels, label], [*values, found]
        if len(set(zip(places, keys, strict=True))) == len(frames):
            return _parts(frames, keys, labels, values)
    turns = _turns(frames, places)
    if turns is None or len(set(zip(places, turns, strict=True))) != len(frames):
        return None
    return _parts(frames, [(turn,) for turn in turns], ["volume {} by InstanceNumber"], [list(turns)])


def _places(frames: Sequence[Frame]) -> list[int]:
    """Number of the slice position of each frame, along the normal."""
    normal = orthonormal(frames[0].orientation)[2]
    heights = np.array([frame.position @ normal for frame in frames])
    order = np.argsort(heights, kind="stable")
    numbers = np.concatenate([[0], np.cumsum(np.diff(heights[order]) > PLACE_TOLERANCE_MM)])
    places = np.empty(len(frames), dtype=int)
    places[order] = numbers
    return [int(place) for place in places]


def _crosses(places: Sequence[int], keys: Sequence[Key]) -> bool:
    """Whether every slice position has every key, and each as often."""
    at: dict[Key, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    for place, key in zip(places, keys, strict=True):
        at[key][place] += 1
    everywhere = set(places)
    return all(counts.keys() == everywhere and len(set(counts.values())) == 1 for counts in at.values())


def _turns(frames: Sequence[Frame], places: Sequence[int]) -> list[int] | None:
    """Which image of its position each frame is by InstanceNumber, if those of all positions go in equal steps."""
    if any(frame.number is None for frame in frames):
        return None
    at: dict[int, list[int]] = defaultdict(list)
    for index in sorted(range(len(frames)), key=lambda i: frames[i].number or 0):
        at[places[index]].append(index)
    steps = {tuple(_number(frames[i]) - _number(frames[column[0]]) for i in column) for column in at.values()}
    if len(steps) != 1 or len(set(next(iter(steps)))) != len(next(iter(steps))):
        return None
    turn = {index: number for column in at.values() for number, index in enumerate(column, start=1)}
    return [turn[index] for index in range(len(frames))]


def _number(frame: Frame) -> int:
    return frame.number or 0


def _parts(
    frames: Sequence[Frame], keys: Sequence[Key], labels: Sequence[str], values: Sequence[Sequence[Hashable]]
) -> list[Part]:
    ranks: list[dict[Hashable, int]] = []  # from 1, and 0 for frames that have no value
    for found in values:
        ranks.append({None: 0} | {v: i for i, v in enumerate(sorted({*found} - {None}, key=_order), start=1)})
    grouped: dict[Key, list[Frame]] = defaultdict(list)
    for frame, key in zip(frames, keys, strict=True):
        grouped[key].append(frame)
    ordered = sorted(grouped, key=lambda key: [ranks[i][value] for i, value in enumerate(key)])
    return [
        Part(
            ", ".join(_shown(labels[i], value, ranks[i][value]) for i, value in enumerate(key) if value is not None),
            tuple(grouped[key]),
        )
        for key in ordered
    ]


def _order(value: Any) -> tuple[int, Any]:
    """Numbers first, then the rest by its text."""
    return (1, value) if isinstance(value, int | float) else (2, str(value))


def _shown(label: str, value: Any, rank: int) -> str:
    if label.startswith(_RANKED):
        return label.format(rank)
    text = f"{value:g}" if isinstance(value, int | float) else re.sub(r"[^A-Za-z0-9_/. -]", "", str(value))[:40]
    return label.format(text).strip()


def _value(frame: Frame, group: str, enhanced: str, classic: str) -> Hashable:
    """The value of an attribute for a frame, as something that can be compared; None where it has none."""
    if not frame.is_enhanced:
        return _plain(frame.instance.header, classic)
    if group == "ImageFrameTypeSequence":
        group = f"{ENHANCED['.'.join(strings(frame.instance.header, 'SOPClassUID'))]}{group}"
    item = _group(frame, group)
    if enhanced == "DiffusionGradientOrientation":
        item = first_item(item, "DiffusionGradientDirectionSequence")
    if enhanced == "InversionTimes" and item is not None and not has_value(item, enhanced):
        return None
    return None if item is None or not enhanced else _plain(item, enhanced)


def _plain(dataset: Dataset, keyword: str) -> Hashable:
    if not has_value(dataset, keyword):
        return None
    texts = strings(dataset, keyword)
    try:
        numbers = tuple(round(float(text), _DIGITS) + 0.0 for text in texts)
    except ValueError:
        return "/".join(texts)
    return numbers[0] if len(numbers) == 1 else numbers


def _group(frame: Frame, keyword: str) -> Dataset | None:
    """Functional group of a frame, its own or the shared one; None for a classic object."""
    if not frame.is_enhanced:
        return None
    header = frame.instance.header
    own = header.PerFrameFunctionalGroupsSequence[frame.index]
    return first_item(own, keyword) or first_item(first_item(header, "SharedFunctionalGroupsSequence"), keyword)
