from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from monai_sr import write_volume
from monai_sr.data import phantom


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    write_volume(phantom.ellipsoids((36, 36, 36), modality="MR"), folder / "truth.nii.gz")
    (folder / "broken.nii.gz").write_bytes(b"no image")
    return folder


@pytest.mark.slow
def test_rows_and_table(run, data, tmp_path):
    ended = run(
        "evaluate", "--data", data, "-o", tmp_path, "--model", "none", "--crop", 24, "--json", "--device", "cpu"
    )
    assert ended.code == 3  # of the broken file; the other is measured
    rows = [json.loads(line) for line in ended.out.splitlines()]
    failed = [row for row in rows if "error" in row]
    assert {row["case"] for row in failed} == {"broken.nii.gz"}
    measured = [row for row in rows if "error" not in row]
    psnr = {(row["task"], row["method"]): row["psnr"] for row in measured}
    assert psnr["through-plane x2, clean", "ibp3"] > psnr["through-plane x2, clean", "cubic"]
    assert len((tmp_path / "rows.jsonl").read_text().splitlines()) == len(measured)
    table = run(
        "evaluate", "--data", data, "-o", tmp_path, "--model", "none", "--crop", 24, "--quiet", "--device", "cpu"
    ).out
    assert f"{psnr['through-plane x2, clean', 'cubic']:.2f}" in table


def test_an_empty_folder_is_a_wrong_command_line(run, tmp_path):
    ended = run("evaluate", "--data", tmp_path, "--model", "none")
    assert ended.code == 2
    assert "NIfTI" in ended.err


def test_data_is_named(run, data):
    ended = run("evaluate", data, "--model", "none")
    assert ended.code == 2
    assert "--data" in ended.err


def test_photographs_are_measured_on_both_axes(run, tmp_path):
    """With the photograph's own default model; whole volumes and photographs have their own tasks."""
    pixels = np.random.default_rng(0).integers(0, 255, (16, 16), dtype=np.uint8)
    (tmp_path / "data").mkdir()
    Image.fromarray(pixels).resize((48, 36), Image.Resampling.BICUBIC).save(tmp_path / "data" / "grey.png")
    ended = run("evaluate", "--data", tmp_path / "data", "--json", "--device", "cpu")
    assert ended.code == 0, ended.err
    rows = [json.loads(line) for line in ended.out.splitlines()]
    assert {row["task"] for row in rows} == {"photo x2, clean", "photo x4, clean"}
    assert all(row["axes"] == [0, 1] and row["modality"] == "photo" for row in rows)
    assert "photo_small_l1" in {row["method"] for row in rows}


def test_an_ensemble_has_a_column_of_its_own(run, data):
    ended = run(
        "evaluate", "--data", data, "--crop", 24, "--ensemble", 4, "--quiet", "--device", "cpu", "--modality", "mr"
    )
    assert "ct_mr_fast_l1, ensemble of 4" in ended.out


def test_an_ensemble_needs_a_network_and_scans(run, data, tmp_path):
    ended = run("evaluate", "--data", data, "--model", "none", "--ensemble", 4)
    assert ended.code == 2
    assert "--ensemble" in ended.err
    Image.fromarray(np.zeros((36, 36), dtype=np.uint8)).save(tmp_path / "black.png")
    ended = run("evaluate", "--data", tmp_path, "--ensemble", 4)
    assert ended.code == 2
    assert "photographs" in ended.err


def test_a_size_is_measured_as_upscale_would_use_it(run, data):
    """``best`` has a network for MR alone; that for both would be measured otherwise."""
    found = {}
    for name in ("best", "mr_best_l1"):
        ended = run("evaluate", "--data", data, "--crop", 24, "--model", name, "--json", "--device", "cpu")
        rows = [json.loads(line) for line in ended.out.splitlines()]
        found[name] = [row["psnr"] for row in rows if row["method"] == name and "psnr" in row]
    assert found["best"] == found["mr_best_l1"] != []
