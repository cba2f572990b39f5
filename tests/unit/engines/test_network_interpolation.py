"""The files that a training with network interpolation leaves."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from ignite.engine import Events

from monai_sr.catalogue import find_model, sha256
from monai_sr.data import Split
from monai_sr.degradation import DegradationSampler
from monai_sr.engines import NetworkInterpolation, RunRecord, SRGanTrainer, trained_range
from monai_sr.inference import load_model

NETWORK = {"_target_": "monai_sr.networks.UNetGenerator", "channels": [4, 8], "blocks": [1, 1]}


@pytest.fixture
def record(phantom_cases: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunRecord:
    monkeypatch.setattr("monai_sr.engines.record.running_config", lambda: {"network_def": NETWORK})
    seen = trained_range(phantom_cases, DegradationSampler())
    return RunRecord(tmp_path, seed=3, split=Split({"a": "train"}, {"a.nii.gz": "a"}), trained_range=seen)


def test_a_training_leaves_both_ends_and_what_lies_between(
    make_trainer: Callable[..., SRGanTrainer], record: RunRecord, tmp_path: Path
) -> None:
    trainer = make_trainer(tmp_path, gan=True, handlers=[record, NetworkInterpolation(tmp_path, share=0.25)])
    assert trainer.adversary is not None
    trainer.adversary.start_step = 4
    kept: dict[str, torch.Tensor] = {}

    def keep() -> None:  # the moving average as it stands at the fourth step
        assert trainer.generator.ema is not None
        kept.update({name: value.clone() for name, value in trainer.generator.ema.module.state_dict().items()})

    trainer.add_event_handler(Events.ITERATION_COMPLETED(once=4), keep)
    trainer.run()
    faithful, end = (torch.load(tmp_path / f, weights_only=True) for f in ("model_psnr.pt", "model.pt"))
    assert all(torch.equal(value, kept[name]) for name, value in faithful.items())
    assert any(not torch.equal(value, end[name]) for name, value in faithful.items())
    mixed = load_model(tmp_path / "model_interpolated.pt").network.state_dict()
    assert all(torch.allclose(value, 0.75 * faithful[k] + 0.25 * end[k], atol=1e-6) for k, value in mixed.items())


def test_its_files_have_records_of_their_own(
    make_trainer: Callable[..., SRGanTrainer], record: RunRecord, tmp_path: Path
) -> None:
    trainer = make_trainer(tmp_path, gan=True, handlers=[record, NetworkInterpolation(tmp_path)])
    assert trainer.adversary is not None
    trainer.adversary.start_step = 2
    trainer.run()
    for kind, stage in (("model_psnr", "l1"), ("model_interpolated", "gan")):
        found = find_model(tmp_path / f"{kind}.pt")
        assert (found.name, found.stage, found.sha256) == (kind, stage, sha256(tmp_path / f"{kind}.pt"))
        assert found.network == NETWORK
        load_model(tmp_path / f"{kind}.pt")
    assert json.loads((tmp_path / "model.json").read_text(encoding="utf-8"))["name"] == "model"


def test_without_a_discriminator_there_is_nothing_between(
    make_trainer: Callable[..., SRGanTrainer], record: RunRecord, tmp_path: Path
) -> None:
    make_trainer(tmp_path, handlers=[record, NetworkInterpolation(tmp_path)]).run()
    assert (tmp_path / "model.pt").is_file()
    assert not list(tmp_path.glob("model_*.pt"))
