"""``monai-sr upscale`` with the options of derived series, as a PACS user types them."""

from __future__ import annotations

import json

import nibabel as nib
import numpy as np
import pydicom
import pytest

from monai_sr.io.dicom_read import read_series

NONE = ("--model", "none", "--device", "cpu")


def images(out):
    return [pydicom.dcmread(file) for file in sorted(out.glob("*/dicom/*.dcm"))]


def test_a_repeated_run_is_the_same_series_unless_told(run, thick_series, tmp_path):
    def uids(out, *words):
        assert run("upscale", thick_series, "-o", tmp_path / out, *words, *NONE).code == 0
        found = images(tmp_path / out)
        assert len({d.SeriesInstanceUID for d in found}) == 1
        return [d.SOPInstanceUID for d in found]

    first = uids("a")
    assert uids("b", "--tile", "16", "--dicom-compress", "rle") == first
    others = [uids("c", "--spacing", "1.2"), uids("d", "--profile", "gaussian"), uids("e", "--new-uids")]
    for other in others:
        assert set(other).isdisjoint(first)


def test_options_of_derived_series(run, thick_series, tmp_path):
    words = ["--dicom-compress", "jpegls", "--series-description", "{source} fine", "--series-number", "44"]
    words += ["--content-qualification", "none", "--synthetic-data", "yes"]
    ended = run("upscale", thick_series, "-o", tmp_path, *words, *NONE)
    assert ended.code == 0, ended.err
    found = images(tmp_path)
    assert {d.file_meta.TransferSyntaxUID.name for d in found} == {"JPEG-LS Lossless Image Compression"}
    assert {(d.SeriesDescription, d.SeriesNumber, d.SyntheticData) for d in found} == {("CT phantom fine", 44, "YES")}
    assert "ContentQualification" not in found[0]
    (record,) = tmp_path.glob("*/run.json")
    assert json.loads(record.read_text())["options"]["dicom"]["compress"] == "jpegls"


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--series-description", "{name}"), "has no {name}"),
        (("--series-number", "-3"), "lies between 0 and"),
        (("--new-uids", "--format", "nifti"), "no meaning with --format nifti"),
        (("--dicom-maps",), "--model none has none"),
    ],
)
def test_mistakes_are_found_before_any_work(run, thick_series, tmp_path, words, reason):
    ended = run("upscale", thick_series, "-o", tmp_path / "out", *words, *NONE)
    assert ended.code == 2
    assert reason in " ".join(ended.err.replace("│", " ").split())
    assert not (tmp_path / "out").exists()


def test_maps_in_the_study(run, thick_series, tmp_path):
    for words in ((), ("--overwrite",)):
        ended = run("upscale", thick_series, "-o", tmp_path, "--dicom-maps", "--device", "cpu", *words)
        assert ended.code == 0, ended.err
    (case,) = tmp_path.iterdir()
    names = ("added", "deviation", "residual")
    maps = {f"{case.name}_{name}.dcm" for name in names}
    assert {p.name for p in case.iterdir()} == {*maps, "dicom", "preview.png", "run.json"}
    found = pydicom.dcmread(case / f"{case.name}_deviation.dcm")
    first = pydicom.dcmread(case / "dicom" / "0001.dcm")
    assert found.SOPClassUID.name == "Parametric Map Storage"
    assert found.StudyInstanceUID == first.StudyInstanceUID
    assert (found.NumberOfFrames, found.Rows, found.Columns) == (32, 36, 40)
    assert "x2.67" in found.SeriesDescription
    residual = pydicom.dcmread(case / f"{case.name}_residual.dcm")
    assert (residual.NumberOfFrames, residual.Rows, residual.Columns) == (12, 36, 40)
    assert residual.SeriesNumber == found.SeriesNumber + 1
    facts = json.loads((case / "run.json").read_text())
    assert {facts["maps"][name]["file"] for name in names} == maps <= set(facts["outputs"])


def test_maps_beside_a_nifti_file(run, thick_series, tmp_path):
    """The residual lies on the acquired grid, and is what NumPy's slab averages say, in HU."""
    words = ("--format", "nifti", "--maps", "--scale", "1,1,4", "--device", "cpu")
    ended = run("upscale", thick_series, "-o", tmp_path, *words)
    assert ended.code == 0, ended.err
    (case,) = tmp_path.iterdir()
    acquired = read_series(thick_series)
    residual = nib.load(case / f"{case.name}_residual.nii.gz")
    np.testing.assert_allclose(residual.affine, acquired.geometry.affine, atol=1e-5)
    np.testing.assert_allclose(residual.header.get_qform(), residual.affine, atol=1e-5)
    result = np.asarray(nib.load(case / f"{case.name}_sr.nii.gz").dataobj)
    seen = result.reshape(*acquired.array.shape, 4).mean(axis=3)
    np.testing.assert_allclose(np.asarray(residual.dataobj), acquired.array - seen, atol=0.01)
    assert np.abs(acquired.array - seen).max() > 0.5
    sidecar = json.loads((case / f"{case.name}_sr.json").read_text())["Maps"]
    words = {"Meaning": "Acquired minus result seen through the slice profile", "Units": "HU"}
    assert sidecar[f"{case.name}_residual.nii.gz"] == words


def test_nifti_of_a_series_has_its_affine_and_a_sidecar(run, thick_series, tmp_path):
    assert run("upscale", thick_series, "-o", tmp_path / "dicom", *NONE).code == 0
    ended = run("upscale", thick_series, "-o", tmp_path / "nifti", "--format", "nifti", *NONE)
    assert ended.code == 0, ended.err
    (case,) = (tmp_path / "nifti").iterdir()
    series = read_series(next((tmp_path / "dicom").glob("*/dicom")))
    image = nib.load(case / f"{case.name}_sr.nii.gz")
    np.testing.assert_allclose(image.affine, series.geometry.affine, atol=1e-5)
    np.testing.assert_allclose(image.header.get_qform(), image.header.get_sform(), atol=1e-5)
    np.testing.assert_allclose(np.asarray(image.dataobj), series.array, atol=0.5)
    sidecar = case / f"{case.name}_sr.json"
    facts = json.loads(sidecar.read_text())
    assert (facts["Units"], facts["Acquired"]["SliceThickness"]) == ("HU", 4.0)
    assert facts["Derivation"]["Model"] is None
    assert "MONAI-SR-PHANTOM" not in sidecar.read_text()
    again = ("--format", "nifti", "--overwrite", "--sidecar-patient")
    assert run("upscale", thick_series, "-o", tmp_path / "nifti", *again, *NONE).code == 0
    assert json.loads(sidecar.read_text())["PatientAndStudy"]["PatientID"] == "MONAI-SR-PHANTOM"


def test_a_nifti_file_has_no_sidecar(run, thick_mr, tmp_path):
    assert run("upscale", thick_mr, "-o", tmp_path, *NONE).code == 0
    assert not list(tmp_path.glob("*/*_sr.json"))
