"""The trainings of a comparison: one that fails stops no other, one that is finished is left alone."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from monai_sr.cli import comparison_training
from monai_sr.cli.comparison_training import train_systems, training_state
from monai_sr.engines.comparison_plan import ComparisonPlan, PlannedMethod
from monai_sr.io import InputError

# In place of ``monai-sr train``: it leaves what a training leaves, or says why not, as the settings ask.
TRAINER = """
import json, pathlib, sys, time, yaml
out = pathlib.Path(sys.argv[sys.argv.index("--out") + 1])
settings = yaml.safe_load((out / "settings.yaml").read_text())
print("words", *sys.argv[1:], flush=True)
if "bad" in settings:
    sys.exit("Error: unknown config key bad")
time.sleep(settings.get("sleep", 0))
steps = settings["steps"]
(out / "run.json").write_text(json.dumps({"steps_done": steps, "steps": steps, "seconds": 1.5}))
(out / "model.pt").write_bytes(b"weights")
"""


def plan(*methods: PlannedMethod, task: str | None = None, steps: int = 2) -> ComparisonPlan:
    return ComparisonPlan("test", task, "smoke", {"steps": steps}, None, None, (), (), methods)


def system(name: str, **settings: Any) -> PlannedMethod:
    return PlannedMethod(name, name, trained=True, settings=settings)


@pytest.fixture(autouse=True)
def _stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    real = subprocess.Popen

    def start(words: list[str], **options: Any) -> subprocess.Popen[bytes]:
        assert words[:4] == [sys.executable, "-m", "monai_sr", "train"]
        return real([sys.executable, "-c", TRAINER, *words[3:]], **options)

    monkeypatch.setattr(comparison_training.subprocess, "Popen", start)
    monkeypatch.setattr(comparison_training, "_POLL_SECONDS", 0.02)


def test_one_that_fails_keeps_its_reason_and_stops_no_other(tmp_path: Path) -> None:
    told: list[str] = []
    wanted = plan(PlannedMethod("cubic", "cubic"), system("bad", bad=1), system("good"))
    states = train_systems(wanted, tmp_path, tmp_path / "training", tell=told.append)
    assert list(states) == ["bad", "good"]
    assert states["bad"].error == "Error: unknown config key bad"
    assert not states["bad"].finished
    assert (states["good"].finished, states["good"].steps_done, states["good"].seconds) == (True, 2, 1.5)
    assert told == [
        "training bad, from step 0",
        "trained bad: Error: unknown config key bad",
        "training good, from step 0",
        "trained good: 2 steps, 2 s",
    ]


def test_a_training_is_told_its_presets_settings_and_split(tmp_path: Path) -> None:
    split = tmp_path / "split.json"
    split.write_text("{}")
    method = PlannedMethod("mine", "mine", trained=True, preset="edsr", settings={"batch_size": 1, "steps": 4})
    train_systems(
        plan(method, task="in_plane"), tmp_path / "data", tmp_path / "t", split=split, options=["--modality", "mr"]
    )
    log = (tmp_path / "t" / "mine" / "log.txt").read_text().splitlines()[0]
    config = tmp_path / "t" / "mine" / "settings.yaml"
    expected = f"words train --data {tmp_path / 'data'} --out {tmp_path / 't' / 'mine'} --run smoke --task in_plane"
    assert log == f"{expected} --model edsr --config {config} --modality mr"
    assert yaml.safe_load(config.read_text()) == {"steps": 4, "batch_size": 1, "split_file": str(split)}


def test_a_finished_training_is_left_as_it_is(tmp_path: Path) -> None:
    wanted = plan(system("good"), system("bad", bad=1))
    train_systems(wanted, tmp_path, tmp_path / "t", tell=lambda _: None)
    told: list[str] = []
    train_systems(wanted, tmp_path, tmp_path / "t", tell=told.append)
    assert [sentence for sentence in told if "good" in sentence] == []
    assert "training bad, from step 0" in told  # one that failed is tried again
    assert (tmp_path / "t" / "good" / "log.txt").read_text().count("words") == 1


def test_a_training_with_other_settings_is_not_continued(tmp_path: Path) -> None:
    train_systems(plan(system("a")), tmp_path, tmp_path / "t", tell=lambda _: None)
    with pytest.raises(InputError, match="holds a training with other settings than the plan's"):
        train_systems(plan(system("a"), steps=4), tmp_path, tmp_path / "t", tell=lambda _: None)
    # one that never began may be given others
    train_systems(plan(system("b", bad=1)), tmp_path, tmp_path / "t", tell=lambda _: None)
    states = train_systems(plan(system("b")), tmp_path, tmp_path / "t", tell=lambda _: None)
    assert states["b"].finished


def test_two_run_at_the_same_time_if_asked(tmp_path: Path) -> None:
    told: list[str] = []
    wanted = plan(system("a", sleep=0.5), system("b", sleep=0.5))
    train_systems(wanted, tmp_path, tmp_path / "t", jobs=2, tell=told.append)
    assert [sentence.split(",")[0] for sentence in told[:2]] == ["training a", "training b"]


def test_the_state_of_a_folder(tmp_path: Path) -> None:
    assert (training_state(tmp_path).finished, training_state(tmp_path).steps_done) == (False, 0)
    (tmp_path / "run.json").write_text(json.dumps({"steps_done": 3, "steps": 3, "seconds": 2}))
    assert not training_state(tmp_path).finished  # steps without weights
    (tmp_path / "model.pt").write_bytes(b"")
    assert training_state(tmp_path).finished
    (tmp_path / "run.json").write_text("{")
    assert not training_state(tmp_path).finished
