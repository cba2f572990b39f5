"""From SOP instances to frames: what kind of object it is, and where each of its frames lies.

A classic CT or MR object is one frame; an Enhanced object says the same things per frame, in functional groups.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset

from monai_sr.io.dicom_headers import Instance, first_item, has_value, number, numbers, strings, whole_number
from monai_sr.io.dicom_kinds import CLASSIC, ENHANCED, kind_of, sop_class_of
from monai_sr.io.volume import InputError, Modality

__all__ = ["Frame", "frames_of", "modality_of"]

FloatArray = npt.NDArray[np.float64]

# Header numbers are hostile: these bounds are far outside any scanner and far inside float32 and memory.
LARGEST_SIDE = 8192
MOST_FRAMES = 100_000
SMALLEST_MM, LARGEST_MM = 1e-3, 100.0
LARGEST_SLOPE = 1e9
# What a spectral CT maps instead of HU (PS3.3 C.7.6.16.2.9); "US", unspecified, is written by scanners that mean HU.
NOT_HU = {
    "OD": "optical density",
    "MGML": "material density",
    "PCT": "percent",
    "Z_EFF": "effective atomic number",
    "ED": "electron density",
    "EDW": "electron density",
}
# Cosines rounded to three decimals are off by up to 1.7e-3 in length or product; more is not rounding.
ORTHONORMAL_TOLERANCE = 2e-3


@dataclass(frozen=True, eq=False)
class Frame:
    """One image of a volume.

    Args:
        instance: the SOP instance that holds it.
        index: its place in the instance, from 0.
        position: ``(3,)`` ImagePositionPatient, LPS in mm: centre of the first pixel.
        orientation: ``(6,)`` ImageOrientationPatient: direction along a row, then along a column, LPS.
        row_spacing_mm: distance between rows.
        column_spacing_mm: distance between columns.
        thickness_mm: SliceThickness, None when absent or not usable.
        slope: rescale slope; 1 where the header has none.
        intercept: rescale intercept; 0 where the header has none.
        rescaled: whether the header has a rescale.
        number: InstanceNumber or frame number, for messages only; nothing is ordered by it.
    """

    instance: Instance
    index: int
    position: FloatArray
    orientation: FloatArray
    row_spacing_mm: float
    column_spacing_mm: float
    thickness_mm: float | None
    slope: float
    intercept: float
    rescaled: bool
    number: int | None

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns."""
        header = self.instance.header
        return int(header.Rows), int(header.Columns)

    @property
    def is_enhanced(self) -> bool:
        """Whether it comes from a multi-frame object."""
        return sop_class_of(self.instance.header) in ENHANCED

    @property
    def label(self) -> str:
        """How messages name it."""
        if self.is_enhanced:
            return f"{self.instance.label} frame {self.index + 1}"
        return self.instance.label if self.number is None else f"{self.instance.label} (instance {self.number})"


def modality_of(instance: Instance) -> Modality:
    """CT or MR, from the SOP class: what the object is, whatever its Modality tag says."""
    uid = sop_class_of(instance.header)
    return CLASSIC.get(uid) or ENHANCED[uid]


def frames_of(instance: Instance) -> list[Frame]:
    """The frames of a CT or MR object.

    Raises:
        InputError: if the object is no grayscale CT or MR image, or its header cannot place or scale its pixels.
    """
    _check_kind(instance)
    _check_pixel_format(instance)
    if sop_class_of(instance.header) in ENHANCED:
        return _enhanced_frames(instance)
    return [_classic_frame(instance)]


def _check_kind(instance: Instance) -> None:
    header, label = instance.header, instance.label
    if (kind := kind_of(header)).why:
        raise InputError(f"{label} {kind.why}")
    if has_value(header, "ModalityLUTSequence"):
        raise InputError(f"{label} scales its pixels by a Modality LUT, which is not supported; export with a rescale")


def _check_pixel_format(instance: Instance) -> None:
    header, label = instance.header, instance.label
    for keyword in ("Rows", "Columns"):
        side = number(header, keyword, label, low=1, high=LARGEST_SIDE)
        if side is None:
            raise InputError(f"{label} has no {keyword}, so no image; export the series again")
    if strings(header, "PhotometricInterpretation") == ():
        raise InputError(f"{label} has no PhotometricInterpretation; repair the header")
    allocated = whole_number(header, "BitsAllocated")
    stored = whole_number(header, "BitsStored")
    high = whole_number(header, "HighBit")
    signed = whole_number(header, "PixelRepresentation")
    if allocated not in (8, 16, 32) or stored is None or not 1 < stored <= allocated or signed not in (0, 1):
        raise InputError(
            f"{label}: pixels of {allocated} bits allocated, {stored} stored, PixelRepresentation {signed} are not "
            "supported; whole numbers of 8, 16 or 32 bits are needed"
        )
    if high is not None and high != stored - 1:
        raise InputError(f"{label}: HighBit must be BitsStored - 1 = {stored - 1}, got {high}; repair the header")


