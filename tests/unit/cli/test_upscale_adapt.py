"""``monai-sr upscale --adapt``: what becomes of the files, the record and the words; and what is refused."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from PIL import Image

from monai_sr import read_volume
from monai_sr.data import phantom
from monai_sr.engines import adaptation
from monai_sr.io.dicom_phantom import write_phantom_series


@pytest.fixture
def few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three steps, however slow the machine."""
    monkeypatch.setattr(adaptation, "Budget", partial(adaptation.Budget, max_steps=3, clock=lambda: 0.0))


@pytest.fixture
def decide(monkeypatch: pytest.MonkeyPatch, few_steps: None) -> Any:
    def by(verdict: bool) -> None:
        monkeypatch.setattr(adaptation, "adapt", partial(adaptation.adapt, adopts=lambda before, after: verdict))

    return by


@pytest.fixture(scope="session")
def mr_series(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MR phantom of 4 mm slices as a DICOM series that claims to show what the shipped model was trained on."""
    folder = tmp_path_factory.mktemp("inputs") / "series"
    write_phantom_series(phantom.ellipsoids((40, 36, 12), (1.5, 1.5, 4.0), modality="MR"), folder)
    for file in folder.iterdir():
        header = pydicom.dcmread(file)
        header.BodyPartExamined = "BRAIN"
        header.save_as(file)
    return folder


def record_of(out: Path) -> dict[str, Any]:
    (file,) = out.glob("*/run.json")
    found: dict[str, Any] = json.loads(file.read_text())
    return found


def test_a_nifti_file_by_tuned_weights(run, decide, thick_mr, tmp_path):
    decide(True)
    ended = run("upscale", thick_mr, "-o", tmp_path / "adapted", "--adapt", "1", "--device", "cpu")
    assert ended.code == 0, ended.err
    record = record_of(tmp_path / "adapted")
    told = record["model"]["adaptation"]
    assert told["adopted"] is True
    assert (told["minutes"], told["steps"], told["coarse_axis"], told["fine_axes"]) == (1.0, 3, 2, [0, 1])
    assert len(told["psnr_before"]) == len(told["psnr_after"]) == 2
    assert len(told["weights_sha256"]) == 64
    assert record["options"]["adapt"] == 1.0
    assert any(note.startswith("adaptation: 3 steps") for note in record["notes"])
    assert "adaptation: 3 steps" in ended.err
    assert "adapted to the scan" in ended.out
    assert run("upscale", thick_mr, "-o", tmp_path / "shipped", "--device", "cpu").code == 0
    shipped = record_of(tmp_path / "shipped")
    assert "adaptation" not in shipped["model"]
    assert shipped["target"] == record["target"]
    tuned, plain = (read_volume(tmp_path / out / "thick" / "thick_sr.nii.gz") for out in ("adapted", "shipped"))
    np.testing.assert_array_equal(tuned.geometry.affine, plain.geometry.affine)
    assert np.abs(tuned.array - plain.array).max() > 0


def test_a_series_by_tuned_weights_is_another_series_and_says_so(run, decide, mr_series, tmp_path):
    headers = {}
    for name, words in {"adapted": ("--adapt", "1"), "shipped": ()}.items():
        decide(True)
        ended = run("upscale", mr_series, "-o", tmp_path / name, "--device", "cpu", *words)
        assert ended.code == 0, ended.err
        headers[name] = pydicom.dcmread(next((tmp_path / name).glob("*/dicom/*")))
    assert "adapted to the scan" in headers["adapted"].DerivationDescription
    assert "adapted" not in headers["shipped"].DerivationDescription
    assert headers["adapted"].SeriesInstanceUID != headers["shipped"].SeriesInstanceUID


def test_tuned_weights_that_are_no_better_change_nothing(run, decide, mr_series, tmp_path):
    decide(False)
    volumes = {}
    for name, words in {"adapted": ("--adapt", "1"), "shipped": ()}.items():
        ended = run("upscale", mr_series, "-o", tmp_path / name, "--device", "cpu", *words)
        assert ended.code == 0, ended.err
        assert ("used as it was shipped" in ended.err) == bool(words)
        files = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(next((tmp_path / name).glob("*/dicom"))))
        volumes[name] = sitk.ReadImage(files)
    np.testing.assert_array_equal(*(sitk.GetArrayFromImage(volume) for volume in volumes.values()))
    assert volumes["adapted"].GetOrigin() == volumes["shipped"].GetOrigin()
    record = record_of(tmp_path / "adapted")
    assert record["model"]["adaptation"]["adopted"] is False
    assert any("not restored better" in warning for warning in record["warnings"])


def test_minutes_of_the_clock(run, thick_mr, tmp_path):
    """With the real clock: whatever becomes of it, it is told, and it does not take much longer than asked."""
    assert run("upscale", thick_mr, "-o", tmp_path, "--adapt", "0.1", "--device", "cpu").code == 0
    told = record_of(tmp_path)["model"]["adaptation"]
    assert told["seconds"] < 60.0
    assert told["adopted"] or told["reason"]


def test_an_isotropic_scan_is_refused(run, isotropic_mr, tmp_path):
    ended = run("upscale", isotropic_mr, "-o", tmp_path / "out", "--spacing", "0.5", "--adapt", "1", "--device", "cpu")
    assert ended.code == 3
    assert "cannot teach what it lacks" in ended.err
    assert not (tmp_path / "out").exists()


def test_a_photograph_is_refused(run, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (24, 24), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    ended = run("upscale", tmp_path / "photo.png", "-o", tmp_path / "out", "--scale", "2,2", "--adapt", "1")
    assert ended.code == 3
    assert "--adapt is for scans" in ended.err


def test_a_scan_outside_the_trained_range_is_restored_as_ever(run, few_steps, thick_series, tmp_path):
    """The header says that it is a phantom: the network is not used on it, so nothing is tuned."""
    ended = run("upscale", thick_series, "-o", tmp_path, "--adapt", "1", "--device", "cpu")
    assert ended.code == 0, ended.err
    assert "the network is not used on this scan" in ended.err
    assert record_of(tmp_path)["model"]["adaptation"]["steps"] == 0


@pytest.mark.parametrize("words", [("--model", "none"), ("--fidelity", "0.5"), ()])
def test_wrong_command_lines(run, thick_mr, tmp_path, words):
    minutes = "1" if words else "0"
    ended = run("upscale", thick_mr, "-o", tmp_path / "out", "--adapt", minutes, *words)
    assert ended.code == 2
    assert "--adapt" in ended.err
    assert not (tmp_path / "out").exists()
