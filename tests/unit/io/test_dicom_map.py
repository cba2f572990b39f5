"""Parametric Maps: highdicom finds every value at its place, validators find no error, the images are named."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
import pytest

from monai_sr.data import phantom
from monai_sr.geometry import LPS_TO_RAS
from monai_sr.io.dicom_map import write_parametric_map
from monai_sr.io.dicom_phantom import write_phantom_series
from monai_sr.io.dicom_read import read_series
from monai_sr.io.dicom_write import Derivation, write_series
from monai_sr.io.volume import InputError, Volume

DERIVATION = Derivation("x2 axis 2", "0.1.0", "fast", "ab" * 32, parameters="test")


def derived(folder: Path, modality: str = "CT", **changes: str) -> tuple[Volume, list[Path]]:
    """A map of small values with a sign, and the series that it is about."""
    files = write_phantom_series(phantom.ellipsoids((24, 20, 6), (1.5, 1.5, 5.0), modality=modality), folder / "source")
    datasets = [pydicom.dcmread(file) for file in files]
    for dataset in datasets:
        for keyword, value in changes.items():
            setattr(dataset, keyword, value)
    source = read_series(datasets)
    grid = source.geometry.resized((24, 20, 12))
    rng = np.random.default_rng(3)
    images = write_series(
        source.with_values(rng.uniform(0, 900, grid.shape).astype(np.float32), grid),
        folder / "series",
        derivation=DERIVATION,
    )
    return source.with_values(rng.normal(0, 0.02, grid.shape).astype(np.float32), grid), images


def on_the_acquired_grid(volume: Volume) -> Volume:
    assert volume.source is not None
    geometry = volume.source.geometry
    values = np.random.default_rng(4).normal(0, 20, geometry.shape).astype(np.float32)
    return volume.with_values(values, geometry)


def write(volume: Volume, images: list[Path], path: Path, name: str = "deviation") -> pydicom.Dataset:
    meaning = "Standard deviation of restorations of the mirrored scan"
    write_parametric_map(volume, path, name=name, meaning=meaning, images=images, derivation=DERIVATION)
    return pydicom.dcmread(path)


@pytest.mark.parametrize(("modality", "unit"), [("CT", "[hnsf'U]"), ("MR", "[arb'U]")])
def test_values_unit_and_place(tmp_path: Path, modality: str, unit: str) -> None:
    volume, images = derived(tmp_path, modality)
    dataset = write(volume, images, tmp_path / "map.dcm")
    oracle = hd.Image.from_dataset(dataset).get_volume()
    index = np.linalg.inv(volume.geometry.affine) @ (LPS_TO_RAS @ oracle.affine)
    corner = index @ [*(np.array(oracle.spatial_shape) - 1), 1]
    first, last = np.rint(index[:3, 3]).astype(int), np.rint(corner[:3]).astype(int)
    np.testing.assert_allclose(index[:3, 3], first, atol=1e-4)  # highdicom's voxels are ours
    assert float(oracle.array[0, 0, 0]) == pytest.approx(float(volume.array[tuple(first)]), rel=1e-6)
    assert float(oracle.array[-1, -1, -1]) == pytest.approx(float(volume.array[tuple(last)]), rel=1e-6)
    np.testing.assert_array_equal(np.sort(oracle.array.ravel()), np.sort(volume.array.ravel()).astype(np.float64))
    (mapping,) = dataset.SharedFunctionalGroupsSequence[0].RealWorldValueMappingSequence
    assert mapping.MeasurementUnitsCodeSequence[0].CodeValue == unit
    assert (mapping.RealWorldValueSlope, mapping.RealWorldValueIntercept) == (1.0, 0.0)


@pytest.mark.parametrize("modality", ["CT", "MR"])
def test_a_map_on_the_grid_of_the_source(tmp_path: Path, modality: str) -> None:
    """Frame for frame where the source's own files say their slices are."""
    volume, images = derived(tmp_path, modality)
    residual = on_the_acquired_grid(volume)
    dataset = write(residual, images, tmp_path / "map.dcm", "residual")
    source = [pydicom.dcmread(file) for file in (tmp_path / "source").iterdir()]
    source.sort(key=lambda d: d.ImagePositionPatient[2] * residual.geometry.affine[2, 2])
    shared = dataset.SharedFunctionalGroupsSequence[0]
    np.testing.assert_allclose(
        np.array(shared.PlaneOrientationSequence[0].ImageOrientationPatient, float),
        np.array(source[0].ImageOrientationPatient, float),
        atol=1e-6,
    )
    assert list(shared.PixelMeasuresSequence[0].PixelSpacing) == list(source[0].PixelSpacing)
    assert shared.PixelMeasuresSequence[0].SpacingBetweenSlices == pytest.approx(5.0)
    oracle = hd.Image.from_dataset(dataset).get_volume()
    assert sorted(oracle.spacing) == pytest.approx(sorted(residual.geometry.spacing), abs=1e-5)
    places = {
        tuple(np.round(np.array(frame.PlanePositionSequence[0].ImagePositionPatient, float), 4)): values
        for frame, values in zip(dataset.PerFrameFunctionalGroupsSequence, dataset.pixel_array, strict=True)
    }
    for k, header in enumerate(source):
        values = places[tuple(np.round(np.array(header.ImagePositionPatient, float), 4))]
        np.testing.assert_array_equal(values, residual.array[:, :, k].T)
    named = {item.ReferencedSOPInstanceUID for item in dataset.SourceImageSequence}
    assert named == {pydicom.dcmread(file).SOPInstanceUID for file in images}
    window = shared.FrameVOILUTSequence[0]
    assert window.WindowCenter == 0 and window.WindowWidth > 0  # it has a sign


