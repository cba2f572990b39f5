"""Series derived from every real series that is read: validators find no new error, every reader agrees."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import highdicom as hd
import nibabel as nib
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from monai_sr.geometry import LPS_TO_RAS, VolumeGeometry
from monai_sr.io.dicom_read import find_series
from monai_sr.io.dicom_write import Derivation, write_series
from monai_sr.io.nifti import write_nifti
from monai_sr.io.volume import Volume

FOLDERS = [  # those that test_dicom_real.py accepts
    "ct_lidc_0001_2.5mm",
    "ct_lidc_0003_2.5mm",
    "dicom2nifti/ge/anatomical/001",
    "dicom2nifti/generic/anatomical/001",
    "dicom2nifti/generic/anatomical/001_implicit",
    "dicom2nifti/generic/anatomical/002_non_isotropic",
    "dicom2nifti/generic/compressed_j2k/001",
    "dicom2nifti/generic/compressed_jpegls/001",
    "dicom2nifti/generic/compressed_rle/001",
    "dicom2nifti/hitachi/anatomical/001",
    "dicom2nifti/hyperfine/anatomical/001",
    "dicom2nifti/philips/anatomical/001",
    "dicom2nifti/philips_enhanced/anatomical/001",
    "dicom2nifti/siemens/anatomical/001",
    "dicom2nifti/siemens_multiframe/anatomical/001",
    "siemens_HFP_t1_sag",
    "siemens_xa30_enhanced_5_anat-T1w_acq-tfl",
]
DERIVATION = Derivation("x2 axis 2", "0.0", "test", "ab" * 32, parameters="test")
needs_dicom3tools = pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dicom3tools is not installed")
needs_dcm2niix = pytest.mark.skipif(shutil.which("dcm2niix") is None, reason="dcm2niix is not installed")

# What is copied word for word, so that an error in it is the source's: 0Y is no age, and this inversion time stands
# beside a ScanningSequence without inversion.
COPIED_WITH_ITS_ERROR = {"PatientAge", "InversionTime"}
# Attributes that must be there, if only empty, and that de-identification took out of the source.
EMPTY_WHERE_ABSENT = {"PatientBirthDate", "PatientSex", "ReferringPhysicianName", "StudyTime", "StudyDate", "StudyID"}


@dataclass
class Pair:
    """A real series and a series derived from it, twice as fine along its slices."""

    source: list[Path]
    result: Volume
    files: list[Path]


@pytest.fixture(scope="module", params=FOLDERS)
def pair(request: pytest.FixtureRequest, real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    (series,) = find_series(real_data / "dicom" / request.param)
    volume = series.read()
    columns, rows, slices = volume.array.shape
    grid = volume.geometry.resized((columns, rows, 2 * slices))
    result = volume.with_values(np.repeat(volume.array, 2, axis=2), grid)
    out = tmp_path_factory.mktemp("derived") / "series"
    return Pair(list(series.files), result, write_series(result, out, derivation=DERIVATION))


def complaints(program: str, files: Iterable[Path], kind: str = "Error") -> list[str]:
    options = ["-new"] if program == "dciodvfy" else []
    found = subprocess.run([program, *options, *map(str, files)], capture_output=True, check=False)
    lines = (found.stderr + found.stdout).decode("utf-8", "replace").splitlines()
    return [line for line in lines if line.startswith(kind)]


@needs_dicom3tools
def test_dciodvfy_finds_no_error_that_the_source_does_not_have(pair: Pair) -> None:
    before = {line for file in pair.source for line in complaints("dciodvfy", [file])}
    for file in (pair.files[0], pair.files[len(pair.files) // 2], pair.files[-1]):
        after = complaints("dciodvfy", [file])
        assert set(after) <= before
        named = {match[1] for line in after if (match := re.search(r"</(?:.*/)?(\w+)\(", line))}
        assert named <= COPIED_WITH_ITS_ERROR


@needs_dicom3tools
def test_dcentvfy_finds_one_patient_one_study_and_one_frame(pair: Pair) -> None:
    written = pydicom.dcmread(pair.files[0], stop_before_pixels=True)
    source = pydicom.dcmread(pair.source[0], stop_before_pixels=True)
    explained = {k for k in EMPTY_WHERE_ABSENT if k in written and written[k].is_empty and k not in source}
    for line in complaints("dcentvfy", [*pair.source, *pair.files], kind=""):
        keyword = re.search("Element=<([^>]*)>", line)
        assert "present in one instance but not the other" in line and keyword and keyword[1] in explained, line


def test_highdicom_and_simpleitk_find_the_same_values_at_the_same_places(pair: Pair) -> None:
    step = float(pydicom.dcmread(pair.files[0], stop_before_pixels=True).get("RescaleSlope", 1))
    oracle = hd.get_volume_from_series([pydicom.dcmread(file) for file in pair.files], apply_voi_transform=False)
    index = np.linalg.inv(pair.result.geometry.affine) @ LPS_TO_RAS @ oracle.affine
    turned = np.abs(index[:3, :3])
    np.testing.assert_allclose(turned, np.rint(turned), atol=1e-4)  # the same axes, in another order
    low, high = (index @ [*corner, 1] for corner in ([0, 0, 0], np.array(oracle.spatial_shape) - 1))
    for found, place in ((oracle.array[0, 0, 0], low), (oracle.array[-1, -1, -1], high)):
        voxel = np.rint(place[:3]).astype(int)
        np.testing.assert_allclose(place[:3], voxel, atol=1e-3)
        assert float(found) == pytest.approx(float(pair.result.array[tuple(voxel)]), abs=step)
    assert float(oracle.array.mean()) == pytest.approx(float(pair.result.array.mean(dtype=np.float64)), abs=0.1 * step)

    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(pair.files[0].parent)))
    reader.SetOutputPixelType(sitk.sitkFloat64)
    image = reader.Execute()
    affine = np.eye(4)
    affine[:3, :3] = np.array(image.GetDirection()).reshape(3, 3) * np.array(image.GetSpacing())
    affine[:3, 3] = image.GetOrigin()
    np.testing.assert_allclose(
        VolumeGeometry(image.GetSize(), LPS_TO_RAS @ affine).corners(), pair.result.geometry.corners(), atol=1e-3
    )
    values = sitk.GetArrayFromImage(image).transpose(2, 1, 0)
    np.testing.assert_allclose(values, pair.result.array, atol=0.51 * step, rtol=1e-6)


def test_nifti_of_it_lies_at_the_same_place_for_simpleitk(pair: Pair, tmp_path: Path) -> None:
    image = sitk.ReadImage(str(write_nifti(pair.result, tmp_path / "x.nii.gz")))
    affine = np.eye(4)
    affine[:3, :3] = np.array(image.GetDirection()).reshape(3, 3) * np.array(image.GetSpacing())
    affine[:3, 3] = image.GetOrigin()
    found = VolumeGeometry(image.GetSize(), LPS_TO_RAS @ affine)
    np.testing.assert_allclose(found.corners(), pair.result.geometry.corners(), atol=1e-3)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image).transpose(2, 1, 0), pair.result.array)


@needs_dcm2niix
def test_dcm2niix_makes_one_volume_of_it_at_the_same_place(pair: Pair, tmp_path: Path) -> None:
    said = subprocess.run(
        ["dcm2niix", "-o", str(tmp_path), "-f", "x", "-b", "y", "-z", "n", str(pair.files[0].parent)],
        capture_output=True,
        text=True,
        check=False,
    )
    (file,) = tmp_path.glob("*.nii")  # no second file for gaps or a tilt
    image = nib.load(file)
    corners = VolumeGeometry(image.shape, image.affine).corners()
    ours = pair.result.geometry.corners()
    order = [np.lexsort(np.round(found, 2).T) for found in (corners, ours)]
    np.testing.assert_allclose(corners[order[0]], ours[order[1]], atol=2e-3)
    step = float(pydicom.dcmread(pair.files[0], stop_before_pixels=True).get("RescaleSlope", 1))
    assert float(np.mean(image.dataobj)) == pytest.approx(
        float(pair.result.array.mean(dtype=np.float64)), abs=0.6 * step
    )
    assert "equidistant" not in said.stdout
    assert json.loads(file.with_suffix(".json").read_text())["Modality"] == pair.result.modality
