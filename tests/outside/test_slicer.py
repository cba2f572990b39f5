"""3D Slicer's own reader (slicer-core: MRML and vtkITK) finds our files as we meant them, without a warning."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from monai_sr import Volume, read_volume, super_resolve
from monai_sr.data import phantom
from monai_sr.geometry import VolumeGeometry
from monai_sr.io.dicom_phantom import write_phantom_series
from monai_sr.report import write_results

pytestmark = [pytest.mark.slow, pytest.mark.slicer]

TOLERANCE_MM = 1e-3
READER = Path(__file__).with_name("slicer_reader.py")
SPACING = (1.2, 1.5, 4.0)


def turned(x: float, y: float, z: float) -> np.ndarray:
    """Axes of an oblique acquisition: a rotation by three angles."""
    rotation = sitk.Euler3DTransform()
    rotation.SetRotation(x, y, z)
    return np.array(rotation.GetMatrix()).reshape(3, 3)


AXES = {
    "CT axial": np.diag([-1.0, -1.0, 1.0]),
    "CT oblique": turned(0.3, -0.2, 1.1),
    "MR sagittal": np.array([[0.0, 0.0, -1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]]),
    "MR coronal": np.array([[-1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, -1.0, 0.0]]),
    "MR oblique": turned(-0.6, 0.4, 0.2),
}
REAL = [
    "ct_lidc_0003_2.5mm",
    "siemens_HFP_t1_sag",
    "dicom2nifti/hitachi/anatomical/001",
    "dicom2nifti/hyperfine/anatomical/001",
    "dicom2nifti/philips_enhanced/anatomical/001",
]


def phantom_series(name: str, folder: Path) -> Path:
    body = phantom.ellipsoids((52, 44, 12), SPACING, modality=name[:2])  # type: ignore[arg-type]
    affine = np.eye(4)
    affine[:3, :3] = AXES[name] @ np.diag(SPACING)
    affine[:3, 3] = [31.4, -27.1, 182.8]
    rng = np.random.default_rng(1)
    array = body.array + rng.normal(0, 5, body.array.shape).astype(np.float32)
    array = np.maximum(array, body.array.min())
    body = replace(body, array=array, geometry=VolumeGeometry(body.array.shape, affine), slice_thickness_mm=4.0)
    write_phantom_series(body, folder)
    return folder


@dataclass(frozen=True)
class Seen:
    """One result and what Slicer says of it: what we meant, its files, and the reader's answers."""

    meant: Volume
    files: list[Path]
    answer: dict[str, Any]
    values: np.ndarray | None


@pytest.fixture(scope="module")
def slicer(tmp_path_factory: pytest.TempPathFactory) -> Callable[[list[dict[str, Any]]], list[tuple[Any, Any]]]:
    python = os.environ.get("MONAI_SR_SLICER_PYTHON")
    if not python:
        pytest.skip("3D Slicer's reader is in an environment of its own: make test-slicer")

    def read(jobs: list[dict[str, Any]]) -> list[tuple[Any, Any]]:
        folder = tmp_path_factory.mktemp("slicer")
        (folder / "jobs.json").write_text(json.dumps(jobs))
        variables = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
        command = [python, str(READER), str(folder / "jobs.json"), str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=550, env=variables)
        assert done.returncode == 0, done.stdout + done.stderr
        found = []
        for number in range(len(jobs)):
            values = folder / f"{number}_0.npy"
            answer = json.loads((folder / f"{number}.json").read_text())
            found.append((answer, np.load(values) if values.exists() else None))
        return found

    return read


