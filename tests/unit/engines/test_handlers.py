from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from ignite.engine import Events
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from monai_sr.engines import CollapseWarning, LossLog, Progress, SRGanTrainer, TensorBoard, image_panel


def test_the_loss_log_holds_the_mean_of_every_named_term(
    make_trainer: Callable[..., SRGanTrainer], tmp_path: Path
) -> None:
    log = LossLog(tmp_path, every=2)
    trainer = make_trainer(tmp_path, gan=True, handlers=[log])
    values: list[float] = []
    trainer.add_event_handler(
        Events.ITERATION_COMPLETED, lambda e: values.append(e.state.output["losses"]["discriminator"])
    )
    trainer.run()
    rows = log.rows()
    assert [row["step"] for row in rows] == [2, 4, 6]
    assert rows[1]["discriminator"] == pytest.approx((values[2] + values[3]) / 2)
    assert {"l1", "adversarial", "grad_norm", "d_real", "d_fake", "learning_rate"} <= set(rows[0])
    assert (tmp_path / "losses.png").read_bytes().startswith(b"\x89PNG")


def test_an_epoch_shorter_than_the_interval_is_logged(
    make_trainer: Callable[..., SRGanTrainer], tmp_path: Path
) -> None:
    log = LossLog(tmp_path, every=50)
    make_trainer(tmp_path, handlers=[log]).run()
    assert [row["step"] for row in log.rows()] == [2, 4, 6]


def test_lines_of_steps_that_are_taken_again_are_dropped(
    make_trainer: Callable[..., SRGanTrainer], tmp_path: Path
) -> None:
    make_trainer(tmp_path, handlers=[LossLog(tmp_path, every=1)]).run()
    (tmp_path / "checkpoint_0000006.pt").unlink()
    log = LossLog(tmp_path, every=1)
    make_trainer(tmp_path, handlers=[log]).run()
    assert [row["step"] for row in log.rows()] == [1, 2, 3, 4, 5, 6]


def feed(warning: CollapseWarning, loss: float, real: float, fake: float, steps: int) -> None:
    for step in range(1, steps + 1):
        losses = {"discriminator": loss, "d_real": real, "d_fake": fake}
        engine: Any = SimpleNamespace(state=SimpleNamespace(output={"losses": losses}, iteration=step))
        warning._watch(engine)


@pytest.mark.parametrize(
    ("loss", "real", "fake", "expected"),
    [
        (0.001, 1.0, 0.0, "the discriminator has won"),
        (0.25, 0.5, 0.5, "cannot tell HR from SR"),
        (0.2, 0.7, 0.3, None),
    ],
)
def test_a_discriminator_that_teaches_nothing_is_named(
    caplog: pytest.LogCaptureFixture, loss: float, real: float, fake: float, expected: str | None
) -> None:
    warning = CollapseWarning(window=10)
    with caplog.at_level(logging.WARNING):
        feed(warning, loss, real, fake, 9)
        assert caplog.text == ""  # the window is not full
        feed(warning, loss, real, fake, 1)
    assert (expected in caplog.text) if expected else caplog.text == ""


def test_a_discriminator_that_has_not_begun_is_not_watched(caplog: pytest.LogCaptureFixture) -> None:
    """Steps without it count for nothing: not as a collapse, and not towards the window."""
    warning = CollapseWarning(window=3)
    waits: Any = SimpleNamespace(state=SimpleNamespace(output={"losses": {"l1": 0.1, "generator": 0.1}}, iteration=1))
    with caplog.at_level(logging.WARNING):
        for _ in range(10):
            warning._watch(waits)
        feed(warning, 0.001, 1.0, 0.0, 2)
        assert caplog.text == ""
        feed(warning, 0.001, 1.0, 0.0, 1)
    assert "the discriminator has won" in caplog.text


def test_collapse_in_a_real_training(
    make_trainer: Callable[..., SRGanTrainer], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A discriminator that cannot learn is blind: it gives HR and SR of an untrained generator nearly equal logits."""
    trainer = make_trainer(tmp_path, gan=True, handlers=[CollapseWarning(window=6, blind=0.05)])
    assert trainer.adversary is not None
    for group in trainer.adversary.learner.optimizer.param_groups:
        group["lr"] = 0.0
    trainer.adversary.learner.scheduler = None
    with caplog.at_level(logging.WARNING):
        trainer.run()
    assert "cannot tell HR from SR" in caplog.text


def test_tensorboard_holds_scalars_and_images(make_trainer: Callable[..., SRGanTrainer], tmp_path: Path) -> None:
    make_trainer(tmp_path, gan=True, handlers=[TensorBoard(tmp_path, every=1)]).run()
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [e.step for e in events.Scalars("train/l1")] == [1, 2, 3, 4, 5, 6]
    assert "train/d_real" in events.Tags()["scalars"]
    assert len(events.Images("start, result, truth, error x 4")) == 3


@pytest.mark.parametrize("shape", [(2, 1, 8, 6, 4), (2, 1, 6, 4)])
def test_the_panel_shows_start_result_truth_and_error(shape: tuple[int, ...]) -> None:
    hr = torch.full(shape, 0.5)
    panel = image_panel(torch.zeros(shape), hr + 0.1, hr)
    assert panel.shape == (1, 6, 16)
    assert [round(float(panel[0, 0, 4 * i]), 4) for i in range(4)] == [0.0, 0.6, 0.5, 0.9]


def test_progress_does_not_hide_an_error(make_trainer: Callable[..., SRGanTrainer], tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path, handlers=[Progress()])
    trainer.add_event_handler(Events.ITERATION_COMPLETED(once=2), lambda: (_ for _ in ()).throw(OSError("disk")))
    with pytest.raises(OSError, match="disk"):
        trainer.run()


def test_rows_are_plain_json(make_trainer: Callable[..., SRGanTrainer], tmp_path: Path) -> None:
    make_trainer(tmp_path, handlers=[LossLog(tmp_path, every=1)]).run()
    lines = (tmp_path / "losses.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 6
    assert all(isinstance(json.loads(line)["l1"], float) for line in lines)
