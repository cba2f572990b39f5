"""What all slices of a derived series say: study and acquisition of the source, and how the values were made."""

from __future__ import annotations

import contextlib
import copy
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from monai_sr.geometry import LPS_TO_RAS
from monai_sr.io.dicom_classic import classic_header
from monai_sr.io.dicom_headers import first_item, numbers, strings, whole_number
from monai_sr.io.dicom_source import DicomSource
from monai_sr.io.dicom_values import Encoding, decimal
from monai_sr.io.volume import Modality, Volume

__all__ = ["CLASSIC_CLASS", "DIRECTION_TOLERANCE", "Derivation", "coded", "series_header"]

CLASSIC_CLASS: dict[Modality, str] = {"CT": "1.2.840.10008.5.1.4.1.1.2", "MR": "1.2.840.10008.5.1.4.1.1.4"}
MANUFACTURER = "monai_sr project"
# Value 3 of ImageType where the source has none that a classic object may carry.
PLAIN_KIND: dict[Modality, str] = {"CT": "AXIAL", "MR": "OTHER"}
DESCRIPTION_LENGTH = 64
LONGEST_TEXT = 1024
LARGEST_SERIES_NUMBER = 2**31 - 1
# Directions may differ from the source's by rounding only, or written cosines would not be the source's.
DIRECTION_TOLERANCE = 1e-6
# A resampled axis differs in spacing by more than this share.
SAME_SPACING = 1e-6


@dataclass(frozen=True)
class Derivation:
    """How the values of a derived series were made; it goes into the headers and decides the UIDs.

    Args:
        scale: factor and axis for people, the factor first, such as ``"x3 through-plane"``.
        version: version of monai_sr.
        model_name: name of the network, None when only interpolation and data consistency were used.
        model_sha256: SHA-256 of its weights.
        parameters: anything else that decides the values, as text; two runs with different parameters are different
            series even if their values agree.
        created: date and time to state; now, if None.
    """

    scale: str
    version: str
    model_name: str | None = None
    model_sha256: str | None = None
    parameters: str = ""
    created: datetime | None = None

    @property
    def tag(self) -> str:
        """What the series description ends in: ``[AI SR x3]``, or ``[resampled x3]`` where no network was used."""
        factor = (self.scale.split() or [""])[0]
        return f"[{'AI SR' if self.model_name else 'resampled'} {factor}]".replace(" ]", "]")

    def sentence(self, thickness_mm: float | None) -> str:
        """The derivation in words, for DerivationDescription."""
        method = "Super-resolution" if self.model_name else "Interpolation with data consistency"
        model = f", model {self.model_name}" if self.model_name else ""
        digest = f" sha256:{self.model_sha256}" if self.model_sha256 else ""
        source = "" if thickness_mm is None else f"; source slice thickness {thickness_mm:g} mm"
        return (
            f"{method} {self.scale}, monai_sr {self.version}{model}{digest}{source}. Research use, not for diagnosis."
        )


