"""The wheel alone is enough: weights, bundle and presets travel in it as package data."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from monai_sr import read_volume, write_volume
from monai_sr.data import phantom

pytestmark = [pytest.mark.packaging, pytest.mark.slow]

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """The wheel, built from the checkout without the network."""
    pytest.importorskip("hatchling", reason="hatchling builds the wheel; it is in the extra [dev]")
    folder = tmp_path_factory.mktemp("wheel")
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        str(REPOSITORY),
        "--no-deps",
        "--no-build-isolation",
        "-w",
        str(folder),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    (file,) = folder.glob("*.whl")
    return file


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    """The scripts folder of an environment that holds the wheel; its requirements are lent by the running one."""
    folder = tmp_path_factory.mktemp("environment") / "venv"
    venv.create(folder, with_pip=False)
    scripts = folder / ("Scripts" if os.name == "nt" else "bin")
    python = scripts / "python"
    query = "import sysconfig; print(sysconfig.get_paths()['purelib'])"
    site = Path(subprocess.run([python, "-c", query], capture_output=True, text=True, check=True).stdout.strip())
    command = [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-deps", "--no-index", str(wheel)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    lent = [p for p in sys.path if p.endswith("site-packages")]
    # Entries behind the environment's own site-packages: what the wheel brings comes first, an editable install of
    # this checkout never does (its .pth file is not read there).
    (site / "lent.pth").write_text("\n".join(lent) + "\n")
    return scripts


def elsewhere(scripts: Path, folder: Path, *words: object) -> subprocess.CompletedProcess[str]:
    """Run an installed program from a folder that is not the checkout, without the variables of this one."""
    variables = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    command = [str(scripts / str(words[0])), *map(str, words[1:])]
    return subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, timeout=600)


def test_the_wheel_is_pure_and_holds_what_it_needs(wheel):
    assert wheel.name.endswith("-py3-none-any.whl")
    names = zipfile.ZipFile(wheel).namelist()
    for needed in (
        "monai_sr/py.typed",
        "monai_sr/_bundle/configs/metadata.json",
        "monai_sr/_bundle/configs/train.yaml",
        "monai_sr/_bundle/configs/inference.yaml",
        "monai_sr/_bundle/models/model.pt",
        "monai_sr/_bundle/LICENSE",
        "monai_sr/_configs/run/smoke.yaml",
    ):
        assert needed in names
    assert not [name for name in names if name.split("/")[0] in ("tests", "bundle", "configs", "docs", "benchmarks")]
    assert not [name for name in names if "__pycache__" in name or name.endswith((".dcm", ".nii.gz"))]
    assert sum(info.compress_size for info in zipfile.ZipFile(wheel).infolist()) < 20e6


def test_the_installed_package_is_not_the_checkout(installed, tmp_path):
    done = elsewhere(installed, tmp_path, "python", "-c", "import monai_sr; print(monai_sr.__file__)")
    assert done.returncode == 0, done.stderr
    assert str(REPOSITORY) not in done.stdout


def test_info_finds_models_that_are_intact(installed, tmp_path):
    done = elsewhere(installed, tmp_path, "monai-sr", "info", "--json")
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert str(REPOSITORY) not in facts["bundle"]
    assert facts["models"]
    assert {model["weights"] for model in facts["models"]} == {"intact"}


def test_upscale_from_another_folder_with_the_shipped_weights(installed, tmp_path):
    write_volume(phantom.ellipsoids((48, 40, 14), (1.0, 1.0, 3.0), modality="MR"), tmp_path / "scan.nii.gz")
    done = elsewhere(installed, tmp_path, "monai-sr", "upscale", "scan.nii.gz", "-o", "out", "--device", "cpu")
    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / "out" / "scan" / "run.json").read_text())
    assert len(record["model"]["sha256"]) == 64
    assert read_volume(tmp_path / "out" / "scan" / "scan_sr.nii.gz").geometry.shape == (48, 40, 42)


def test_the_presets_and_the_bundle_train_from_another_folder(installed, tmp_path):
    for modality in ("CT", "MR"):
        write_volume(phantom.ellipsoids((48, 48, 48), modality=modality), tmp_path / "data" / f"{modality}.nii.gz")
    done = elsewhere(installed, tmp_path, "monai-sr", "train", "--data", "data", "-o", "run", "--run", "smoke")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run" / "model.pt").is_file()
