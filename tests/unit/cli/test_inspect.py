"""``monai-sr inspect``, and what ``upscale`` makes of a whole study."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.uid import generate_uid

from monai_sr.data import phantom
from monai_sr.io.dicom_phantom import write_phantom_series

NONE = ("--model", "none", "--device", "cpu")
SECRET = "Geheim^Patientin"


def change(folder: Path, **attributes: object) -> None:
    uid = generate_uid()
    for file in sorted(folder.glob("*.dcm")):
        dataset = pydicom.dcmread(file)
        dataset.SeriesInstanceUID = uid
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        dataset.PatientName = dataset.PatientID = SECRET
        for keyword, value in attributes.items():
            setattr(dataset, keyword, value)
        dataset.save_as(file)


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A scan, a derived one, a localizer, a report, a scan with a gap, and one of two echoes."""
    root = tmp_path / "study"
    for name in ("scan", "derived", "localizer", "report", "gap"):
        write_phantom_series(phantom.ellipsoids((24, 20, 6), (1.5, 1.5, 4.0)), root / name)
    change(root / "scan", SeriesNumber=2, SeriesDescription="Head 4.0 soft")
    change(root / "derived", SeriesNumber=3, ImageType=["DERIVED", "SECONDARY", "MPR"], SeriesDescription="Head MPR")
    change(root / "localizer", SeriesNumber=1, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    change(root / "report", SeriesNumber=99, SOPClassUID="1.2.840.10008.5.1.4.1.1.88.67", Modality="SR")
    change(root / "gap", SeriesNumber=4)
    (root / "gap" / "0003.dcm").unlink()
    for echo in (1, 2):
        part = root / "echoes" / str(echo)
        write_phantom_series(phantom.ellipsoids((24, 20, 6), (1.5, 1.5, 4.0), modality="MR"), part)
    uid = generate_uid()
    for echo in (1, 2):
        change(root / "echoes" / str(echo), SeriesNumber=5, EchoTime=str(30 * echo), SeriesDescription="T2 dual")
        for file in (root / "echoes" / str(echo)).glob("*.dcm"):
            dataset = pydicom.dcmread(file)
            dataset.SeriesInstanceUID = uid
            dataset.save_as(file)
    return root


def test_lists_every_series_with_what_becomes_of_it(run, study):
    ended = run("inspect", study)
    assert ended.code == 0, ended.err
    listed = [line for line in ended.out.splitlines() if ", series " in line]
    lines = {line.split("series ")[1].split(",")[0]: line for line in listed}
    assert lines["2"].startswith("take ") and "24 x 20 x 6 voxels of 1.5 x 1.5 x 4 mm" in lines["2"]
    assert '"Head 4.0 soft"' in lines["2"]
    assert lines["3"].startswith("skip ") and "is derived" in lines["3"]
    assert lines["1"].startswith("skip ") and "is a localizer" in lines["1"]
    assert lines["99"].startswith("skip ") and "X-Ray Radiation Dose SR" in lines["99"]
    assert lines["4"].startswith("refuse ") and "misses 1 slice: spacing is 4 mm, but 8 mm lie between" in lines["4"]
    assert lines["5"].startswith("choose ") and "2 volumes" in lines["5"]
    assert "2: echo time 60 ms: 24 x 20 x 6 voxels" in ended.out
    assert "1 to take, 1 to choose from, 3 to skip, 1 to refuse" in ended.out
    assert SECRET not in ended.out + ended.err


def test_json_and_rules(run, study):
    ended = run("inspect", study, "--json", "--resample-irregular")
    found = {series["series_number"]: series for series in json.loads(ended.out)["series"]}
    assert {number: series["verdict"] for number, series in found.items()} == {
        1: "skip", 2: "take", 3: "skip", 4: "take", 5: "choose", 99: "skip"
    }  # fmt: skip
    assert found[4]["volumes"][0]["shape"] == [24, 20, 6]
    assert "--resample-irregular" in found[4]["volumes"][0]["notes"][0]
    assert found[2]["volumes"][0]["spacing_mm"] == [1.5, 1.5, 4.0]
    assert [volume["label"] for volume in found[5]["volumes"]] == ["echo time 30 ms", "echo time 60 ms"]
    assert len({series["study"] for series in found.values()}) == 2  # the CT phantom's and the MR phantom's
    assert found[2]["series_instance_uid"] == pydicom.dcmread(study / "scan" / "0001.dcm").SeriesInstanceUID
    assert SECRET not in ended.out


def test_a_zip_says_the_same_and_nothing_is_written(run, study, tmp_path, monkeypatch):
    archive = tmp_path / "study.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for file in sorted(study.rglob("*.dcm")):
            packed.write(file, file.relative_to(tmp_path))
    before = sorted(tmp_path.rglob("*"))
    ours, theirs = (json.loads(run("inspect", place, "--json").out)["series"] for place in (study, archive))
    by_name = [sorted((s["name"], s["verdict"]) for s in listed) for listed in (ours, theirs)]
    assert by_name[0] == by_name[1]
    assert sorted(tmp_path.rglob("*")) == before


def test_nothing_to_list(run, tmp_path, thick_mr):
    ended = run("inspect", thick_mr)
    assert ended.code == 3
    assert "holds no DICOM series" in ended.err
    assert run("inspect", tmp_path / "absent").code == 2


class TestUpscaleOfAStudy:
    def test_takes_the_scan_says_what_it_leaves_and_refuses_what_is_wrong(self, run, study, tmp_path):
        ended = run("upscale", study, "-o", tmp_path / "out", *NONE)
        assert ended.code == 3  # the gap, and the two echoes that nobody chose between
        assert ended.err.count("skipped ") == 3
        assert "series 1 is a localizer" in ended.err
        assert "misses 1 slice" in ended.err
        assert "holds 2 volumes of 6 slices (1: echo time 30 ms; 2: echo time 60 ms)" in ended.err
        assert "1 done, 2 refused, 3 skipped" in ended.out
        assert len(list((tmp_path / "out").iterdir())) == 1
        assert SECRET not in ended.out + ended.err

    def test_what_is_passed_over_is_no_failure(self, run, study, tmp_path):
        for name in ("gap", "echoes"):
            for file in (study / name).rglob("*.dcm"):
                file.unlink()
        ended = run("upscale", study, "-o", tmp_path / "out", *NONE, "--json")
        assert ended.code == 0
        events = [json.loads(line) for line in ended.out.splitlines()]
        assert [event["event"] for event in events[:4]] == ["skipped", "skipped", "skipped", "started"]
        assert events[-1]["done"] == 1 and events[-1]["skipped"] == 3

    def test_an_input_that_holds_nothing_else_is_refused(self, run, study, tmp_path):
        ended = run("upscale", study / "localizer", study / "scan", "-o", tmp_path / "out", *NONE)
        assert ended.code == 3
        assert "1 done, 1 refused" in ended.out

    @pytest.mark.parametrize("wanted", ["2", "head 4", "UID"])
    def test_a_series_is_chosen(self, run, study, tmp_path, wanted):
        if wanted == "UID":
            wanted = pydicom.dcmread(study / "scan" / "0001.dcm").SeriesInstanceUID
        ended = run("upscale", study, "-o", tmp_path / "out", "--series", wanted, *NONE)
        assert ended.code == 0, ended.err
        (case,) = (tmp_path / "out").iterdir()
        assert "Head" not in (case / "run.json").read_text()

    def test_a_derived_one_too_and_all_echoes(self, run, study, tmp_path):
        ended = run("upscale", study, "-o", tmp_path / "out", "--series", "3", "--series", "t2 dual:all", *NONE)
        assert ended.code == 0, ended.err
        names = sorted(path.name for path in (tmp_path / "out").iterdir())
        assert len(names) == 3 and sum(name.endswith(("_1", "_2")) for name in names) == 2
        echoes = [next((tmp_path / "out" / n / "dicom").iterdir()) for n in names if n.endswith(("_1", "_2"))]
        headers = [pydicom.dcmread(file) for file in echoes]
        assert [float(header.EchoTime) for header in headers] == [30, 60]
        assert headers[0].SeriesInstanceUID != headers[1].SeriesInstanceUID  # though the pixels are the same
        assert [header.SeriesDescription for header in headers] == [
            f"T2 dual echo time {time} ms [resampled x2.67]" for time in (30, 60)
        ]

    def test_no_such_series(self, run, study, tmp_path):
        ended = run("upscale", study, "-o", tmp_path / "out", "--series", "77", *NONE)
        assert ended.code == 3
        assert "no series in study is meant by --series 77; monai-sr inspect lists them" in ended.err


class TestRules:
    @pytest.fixture
    def tilted(self, tmp_path):
        folder = tmp_path / "tilted"
        write_phantom_series(phantom.ellipsoids((24, 20, 8), (1.5, 1.5, 4.0)), folder)
        for number, file in enumerate(sorted(folder.glob("*.dcm"))):
            dataset = pydicom.dcmread(file)
            x, y, z = (float(v) for v in dataset.ImagePositionPatient)
            dataset.ImagePositionPatient = [x, y + 1.0 * number, z]
            dataset.save_as(file)
        return folder

    def test_a_tilt_is_refused_kept_or_refused_for_nifti(self, run, tilted, tmp_path):
        ended = run("upscale", tilted, "-o", tmp_path / "a", *NONE)
        assert ended.code == 3 and "--allow-tilt" in ended.err
        ended = run("upscale", tilted, "-o", tmp_path / "b", "--allow-tilt", "--format", "nifti", *NONE)
        assert ended.code == 3 and "refuse a sheared NIfTI" in ended.err
        ended = run("upscale", tilted, "-o", tmp_path / "c", "--allow-tilt", *NONE)
        assert ended.code == 0, ended.err
        (case,) = (tmp_path / "c").iterdir()
        record = json.loads((case / "run.json").read_text())
        assert record["tilt_degrees"] == pytest.approx(np.degrees(np.arctan(1 / 4)), abs=1e-3)
        assert any("holds on that straight stack" in note for note in record["notes"])
        assert record["options"]["allow_tilt"] is True
        places = [pydicom.dcmread(file).ImagePositionPatient for file in sorted((case / "dicom").glob("*.dcm"))]
        steps = np.diff(np.array(places, dtype=float), axis=0)
        np.testing.assert_allclose(steps[:, 1] / steps[:, 2], 0.25, atol=1e-6)  # on the line of the source

    def test_maps_of_a_tilted_scan_are_refused(self, run, tilted, tmp_path):
        ended = run("upscale", tilted, "-o", tmp_path / "a", "--allow-tilt", "--maps", "--device", "cpu")
        assert ended.code == 3 and "--maps are written as NIfTI" in ended.err
        ended = run("upscale", tilted, "-o", tmp_path / "b", "--allow-tilt", "--dicom-maps", "--device", "cpu")
        assert ended.code == 0, ended.err
        (case,) = (tmp_path / "b").iterdir()
        (file,) = case.glob("*_deviation.dcm")
        groups = pydicom.dcmread(file).PerFrameFunctionalGroupsSequence
        places = [group.PlanePositionSequence[0].ImagePositionPatient for group in groups]
        images = [pydicom.dcmread(file).ImagePositionPatient for file in sorted((case / "dicom").glob("*.dcm"))]
        ours, theirs = (sorted(np.array(p, float).tolist(), key=lambda p: p[2]) for p in (places, images))
        np.testing.assert_allclose(ours, theirs, atol=1e-4)

    def test_uneven_slices(self, run, study, tmp_path):
        ended = run("upscale", study / "gap", "-o", tmp_path / "out", "--resample-irregular", *NONE)
        assert ended.code == 0, ended.err
        (case,) = (tmp_path / "out").iterdir()
        record = json.loads((case / "run.json").read_text())
        assert any("gaps of 4 to 8 mm" in note and "--resample-irregular" in note for note in record["notes"])
