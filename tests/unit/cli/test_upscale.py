from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
import torch

from monai_sr import Volume, read_volume
from monai_sr.data import phantom

NONE = ("--model", "none", "--device", "cpu")


def corners(image: sitk.Image) -> np.ndarray:
    n = image.GetSize()
    ends = [(-0.5, size - 0.5) for size in n]
    points = [(x, y, z) for x in ends[0] for y in ends[1] for z in ends[2]]
    return np.array([image.TransformContinuousIndexToPhysicalPoint(p) for p in points])


def read_series(folder: Path) -> sitk.Image:
    return sitk.ReadImage(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder)))


def everything(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*"))


def test_a_nifti_file(run, thick_mr, tmp_path):
    ended = run("upscale", thick_mr, "-o", tmp_path / "out", *NONE)
    assert ended.code == 0, ended.err
    case = tmp_path / "out" / "thick"
    assert everything(tmp_path / "out") == [
        "thick", "thick/preview.png", "thick/run.json", "thick/thick_sr.nii.gz"
    ]  # fmt: skip
    before, after = sitk.ReadImage(str(thick_mr)), sitk.ReadImage(str(case / "thick_sr.nii.gz"))
    assert after.GetSize() == (40, 36, 32)
    np.testing.assert_allclose(corners(before), corners(after), atol=1e-3)
    record = json.loads((case / "run.json").read_text())
    assert record["target"]["shape"] == [40, 36, 32]
    assert record["model"] == {"name": "none", "sha256": None}
    assert record["intended_use"] == "Research only. Not for diagnosis."
    assert record["outputs"] == ["thick_sr.nii.gz", "preview.png"]
    assert record["seconds"]["read"] > 0
    assert record["axes"][0]["residual_rms"] < record["axes"][0]["residual_rms_interpolated"]
    assert "modality MR by the values" in ended.err
    assert "Not for diagnosis" in ended.out


def test_a_dicom_series_becomes_a_derived_series(run, thick_series, tmp_path):
    ended = run("upscale", thick_series, "-o", tmp_path, *NONE)
    assert ended.code == 0, ended.err
    (case,) = tmp_path.iterdir()
    assert everything(case)[:1] == ["dicom"]
    np.testing.assert_allclose(corners(read_series(thick_series)), corners(read_series(case / "dicom")), atol=1e-3)
    header = pydicom.dcmread(next((case / "dicom").iterdir()))
    source = pydicom.dcmread(next(thick_series.iterdir()))
    assert list(header.ImageType)[:2] == ["DERIVED", "SECONDARY"]
    assert header.StudyInstanceUID == source.StudyInstanceUID
    assert header.SeriesInstanceUID != source.SeriesInstanceUID
    assert "x2.67" in header.DerivationDescription
    assert "not for diagnosis" in header.DerivationDescription


def test_a_dicom_series_as_nifti(run, thick_series, tmp_path):
    assert run("upscale", thick_series, "-o", tmp_path, "--format", "nifti", *NONE).code == 0
    (file,) = tmp_path.glob("*/*_sr.nii.gz")
    assert file.name == f"{file.parent.name}_sr.nii.gz"
    assert read_volume(file).geometry.shape == (40, 36, 32)


def test_dicom_cannot_be_derived_from_nifti(run, thick_mr, tmp_path):
    ended = run("upscale", thick_mr, "-o", tmp_path / "out", "--format", "dicom", *NONE)
    assert ended.code == 3
    assert "can only be derived from a DICOM series" in ended.err
    assert not (tmp_path / "out").exists()


def test_one_bad_case_never_stops_the_rest(run, thick_mr, thick_series, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a_broken.nii.gz").write_bytes(thick_mr.read_bytes()[:300])
    (folder / "b.nii.gz").write_bytes(thick_mr.read_bytes())
    (folder / "c").symlink_to(thick_series)
    ended = run("upscale", folder, "-o", tmp_path / "out", "--json", *NONE)
    events = [json.loads(line) for line in ended.out.splitlines()]
    assert ended.code == 3
    assert ended.err == ""
    assert [e["event"] for e in events if e["event"] in ("done", "refused", "failed")] == ["refused", "done", "done"]
    refused = next(e for e in events if e["event"] == "refused")
    assert refused["case"] == "a_broken"
    assert "a_broken.nii.gz" in refused["message"]
    assert events[-1] | {"research_only": True} == {
        "event": "summary", "done": 2, "refused": 1, "failed": 0, "skipped": 0, "left": 0, "exit_code": 3,
        "research_only": True,
    }  # fmt: skip
    assert not (tmp_path / "out" / "a_broken").exists()
    for path in next(e for e in events if e["event"] == "done")["outputs"]:
        assert Path(path).is_file()
    stages = [e["stage"] for e in events if e["event"] == "stage" and e["case"] == "b"]
    assert stages[0] == "read"
    assert stages[-1] == "write"


def test_a_single_refusal_is_three_and_leaves_nothing(run, isotropic_mr, tmp_path):
    ended = run("upscale", isotropic_mr, "-o", tmp_path / "out", *NONE)
    assert ended.code == 3
    assert "already isotropic" in ended.err
    assert not (tmp_path / "out").exists()
    assert "Traceback" not in ended.err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--spacing", "fine"), "--spacing takes"),
        (("--scale", "2"), "--scale takes"),
        (("--scale", "1,1,2", "--spacing", "1"), "not both"),
        (("--device", "tpu"), "--device takes"),
        (("--modality", "pet"), "--modality"),
        (("--profile", "round"), "--profile"),
        (("--format", "png"), "--format"),
        (("--slice-thickness", "-1"), "--slice-thickness"),
        (("--tile", "0"), "--tile"),
        (("--no-such-option",), "--no-such-option"),
        (("--model", "no_such_model"), "no model named no_such_model"),
        (("--model", "no/such.pt"), "does not exist"),
    ],
)
def test_wrong_command_lines_are_two_and_start_nothing(run, thick_mr, tmp_path, options, said):
    words = NONE if "--model" not in options else ()
    ended = run("upscale", thick_mr, "-o", tmp_path / "out", *words, *options)
    assert ended.code == 2, ended.err
    assert said in ended.err
    assert not (tmp_path / "out").exists()


