"""3D Slicer's own reader (slicer-core: MRML and vtkITK) finds our files as we meant them, without a warning."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest

from monai_sr import Volume, read_volume, super_resolve
from monai_sr.geometry import VolumeGeometry
from monai_sr.io import SeriesRules
from monai_sr.report import write_results

pytestmark = [pytest.mark.slow, pytest.mark.slicer]

TOLERANCE_MM = 1e-3
READER = Path(__file__).with_name("slicer_reader.py")


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
def seen(slicer, results) -> dict[tuple[str, str], Seen]:
    """Every result, written as DICOM and as NIfTI, read by one run of Slicer's reader."""
    jobs = [{"kind": kind, "files": [str(f) for f in files]} for (_, kind), (_, files) in results.items()]
    answers = slicer(jobs)
    return {key: Seen(*pair, *answer) for (key, pair), answer in zip(results.items(), answers, strict=True)}


def case(seen: dict[tuple[str, str], Seen], name: str, kind: str) -> Seen:
    if (name, kind) not in seen:
        pytest.skip("real scans not found; set MONAI_SR_DATA to their folder")
    return seen[name, kind]


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


def test_a_derived_series_loads_as_one_volume_without_a_warning(seen, name):
    found = case(seen, name, "dicom")
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


def test_a_nifti_result_loads_where_it_belongs(seen, name):
    found = case(seen, name, "nifti")
    assert "error" not in found.answer, found.answer["error"]
    assert found.answer["warnings"] == []
    assert same_place(found.answer["volumes"][0], found.meant.geometry)
    np.testing.assert_allclose(found.values, found.meant.array, rtol=0, atol=resolution(found))


def test_the_checks_do_warn_of_a_gap_and_of_a_shift(slicer, phantom_series, tmp_path):
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


def test_a_tilted_result_lies_on_its_source(slicer, real_data, tmp_path):
    """Slicer takes the sheared grid as it is, of the source and of the result."""
    source = real_data / "dicom" / "ct_philips_tilt_minus18"
    volume = read_volume(source, rules=SeriesRules(allow_tilt=True))
    result = super_resolve(volume, spacing=(0.9, 0.9, 1.2), model="none", allow_downsample=True)
    folder = tmp_path / "out"
    folder.mkdir()
    write_results(result, folder, "tilted")
    jobs = [sorted(p for p in source.iterdir() if p.is_file()), sorted((folder / "dicom").iterdir())]
    answers = slicer([{"kind": "dicom", "files": [str(f) for f in job]} for job in jobs])
    for meant, (answer, values) in zip((volume, result.volume), answers, strict=True):
        assert answer["warnings"] == []
        (found,) = answer["volumes"]
        corners = np.array([[x, y, z, 1.0] for x in (0, 1) for y in (0, 1) for z in (0, 1)])
        corners[:, :3] *= np.array(meant.geometry.shape) - 1
        theirs, ours = (corners @ np.array(m).T for m in (found["ijk_to_ras"], meant.geometry.affine))
        np.testing.assert_allclose(theirs, ours, atol=TOLERANCE_MM)
        np.testing.assert_allclose(values, meant.array, rtol=0, atol=0.5 + 1e-3)
