from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from monai_sr.data import Split
from monai_sr.data.phantom import ellipsoids
from monai_sr.degradation import DegradationSampler
from monai_sr.engines import (
    PatchScores,
    RunRecord,
    SRGanTrainer,
    Task,
    Validation,
    WholeVolumeScores,
    trained_range,
)
from monai_sr.io import write_volume
from monai_sr.keys import HR, LR


def rows(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "validation.jsonl").read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize(("every", "epochs"), [(2, [2, 3]), (1, [1, 2, 3]), (10, [3])])
def test_every_few_epochs_and_at_the_end(
    make_trainer: Callable[..., SRGanTrainer], tmp_path: Path, every: int, epochs: list[int]
) -> None:
    trainer = make_trainer(tmp_path, handlers=[Validation(lambda engine: {"gain_db": 1.5}, tmp_path, every)])
    trainer.run()
    assert [row["epoch"] for row in rows(tmp_path)] == epochs
    assert trainer.state.metrics["gain_db"] == 1.5


def test_nobody_to_validate_on(make_trainer: Callable[..., SRGanTrainer], tmp_path: Path) -> None:
    make_trainer(tmp_path, handlers=[Validation(PatchScores([]), tmp_path, 1)]).run()
    assert not (tmp_path / "validation.jsonl").exists()


def test_validation_does_not_move_the_training(make_trainer: Callable[..., SRGanTrainer], tmp_path: Path) -> None:
    pairs = [{LR: torch.rand(7, 16, 16, 16), HR: torch.rand(1, 16, 16, 16)}]

    def disturb(engine: SRGanTrainer) -> dict[str, float]:
        torch.rand(100)
        return PatchScores(pairs)(engine)

    plain, validated = (
        make_trainer(tmp_path / "a"),
        make_trainer(tmp_path / "b", handlers=[Validation(disturb, tmp_path / "b", 1)]),
    )
    plain.run()
    validated.run()
    assert validated.generator.network.training
    for a, b in zip(plain.generator.network.parameters(), validated.generator.network.parameters(), strict=True):
        assert torch.equal(a, b)


def test_patch_scores_are_psnr(make_trainer: Callable[..., SRGanTrainer], tmp_path: Path) -> None:
    hr = torch.full((1, 16, 16, 16), 0.5)
    lr = torch.zeros(7, 16, 16, 16)
    lr[0] = 0.4  # an untrained generator returns it
    found = PatchScores([{LR: lr, HR: hr}])(make_trainer(tmp_path))
    assert found["psnr_input_db"] == pytest.approx(20.0, abs=1e-3)
    assert found["gain_db"] == pytest.approx(0.0, abs=1e-5)


def test_whole_volumes_go_through_the_one_function(
    make_trainer: Callable[..., SRGanTrainer],
    phantom_cases: list[dict[str, Any]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    network = {"_target_": "monai_sr.networks.UNetGenerator", "channels": [4, 8], "blocks": [1, 1]}
    monkeypatch.setattr("monai_sr.engines.record.running_config", lambda: {"network_def": network})
    write_volume(ellipsoids((36, 36, 36), modality="MR"), tmp_path / "truth.nii.gz")
    seen = trained_range(phantom_cases, DegradationSampler())
    record = RunRecord(tmp_path, 0, Split({}, {}), seen)
    scores = WholeVolumeScores(
        [{"name": "truth", HR: str(tmp_path / "truth.nii.gz")}], tmp_path, [Task("through-plane", 3.0)], crop=24
    )
    trainer = make_trainer(tmp_path, handlers=[record, Validation(scores, tmp_path, 3)])
    trainer.run()
    (row,) = rows(tmp_path)
    assert set(row) == {"step", "epoch", "gain_db", "worst_gain_db", "gain_over_none_db"}
    assert abs(row["gain_over_none_db"]) < 1.0  # hardly trained: close to the pipeline without network
    assert (tmp_path / "validation" / "rows.jsonl").exists()