def test_no_such_path_is_two_even_beside_a_good_one(run, thick_mr, tmp_path):
    ended = run("upscale", thick_mr, tmp_path / "missing", "-o", tmp_path / "out", *NONE)
    assert ended.code == 2
    assert "does not exist" in ended.err
    assert not (tmp_path / "out").exists()


def test_an_output_folder_that_is_a_file_is_two(run, thick_mr, tmp_path):
    (tmp_path / "out").write_text("mine")
    assert run("upscale", thick_mr, "-o", tmp_path / "out", *NONE).code == 2
    assert (tmp_path / "out").read_text() == "mine"


def test_an_input_without_scans_is_refused_by_name(run, thick_mr, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("no scan")
    ended = run("upscale", tmp_path / "empty", tmp_path / "notes.txt", thick_mr, "-o", tmp_path / "out", *NONE)
    assert ended.code == 3
    assert "empty holds no NIfTI file" in ended.err
    assert "notes.txt is neither NIfTI nor DICOM" in ended.err
    assert "1 done, 2 refused" in ended.out


@pytest.mark.skipif(torch.cuda.is_available(), reason="a CUDA device is there")
def test_a_device_that_is_absent_is_four(run, thick_mr, tmp_path):
    ended = run("upscale", thick_mr, "-o", tmp_path / "out", "--model", "none", "--device", "cuda")
    assert ended.code == 4
    assert "cuda is not available" in ended.err
    assert not (tmp_path / "out").exists()


def test_missing_weights_are_four(run, thick_mr, tmp_path, monkeypatch):
    bundle = tmp_path / "bundle"
    (bundle / "configs").mkdir(parents=True)
    entry = {"file": "gone.pt", "sha256": "0" * 64, "network": {}, "stage": "l1", "trained_range": {}}
    (bundle / "configs" / "metadata.json").write_text(json.dumps({"models": {"gone": entry}}))
    monkeypatch.setattr("monai_sr.catalogue.bundle_root", lambda: bundle)
    ended = run("upscale", thick_mr, "-o", tmp_path / "out", "--device", "cpu")
    assert ended.code == 4
    assert "missing" in ended.err
    assert "Traceback" not in ended.err


def test_a_full_disk_is_four_and_ends_the_run(run, thick_mr, tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    second = tmp_path / "second.nii.gz"
    second.write_bytes(thick_mr.read_bytes())
    monkeypatch.setattr("monai_sr.report.results.write_volume", full)
    ended = run("upscale", thick_mr, second, "-o", tmp_path / "out", *NONE)
    assert ended.code == 4
    assert "no space left on device" in ended.err
    assert "0 done, 1 failed, 1 left" in ended.out
    assert not (tmp_path / "out").exists()


def test_a_fault_inside_is_one_sentence_without_what_the_library_said(run, thick_mr, tmp_path, monkeypatch):
    def faulty(*args, **kwargs):
        raise KeyError("Doe^John 1970-01-01")

    second = tmp_path / "second.nii.gz"
    second.write_bytes(thick_mr.read_bytes())
    monkeypatch.setattr("monai_sr.inference.super_resolve", faulty)
    ended = run("upscale", thick_mr, second, "-o", tmp_path / "out", *NONE)
    assert ended.code == 3
    assert ended.err.count("internal error (KeyError") == 2
    assert "Doe" not in ended.err + ended.out
    assert "Traceback" not in ended.err
    assert "Traceback" in run("upscale", thick_mr, "-o", tmp_path / "out", "--debug", *NONE).err


def test_too_little_memory_says_what_to_do(run, thick_mr, tmp_path, monkeypatch):
    def greedy(*args, **kwargs):
        raise MemoryError

    monkeypatch.setattr("monai_sr.inference.super_resolve", greedy)
    ended = run("upscale", thick_mr, "-o", tmp_path / "out", *NONE)
    assert ended.code == 3
    assert "not enough memory" in ended.err
    assert "--tile" in ended.err


def test_an_interrupt_is_130_and_keeps_what_is_done(run, thick_mr, tmp_path, monkeypatch):
    import monai_sr.inference

    original, calls = monai_sr.inference.super_resolve, []

    def second_is_interrupted(volume: Volume, **options):
        calls.append(volume.name)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return original(volume, **options)

    monkeypatch.setattr("monai_sr.inference.super_resolve", second_is_interrupted)
    for name in ("second", "third"):
        (tmp_path / f"{name}.nii.gz").write_bytes(thick_mr.read_bytes())
    inputs = (thick_mr, tmp_path / "second.nii.gz", tmp_path / "third.nii.gz")
    ended = run("upscale", *inputs, "-o", tmp_path / "out", *NONE)
    assert ended.code == 130
    assert calls == ["thick", "second"]
    assert os.listdir(tmp_path / "out") == ["thick"]
    assert "1 done, 2 left" in ended.out


def test_results_are_replaced_only_when_asked(run, thick_mr, tmp_path):
    assert run("upscale", thick_mr, "-o", tmp_path, *NONE).code == 0
    first = (tmp_path / "thick" / "run.json").read_bytes()
    ended = run("upscale", thick_mr, "-o", tmp_path, *NONE)
    assert ended.code == 3
    assert "--overwrite" in ended.err
    assert (tmp_path / "thick" / "run.json").read_bytes() == first
    assert run("upscale", thick_mr, "-o", tmp_path, "--overwrite", "--scale", "1,1,2", *NONE).code == 0
    assert json.loads((tmp_path / "thick" / "run.json").read_text())["options"]["scale"] == [1.0, 1.0, 2.0]
    assert os.listdir(tmp_path) == ["thick"]


def test_quiet_is_silent_when_all_goes_well(run, thick_mr, tmp_path):
    ended = run("upscale", thick_mr, "-o", tmp_path, "--quiet", *NONE)
    assert (ended.code, ended.out, ended.err) == (0, "", "")


def test_inputs_of_the_same_name_get_folders_of_their_own(run, thick_mr, tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "Scan.nii.gz").write_bytes(thick_mr.read_bytes())
    ended = run("upscale", tmp_path / "a", tmp_path / "b" / "Scan.nii.gz", "-o", tmp_path / "out", *NONE)
    assert ended.code == 0
    assert sorted(os.listdir(tmp_path / "out")) == ["Scan", "Scan_2"]
    assert (tmp_path / "out" / "Scan_2" / "Scan_2_sr.nii.gz").is_file()


def test_results_of_an_earlier_run_are_no_inputs(run, thick_mr, tmp_path):
    (tmp_path / "scan.nii.gz").write_bytes(thick_mr.read_bytes())
    assert run("upscale", tmp_path, "-o", tmp_path / "out", *NONE).code == 0
    ended = run("upscale", tmp_path, "-o", tmp_path / "out", "--overwrite", *NONE)
    assert ended.code == 0, ended.err
    assert "1 done." in ended.out
    ended = run("upscale", tmp_path / "out" / "scan", "-o", tmp_path / "out", *NONE)
    assert ended.code == 2
    assert "earlier run" in ended.err
    # and also where the output folder is the input folder
    assert run("upscale", tmp_path / "scan.nii.gz", "-o", tmp_path, *NONE).code == 0
    ended = run("upscale", tmp_path, "-o", tmp_path, "--overwrite", *NONE)
    assert "1 done." in ended.out, ended.err


def test_an_option_reaches_the_pipeline(run, thick_mr, tmp_path):
    words = ("--modality", "CT", "--profile", "gaussian", "--slice-thickness", "5", "--spacing", "1.5,1.5,1.2")
    ended = run("upscale", thick_mr, "-o", tmp_path, *words, "--exact-spacing", *NONE)
    assert ended.code == 0
    assert "modality MR" not in ended.err  # what the values show does not matter then
    record = json.loads((tmp_path / "thick" / "run.json").read_text())
    assert record["modality"] == "CT"
    assert record["axes"][0]["profile"] == "gaussian"
    assert record["axes"][0]["profile_width_mm"] == pytest.approx(5.0)
    assert record["target"]["spacing_mm"][2] == pytest.approx(1.2)


def test_two_affines_that_differ_need_a_choice(run, thick_mr, tmp_path):
    import nibabel as nib

    image = nib.load(thick_mr)
    shifted = image.affine.copy()
    shifted[0, 3] += 5.0
    image.set_sform(shifted, 1)
    image.set_qform(image.affine, 1)
    image.set_sform(shifted, 1)
    qform = image.get_qform()
    qform[0, 3] -= 5.0
    image.set_qform(qform, 1)
    file = tmp_path / "two.nii.gz"
    image.to_filename(file)
    ended = run("upscale", file, "-o", tmp_path / "out", *NONE)
    assert ended.code == 3
    assert "sform" in ended.err
    assert run("upscale", file, "-o", tmp_path / "out", "--affine", "qform", *NONE).code == 0
    record = json.loads((tmp_path / "out" / "two" / "run.json").read_text())
    assert record["acquired"]["affine_ras"][0][3] == pytest.approx(qform[0, 3])


def test_nothing_shown_or_written_beside_dicom_holds_patient_data(run, tmp_path):
    from monai_sr.io.dicom_phantom import write_phantom_series

    series = tmp_path / "Doe_John"
    write_phantom_series(phantom.ellipsoids((24, 24, 8), (1.5, 1.5, 4.0)), series)
    secrets = ("Doe", "John", "4711-XY", "19700101", "Sankt Elsewhere")
    for file in series.iterdir():
        data = pydicom.dcmread(file)
        data.PatientName, data.PatientID, data.PatientBirthDate = "Doe^John", "4711-XY", "19700101"
        data.InstitutionName = "Sankt Elsewhere"
        data.save_as(file)
    broken = tmp_path / "second"
    broken.mkdir()
    for file in sorted(series.iterdir())[::2]:  # every second slice, and one left out
        (broken / file.name).write_bytes(file.read_bytes())
    sorted(broken.iterdir())[1].unlink()
    said = ""
    for words in ((), ("--json", "--overwrite"), ("--debug", "--overwrite")):
        ended = run("upscale", series, broken, "-o", tmp_path / "out", *words, *NONE)
        assert ended.code == 3
        said += ended.out + ended.err
    files = [p for p in (tmp_path / "out").rglob("*") if p.is_file() and p.suffix != ".dcm"]
    said += "".join(str(p.relative_to(tmp_path)) for p in (tmp_path / "out").rglob("*"))
    said += "".join(p.read_bytes().decode("latin-1") for p in files)
    for secret in secrets:
        assert secret not in said


def test_the_default_model_is_the_shipped_one(run, thick_mr, tmp_path):
    from monai_sr.catalogue import find_model

    ended = run("upscale", thick_mr, "-o", tmp_path, "--device", "cpu")
    assert ended.code == 0, ended.err
    record = json.loads((tmp_path / "thick" / "run.json").read_text())
    assert record["model"]["sha256"] == find_model("default").sha256
    volume = read_volume(tmp_path / "thick" / "thick_sr.nii.gz")
    assert volume.geometry.shape == (40, 36, 32)


@pytest.mark.gpu
def test_the_record_names_the_gpu_and_its_memory(run, thick_mr, tmp_path):
    ended = run("upscale", thick_mr, "-o", tmp_path / "out", "--device", "cuda")
    assert ended.code == 0, ended.err
    record = json.loads(next((tmp_path / "out").glob("*/run.json")).read_text(encoding="utf-8"))
    assert record["device"].startswith("cuda")
    assert record["peak_memory_bytes"] > 0


def test_an_engine_that_is_not_there_is_said_before_the_first_case(run, thick_mr, tmp_path, monkeypatch):
    monkeypatch.setattr("monai_sr.inference.engine.find_spec", lambda name: None)
    ended = run("upscale", thick_mr, "-o", tmp_path / "out", "--engine", "openvino")
    assert ended.code == 4
    assert "OpenVINO is not installed; pip install" in ended.err
    assert not (tmp_path / "out").exists()
