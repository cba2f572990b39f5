"""From the SOP instances of one series to a volume: which volumes it holds, the grid of one, its values, its notes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset
from scipy.interpolate import PchipInterpolator

from monai_sr.io.dicom_frames import Frame, frames_of, modality_of
from monai_sr.io.dicom_geometry import Stack, stack_frames
from monai_sr.io.dicom_headers import Instance, strings
from monai_sr.io.dicom_pixels import LOSSY_METHODS, check_decodable, read_values, transfer_syntax
from monai_sr.io.dicom_private import philips_scale
from monai_sr.io.dicom_source import DicomSource, SliceReference
from monai_sr.io.dicom_volumes import Part, separate
from monai_sr.io.series_rules import SeriesRules
from monai_sr.io.volume import InputError, Volume

__all__ = ["label_of", "one_part", "parts_of", "stack_of", "volume_of"]

# Slices thinner than this share of their distance leave visible gaps of tissue that was never imaged.
THIN_SLICE = 2 / 3
THICKNESS_TOLERANCE = 0.01
MOST_SHOWN = 4
WHOLES = {"PatientID": "patients", "StudyInstanceUID": "studies", "FrameOfReferenceUID": "frames of reference"}


def label_of(instances: Sequence[Instance], name: str) -> str:
    """How messages name a series."""
    return f"series {name} ({instances[0].label}{f' and {len(instances) - 1} more' if len(instances) > 1 else ''})"


def parts_of(instances: Sequence[Instance], name: str) -> list[Part]:
    """The volumes of a series, from its headers alone.

    Raises:
        InputError: if an object is no CT or MR image, or its header cannot place or scale its pixels.
    """
    label = label_of(instances, name)
    frames = [frame for instance in instances for frame in frames_of(instance)]
    if not strings(instances[0].header, "SeriesInstanceUID"):
        raise InputError(
            f"{label} has no SeriesInstanceUID, so it is unknown what belongs together; repair the headers"
        )
    modalities = sorted({modality_of(instance) for instance in instances})
    if len(modalities) > 1:
        raise InputError(f"{label} mixes CT and MR images; give the images of one scanner")
    _check_one(instances, "PatientID", label)
    _check_one(instances, "StudyInstanceUID", label)
    return separate(frames)


def _check_one(instances: Sequence[Instance], keyword: str, label: str) -> None:
    """Refuse images that say they belong to different wholes; those that say nothing are taken with the others.

    Careless anonymisation gives several patients one SeriesInstanceUID, and positions in different frames of reference
    say nothing about each other.
    """
    told: dict[tuple[str, ...], Instance] = {}
    for instance in instances:
        if value := strings(instance.header, keyword):
            told.setdefault(value, instance)
    if len(told) > 1:
        one, other = list(told.values())[:2]
        raise InputError(
            f"{label} mixes images of {len(told)} {WHOLES[keyword]} ({one.label} and {other.label} differ in "
            f"{keyword}); give the images of one scan"
        )


def one_part(parts: Sequence[Part], label: str, name: str, volume: int | None) -> Part:
    """The volume that is wanted.

    Args:
        parts: all volumes of the series.
        label: of the series.
        name: of the series, as ``--series`` takes it.
        volume: number from 1; None where the series has to hold one only.

    Raises:
        InputError: if there are several and none was chosen, or there is no such volume.
    """
    if volume is not None and volume > len(parts):
        raise InputError(f"{label} holds {len(parts)} volume(s), so there is no volume {volume}")
    if volume is not None or len(parts) == 1:
        return parts[(volume or 1) - 1]
    told = "; ".join(f"{number}: {part.label}" for number, part in enumerate(parts[:MOST_SHOWN], start=1))
    raise InputError(
        f"{label} holds {len(parts)} volumes of {len(parts[0].frames)} slices ({told}"
        f"{'; ...' if len(parts) > MOST_SHOWN else ''}); choose one with --series {name}:1, or all with "
        f"--series {name}:all"
    )


def stack_of(part: Part, label: str, rules: SeriesRules | None) -> Stack:
    """The grid of a volume, from headers alone; pixels that no installed decoder takes are refused too.

    Raises:
        InputError: if it is no regular stack, and the rules do not allow what it is.
    """
    stack = stack_frames(part.frames, label, rules)
    _check_one([frame.instance for frame in stack.frames], "FrameOfReferenceUID", label)
    check_decodable(stack.frames[0].instance.header, stack.frames[0].label)
    return stack


def volume_of(stack: Stack, name: str, part: str, notes: Sequence[str] = ()) -> Volume:
    """Read the pixels of a stack.

    Args:
        stack: grid and frames.
        name: of the volume.
        part: what sets it apart from other volumes of its series, empty where there is none.
        notes: what was found before.

    Raises:
        InputError: if pixels are missing, damaged, or not decodable.
    """
    columns, rows, slices = stack.geometry.shape
    array, found = read_values(stack.frames, (columns, rows, len(stack.frames)))
    if stack.places is not None:
        array = _evenly(array, stack.places, slices)
    thickness, remarks = _thickness(stack)
    header = stack.frames[0].instance.header
    return Volume(
        array=array,
        geometry=stack.geometry,
        modality=modality_of(stack.frames[0].instance),
        slice_axis=2,
        slice_thickness_mm=thickness,
        body_part=next((told.upper() for told in strings(header, "BodyPartExamined")), None),
        name=name,
        source=_source(stack, thickness, part),
        notes=(*notes, *stack.notes, *_remarks(stack), *remarks, *found),
    )


def _evenly(array: npt.NDArray[np.float32], places: npt.NDArray[np.float64], count: int) -> npt.NDArray[np.float32]:
    """Values at the whole numbers from 0 of slices that lie at ``places``, by monotone cubics.

    PCHIP (Fritsch and Carlson 1980) makes no value larger or smaller than both its neighbours.
    """
    out = np.empty((*array.shape[:2], count), dtype=np.float32, order="F")
    for column in range(array.shape[0]):  # in double precision the whole volume would cost gigabytes
        out[column] = PchipInterpolator(places, array[column], axis=-1)(np.arange(count))
    return out


def _thickness(stack: Stack) -> tuple[float | None, list[str]]:
    """Width of the slice profile in mm, and what is odd about it."""
    stated = sorted(frame.thickness_mm for frame in stack.frames if frame.thickness_mm is not None)
    if len(stated) < len(stack.frames):
        return None, ["SliceThickness is absent or not usable; the slice profile has to be assumed"]
    middle = stated[len(stated) // 2]
    if stated[-1] - stated[0] > THICKNESS_TOLERANCE * middle:
        return middle, [f"SliceThickness varies from {stated[0]:g} to {stated[-1]:g} mm; {middle:g} mm is used"]
    spacing = stack.geometry.spacing[2]
    if middle < THIN_SLICE * spacing:
        return middle, [f"slices of {middle:g} mm lie {spacing:g} mm apart: the tissue between them was not imaged"]
    return middle, []


def _remarks(stack: Stack) -> list[str]:
    """What the headers say that a reader of the result should know."""
    header = stack.frames[0].instance.header
    remarks = []
    if strings(header, "PhotometricInterpretation") == ("MONOCHROME1",):
        remarks.append("MONOCHROME1: viewers show small values bright; the values themselves are kept as they are")
    if not strings(header, "FrameOfReferenceUID"):
        remarks.append("FrameOfReferenceUID is missing; the series stands in a frame of its own")
    unnamed = sum(not strings(frame.instance.header, "SOPInstanceUID") for frame in stack.frames)
    if unnamed:
        remarks.append(
            f"{unnamed} of {len(stack.frames)} images have no SOPInstanceUID; a derived series cannot name them as its "
            "source"
        )
    if stack.frames[0].rescaled and len({(f.slope, f.intercept) for f in stack.frames}) > 1:
        remarks.append("the rescale differs between slices and was applied slice by slice")
    philips = "".join(strings(header, "Manufacturer")).lower().startswith("philips")
    scale = philips_scale(stack.frames[0].instance.load()) if philips else None
    if scale is not None:
        remarks.append(
            f"Philips' private scale slope {scale:g} is left alone: values are those that the scanner displays, not "
            "its floating point values"
        )
    return remarks


def _source(stack: Stack, thickness_mm: float | None, part: str) -> DicomSource:
    places: dict[int, int] = {}
    headers: list[Dataset] = []
    for frame in stack.frames:
        if id(frame.instance) not in places:
            places[id(frame.instance)] = len(headers)
            headers.append(frame.instance.header)
    nearest: Sequence[int] = range(len(stack.frames))
    if stack.places is not None:  # of an interpolated slice
        nearest = [int(np.argmin(np.abs(stack.places - k))) for k in range(stack.geometry.shape[2])]
    return DicomSource(
        headers=tuple(headers),
        slices=tuple(
            SliceReference(
                header=places[id(frame.instance)],
                frame=frame.index if frame.is_enhanced else None,
                slope=frame.slope,
                intercept=frame.intercept,
            )
            for frame in (stack.frames[i] for i in nearest)
        ),
        geometry=stack.geometry,
        thickness_mm=thickness_mm,
        rescaled=any(frame.rescaled for frame in stack.frames),
        lossy=_lossy(stack.frames),
        part=part,
    )


def _lossy(frames: Sequence[Frame]) -> tuple[float, str] | None:
    """Ratio and method where the pixels may be coded with loss and the header says nothing about it."""
    header = frames[0].instance.header
    syntax = transfer_syntax(header)
    if syntax not in LOSSY_METHODS or strings(header, "LossyImageCompression"):
        return None
    dataset = frames[0].instance.load()
    rows, columns = frames[0].size
    raw = rows * columns * int(header.BitsAllocated) // 8 * int(header.get("NumberOfFrames") or 1)
    return round(raw / max(1, len(dataset.PixelData)), 2), LOSSY_METHODS[str(syntax)]
