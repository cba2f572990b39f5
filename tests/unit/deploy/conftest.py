from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.uid import generate_uid

from monai_sr import Volume
from monai_sr.data import phantom
from monai_sr.geometry import VolumeGeometry
from monai_sr.io.dicom_phantom import write_phantom_series

SHAPE, SPACING = (36, 28, 10), (1.2, 1.5, 4.0)


def body(modality: str = "CT") -> Volume:
    """An oblique body of pixels that are not square, with negative HU in some slices only."""
    volume = phantom.ellipsoids(SHAPE, SPACING, modality=modality)  # type: ignore[arg-type]
    angle = 0.3
    affine = np.eye(4)
    affine[:3, :3] = np.array(
        [[-np.cos(angle), np.sin(angle), 0], [-np.sin(angle), -np.cos(angle), 0], [0, 0, 1]]
    ) @ np.diag(SPACING)
    affine[:3, 3] = [20.5, -13.25, 7.75]
    array = volume.array.copy()
    if modality == "CT":  # the stock operator takes its type from the first slice, and wraps what is negative later
        array[:, :, 0] = np.maximum(array[:, :, 0], 1)
    return replace(
        volume, array=array, geometry=VolumeGeometry(SHAPE, affine), slice_axis=2, slice_thickness_mm=SPACING[2]
    )


@pytest.fixture
def series(tmp_path: Path) -> Callable[..., Path]:
    """Write a phantom as a series; returns its folder."""

    def write(modality: str = "CT", name: str = "study") -> Path:
        write_phantom_series(body(modality), tmp_path / name / modality)
        return tmp_path / name / modality

    return write


@pytest.fixture
def changed() -> Callable[..., None]:
    """Change all files of a folder: ``change(dataset, number)``; new files beside the old ones under a prefix."""

    def rewrite(folder: Path, change: Callable[[pydicom.Dataset, int], None], prefix: str = "") -> None:
        for number, file in enumerate(sorted(folder.glob("*.dcm"))):
            dataset = pydicom.dcmread(file)
            if prefix:
                dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
            change(dataset, number)
            dataset.save_as(file.with_name(prefix + file.name))

    return rewrite
