from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from monai_sr.engines import ConfigRefused, SRGanTrainer, latest_checkpoint


def test_two_checkpoints_are_kept_and_load_weights_only(
    make_trainer: Callable[..., SRGanTrainer], tmp_path: Path
) -> None:
    make_trainer(tmp_path, gan=True).run()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["checkpoint_0000004.pt", "checkpoint_0000006.pt"]
    state = torch.load(tmp_path / "checkpoint_0000006.pt", weights_only=True)
    assert (state["step"], state["epoch"]) == (6, 3)
    assert type(state["step"]) is int


def test_a_damaged_checkpoint_is_named_and_the_one_before_taken(
    make_trainer: Callable[..., SRGanTrainer], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    make_trainer(tmp_path).run()
    newest = tmp_path / "checkpoint_0000006.pt"
    newest.write_bytes(newest.read_bytes()[:1000])
    with caplog.at_level(logging.WARNING):
        found = latest_checkpoint(tmp_path)
    assert found is not None and found[0].name == "checkpoint_0000004.pt"
    assert "checkpoint_0000006.pt cannot be read" in caplog.text
    resumed = make_trainer(tmp_path)
    resumed.run()
    assert resumed.state.iteration == 6
    assert torch.load(newest, weights_only=True)["step"] == 6  # made anew


def test_resuming_is_said(
    make_trainer: Callable[..., SRGanTrainer], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    make_trainer(tmp_path).run()
    with caplog.at_level(logging.INFO):
        make_trainer(tmp_path).run()
    assert "checkpoint_0000006.pt at step 6" in caplog.text


def test_without_resume_nothing_is_overwritten(make_trainer: Callable[..., SRGanTrainer], tmp_path: Path) -> None:
    make_trainer(tmp_path).run()
    with pytest.raises(ConfigRefused, match="resume is off; choose another output_dir"):
        make_trainer(tmp_path, resume=False).run()


def test_a_checkpoint_of_another_training_is_refused(make_trainer: Callable[..., SRGanTrainer], tmp_path: Path) -> None:
    make_trainer(tmp_path).run()
    with pytest.raises(ConfigRefused, match=r"of a training with other parts.*discriminator_network"):
        make_trainer(tmp_path, gan=True).run()
