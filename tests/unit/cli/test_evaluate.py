from __future__ import annotations

import json

import pytest

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
