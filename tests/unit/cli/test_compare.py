"""A whole comparison in miniature: train, fail, measure, report, and go on without computing anything twice."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from monai_sr import write_volume
from monai_sr.data import phantom

PLAN = """# A comparison in miniature
training:
  run: smoke
  settings: {steps: 2, patch: 24, batch_size: 1}
crop: 36
tasks:
  - {kind: through-plane, factor: 2}
methods:
  - {name: cubic, label: cubic B-spline}
  - {name: ibp1}
  - {name: tiny, label: a tiny network, settings: {"network_def::channels": [4, 8], "network_def::blocks": [1, 1]}}
  - {name: wrong, settings: {chanels: 3}}
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    for subject in "12":
        write_volume(phantom.ellipsoids((48, 48, 48), modality="MR"), folder / f"sub-{subject}_mr.nii.gz")
    return folder


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("plan") / "miniature.yaml"
    file.write_text(PLAN, encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The comparison that the tests of this file go on from."""
    return tmp_path_factory.mktemp("compare") / "out"


def rows(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line)["row"] for line in (out / "rows.jsonl").read_text(encoding="utf-8").splitlines()]


@pytest.mark.slow
def test_a_comparison_from_nothing_to_its_report(run, data, plan, shared):
    words = ("compare", "--data", data, "--out", shared, "--plan", plan, "--modality", "mr", "--device", "cpu")
    ended = run(*words)
    assert ended.code == 3, ended.err  # of the system with a wrong key
    found = {row["method"]: row for row in rows(shared)}
    assert all(row["psnr"] > 10 and 0 < row["ssim"] <= 1 for name, row in found.items() if name != "wrong")
    assert {"cubic", "ibp1", "tiny"} <= set(found)
    assert "unknown config key chanels" in found["wrong"]["error"]
    for name in ("report.html", "comparison.md", "rows.jsonl", "split.json"):
        assert (shared / name).stat().st_size > 0
    for name in ("tiny", "wrong"):
        assert (shared / "training" / name / "log.txt").is_file()
    for text in (ended.out, (shared / "comparison.md").read_text(), (shared / "report.html").read_text()):
        assert "a tiny network" in text or "tiny" in text
        assert "unknown config key chanels" in text

    roles = json.loads((shared / "split.json").read_text())
    measured = {roles["files"][f"{row['case'].split('.')[0]}.nii.gz"] for row in rows(shared)}
    assert {roles["roles"][subject] for subject in measured} == {"validation"}  # nobody who trained
    trained = json.loads((shared / "training" / "tiny" / "split.json").read_text())
    assert trained == roles

    before = [line for line in (shared / "rows.jsonl").read_text().splitlines() if "error" not in line]
    weights = (shared / "training" / "tiny" / "model.pt").stat().st_mtime_ns
    began = time.perf_counter()
    again = run("compare", "--only", "cubic,ibp1,tiny", *words[1:])
    assert time.perf_counter() - began < 30
    assert again.code == 0, again.err
    after = [line for line in (shared / "rows.jsonl").read_text().splitlines() if "error" not in line]
    assert after == before
    assert (shared / "training" / "tiny" / "model.pt").stat().st_mtime_ns == weights
    assert "training " not in again.err

    # the weights of that run, on everybody and without training
    other = shared.parent / "measured"
    ended = run(
        "compare", "--data", data, "-o", other, "--plan", plan, "--trainings", shared / "training", "--modality", "mr"
    )
    assert ended.code == 3
    assert not (other / "training").exists()
    assert len({row["case"] for row in rows(other)}) == 2
    assert {row["method"] for row in rows(other) if "error" in row} == {"wrong"}
    assert len([row for row in rows(other) if row["method"] == "tiny" and "psnr" in row]) == 2


@pytest.mark.slow
def test_only_some_methods(run, data, plan, tmp_path):
    ended = run("compare", "--data", data, "-o", tmp_path, "--plan", plan, "--only", "cubic", "--modality", "mr")
    assert ended.code == 0, ended.err
    assert {row["method"] for row in rows(tmp_path)} == {"cubic"}
    assert not (tmp_path / "training").exists() or not list((tmp_path / "training").iterdir())


def test_an_unknown_method_is_refused_with_those_of_the_plan(run, data, plan, tmp_path):
    ended = run("compare", "--data", data, "-o", tmp_path, "--plan", plan, "--only", "cubic,bicubic")
    assert ended.code == 2
    assert "no method 'bicubic'" in ended.err
    assert "cubic, ibp1, tiny, wrong" in " ".join(ended.err.split())


def test_an_unknown_plan_is_refused_with_the_list_of_plans(run, data, tmp_path):
    ended = run("compare", "--data", data, "-o", tmp_path / "out", "--plan", "sideways")
    assert ended.code == 2
    assert "no comparison plan 'sideways'" in ended.err
    assert "in_plane, photos, through_plane" in " ".join(ended.err.split())
    assert "Traceback" not in ended.err
    assert not (tmp_path / "out").exists()


def test_a_plan_that_is_wrong_is_one_sentence(run, data, tmp_path):
    (tmp_path / "plan.yaml").write_text(PLAN + "taks: []\n", encoding="utf-8")
    ended = run("compare", "--data", data, "-o", tmp_path / "out", "--plan", tmp_path / "plan.yaml")
    assert ended.code == 2
    assert "nothing reads the key taks" in ended.err


def test_outside_takes_a_folder_that_exists(run, data, plan, tmp_path):
    words = ("compare", "--data", data, "-o", tmp_path / "out", "--plan", plan, "--outside")
    ended = run(*words, f"theirs={tmp_path / 'none'}")
    assert ended.code == 2
    assert "NAME=DIR" in ended.err


def test_real_pairs_are_not_trained_on_and_then_measured(run, tmp_path):
    for side, n in (("HR", 48), ("LR", 24)):
        volume = phantom.ellipsoids((48, 48, n), (1.0, 1.0, 48.0 / n), modality="MR")
        write_volume(volume, tmp_path / "data" / side / "a.nii.gz")
    ended = run("compare", "--data", tmp_path / "data", "-o", tmp_path / "out", "--modality", "mr")
    assert ended.code == 2
    assert "give --trainings" in ended.err
