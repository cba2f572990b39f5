"""A map that belongs to a derived series (where to doubt it) as a Parametric Map in the same study.

Floating point numbers with a unit, in an object that no viewer takes for an image of the patient.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
import pydicom
from pydicom.sr.coding import Code
from pydicom.uid import generate_uid

from monai_sr.geometry import LPS_TO_RAS
from monai_sr.io.atomic import atomic_path
from monai_sr.io.dicom_derived import MANUFACTURER, Derivation, slice_normal
from monai_sr.io.dicom_headers import quiet, strings
from monai_sr.io.dicom_options import DESCRIPTION_LENGTH, LARGEST_SERIES_NUMBER
from monai_sr.io.dicom_source import DicomSource
from monai_sr.io.volume import InputError, Volume

__all__ = ["write_parametric_map"]

# What a voxel of each map is (PS3.16, SNOMED CT); a map that is not here is only named.
QUANTITIES = {"deviation": Code("386136009", "SCT", "Standard deviation")}
UNITS = {
    "CT": Code("[hnsf'U]", "UCUM", "Hounsfield unit"),
    "MR": Code("[arb'U]", "UCUM", "arbitrary unit"),
}
LONGEST_LABEL = 16


@quiet()
def write_parametric_map(
    volume: Volume,
    path: Path,
    *,
    name: str,
    meaning: str,
    images: Sequence[Path],
    derivation: Derivation,
    order: int = 1,
    overwrite: bool = False,
) -> Path:
    """Write a map as one multi-frame Parametric Map that refers to the images it is about.

    Args:
        volume: ``(X, Y, Z)`` finite values in the unit of ``images``, on their grid, or on that of the series they were
            derived from.
        path: ``.dcm`` file.
        name: what the map is, one word.
        meaning: the same in a sentence of at most 64 characters, for people.
        images: files of the derived series, in slice order, as :func:`monai_sr.io.dicom_write.write_series` names them.
        derivation: how the images were made.
        order: of this map among those of the series, from 1; it is added to the series number.
        overwrite: whether an existing file may be replaced.

    Returns:
        The path. The same images and name give the same UIDs.

    Raises:
        InputError: if the grid is neither, or a value is not finite.
    """
    headers = [pydicom.dcmread(image, stop_before_pixels=True) for image in images]
    place = _place(volume, headers)
    if place is None:
        raise InputError(f"the {name} map has another grid than the series it is about; write it as NIfTI")
    if not np.isfinite(volume.array).all():
        raise InputError(f"the {name} map holds values that are not finite; nothing was written")
    first = headers[0]
    values = np.ascontiguousarray(volume.array.transpose(2, 1, 0), dtype=np.float32)
    low, high = float(values.min()), float(values.max())
    top = float(np.percentile(np.abs(values), 99.5)) or 1.0
    description = f"{first.SeriesDescription[: DESCRIPTION_LENGTH - len(name) - 1]} {name}"
    number = int(first.SeriesNumber) + order
    dataset = hd.pm.ParametricMap(
        source_images=headers,
        pixel_array=values,
        series_instance_uid=generate_uid(entropy_srcs=[first.SeriesInstanceUID, name]),
        series_number=number if number <= LARGEST_SERIES_NUMBER else order,
        sop_instance_uid=generate_uid(entropy_srcs=[first.SeriesInstanceUID, name, "map"]),
        instance_number=1,
        manufacturer=MANUFACTURER,
        manufacturer_model_name="monai_sr",
        software_versions=derivation.version,
        device_serial_number="none",  # must have a value, and software has no number of its own
        contains_recognizable_visual_features=strings(first, "RecognizableVisualFeatures") == ("YES",),
        real_world_value_mappings=[
            hd.pm.RealWorldValueMapping(
                lut_label=name.upper()[:LONGEST_LABEL],
                lut_explanation=meaning,
                unit=UNITS[str(volume.modality)],
                value_range=(low, high),
                slope=1.0,
                intercept=0.0,
                quantity_definition=QUANTITIES.get(name),
            )
        ],
        window_center=0.0 if low < 0 else top / 2,
        window_width=2 * top if low < 0 else top,
        content_label=name.upper()[:LONGEST_LABEL],
        content_description=meaning,
        **place,
    )
    shared = dataset.SharedFunctionalGroupsSequence[0]
    shared.FrameVOILUTSequence[0].VOILUTFunction = "LINEAR_EXACT"
    if place:  # where rows and columns agree, highdicom takes the distance of slices from the images all the same
        shared.PixelMeasuresSequence = place["pixel_measures"]
    dataset.SeriesDescription = description
    for keyword in ("BodyPartExamined", "Laterality"):
        if keyword in first:
            dataset[keyword] = first[keyword]
    for keyword in ("SeriesDate", "SeriesTime", "ContentDate", "ContentTime"):
        setattr(dataset, keyword, first[keyword].value)
    with atomic_path(path, overwrite=overwrite) as temporary:
        dataset.save_as(temporary, enforce_file_format=True)
    return path


def _place(volume: Volume, headers: Sequence[pydicom.Dataset]) -> dict[str, Any] | None:
    """Where the frames lie, for highdicom: on the grid of the images it knows that itself; None on a strange grid."""
    geometry, source = volume.geometry, volume.source
    columns, rows, slices = geometry.shape
    if isinstance(source, DicomSource) and (
        geometry.shape == source.geometry.shape and np.allclose(geometry.affine, source.geometry.affine)
    ):
        lps, spacing = LPS_TO_RAS @ geometry.affine, geometry.spacing
        step = abs(float(geometry.affine[:3, 2] @ slice_normal(geometry)))
        turned = (LPS_TO_RAS[:3, :3] @ geometry.directions)[:, :2]
        return {
            "pixel_measures": hd.PixelMeasuresSequence((spacing[1], spacing[0]), source.thickness_mm or step, step),
            "plane_orientation": hd.PlaneOrientationSequence("PATIENT", turned.T.ravel().tolist()),
            "plane_positions": [
                hd.PlanePositionSequence("PATIENT", (lps[:3, 3] + k * lps[:3, 2]).tolist()) for k in range(slices)
            ],
        }
    same = len(headers) == slices and all((h.Columns, h.Rows) == (columns, rows) for h in headers)
    return {} if same else None
