"""Write a super-resolved volume as a derived CT or MR series, in the study and frame of reference of its source.

Same SOP class as the source (Enhanced becomes classic), new UIDs, plain or compressed without loss. Written with
pydicom, element by element: what this module cannot vouch for is left out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, generate_uid

from monai_sr.geometry import LPS_TO_RAS, VolumeGeometry
from monai_sr.io.atomic import atomic_folder
from monai_sr.io.dicom_derived import DIRECTION_TOLERANCE, Derivation, coded, series_header, slice_normal
from monai_sr.io.dicom_frames import modality_of
from monai_sr.io.dicom_headers import Instance, quiet, strings, whole_number
from monai_sr.io.dicom_options import DicomOptions
from monai_sr.io.dicom_source import DicomSource
from monai_sr.io.dicom_values import Pixels, choose_encoding, decimal
from monai_sr.io.volume import InputError, Volume

__all__ = ["Derivation", "DicomOptions", "save_dataset", "stored_bytes", "write_series"]

DEFAULTS = DicomOptions()


@quiet()
def write_series(
    volume: Volume,
    folder: Path,
    *,
    derivation: Derivation,
    options: DicomOptions = DEFAULTS,
    overwrite: bool = False,
) -> list[Path]:
    """Write a volume as a derived series, one file per slice, the whole folder or nothing.

    Args:
        volume: ``(X, Y, Z)`` values on a grid with the axes of the series it was read from; any spacing and extent.
        folder: where ``0001.dcm`` and its followers go; it must not exist or be empty.
        derivation: how the values were made.
        options: UIDs, name, number, compression.
        overwrite: whether a folder of DICOM files may be replaced.

    Returns:
        The files in slice order.

    Raises:
        InputError: if the volume was not read from DICOM, its axes or modality are not those of its source, its values
            are not finite, the series description does not fit the character set, or the folder may not be written.
    """
    source = volume.source
    if not isinstance(source, DicomSource) or volume.modality is None:
        raise InputError(
            "this volume was not read from a DICOM series, so it has no patient and study to belong to; "
            "write it as NIfTI"
        )
    _check(volume, source)
    encoding = choose_encoding(
        volume.array,
        volume.modality,
        [(s.slope, s.intercept) for s in source.slices],
        rescaled=source.rescaled,
        signed=whole_number(source.headers[0], "PixelRepresentation") == 1,
    )
    pixels = encoding.stored(volume.array)
    common = series_header(volume, source, derivation, encoding, options)
    series_uid = generate_uid() if options.new_uids else _uid(source, derivation, volume.geometry, pixels)
    digits = max(4, len(str(pixels.shape[2])))
    files = []
    with atomic_folder(folder, overwrite=overwrite, pattern="*.dcm") as temporary:
        for k in range(pixels.shape[2]):
            dataset = _slice(common, volume, source, k)
            dataset.SeriesInstanceUID = series_uid
            dataset.SOPInstanceUID = generate_uid(entropy_srcs=[series_uid, str(k)])
            dataset.PixelData = stored_bytes(pixels[:, :, k])
            name = f"{k + 1:0{digits}d}.dcm"
            save_dataset(dataset, temporary / name, options.transfer_syntax)
            files.append(folder / name)
    return files


def _check(volume: Volume, source: DicomSource) -> None:
    if not np.isfinite(volume.array).all():
        raise InputError("the volume holds values that are not finite, and DICOM pixels cannot; nothing was written")
    told = modality_of(Instance(source.headers[0], "the source"))
    if volume.modality != told:
        raise InputError(
            f"the source is a series of {told} and the result was made as {volume.modality}, which would be another "
            "kind of image; leave --modality away, or write NIfTI"
        )
    if np.abs(volume.geometry.directions - source.geometry.directions).max() > DIRECTION_TOLERANCE:
        raise InputError(
            "the axes of the volume are not those of the DICOM series it came from; write it as NIfTI instead"
        )


def _uid(source: DicomSource, derivation: Derivation, geometry: VolumeGeometry, pixels: Pixels) -> str:
    """The series UID: the same for the same work, so that a repeated run stores no second series in an archive.

    Values that differ by the rounding of another processor or number of threads are still the same work.
    """
    decisive = derivation.parameters
    if decisive is None:
        digest = hashlib.sha256()
        for k in range(pixels.shape[2]):
            digest.update(stored_bytes(pixels[:, :, k]))
        decisive = digest.hexdigest()
    return generate_uid(
        entropy_srcs=[
            *strings(source.headers[0], "SeriesInstanceUID"),
            *("".join(strings(header, "SOPInstanceUID")) for header in source.headers),
            *([source.part] if source.part else []),  # volumes of one series, whose values may agree
            derivation.sentence(None),
            decisive,
            repr(geometry.shape),
            np.array2string(geometry.affine, precision=9),
        ]
    )


def _slice(common: Dataset, volume: Volume, source: DicomSource, k: int) -> Dataset:
    """The header of slice ``k``: what is common, its place, and the source slices around it."""
    dataset = Dataset()
    dataset.update(common)
    lps = LPS_TO_RAS @ volume.geometry.affine
    position = lps[:3, 3] + k * lps[:3, 2]
    dataset.ImagePositionPatient = [decimal(v) for v in position]
    dataset.InstanceNumber = k + 1
    if strings(source.headers[0], "SliceLocation"):
        normal = LPS_TO_RAS[:3, :3] @ slice_normal(volume.geometry)
        dataset.SliceLocation = decimal(float(position @ normal))
    references = [_reference(source, index) for index in _neighbours(volume, source, k)]
    references = [reference for reference in references if reference.ReferencedSOPInstanceUID]
    if references:  # an image without a SOPInstanceUID cannot be named
        dataset.SourceImageSequence = references
        dataset.ReferencedSeriesSequence = [_whereabouts(source, references)]
    return dataset


def _neighbours(volume: Volume, source: DicomSource, k: int) -> Sequence[int]:
    """The source slices on both sides of slice ``k``, or the one at its place."""
    centre = volume.geometry.world([[0, 0, k]])[0]
    index = np.linalg.inv(source.geometry.affine) @ np.append(centre, 1.0)
    below, above = int(np.floor(index[2] + 1e-6)), int(np.ceil(index[2] - 1e-6))
    return sorted({int(np.clip(i, 0, len(source.slices) - 1)) for i in (below, above)})


def _reference(source: DicomSource, index: int) -> Dataset:
    place = source.slices[index]
    header = source.headers[place.header]
    item = Dataset()
    item.ReferencedSOPClassUID = strings(header, "SOPClassUID")[0]
    item.ReferencedSOPInstanceUID = "".join(strings(header, "SOPInstanceUID"))
    if place.frame is not None:
        item.ReferencedFrameNumber = place.frame + 1
    item.SpatialLocationsPreserved = "NO"
    item.PurposeOfReferenceCodeSequence = [coded("121322", "Source image for image processing operation")]
    return item


def _whereabouts(source: DicomSource, references: Sequence[Dataset]) -> Dataset:
    """In which series the source images lie: without it an archive can only search all of them."""
    item = Dataset()
    item.SeriesInstanceUID = "".join(strings(source.headers[0], "SeriesInstanceUID"))
    instances = {}
    for reference in references:  # two frames may lie in one instance
        instance = Dataset()
        instance.ReferencedSOPClassUID = reference.ReferencedSOPClassUID
        instance.ReferencedSOPInstanceUID = reference.ReferencedSOPInstanceUID
        instances[str(reference.ReferencedSOPInstanceUID)] = instance
    item.ReferencedInstanceSequence = list(instances.values())
    return item


def stored_bytes(pixels: Pixels) -> bytes:
    """Pixel data of one slice ``(X, Y)``: rows one after the other, little endian."""
    return pixels.T.astype(pixels.dtype.newbyteorder("<")).tobytes()


def save_dataset(dataset: Dataset, path: Path, transfer_syntax: UID = ExplicitVRLittleEndian) -> None:
    """Write a dataset with native 16-bit pixels as a DICOM file, compressed on the way if the syntax asks for it."""
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset["PixelData"].VR = "OW"
    if transfer_syntax.is_compressed:
        dataset.compress(transfer_syntax, generate_instance_uid=False)
    dataset.save_as(path, enforce_file_format=True)
