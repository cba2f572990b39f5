"""What a DICOM series says and NIfTI has no place for, as plain JSON beside a NIfTI file.

Keywords and units are DICOM's own (mm, ms, kV, T), unlike those of BIDS, which has times in seconds. Nothing that leads
to a patient is in it unless asked: no name, date, UID, institution, serial number or free text.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from monai_sr.io.atomic import atomic_path
from monai_sr.io.dicom_classic import classic_header
from monai_sr.io.dicom_derived import Derivation
from monai_sr.io.dicom_headers import first_item, quiet, strings
from monai_sr.io.dicom_source import DicomSource
from monai_sr.io.dicom_window import window_of
from monai_sr.io.volume import InputError, Volume

__all__ = ["describe_series", "write_sidecar"]

# Numbers and code strings of a closed vocabulary; names of protocols, series and agents are free text.
ACQUISITION = """
    Manufacturer ManufacturerModelName BodyPartExamined Laterality PatientPosition
    MagneticFieldStrength ImagingFrequency ScanningSequence SequenceVariant ScanOptions MRAcquisitionType RepetitionTime
    EchoTime InversionTime FlipAngle EchoTrainLength NumberOfAverages PixelBandwidth PercentSampling
    PercentPhaseFieldOfView AcquisitionMatrix InPlanePhaseEncodingDirection DiffusionBValue
    KVP ConvolutionKernel FilterType FocalSpots ExposureTime XRayTubeCurrent Exposure CTDIvol ExposureModulationType
    SpiralPitchFactor TableFeedPerRotation SingleCollimationWidth TotalCollimationWidth DataCollectionDiameter
    ReconstructionDiameter GantryDetectorTilt
"""
IDENTITY = """
    PatientName PatientID PatientBirthDate PatientSex PatientAge PatientWeight PatientIdentityRemoved
    DeidentificationMethod StudyInstanceUID StudyDate StudyTime StudyID StudyDescription AccessionNumber
    FrameOfReferenceUID AcquisitionDate AcquisitionTime InstitutionName StationName DeviceSerialNumber ProtocolName
"""
SERIES = "SeriesInstanceUID SeriesNumber SeriesDescription SeriesDate SeriesTime"


@quiet()
def describe_series(volume: Volume, *, patient: bool = False) -> dict[str, Any]:
    """Facts of the series a volume came from.

    Args:
        volume: read from DICOM, or made from such a volume.
        patient: add who, when and where: name, ID, dates, UIDs, institution.

    Returns:
        JSON types, DICOM keywords. ``Acquired`` is the grid of the source; attributes that differ between slices are
        left out.

    Raises:
        InputError: if the volume was not read from DICOM.
    """
    source = volume.source
    if not isinstance(source, DicomSource) or volume.modality is None:
        raise InputError(f"{volume.name}: it was not read from a DICOM series, so there is nothing to say of one")
    middle = source.slices[len(source.slices) // 2]
    reference = source.headers[middle.header]
    header = classic_header(source.headers, middle.frame, volume.modality)
    found: dict[str, Any] = {
        "Modality": volume.modality,
        "Units": "HU" if volume.modality == "CT" else "arbitrary",
        "ImageType": list(strings(source.headers[0], "ImageType")),
        "PhotometricInterpretation": "".join(strings(reference, "PhotometricInterpretation")),
        "Acquired": {
            "Shape": list(source.geometry.shape),
            "Spacing": [round(s, 6) for s in source.geometry.spacing],
            "SliceThickness": source.thickness_mm,
        },
    }
    if (window := window_of(reference, middle.frame)) is not None:
        found["WindowCenter"], found["WindowWidth"] = list(window.centres), list(window.widths)
    if source.lossy is not None or any(strings(h, "LossyImageCompression") == ("01",) for h in source.headers):
        found["LossyImageCompression"] = "01"
    found |= _values(header, ACQUISITION)
    if region := strings(first_item(header, "AnatomicRegionSequence") or Dataset(), "CodeMeaning"):
        found["AnatomicRegion"] = region[0]
    if patient:
        found["PatientAndStudy"] = _values(header, IDENTITY) | _values(source.headers[0], SERIES)
    return found


def write_sidecar(
    volume: Volume,
    path: Path,
    *,
    derivation: Derivation,
    patient: bool = False,
    maps: Mapping[str, Mapping[str, str]] | None = None,
    overwrite: bool = False,
) -> Path:
    """Write the facts of the source series and how the values were made, whole or not at all.

    Args:
        volume: what was written as NIfTI.
        path: ``.json`` file.
        derivation: how its values were made.
        patient: see :func:`describe_series`.
        maps: of where to doubt, beside the volume: ``file``, ``meaning`` and ``unit`` of each.
        overwrite: whether an existing file may be replaced.
    """
    source = volume.source
    thickness = source.thickness_mm if isinstance(source, DicomSource) else None
    facts = {
        **describe_series(volume, patient=patient),
        "Derivation": {
            "Description": derivation.sentence(thickness),
            "Software": "monai_sr",
            "Version": derivation.version,
            "Model": derivation.model_name,
            "ModelSha256": derivation.model_sha256,
            "ContentQualification": "RESEARCH",
        },
    }
    if maps:
        facts["Maps"] = {
            shown["file"]: {"Meaning": shown["meaning"], "Units": shown["unit"]} for shown in maps.values()
        }
    with atomic_path(path, overwrite=overwrite) as temporary:
        text = json.dumps(facts, indent=2, ensure_ascii=False, allow_nan=False)
        temporary.write_text(text + "\n", encoding="utf-8")
    return path


def _values(header: Dataset, keywords: str) -> dict[str, Any]:
    found = {}
    for keyword in keywords.split():
        try:
            value = header.get(keyword)
            plain = [_plain(v) for v in value] if isinstance(value, MultiValue | list) else _plain(value)
        except Exception:  # a value that its VR forbids
            continue
        if plain not in (None, "", []):
            found[keyword] = plain
    return found


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, int | float | Decimal):  # IS and DS are subclasses that JSON would write as text
        number = float(value)
        return int(number) if number.is_integer() else number
    return str(value)
