"""The bundle as MONAI, the model zoo and a stranger with a zip file see it."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from monai.bundle import ConfigParser, ConfigWorkflow, ckpt_export, verify_metadata, verify_net_in_out

import monai_sr
from monai_sr.catalogue import models
from monai_sr.data import thicken
from monai_sr.data.phantom import ellipsoids
from monai_sr.degradation import CONDITION_CHANNELS, IMAGE_CHANNELS
from monai_sr.engines import ConfigRefused
from monai_sr.inference import load_model
from monai_sr.io import write_volume

BUNDLE = Path(monai_sr.__file__).resolve().parents[1] / "bundle"
CONFIGS = BUNDLE / "configs"
SCHEMA = Path(__file__).with_name("meta_schema_20240725.json")


@pytest.fixture(scope="module")
def metadata() -> dict[str, Any]:
    content: dict[str, Any] = json.loads((CONFIGS / "metadata.json").read_text(encoding="utf-8"))
    return content


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A thick MR phantom, in a folder of its own."""
    fine = ellipsoids((40, 36, 48), (1.0, 1.0, 1.0), modality="MR")
    path = tmp_path_factory.mktemp("scan") / "phantom.nii.gz"
    write_volume(thicken(fine, axis=2, factor=4.0), path)
    return path


# ---- metadata


def test_metadata_follows_the_published_schema(tmp_path: Path, metadata: dict[str, Any]) -> None:
    assert metadata["schema"].endswith(SCHEMA.name)
    copy = Path(shutil.copy(SCHEMA, tmp_path))
    digest = hashlib.md5(copy.read_bytes(), usedforsecurity=False).hexdigest()
    verify_metadata(str(CONFIGS / "metadata.json"), filepath=str(copy), hash_val=digest)


def test_a_metadata_fault_would_be_found(tmp_path: Path, metadata: dict[str, Any]) -> None:
    faulty = {**metadata, "network_data_format": {"inputs": {}}}
    (tmp_path / "metadata.json").write_text(json.dumps(faulty), encoding="utf-8")
    with pytest.raises(ValueError, match="Failed validating"):
        verify_metadata(str(tmp_path / "metadata.json"), filepath=str(shutil.copy(SCHEMA, tmp_path)))


def test_metadata_and_package_agree(metadata: dict[str, Any]) -> None:
    assert metadata["version"] in metadata["changelog"]
    assert metadata["required_packages_version"]["monai_sr"] == monai_sr.__version__
    image = metadata["network_data_format"]["inputs"]["image"]
    assert image["num_channels"] == len(image["channel_def"]) == IMAGE_CHANNELS + CONDITION_CHANNELS
    assert "not for diagnosis" in metadata["intended_use"].lower()


def test_every_model_is_there_and_is_what_its_record_says(metadata: dict[str, Any]) -> None:
    records = models(BUNDLE)
    assert records[0].file.name == "model.pt"
    assert {r.file.name for r in records} == {p.name for p in (BUNDLE / "models").glob("*.pt")}
    for record in records:
        model = load_model(record)  # digest, weights_only, shapes, finite
        assert record.file.stat().st_size < 25e6  # the zoo's limit for a file in the repository
        assert set(record.trained_range) >= {"modalities", "factor", "width", "noise"}
        multiple = int(metadata["network_data_format"]["inputs"]["image"]["spatial_shape"][0].partition("*")[0])
        assert model.network.size_multiple == multiple


# ---- MONAI's own checks, and what they lack


def network_arguments() -> dict[str, str]:
    return {"config_file": str(CONFIGS / "inference.yaml"), "meta_file": str(CONFIGS / "metadata.json")}


@pytest.mark.parametrize("n", [1, 4])
def test_network_in_and_out(n: int) -> None:
    verify_net_in_out("network_def", device="cpu", n=n, **network_arguments())


@pytest.mark.parametrize("n", [(1, 1, 1), (2, 5, 3)])
def test_the_output_has_the_shape_that_the_metadata_claims(n: tuple[int, int, int], metadata: dict[str, Any]) -> None:
    """``verify_net_in_out`` looks at channels and type only."""
    parser = ConfigParser()
    parser.read_config(str(CONFIGS / "inference.yaml"))
    network = parser.get_parsed_content("network_def")
    format_ = metadata["network_data_format"]
    shapes = {
        side: tuple(eval(text, {"n": k}) for text, k in zip(tensor["spatial_shape"], n, strict=True))
        for side, tensor in (("in", format_["inputs"]["image"]), ("out", format_["outputs"]["pred"]))
    }
    with torch.no_grad():
        y = network(torch.rand(1, format_["inputs"]["image"]["num_channels"], *shapes["in"]))
    assert y.shape == (1, format_["outputs"]["pred"]["num_channels"], *shapes["out"])


