"""A PACS takes our series, lists it beside the original in one study, and gives back what was sent."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicomweb_client import DICOMwebClient
from pydicom.dataset import Dataset

from monai_sr import read_volume
from monai_sr.data import phantom
from monai_sr.io.dicom_phantom import write_phantom_series

pytestmark = pytest.mark.slow

REAL = {"real CT": "ct_lidc_0003_2.5mm", "real MR": "dicom2nifti/hyperfine/anatomical/001"}


@pytest.fixture
def web(pacs) -> DICOMwebClient:
    return DICOMwebClient(pacs.web)


@pytest.fixture(params=["CT", "MR", *REAL])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A folder of one series; the phantoms here, the real ones where the data are."""
    if request.param in REAL:
        folder = request.getfixturevalue("real_data") / "dicom" / REAL[request.param]
        # only the DICOM files, as a scanner would send them
        copy = tmp_path / "source"
        copy.mkdir()
        for file in read_headers(folder):
            shutil.copy(file, copy)
        return copy
    body = phantom.ellipsoids((64, 56, 16), (1.2, 1.5, 4.0), modality=request.param)
    write_phantom_series(replace(body, slice_axis=2, slice_thickness_mm=4.0), tmp_path / "source")
    return tmp_path / "source"


def read_headers(folder: Path) -> dict[Path, Dataset]:
    found = {}
    for file in sorted(p for p in folder.rglob("*") if p.is_file()):
        try:
            found[file] = pydicom.dcmread(file, stop_before_pixels=True)
        except pydicom.errors.InvalidDicomError:
            continue
    return found


def datasets(files: Sequence[Path]) -> dict[str, Dataset]:
    return {d.SOPInstanceUID: d for d in map(pydicom.dcmread, files)}


def upscale(study: Path, out: Path) -> Path:
    """What the user types; the folder of the new series."""
    command = [sys.executable, "-m", "monai_sr", "upscale", str(study), "-o", str(out), "--device", "cpu", "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stdout + done.stderr
    (series,) = out.glob("*/dicom")
    return series


def save(received: Sequence[Dataset], folder: Path) -> Path:
    """Write what DICOMweb returned as a viewer does that exports a study."""
    folder.mkdir()
    for number, dataset in enumerate(received):
        dataset.save_as(folder / f"{number}.dcm", enforce_file_format=True)
    return folder


def test_there_and_back(pacs, web, source, tmp_path, request):
    originals = datasets(sorted(source.iterdir()))
    first = next(iter(originals.values()))
    study, series = first.StudyInstanceUID, first.SeriesInstanceUID

    # the scanner sends, the user exports and upscales
    pacs.store(source)
    exported = save(web.retrieve_series(study, series), tmp_path / "exported")
    derived = upscale(exported, tmp_path / "out")
    ours = datasets(sorted(derived.iterdir()))
    assert len(ours) > len(originals)

    # CT goes back by DIMSE, MR by DICOMweb
    if first.Modality == "CT":
        pacs.store(derived)
    else:
        answer = web.store_instances(list(ours.values()))
        assert not answer.get("FailedSOPSequence")  # Orthanc sends an empty one
        assert len(answer.ReferencedSOPSequence) == len(ours)

    # both series stand in one study, for both ways of asking
    new = next(iter(ours.values()))
    assert new.StudyInstanceUID == study
    found = {
        d.SeriesInstanceUID: d
        for d in map(
            Dataset.from_json,
            web.search_for_series(
                study_instance_uid=study, fields=["SeriesDescription", "NumberOfSeriesRelatedInstances"]
            ),
        )
    }
    assert set(found) == {series, new.SeriesInstanceUID}
    assert int(found[series].NumberOfSeriesRelatedInstances) == len(originals)
    assert int(found[new.SeriesInstanceUID].NumberOfSeriesRelatedInstances) == len(ours)
    assert found[new.SeriesInstanceUID].SeriesDescription == new.SeriesDescription
    assert re.search(r"x[\d.]+\]$", new.SeriesDescription)
    listed = pacs.find("SERIES", [f"StudyInstanceUID={study}", "SeriesInstanceUID", "SeriesDescription"])
    assert series in listed
    assert new.SeriesInstanceUID in listed
    assert len(re.findall(r"\(0020,000e\) UI \[", listed)) == 2
    one = pacs.find("STUDY", [f"StudyInstanceUID={study}", f"PatientID={first.get('PatientID', '')}"])
    assert len(re.findall(rf"\(0020,000d\) UI \[{re.escape(study)}", one)) == 1

    # what comes back is what was sent, by C-GET and by WADO, in every element and every pixel
    by_dimse = datasets(pacs.get(new.SeriesInstanceUID, study, tmp_path / "got"))
    by_web = {d.SOPInstanceUID: d for d in web.retrieve_series(study, new.SeriesInstanceUID)}
    for received in (by_dimse, by_web):
        assert received.keys() == ours.keys()
        for uid, dataset in received.items():
            assert dataset == ours[uid]
            np.testing.assert_array_equal(dataset.pixel_array, ours[uid].pixel_array)
    volume = read_volume(save(list(by_web.values()), tmp_path / "back"))
    np.testing.assert_array_equal(volume.array, read_volume(derived).array)

    # a second run is the same series: nothing is stored twice
    pacs.store(upscale(exported, tmp_path / "again"))
    again = web.search_for_instances(study_instance_uid=study)
    assert len(again) == len(originals) + len(ours)