@pytest.fixture(scope="module")
def seen(slicer, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> dict[str, Seen]:
    """Every result, written as DICOM and as NIfTI, read by one run of Slicer's reader."""
    folder = tmp_path_factory.mktemp("results")
    sources = {name: phantom_series(name, folder / name / "source") for name in AXES}
    data = Path(os.environ.get("MONAI_SR_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
    sources |= {name: data / "dicom" / name for name in REAL if (data / "dicom" / name).is_dir()}
    meant, jobs = {}, []
    for name, source in sources.items():
        acquired = read_volume(source)
        # the network changes no geometry: the pipeline without it is faster; one series goes through all of it
        model = "default" if name == "CT axial" else "none"
        finest = min(acquired.geometry.spacing)
        wanted = tuple(max(1.1 * finest, s / 3) if s > 1.2 * finest else s for s in acquired.geometry.spacing)
        result = super_resolve(replace(acquired, name="case"), model=model, spacing=wanted, device="cpu")
        for kind in ("dicom", "nifti"):
            out = folder / name / kind
            out.mkdir(parents=True)
            write_results(result, out, "case", format=kind)  # type: ignore[arg-type]
            files = sorted((out / "dicom").iterdir()) if kind == "dicom" else [out / "case_sr.nii.gz"]
            meant[name, kind] = (result.volume, files)
            jobs.append({"kind": kind, "files": [str(file) for file in files]})
    return {
        " ".join(key): Seen(*pair, *answer) for (key, pair), answer in zip(meant.items(), slicer(jobs), strict=True)
    }


def case(seen: dict[str, Seen], name: str) -> Seen:
    if name not in seen:
        pytest.skip("real scans not found; set MONAI_SR_DATA to their folder")
    return seen[name]


def resolution(found: Seen) -> float:
    """Half a stored step: as far as a stored value may lie from the one we meant."""
    if found.files[0].suffix != ".dcm":
        return 1e-3 + 1e-6 * float(np.abs(found.meant.array).max())
    slopes = [float(pydicom.dcmread(f, stop_before_pixels=True).get("RescaleSlope", 1)) for f in found.files]
    return 0.5 * max(slopes) + 1e-3


def same_place(found: dict[str, Any], meant: VolumeGeometry) -> bool:
    """Grid in Slicer's words (IJK to RAS, spacing, origin), to a thousandth of a millimetre in every corner."""
    matrix = np.array(found["ijk_to_ras"])
    assert found["dimensions"] == list(meant.shape)
    np.testing.assert_allclose(found["spacing"], meant.spacing, atol=TOLERANCE_MM)
    corners = np.array([[x, y, z, 1] for x in (0, 1) for y in (0, 1) for z in (0, 1)], dtype=float)
    corners[:, :3] *= np.array(meant.shape) - 1
    theirs, ours = (matrix @ corners.T).T[:, :3], (meant.affine @ corners.T).T[:, :3]
    np.testing.assert_allclose(theirs, ours, atol=TOLERANCE_MM)
    np.testing.assert_allclose(found["origin"], meant.affine[:3, 3], atol=TOLERANCE_MM)
    directions = matrix[:3, :3] / np.array(found["spacing"])
    np.testing.assert_allclose(directions, meant.directions, atol=1e-5)
    return True


@pytest.mark.parametrize("name", [*AXES, *REAL])
def test_a_derived_series_loads_as_one_volume_without_a_warning(seen, name):
    found = case(seen, f"{name} dicom")
    assert "error" not in found.answer, found.answer["error"]
    assert found.answer["warnings"] == []
    (volume,) = found.answer["volumes"]  # constant where Slicer splits a series
    assert not volume["transformed"]
    (distance,) = found.answer["distances"]  # one distance between slices, to 0.01 mm
    assert distance == pytest.approx(found.meant.geometry.spacing[2], abs=TOLERANCE_MM)
    assert same_place(volume, found.meant.geometry)
    assert same_place(found.answer["stored"][0], found.meant.geometry)
    np.testing.assert_allclose(found.values, found.meant.array, rtol=0, atol=resolution(found))
    header = pydicom.dcmread(found.files[0], stop_before_pixels=True)
    assert volume["name"].startswith(f"{header.SeriesNumber}: ")  # SeriesDescription, if any, follows


@pytest.mark.parametrize("name", [*AXES, *REAL])
def test_a_nifti_result_loads_where_it_belongs(seen, name):
    found = case(seen, f"{name} nifti")
    assert "error" not in found.answer, found.answer["error"]
    assert found.answer["warnings"] == []
    assert same_place(found.answer["volumes"][0], found.meant.geometry)
    np.testing.assert_allclose(found.values, found.meant.array, rtol=0, atol=resolution(found))


def test_the_checks_do_warn_of_a_gap_and_of_a_shift(slicer, tmp_path):
    """The proof above is none if the reader would warn of nothing."""
    files = sorted(phantom_series("CT axial", tmp_path / "series").iterdir())
    moved = tmp_path / "moved"
    moved.mkdir()
    for number, file in enumerate(files):
        dataset = pydicom.dcmread(file)
        x, y, z = map(float, dataset.ImagePositionPatient)
        dataset.ImagePositionPatient = [x, y + 0.01 * number * (number > 3), z]
        dataset.save_as(moved / file.name)
    split = tmp_path / "split"
    split.mkdir()
    for number, file in enumerate(files):
        dataset = pydicom.dcmread(file)
        dataset.AcquisitionNumber = 1 + number // 6
        dataset.save_as(split / file.name)
    jobs = [files[:4] + files[5:], sorted(moved.iterdir()), sorted(split.iterdir())]
    answers = [a for a, _ in slicer([{"kind": "dicom", "files": [str(f) for f in job]} for job in jobs])]
    assert "Irregular DICOM volume geometry" in answers[0]["warnings"][0]
    assert len(answers[0]["distances"]) == 2
    assert "Irregular DICOM volume geometry" in answers[1]["warnings"][0]
    assert len(answers[2]["volumes"]) == 2
