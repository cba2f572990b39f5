from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import typer

from monai_sr import write_volume
from monai_sr.catalogue import find_model
from monai_sr.cli.train import config_files, presets_root
from monai_sr.data import phantom


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """Two subjects with 1 mm voxels."""
    folder = tmp_path_factory.mktemp("data")
    for modality in ("CT", "MR"):
        write_volume(phantom.ellipsoids((48, 48, 48), modality=modality), folder / f"{modality}.nii.gz")
    return folder


def test_presets_are_joined_in_the_order_task_model_run():
    names = {kind: sorted(p.stem for p in (presets_root() / kind).glob("*.yaml")) for kind in ("task", "model", "run")}
    assert "smoke" in names["run"]
    task, model = names["task"][0], names["model"][0]
    files = config_files({"run": "smoke", "model": model, "task": task})
    assert [f.name for f in files] == ["train.yaml", f"{task}.yaml", f"{model}.yaml", "smoke.yaml"]
    assert all(f.is_file() for f in files)


@pytest.mark.parametrize("name", ["nothing", "../run/smoke", "/etc/passwd", "smoke.yaml", ""])
def test_only_presets_that_exist_are_taken(name):
    with pytest.raises(typer.BadParameter, match=r"there are: .*smoke"):
        config_files({"run": name})


@pytest.mark.slow
def test_a_smoke_training_gives_a_model_that_upscale_takes(run, data, thick_mr, tmp_path):
    ended = run("train", "--data", data, "--out", tmp_path / "run", "--run", "smoke", "--seed", 3)
    assert ended.code == 0, ended.err
    assert "smoke.yaml" in ended.out
    record = find_model(tmp_path / "run")
    assert record.trained_range["modalities"]
    assert json.loads((tmp_path / "run" / "run.json").read_text())["seed"] == 3
    ended = run("upscale", thick_mr, "-o", tmp_path / "out", "--model", tmp_path / "run", "--device", "cpu")
    assert ended.code == 0, ended.err
    written = json.loads((tmp_path / "out" / "thick" / "run.json").read_text())
    assert written["model"]["sha256"] == record.sha256


def test_data_that_is_missing_or_empty_is_two(run, tmp_path):
    assert run("train", "--data", tmp_path / "missing", "--out", tmp_path / "run").code == 2
    (tmp_path / "empty").mkdir()
    ended = run("train", "--data", tmp_path / "empty", "--out", tmp_path / "run", "--run", "smoke")
    assert ended.code == 2
    assert "empty" in ended.err
    assert "Traceback" not in ended.err


def test_data_has_no_default(run, tmp_path):
    ended = run("train", "--out", tmp_path / "run")
    assert ended.code == 2
    assert "--data" in ended.err


def test_a_folder_name_is_never_run_as_code(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = "$__import__('pathlib').Path('canary').touch()"
    os.makedirs(name)
    ended = run("train", "--data", name, "--out", "@run", "--run", "smoke")
    assert ended.code == 2  # it is empty, no more
    assert not (tmp_path / "canary").exists()


def test_steps_that_do_not_fill_epochs_are_refused_in_one_sentence(run, data, tmp_path):
    ended = run("train", "--data", data, "--out", tmp_path / "run", "--steps", 7)
    assert ended.code == 2
    assert "multiple" in ended.err
    assert "Traceback" not in ended.err


def test_volumes_too_small_to_train_on_are_one_sentence(run, tmp_path):
    write_volume(phantom.ellipsoids((8, 8, 8)), tmp_path / "data" / "tiny.nii.gz")
    ended = run("train", "--data", tmp_path / "data", "--out", tmp_path / "run", "--run", "smoke")
    assert ended.code in (2, 3)
    assert "Error: " in ended.err
    assert "Traceback" not in ended.err


def test_a_config_of_ones_own_is_laid_over_the_presets(run, data, tmp_path):
    mine = tmp_path / "mine.yaml"
    mine.write_text("steps: 7\n", encoding="utf-8")  # smoke.yaml says 2 steps, 1 per epoch
    other = tmp_path / "other.yaml"
    other.write_text("steps_per_epoch: 2\n", encoding="utf-8")
    words = ("--data", data, "--out", tmp_path / "run", "--run", "smoke", "--config", mine, "--config", other)
    ended = run("train", *words)
    assert ended.code == 2
    assert "steps (7) must be a multiple of steps_per_epoch (2)" in ended.err
    printed = ended.out.splitlines()[0].split()
    assert [word.rpartition("/")[2] for word in printed[1:]] == ["train.yaml", "smoke.yaml", "mine.yaml", "other.yaml"]


def test_an_unknown_key_of_ones_own_config_is_one_sentence(run, data, tmp_path):
    mine = tmp_path / "mine.yaml"
    mine.write_text("step: 7\n", encoding="utf-8")
    ended = run("train", "--data", data, "--out", tmp_path / "run", "--run", "smoke", "--config", mine)
    assert ended.code == 2
    assert "unknown config key step" in ended.err
    assert "Traceback" not in ended.err
    assert run("train", "--data", data, "--out", tmp_path / "run", "--config", tmp_path / "none.yaml").code == 2
