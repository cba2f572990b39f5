"""Between a faithful and a perceptual network: the weights on the line, and the files that a training leaves."""

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
from monai_sr.engines import NetworkInterpolation, RunRecord, SRGanTrainer, interpolate_weights, trained_range
from monai_sr.inference import load_model

NETWORK = {"_target_": "monai_sr.networks.UNetGenerator", "channels": [4, 8], "blocks": [1, 1]}


def test_a_linear_network_between_two_gives_the_answer_between_theirs() -> None:
    ends = [torch.nn.Linear(3, 2), torch.nn.Linear(3, 2)]
    between = torch.nn.Linear(3, 2)
    between.load_state_dict(interpolate_weights(ends[0].state_dict(), ends[1].state_dict(), 0.8))
    x = torch.rand(5, 3)
    assert torch.allclose(between(x), 0.2 * ends[0](x) + 0.8 * ends[1](x), atol=1e-6)


def test_the_ends_of_the_line_are_the_two_networks() -> None:
    first, second = {"w": torch.rand(4)}, {"w": torch.rand(4)}
    assert torch.equal(interpolate_weights(first, second, 0.0)["w"], first["w"])
    assert torch.allclose(interpolate_weights(first, second, 1.0)["w"], second["w"])


def test_counters_are_not_mixed() -> None:
    ends = [torch.nn.BatchNorm1d(2), torch.nn.BatchNorm1d(2)]
    for norm, batches in zip(ends, (3, 7), strict=True):
        for _ in range(batches):
            norm(torch.rand(4, 2))
    mixed = interpolate_weights(ends[0].state_dict(), ends[1].state_dict(), 0.5)
    assert (mixed["num_batches_tracked"].dtype, int(mixed["num_batches_tracked"])) == (torch.int64, 7)
    assert torch.allclose(mixed["running_mean"], (ends[0].running_mean + ends[1].running_mean) / 2)  # type: ignore[operator]


@pytest.mark.parametrize(
    ("first", "second", "share", "sentence"),
    [
        ({"a": torch.zeros(1)}, {"b": torch.zeros(1)}, 0.5, "differ in names or shapes"),
        ({"a": torch.zeros(1)}, {"a": torch.zeros(2)}, 0.5, "differ in names or shapes"),
        ({"a": torch.zeros(1)}, {"a": torch.zeros(1)}, 1.2, "within 0 and 1, got 1.2"),
    ],
)
def test_what_cannot_be_mixed_is_refused(first: Any, second: Any, share: float, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        interpolate_weights(first, second, share)


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