def series_header(volume: Volume, source: DicomSource, derivation: Derivation, encoding: Encoding) -> Dataset:
    """Everything that is the same in all slices."""
    assert volume.modality is not None  # checked by the caller
    middle = source.slices[len(source.slices) // 2]
    reference = source.headers[middle.header]
    out = classic_header(source.headers, middle.frame, volume.modality)
    out.SOPClassUID = CLASSIC_CLASS[volume.modality]
    out.Modality = volume.modality
    kinds = strings(source.headers[0], "ImageType")
    kind = kinds[2] if len(kinds) > 2 and kinds[2] and middle.frame is None else PLAIN_KIND[volume.modality]
    out.ImageType = ["DERIVED", "SECONDARY", kind]
    series = "".join(strings(source.headers[0], "SeriesInstanceUID"))
    if "StudyInstanceUID" not in out:
        out.StudyInstanceUID = generate_uid(entropy_srcs=[series, "study"])
    if not strings(out, "FrameOfReferenceUID"):
        out.FrameOfReferenceUID = generate_uid(entropy_srcs=[series, "frame of reference"])
    out.SeriesNumber = _series_number(whole_number(source.headers[0], "SeriesNumber"))
    described = " ".join(strings(source.headers[0], "SeriesDescription"))
    out.SeriesDescription = f"{described[: DESCRIPTION_LENGTH - len(derivation.tag) - 1]} {derivation.tag}".strip()
    out.ContentQualification = "RESEARCH"
    _set_moment(out, derivation)
    _set_derivation(out, reference, derivation, source.thickness_mm)
    _set_grid(out, source, volume)
    _set_pixel_module(out, reference, volume, encoding)
    _set_window(out, reference, middle.frame)
    if source.lossy is not None:
        out.LossyImageCompression = "01"
        out.LossyImageCompressionRatio = decimal(source.lossy[0])
        out.LossyImageCompressionMethod = source.lossy[1]
    return out


def _series_number(number: int | None) -> int:
    candidate = 1 if number is None else number * 100 + 1
    return candidate if abs(candidate) <= LARGEST_SERIES_NUMBER else 1


def _set_moment(out: Dataset, derivation: Derivation) -> None:
    """One moment for the whole series: viewers may split a series by time."""
    moment = derivation.created or datetime.now().astimezone()
    offset = "".join(strings(out, "TimezoneOffsetFromUTC"))
    if len(offset) == 5 and offset[1:].isdigit():  # the header states the time zone of all its times
        minutes = int(offset[1:3]) * 60 + int(offset[3:])
        moment = moment.astimezone(timezone(timedelta(minutes=-minutes if offset[0] == "-" else minutes)))
    for keyword in ("InstanceCreation", "Content", "Series"):
        setattr(out, f"{keyword}Date", moment.strftime("%Y%m%d"))
        setattr(out, f"{keyword}Time", moment.strftime("%H%M%S.%f"))


def _set_derivation(out: Dataset, reference: Dataset, derivation: Derivation, thickness_mm: float | None) -> None:
    sentence = derivation.sentence(thickness_mm)
    sentence = sentence.encode("ascii", "replace").decode("ascii").replace("\\", "/")[:LONGEST_TEXT]
    out.DerivationDescription = sentence
    out.DerivationCodeSequence = [coded("113085", "Spatial resampling")]
    equipment = Dataset()
    equipment.PurposeOfReferenceCodeSequence = [coded("109102", "Processing Equipment")]
    equipment.Manufacturer = MANUFACTURER
    equipment.ManufacturerModelName = "monai_sr"
    equipment.SoftwareVersions = derivation.version
    equipment.ContributionDateTime = out.ContentDate + out.ContentTime
    equipment.ContributionDescription = sentence
    out.ContributingEquipmentSequence = [*_contributors(reference), equipment]


def _contributors(reference: Dataset) -> list[Dataset]:
    """Equipment that the source names already."""
    if first_item(reference, "ContributingEquipmentSequence") is None:
        return []
    found = []
    for item in reference.ContributingEquipmentSequence:
        with contextlib.suppress(Exception):  # an element inside that its VR forbids
            duplicate = copy.deepcopy(item)
            duplicate.remove_private_tags()
            found.append(duplicate)
    return found


def coded(value: str, meaning: str) -> Dataset:
    """An item of a code sequence, from DICOM's own terms (PS3.16)."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "DCM", meaning
    return item


def _set_grid(out: Dataset, source: DicomSource, volume: Volume) -> None:
    """Pixel grid and slice width.

    SliceThickness is the nominal width of a slice: where the slice axis was resampled, the width of the new voxel,
    since that is what was reconstructed; otherwise still the acquired width.
    """
    spacing, acquired = volume.geometry.spacing, source.geometry.spacing
    columns, rows, _ = volume.geometry.shape
    out.Rows, out.Columns = rows, columns
    out.PixelSpacing = [decimal(spacing[1]), decimal(spacing[0])]
    resampled = abs(spacing[2] / acquired[2] - 1) > SAME_SPACING
    thickness = spacing[2] if resampled else source.thickness_mm
    out.SliceThickness = None if thickness is None else decimal(thickness)
    if volume.modality == "MR":  # CT Image has no such attribute
        out.SpacingBetweenSlices = decimal(spacing[2])
    out.ImageOrientationPatient = _orientation(source)


def _orientation(source: DicomSource) -> list[str]:
    """The source's own cosines where they are exact, else the rounded ones made orthonormal, at full precision."""
    lps = LPS_TO_RAS[:3, :3] @ source.geometry.directions
    exact = np.concatenate([lps[:, 0], lps[:, 1]])
    header = source.headers[source.slices[0].header]
    told = numbers(header, "ImageOrientationPatient", 6, "source") if source.slices[0].frame is None else None
    if told is not None and np.abs(np.array(told) - exact).max() <= DIRECTION_TOLERANCE:
        texts = [getattr(v, "original_string", None) or decimal(v) for v in header.ImageOrientationPatient]
        if all(len(text) <= 16 for text in texts):
            return texts
    return [decimal(v) for v in exact]


def _set_pixel_module(out: Dataset, reference: Dataset, volume: Volume, encoding: Encoding) -> None:
    out.SamplesPerPixel = 1
    # MONOCHROME1 stays: the values are the source's, so a viewer must show them the same way round
    out.PhotometricInterpretation = "".join(strings(reference, "PhotometricInterpretation"))
    out.BitsAllocated, out.BitsStored, out.HighBit = 16, 16, 15
    out.PixelRepresentation = int(encoding.signed)
    if encoding.rescaled:
        out.RescaleIntercept, out.RescaleSlope = decimal(encoding.intercept), decimal(encoding.slope)
        if "RescaleType" not in out:
            out.RescaleType = "HU" if volume.modality == "CT" else "US"
    elif "RescaleType" in out:
        del out.RescaleType


def _set_window(out: Dataset, reference: Dataset, frame: int | None) -> None:
    """The window of the middle slice for all slices: values keep their scale, so it holds."""
    place = reference
    if frame is not None:
        own = (reference.get("PerFrameFunctionalGroupsSequence") or [])[frame]
        shared = first_item(reference, "SharedFunctionalGroupsSequence")
        place = first_item(own, "FrameVOILUTSequence") or first_item(shared, "FrameVOILUTSequence") or reference
    try:
        centres, widths = (_listed(place, keyword) for keyword in ("WindowCenter", "WindowWidth"))
    except Exception:  # no numbers
        return
    if not centres or len(centres) != len(widths) or min(widths) < 1 or not np.isfinite([*centres, *widths]).all():
        return
    out.WindowCenter, out.WindowWidth = [decimal(v) for v in centres], [decimal(v) for v in widths]
    explained = strings(place, "WindowCenterWidthExplanation")
    if len(explained) == len(centres):
        out.WindowCenterWidthExplanation = list(explained)
    if function := strings(place, "VOILUTFunction"):
        out.VOILUTFunction = function[0]


def _listed(dataset: Dataset, keyword: str) -> list[float]:
    value = dataset.get(keyword)
    if value is None or value == "":
        return []
    return [float(v) for v in (value if hasattr(value, "__iter__") and not isinstance(value, str) else [value])]
