"""What all slices of a derived series say: study and acquisition of the source, and how the values were made."""

from __future__ import annotations

import contextlib
import copy
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

import numpy as np
import numpy.typing as npt
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag
from pydicom.uid import generate_uid

from monai_sr.geometry import LPS_TO_RAS, VolumeGeometry
from monai_sr.io.dicom_classic import classic_header
from monai_sr.io.dicom_headers import first_item, has_value, numbers, strings, whole_number
from monai_sr.io.dicom_options import (
    DESCRIPTION_LENGTH,
    LARGEST_SERIES_NUMBER,
    DicomOptions,
    encoded,
    series_description,
)
from monai_sr.io.dicom_source import DicomSource
from monai_sr.io.dicom_values import Encoding, decimal
from monai_sr.io.dicom_window import window_of
from monai_sr.io.volume import InputError, Modality, Volume

__all__ = ["CLASSIC_CLASS", "DIRECTION_TOLERANCE", "Derivation", "coded", "series_header", "slice_normal"]

CLASSIC_CLASS: dict[Modality, str] = {"CT": "1.2.840.10008.5.1.4.1.1.2", "MR": "1.2.840.10008.5.1.4.1.1.4"}
MANUFACTURER = "monai_sr project"
# Value 3 of ImageType where the source has none that a classic object may carry.
PLAIN_KIND: dict[Modality, str] = {"CT": "AXIAL", "MR": "OTHER"}
LONGEST_TEXT = 1024
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
        parameters: everything else that decides the values, as text: with source and model it decides the UIDs. None:
            not known, so the values themselves decide.
        created: date and time to state; now, if None.
    """

    scale: str
    version: str
    model_name: str | None = None
    model_sha256: str | None = None
    parameters: str | None = None
    created: datetime | None = None

    @property
    def tag(self) -> str:
        """What the series description ends in: ``[AI SR x3]``, or ``[resampled x3]`` where no network was used."""
        return f"[{'AI SR' if self.model_name else 'resampled'} {self.factor}]".replace(" ]", "]")

    @property
    def factor(self) -> str:
        """The first factor, such as ``x3``."""
        return (self.scale.split() or [""])[0]

    @property
    def parts(self) -> dict[str, str]:
        """What a template for the series description may hold, but for the source's own description."""
        return {
            "tag": self.tag,
            "factor": self.factor,
            "scale": self.scale,
            "model": self.model_name or "no network",
            "version": self.version,
        }

    def sentence(self, thickness_mm: float | None) -> str:
        """The derivation in words, for DerivationDescription."""
        method = "Super-resolution" if self.model_name else "Interpolation with data consistency"
        model = f", model {self.model_name}" if self.model_name else ""
        digest = f" sha256:{self.model_sha256}" if self.model_sha256 else ""
        source = "" if thickness_mm is None else f"; source slice thickness {thickness_mm:g} mm"
        return (
            f"{method} {self.scale}, monai_sr {self.version}{model}{digest}{source}. Research use, not for diagnosis."
        )


def series_header(
    volume: Volume, source: DicomSource, derivation: Derivation, encoding: Encoding, options: DicomOptions
) -> Dataset:
    """Everything that is the same in all slices.

    Raises:
        InputError: if the character set of the source cannot hold the series description that was asked for.
    """
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
    number = options.series_number
    out.SeriesNumber = _series_number(whole_number(source.headers[0], "SeriesNumber")) if number is None else number
    _describe(out, source, derivation, options)
    if options.research:
        out.ContentQualification = "RESEARCH"
    if options.synthetic_data is not None:
        out.SyntheticData = "YES" if options.synthetic_data else "NO"
    _set_moment(out, derivation)
    _set_derivation(out, reference, derivation, source.thickness_mm)
    _set_grid(out, source, volume)
    _set_pixel_module(out, reference, volume, encoding)
    _set_window(out, reference, middle.frame)
    _set_lossy(out, source)
    return out


def _describe(out: Dataset, reference: DicomSource, derivation: Derivation, options: DicomOptions) -> None:
    header = reference.headers[0]
    parts = derivation.parts
    if reference.part:  # one of several volumes of the series, which would all bear one name
        parts["tag"] = f"{reference.part[: DESCRIPTION_LENGTH // 2]} {parts['tag']}"
    character_set = strings(header, "SpecificCharacterSet")
    if encoded(options.series_description, character_set) is None:
        raise InputError(
            f"the series description cannot be written in the character set of the source "
            f"({'/'.join(character_set) or 'ASCII'}); use plain letters"
        )
    for source in (" ".join(strings(header, "SeriesDescription")), ""):  # broken text is not passed on
        text = series_description(options.series_description, source, parts)
        if (written := encoded(text, character_set)) is not None:
            out[Tag("SeriesDescription")] = DataElement(Tag("SeriesDescription"), "LO", written)
            return


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
    """Pixel grid and slice width; distances between slices are measured along the normal, also where they are tilted.

    SliceThickness is the nominal width of a slice: where the slice axis was resampled, the width of the new voxel,
    since that is what was reconstructed; otherwise still the acquired width.
    """
    spacing = volume.geometry.spacing
    step, acquired = (abs(float(g.affine[:3, 2] @ slice_normal(g))) for g in (volume.geometry, source.geometry))
    columns, rows, _ = volume.geometry.shape
    out.Rows, out.Columns = rows, columns
    out.PixelSpacing = [decimal(spacing[1]), decimal(spacing[0])]
    resampled = abs(step / acquired - 1) > SAME_SPACING
    thickness = step if resampled else source.thickness_mm
    out.SliceThickness = None if thickness is None else decimal(thickness)
    if volume.modality == "MR":  # CT Image has no such attribute
        out.SpacingBetweenSlices = decimal(step)
    out.ImageOrientationPatient = _orientation(source)


def slice_normal(geometry: VolumeGeometry) -> npt.NDArray[np.float64]:
    """Unit vector across rows and columns, RAS; not the step between slices where the gantry was tilted."""
    normal: npt.NDArray[np.float64] = np.cross(geometry.directions[:, 0], geometry.directions[:, 1])
    return normal / np.linalg.norm(normal)


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
    """The window of the middle slice for all slices."""
    window = window_of(reference, frame)
    if window is None:
        return
    out.WindowCenter, out.WindowWidth = ([decimal(v) for v in values] for values in (window.centres, window.widths))
    if window.explanations:
        out.WindowCenterWidthExplanation = list(window.explanations)
    if window.function is not None:
        out.VOILUTFunction = window.function


def _set_lossy(out: Dataset, source: DicomSource) -> None:
    """Once lossy, always lossy: one slice that lost something is enough, and the largest ratio is stated."""
    lossy = [header for header in source.headers if strings(header, "LossyImageCompression") == ("01",)]
    if lossy:
        worst = max(lossy, key=lambda header: _largest(header, "LossyImageCompressionRatio"))
        out.LossyImageCompression = "01"
        for keyword in ("LossyImageCompressionRatio", "LossyImageCompressionMethod"):
            if has_value(worst, keyword):
                out[keyword] = copy.deepcopy(worst[keyword])
    elif source.lossy is not None:
        out.LossyImageCompression = "01"
        out.LossyImageCompressionRatio = decimal(source.lossy[0])
        out.LossyImageCompressionMethod = source.lossy[1]


def _largest(header: Dataset, keyword: str) -> float:
    values = []
    for text in strings(header, keyword):
        with contextlib.suppress(ValueError):
            values.append(float(text))
    return max(values, default=0.0)
