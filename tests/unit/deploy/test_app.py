"""The application as a user starts it: a process of its own, MONAI Deploy's runtime, on the CPU."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from monai_sr import read_volume, super_resolve, write_volume
from monai_sr.catalogue import bundle_root
from monai_sr.data import phantom

pytest.importorskip("holoscan", reason="MONAI Deploy is not installed: the extra [deploy]")
pytestmark = [pytest.mark.deploy, pytest.mark.slow]

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "monai_deploy"


def start(*words: object, program: tuple[str, ...] = ("-m", "monai_sr.deploy"), **variables: str):
    environment = {"HOLOSCAN_LOG_LEVEL": "ERROR", **os.environ, **variables}
    command = [sys.executable, *program, "-l", "WARN", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=500, env=environment)


@pytest.fixture(scope="module")
def archive(tmp_path_factory) -> Path:
    """The shipped model as one TorchScript file."""
    folder = tmp_path_factory.mktemp("exported")
    command = [sys.executable, "-m", "monai_sr", "export", "default", "-o", str(folder), "--torchscript"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr
    return folder / "model.ts"


def test_a_study_with_dicom_and_nifti(series, tmp_path, archive):
    study = series("MR").parent
    thick = phantom.ellipsoids((32, 28, 10), (1.5, 1.5, 4.0), modality="MR")
    write_volume(thick, study / "thick.nii.gz")
    done = start("-i", study, "-o", tmp_path / "bundle", "-m", bundle_root())
    assert done.returncode == 0, done.stderr
    # one message per series: whatever ran twice would have found its own results and refused to replace them
    assert "refused" not in done.stderr
    folders = {path.name: path for path in (tmp_path / "bundle").iterdir()}
    assert set(folders) == {"thick", read_volume(study / "MR").name}
    assert sorted(done.stdout.split("\n")[:-1]) == sorted(f"wrote {folder}" for folder in folders.values())
    for source, name in ((study / "MR", read_volume(study / "MR").name), (study / "thick.nii.gz", "thick")):
        expected = super_resolve(source, device="cpu").volume
        dicom = folders[name] / "dicom"
        found = read_volume(dicom if dicom.is_dir() else folders[name] / f"{name}_sr.nii.gz")
        np.testing.assert_allclose(found.geometry.affine, expected.geometry.affine, atol=1e-4)
        np.testing.assert_allclose(found.array, expected.array, atol=0.51 if dicom.is_dir() else 1e-3)
        assert json.loads((folders[name] / "run.json").read_text())["model"]["sha256"]

    # the exported archive is the same model: the same files, down to the UIDs, but for the time of writing
    done = start("-i", study, "-o", tmp_path / "archive", "-m", archive)
    assert done.returncode == 0, done.stderr
    for folder in folders.values():
        twin = tmp_path / "archive" / folder.name
        for file in folder.rglob("*.dcm"):
            import pydicom

            one, other = pydicom.dcmread(file), pydicom.dcmread(twin / "dicom" / file.name)
            assert one.SOPInstanceUID == other.SOPInstanceUID
            assert one.PixelData == other.PixelData
        for file in folder.glob("*.nii.gz"):
            np.testing.assert_array_equal(read_volume(file).array, read_volume(twin / file.name).array)


def test_the_example_runs_from_the_environment_alone(series, tmp_path, archive):
    """As in a package: no arguments, the model one folder deeper than the variable says."""
    models = tmp_path / "models" / "sr"
    models.mkdir(parents=True)
    (models / "model.ts").write_bytes(archive.read_bytes())
    study, out = series("CT").parent, tmp_path / "out"
    out.mkdir()
    variables = {
        "HOLOSCAN_INPUT_PATH": str(study),
        "HOLOSCAN_OUTPUT_PATH": str(out),
        "HOLOSCAN_MODEL_PATH": str(models.parent),
    }
    done = start(program=(str(EXAMPLE),), **variables)
    assert done.returncode == 0, done.stderr
    (folder,) = out.iterdir()
    assert read_volume(folder / "dicom").modality == "CT"


def test_the_options_of_upscale(series, tmp_path):
    """One of two series, under a name of its own, compressed, with its maps; and the NIfTI file beside is left out."""
    import pydicom

    study = series("CT").parent
    series("MR")
    write_volume(phantom.ellipsoids((32, 28, 10), (1.5, 1.5, 4.0), modality="MR"), study / "thick.nii.gz")
    words = ["--series", "mr phantom", "--scale", "1,1,2", "--device", "cpu", "--report", "--dicom-maps"]
    words += ["--series-description", "{source} fine", "--series-number", "44", "--dicom-compress", "rle"]
    done = start("-i", study, "-o", tmp_path / "out", *words)
    assert done.returncode == 0, done.stderr
    (folder,) = (tmp_path / "out").iterdir()
    assert done.stdout == f"wrote {folder}\n"
    maps = {f"{folder.name}_{name}.dcm" for name in ("added", "deviation", "residual")}
    assert {path.name for path in folder.iterdir()} == {"dicom", "preview.png", "report.html", "run.json", *maps}
    found = pydicom.dcmread(folder / "dicom" / "0001.dcm")
    assert (found.Modality, found.SeriesDescription, found.SeriesNumber) == ("MR", "MR phantom fine", 44)
    assert found.file_meta.TransferSyntaxUID.name == "RLE Lossless"
    assert len(list((folder / "dicom").iterdir())) == 20
    options = json.loads((folder / "run.json").read_text())["options"]
    assert (options["dicom"]["series_number"], options["scale"]) == (44, [1, 1, 2])


def test_a_wrong_word_is_told(tmp_path):
    done = start("-i", tmp_path, "-o", tmp_path / "out", "--alow-tilt")
    assert done.returncode == 2
    assert "--alow-tilt" in done.stderr and "Traceback" not in done.stderr


def test_a_study_without_a_volume_is_refused_in_one_sentence(series, tmp_path):
    study = series("CT").parent
    sorted((study / "CT").iterdir())[4].unlink()
    done = start("-i", study, "-o", tmp_path / "out")
    assert done.returncode == 3
    assert "misses 1 slice" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list((tmp_path / "out").iterdir())


def test_a_wrong_model_is_told_before_any_work(series, tmp_path):
    (tmp_path / "empty").mkdir()
    done = start("-i", series("CT").parent, "-o", tmp_path / "out", "-m", tmp_path / "empty")
    assert done.returncode == 4
    assert "found none" in done.stderr


def test_the_example_is_what_the_packager_reads():
    """The packager's own check of app.yaml, without Docker."""
    from holoscan_cli.packager.config_reader import ApplicationConfiguration

    configuration = ApplicationConfiguration()
    configuration.read(EXAMPLE / "app.yaml")
    assert "not for diagnosis" in configuration.title()
    assert (EXAMPLE / "requirements.txt").read_text().count("\nmonai_sr==") == 1


def test_the_example_packages(tmp_path, archive):
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "info"], capture_output=True).returncode:
        pytest.skip("monai-deploy package builds an image and needs a running Docker")
    command = [str(Path(sys.executable).with_name("monai-deploy")), "package", str(EXAMPLE)]
    command += ["-m", str(archive), "-c", str(EXAMPLE / "app.yaml"), "-t", "monai_sr:test", "--platform", "x86_64"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=590)
    assert done.returncode == 0, done.stdout + done.stderr