def test_export_to_torchscript_computes_the_same(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        ckpt_export(
            "network_def",
            filepath=str(tmp_path / "model.ts"),
            ckpt_file=str(BUNDLE / "models" / "model.pt"),
            **network_arguments(),
        )
        exported = torch.jit.load(str(tmp_path / "model.ts")).eval()
    network = load_model(BUNDLE).network
    for shape in ((12, 16, 20), (24, 8, 12)):
        x = torch.rand(1, 7, *shape)
        with torch.no_grad():
            torch.testing.assert_close(exported(x), network(x), rtol=0, atol=1e-5)


@pytest.mark.parametrize(("name", "kind"), [("train", "train"), ("inference", "infer"), ("evaluate", "infer")])
def test_monais_properties_are_there(name: str, kind: str, scan: Path, tmp_path: Path) -> None:
    small = {"patch": 12, "network_def::channels": [4, 8], "network_def::blocks": [1, 1]} if kind == "train" else {}
    data = fine_scans(tmp_path) if kind == "train" else scan.parent
    workflow = ConfigWorkflow(
        config_file=str(CONFIGS / f"{name}.yaml"),
        workflow_type=kind,
        logging_file=False,
        dataset_dir=str(data),
        output_dir=str(tmp_path / "out"),
        **small,
    )
    workflow.initialize()
    assert workflow.check_properties() == []
    assert workflow.bundle_root == str(BUNDLE)
    assert workflow.device.type in ("cpu", "cuda")
    if kind == "train":
        assert workflow.max_epochs == workflow.trainer.state.max_epochs > 0
        assert workflow.train_dataset[0]["image"].shape == (7, 12, 12, 12)
    else:
        assert len(workflow.dataset) == 1
        assert workflow.evaluator.model.network is workflow.network_def


def fine_scans(folder: Path) -> Path:
    for subject in "12":
        volume = ellipsoids((32, 28, 28), modality="MR")
        write_volume(volume, folder / "scans" / f"sub-{subject}.nii.gz")
    return folder / "scans"


# ---- the model zoo's documented rules


def test_the_zoos_files_and_names() -> None:
    for name in ("LICENSE", "configs/metadata.json", "configs/logging.conf", "docs/README.md", "docs/data_license.txt"):
        assert (BUNDLE / name).stat().st_size > 0, name
    train, inference = (ConfigParser.load_config_file(str(CONFIGS / f"{n}.yaml")) for n in ("train", "inference"))
    common = {"bundle_root", "device", "dataset_dir", "output_dir", "network_def"}
    assert common | {"train", "validate"} <= set(train)
    assert common | {"inferer", "evaluator"} <= set(inference)
    assert {"run", "training"} <= set(train)
    assert train["train"]["trainer"]["train_handlers"] == "@train::handlers"
    for config in CONFIGS.glob("*.yaml"):
        assert ConfigParser.load_config_file(str(config)).get("dataset_dir") is None  # no default
    card = (BUNDLE / "docs" / "README.md").read_text(encoding="utf-8")
    for section in ("Overview", "Data", "Training configuration", "Input", "Output", "Performance", "Bundle commands"):
        assert f"\n## {section}\n" in card, section
    assert "config_file` no default" in card


def test_train_yaml_stays_readable() -> None:
    lines = (CONFIGS / "train.yaml").read_text(encoding="utf-8").splitlines()
    assert len(lines) < 190
    assert max(map(len, lines)) <= 120


# ---- a zip in an empty folder


@pytest.fixture(scope="module")
def moved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle zipped, moved and unpacked; its default model has another name, so that it can be told apart."""
    folder = tmp_path_factory.mktemp("moved")
    archive = shutil.make_archive(str(folder / "bundle"), "zip", BUNDLE)
    shutil.unpack_archive(archive, folder / "elsewhere")
    file = folder / "elsewhere" / "configs" / "metadata.json"
    content = json.loads(file.read_text(encoding="utf-8"))
    first, *others = content["models"].items()
    content["models"] = {"moved_model": first[1], **dict(others)}
    file.write_text(json.dumps(content), encoding="utf-8")
    return folder / "elsewhere"


def bundle_command(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """``python -m monai.bundle run``, with this package importable as if installed."""
    path = os.pathsep.join([str(Path(monai_sr.__file__).resolve().parents[1]), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        [sys.executable, "-m", "monai.bundle", "run", *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.slow
def test_the_moved_bundle_upscales_from_any_folder(moved: Path, scan: Path, tmp_path: Path) -> None:
    done = bundle_command(
        "--config_file", str(moved / "configs" / "inference.yaml"), "--dataset_dir", str(scan), cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "runs" / "inference" / "phantom"
    record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    assert record["model"]["name"] == "moved_model"
    before, after = sitk.ReadImage(str(scan)), sitk.ReadImage(str(folder / "phantom_sr.nii.gz"))
    assert after.GetSize() == (40, 36, 48)
    assert after.GetSpacing() == pytest.approx((1.0, 1.0, 1.0))
    for end in (0, 1):  # outer corners
        places = [
            image.TransformContinuousIndexToPhysicalPoint([end * n - 0.5 for n in image.GetSize()])
            for image in (before, after)
        ]
        np.testing.assert_allclose(places[0], places[1], atol=1e-3)


@pytest.mark.slow
def test_the_moved_bundle_trains_from_any_folder(moved: Path, tmp_path: Path) -> None:
    arguments = ["--steps", "2", "--steps_per_epoch", "1", "--patch", "12", "--network_def::channels", "[4, 8]"]
    arguments += ["--network_def::blocks", "[1, 1]", "--dataset_dir", str(fine_scans(tmp_path))]
    done = bundle_command("training", "--config_file", str(moved / "configs" / "train.yaml"), *arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert load_model(tmp_path / "runs" / "train").record.extra["steps"] == 2
    run = json.loads((tmp_path / "runs" / "train" / "run.json").read_text(encoding="utf-8"))
    assert run["config"]["network_def"]["channels"] == [4, 8]


@pytest.mark.slow
def test_the_command_ends_with_one_sentence(moved: Path, tmp_path: Path) -> None:
    """Not with MONAI's "Failed to evaluate" and a traceback."""
    done = bundle_command("training", "--config_file", str(moved / "configs" / "train.yaml"), cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.rstrip().splitlines()[-1] == (
        "dataset_dir is not given; name the folder with the data: --dataset_dir DIR"
    )
    assert "Traceback" not in done.stderr


# ---- refusals of the inference config


def start(name: str, **values: Any) -> ConfigWorkflow:
    workflow = ConfigWorkflow(
        config_file=str(CONFIGS / f"{name}.yaml"), workflow_type="infer", logging_file=False, **values
    )
    workflow.initialize()
    workflow.run()
    return workflow


@pytest.mark.parametrize("name", ["inference", "evaluate"])
def test_missing_data_and_mistyped_keys(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigRefused, match="dataset_dir is not given"):
        start(name)
    with pytest.raises(ConfigRefused, match="no such file or folder"):
        start(name, dataset_dir=str(tmp_path / "absent"))
    with pytest.raises(ConfigRefused, match=r"unknown config key ouput_dir: .* did you mean output_dir\?"):
        start(name, ouput_dir="x")


def test_a_missing_model_is_one_sentence(scan: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigRefused, match="no model named absent; there are"):
        start("inference", dataset_dir=str(scan), output_dir=str(tmp_path), **{"model::name": "absent"})


def test_refused_cases_do_not_stop_the_others_and_are_told(scan: Path, tmp_path: Path) -> None:
    folder = tmp_path / "scans"
    folder.mkdir()
    shutil.copy(scan, folder / "b_thick.nii.gz")
    write_volume(ellipsoids((24, 24, 24)), folder / "a_isotropic.nii.gz")
    with pytest.raises(ConfigRefused, match="refused 1 of 2: a_isotropic"):
        start("inference", dataset_dir=str(folder), output_dir=str(tmp_path / "out"))
    assert (tmp_path / "out" / "b_thick" / "b_thick_sr.nii.gz").exists()
    assert not (tmp_path / "out" / "a_isotropic").exists()
    with pytest.raises(ConfigRefused, match="refused 2 of 2"):  # nothing is replaced
        start("inference", dataset_dir=str(folder), output_dir=str(tmp_path / "out"))


def test_evaluation_writes_its_table(tmp_path: Path) -> None:
    write_volume(ellipsoids((36, 36, 36), modality="MR"), tmp_path / "truth.nii.gz")
    workflow = start(
        "evaluate",
        dataset_dir=str(tmp_path / "truth.nii.gz"),
        output_dir=str(tmp_path / "out"),
        tasks=[{"_target_": "monai_sr.engines.Task", "kind": "through-plane", "factor": 2.0}],
    )
    table = (tmp_path / "out" / "quality.md").read_text(encoding="utf-8")
    assert "| truth | through-plane x2, clean |" in table
    assert "mean_gain" in workflow.parser.get_parsed_content("evaluator").state.metrics