def _classic_frame(instance: Instance) -> Frame:
    header, label = instance.header, instance.label
    if (frames := whole_number(header, "NumberOfFrames")) not in (None, 1):
        raise InputError(f"{label} holds {frames} frames, but its SOP class allows one; export as Enhanced objects")
    return _frame(instance, 0, header, header, header, header, whole_number(header, "InstanceNumber"))


def _enhanced_frames(instance: Instance) -> list[Frame]:
    header, label = instance.header, instance.label
    count = number(header, "NumberOfFrames", label, low=1, high=MOST_FRAMES)
    shared = first_item(header, "SharedFunctionalGroupsSequence")
    groups = list(header.get("PerFrameFunctionalGroupsSequence") or []) if count else []
    if count is None or len(groups) != int(count):
        raise InputError(
            f"{label} says it has {0 if count is None else int(count)} frames but describes {len(groups)} "
            "(PerFrameFunctionalGroupsSequence); export the series again"
        )
    found = []
    for index, group in enumerate(groups):
        kinds = strings(first_item(group, f"{modality_of(instance)}ImageFrameTypeSequence") or Dataset(), "FrameType")
        if "LOCALIZER" in kinds:
            raise InputError(f"{label} frame {index + 1} is a localizer, not a slice of a volume; leave it out")
        place, plane, measures, values = (
            first_item(group, keyword) or first_item(shared, keyword) or Dataset()
            for keyword in (
                "PlanePositionSequence",
                "PlaneOrientationSequence",
                "PixelMeasuresSequence",
                "PixelValueTransformationSequence",
            )
        )
        found.append(_frame(instance, index, place, plane, measures, values, index + 1))
    return found


def _frame(
    instance: Instance,
    index: int,
    place: Dataset,
    plane: Dataset,
    measures: Dataset,
    values: Dataset,
    number_: int | None,
) -> Frame:
    label = instance.label
    position = numbers(place, "ImagePositionPatient", 3, label)
    orientation = numbers(plane, "ImageOrientationPatient", 6, label, low=-1.01, high=1.01)
    spacing = numbers(measures, "PixelSpacing", 2, label, low=SMALLEST_MM, high=LARGEST_MM)
    for keyword, value in (
        ("ImagePositionPatient", position),
        ("ImageOrientationPatient", orientation),
        ("PixelSpacing", spacing),
    ):
        if value is None:
            raise InputError(f"{label} has no {keyword}, so its place is unknown; export the original series")
    assert position is not None and orientation is not None and spacing is not None  # said above, for the checker
    directions = np.array(orientation).reshape(2, 3)
    if np.abs(directions @ directions.T - np.eye(2)).max() > 2 * ORTHONORMAL_TOLERANCE:
        raise InputError(
            f"{label}: ImageOrientationPatient must be two perpendicular unit vectors, got "
            f"{', '.join(f'{v:g}' for v in orientation)}; repair the header"
        )
    slope = number(values, "RescaleSlope", label, low=-LARGEST_SLOPE, high=LARGEST_SLOPE)
    intercept = number(values, "RescaleIntercept", label, low=-LARGEST_SLOPE, high=LARGEST_SLOPE)
    if slope is not None and abs(slope) < 1 / LARGEST_SLOPE:
        raise InputError(f"{label}: RescaleSlope must not be 0, got {slope:g}; all values would be equal")
    if modality_of(instance) == "CT" and (slope is None or intercept is None):
        raise InputError(
            f"{label} is a CT without RescaleSlope and RescaleIntercept, so its values are not known in HU"
        )
    unit = "".join(strings(values, "RescaleType")[:1]).upper()
    if modality_of(instance) == "CT" and unit in NOT_HU:
        raise InputError(
            f"{label} is a CT map of {NOT_HU[unit]} (RescaleType {unit}), not of HU; give the images in HU of this scan"
        )
    return Frame(
        instance=instance,
        index=index,
        position=np.array(position),
        orientation=np.array(orientation),
        row_spacing_mm=spacing[0],
        column_spacing_mm=spacing[1],
        thickness_mm=_thickness(measures, label),
        slope=1.0 if slope is None else slope,
        intercept=0.0 if intercept is None else intercept,
        rescaled=slope is not None or intercept is not None,
        number=number_,
    )


def _thickness(measures: Dataset, label: str) -> float | None:
    """SliceThickness where it is usable: it shapes the slice profile only, so a bad one refuses nothing."""
    try:
        return number(measures, "SliceThickness", label, low=SMALLEST_MM, high=LARGEST_MM)
    except InputError:
        return None