def test_it_belongs_to_the_series_and_says_so(tmp_path: Path) -> None:
    volume, images = derived(tmp_path, PatientName="Παπαδόπουλος^Γιώργος", SpecificCharacterSet="ISO_IR 126")
    dataset, image = write(volume, images, tmp_path / "map.dcm"), pydicom.dcmread(images[0])
    for keyword in ("StudyInstanceUID", "FrameOfReferenceUID", "PatientID", "PatientName", "ContentTime"):
        assert dataset[keyword].value == image[keyword].value, keyword
    assert dataset.SeriesInstanceUID != image.SeriesInstanceUID
    assert dataset.SeriesNumber == image.SeriesNumber + 1
    assert dataset.SeriesDescription == "CT phantom [AI SR x2] deviation"
    assert dataset.ContentQualification == "RESEARCH"
    named = {
        item.ReferencedSOPInstanceUID
        for frame in dataset.PerFrameFunctionalGroupsSequence
        for item in frame.DerivationImageSequence[0].SourceImageSequence
    }
    assert named == {pydicom.dcmread(file).SOPInstanceUID for file in images}
    again = write(volume, images, tmp_path / "again.dcm")
    assert again.SOPInstanceUID == dataset.SOPInstanceUID
    assert write(volume, images, tmp_path / "other.dcm", "added").SeriesInstanceUID != dataset.SeriesInstanceUID


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dicom3tools is not installed")
@pytest.mark.parametrize("modality", ["CT", "MR"])
@pytest.mark.parametrize("part", ["PHANTOM", ""])
def test_validators(tmp_path: Path, modality: str, part: str) -> None:
    volume, images = derived(tmp_path, modality, BodyPartExamined=part)
    maps = [tmp_path / "map.dcm", tmp_path / "residual.dcm"]
    write(volume, images, maps[0])
    write(on_the_acquired_grid(volume), images, maps[1], "residual")
    for file in maps:
        found = subprocess.run(["dciodvfy", "-new", str(file)], capture_output=True, text=True, check=False)
        assert "ParametricMap" in found.stderr
        assert [line for line in found.stderr.splitlines() if line.startswith("Error")] == []
    every = [*sorted((tmp_path / "source").iterdir()), *images, *maps]
    if not part:  # the phantom on the disk still names its part of the body
        every = every[6:]
    found = subprocess.run(["dcentvfy", *map(str, every)], capture_output=True, text=True, check=False)
    assert (found.returncode, found.stdout + found.stderr) == (0, "")


def test_refused(tmp_path: Path) -> None:
    volume, images = derived(tmp_path)
    with pytest.raises(InputError, match="deviation map has another grid"):
        write(volume, images[1:], tmp_path / "map.dcm")
    with pytest.raises(InputError, match="deviation map has another grid"):
        write(volume.with_values(volume.array[1:], volume.geometry.resized((23, 20, 12))), images, tmp_path / "map.dcm")
    broken = volume.array.copy()
    broken[0, 0, 0] = np.inf
    with pytest.raises(InputError, match="not finite"):
        write(replace(volume, array=broken), images, tmp_path / "map.dcm")
    assert not (tmp_path / "map.dcm").exists()


def test_a_map_of_zeros(tmp_path: Path) -> None:
    volume, images = derived(tmp_path)
    dataset = write(volume.with_values(np.zeros_like(volume.array)), images, tmp_path / "map.dcm")
    assert not hd.Image.from_dataset(dataset).get_volume().array.any()
