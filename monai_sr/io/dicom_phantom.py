"""A phantom as a small original CT or MR series: input for the demo and the tests, with a known truth.

It says nothing about a patient or a scanner that exists, and all that a conforming series must say.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from monai_sr.geometry import LPS_TO_RAS, VolumeGeometry
from monai_sr.io.atomic import atomic_folder
from monai_sr.io.dicom_derived import CLASSIC_CLASS
from monai_sr.io.dicom_values import choose_encoding, decimal
from monai_sr.io.dicom_write import save_dataset, stored_bytes
from monai_sr.io.volume import InputError, Modality, Volume

__all__ = ["write_phantom_series"]

# An hour that no clock change touches; the phantom is the same whenever it is made.
DATE, TIME = "20240101", "120000"
RIGHT_ANGLE = 1e-6

ACQUISITION: dict[Modality, dict[str, object]] = {
    "CT": {"KVP": "120", "ConvolutionKernel": "PHANTOM", "RescaleType": "HU"},
    "MR": {
        "ScanningSequence": "SE",
        "SequenceVariant": "NONE",
        "ScanOptions": None,
        "MRAcquisitionType": "2D",
        "RepetitionTime": "500",
        "EchoTime": "10",
        "EchoTrainLength": "1",
        "MagneticFieldStrength": "1.5",
    },
}


def write_phantom_series(volume: Volume, folder: Path, *, overwrite: bool = False) -> list[Path]:
    r"""Write a phantom as an ``ORIGINAL\PRIMARY`` series, one file per slice along the last array axis.

    Args:
        volume: ``(X, Y, Z)`` finite values, HU for CT; modality None counts as CT. The grid must be right-angled. The
            slice thickness is the volume's, or the slice spacing where it has none.
        folder: where ``0001.dcm`` and its followers go; it must not exist or be empty.
        overwrite: whether a folder of DICOM files may be replaced.

    Returns:
        The files, in order along the slice normal.

    Raises:
        InputError: if the grid is sheared, a value is not finite, or the folder may not be written.
    """
    if volume.geometry.shear() > RIGHT_ANGLE:
        raise InputError("a phantom series needs a right-angled grid; the axes of this volume are sheared")
    if not np.isfinite(volume.array).all():
        raise InputError("a phantom series needs finite values; the volume holds NaN or infinity")
    modality: Modality = volume.modality or "CT"
    array, geometry = _along_normal(volume)
    rescale = (1.0, -1024.0) if modality == "CT" else (1.0, 0.0)
    encoding = choose_encoding(array, modality, [rescale], rescaled=modality == "CT", signed=False)
    pixels = encoding.stored(array)
    common = _common(modality, geometry, volume.slice_thickness_mm)
    common.PixelRepresentation = int(encoding.signed)
    if encoding.rescaled:
        common.RescaleIntercept, common.RescaleSlope = decimal(encoding.intercept), decimal(encoding.slope)
    low, high = np.percentile(array, [0.5, 99.5])
    common.WindowCenter, common.WindowWidth = decimal(round((low + high) / 2)), decimal(max(2, round(high - low)))
    seed = hashlib.sha256(pixels.tobytes() + geometry.affine.tobytes() + modality.encode()).hexdigest()
    common.StudyInstanceUID, common.SeriesInstanceUID, common.FrameOfReferenceUID = (
        generate_uid(entropy_srcs=[seed, kind]) for kind in ("study", "series", "frame of reference")
    )
    files = []
    with atomic_folder(folder, overwrite=overwrite, pattern="*.dcm") as temporary:
        for k in range(geometry.shape[2]):
            dataset = Dataset()
            dataset.update(common)
            place = (LPS_TO_RAS @ np.append(geometry.world([0, 0, k]), 1.0))[:3]
            dataset.ImagePositionPatient = [decimal(v) for v in place]
            dataset.InstanceNumber = k + 1
            dataset.SOPInstanceUID = generate_uid(entropy_srcs=[seed, f"image {k}"])
            dataset.PixelData = stored_bytes(pixels[:, :, k])
            name = f"{k + 1:04d}.dcm"
            save_dataset(dataset, temporary / name)
            files.append(folder / name)
    return files


def _along_normal(volume: Volume) -> tuple[npt.NDArray[np.float32], VolumeGeometry]:
    """Array and grid with slices in order along cross(row direction, column direction), as DICOM has it."""
    x, y, z = (LPS_TO_RAS[:3, :3] @ volume.geometry.directions).T
    if float(np.cross(x, y) @ z) > 0:
        return volume.array, volume.geometry
    flip = np.diag([1.0, 1.0, -1.0, 1.0])
    flip[2, 3] = volume.geometry.shape[2] - 1
    return volume.array[:, :, ::-1], VolumeGeometry(volume.geometry.shape, volume.geometry.affine @ flip)


def _common(modality: Modality, geometry: VolumeGeometry, thickness: float | None) -> Dataset:
    """What all slices say, but for UIDs and pixels."""
    out = Dataset()
    out.SpecificCharacterSet = "ISO_IR 100"
    out.SOPClassUID = CLASSIC_CLASS[modality]
    out.Modality = modality
    out.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL" if modality == "CT" else "OTHER"]
    for moment in ("Study", "Series", "Acquisition", "Content", "InstanceCreation"):
        setattr(out, f"{moment}Date", DATE)
        setattr(out, f"{moment}Time", TIME)
    out.PatientName, out.PatientID = "Phantom^Monai-SR", "MONAI-SR-PHANTOM"
    out.PatientBirthDate, out.PatientSex = None, "O"
    out.AccessionNumber = out.ReferringPhysicianName = None
    out.StudyID, out.SeriesNumber, out.AcquisitionNumber = "1", 1, 1
    out.StudyDescription, out.SeriesDescription = "monai_sr phantom", f"{modality} phantom"
    out.Manufacturer, out.ManufacturerModelName, out.BodyPartExamined = "monai_sr project", "phantom", "PHANTOM"
    out.PatientPosition = "HFS"
    out.PositionReferenceIndicator = out.Laterality = None
    lps = LPS_TO_RAS[:3, :3] @ geometry.directions
    spacing = geometry.spacing
    out.ImageOrientationPatient = [decimal(v) for v in (*lps[:, 0], *lps[:, 1])]
    out.PixelSpacing = [decimal(spacing[1]), decimal(spacing[0])]
    out.SliceThickness = decimal(spacing[2] if thickness is None else thickness)
    if modality == "MR":
        out.SpacingBetweenSlices = decimal(spacing[2])
    for keyword, value in ACQUISITION[modality].items():
        setattr(out, keyword, value)
    out.SamplesPerPixel, out.PhotometricInterpretation = 1, "MONOCHROME2"
    out.Columns, out.Rows = geometry.shape[:2]
    out.BitsAllocated, out.BitsStored, out.HighBit = 16, 16, 15
    return out
