"""A dictionary takes the trainer's place: it leaves what a training leaves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from monai_sr.data import SeededPatchDataset, Split
from monai_sr.degradation import DegradationSampler
from monai_sr.engines import DictionaryTraining, RunRecord, trained_range
from monai_sr.inference import load_model, super_resolve
from monai_sr.networks import CoupledDictionary
from monai_sr.transforms import RandSimulatePatchd

ARGUMENTS = {"spatial_dims": 3, "atoms": 24, "patch": 3, "nonzeros": 2, "components": 8}


class Counted(SeededPatchDataset):
    """Remembers which samples were asked for."""

    def __init__(self, *words: Any, **more: Any) -> None:
        super().__init__(*words, **more)
        self.asked: list[int] = []

    def __getitem__(self, index: int) -> Any:
        self.asked.append(index)
        return super().__getitem__(index)


@pytest.fixture
def training(
    phantom_cases: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> DictionaryTraining:
    network = {"_target_": "monai_sr.networks.CoupledDictionary", **ARGUMENTS}
    monkeypatch.setattr("monai_sr.engines.record.running_config", lambda: {"network_def": network})
    seen = trained_range(phantom_cases, DegradationSampler())
    record = RunRecord(tmp_path, seed=3, split=Split({"a": "train"}, {"a.nii.gz": "a"}), trained_range=seen)
    return DictionaryTraining(
        Counted(phantom_cases, [RandSimulatePatchd(16)], seed=3),
        CoupledDictionary(**ARGUMENTS),
        record,
        steps=2,
        batch_size=2,
        fit={"patches": 200, "patches_per_sample": 50, "epochs": 1},
    )


def test_it_leaves_a_model_that_inference_loads(training: DictionaryTraining, tmp_path: Path) -> None:
    training.run()
    model = load_model(tmp_path)
    assert model.record.stage == "dictionary"
    for name, value in training.network.state_dict().items():
        assert torch.equal(value, model.network.state_dict()[name])
    assert float(sum(value.float().abs().sum() for value in training.network.state_dict().values())) > 0
    thick = np.random.default_rng(0).normal(100.0, 20.0, (24, 24, 12)).astype("float32")
    result = super_resolve(thick, affine=np.diag([1.0, 1.0, 2.0, 1.0]), modality="MR", model=model)
    assert result.volume.array.shape == (24, 24, 24)


def test_its_run_is_told_as_that_of_a_network(training: DictionaryTraining, tmp_path: Path) -> None:
    training.run()
    run = json.loads((tmp_path / "run.json").read_text(encoding="utf-8"))
    assert (run["steps"], run["steps_done"], run["device"], run["seed"]) == (2, 2, "cpu", 3)
    assert 0 <= run["seconds"] < 600


def test_it_learns_from_the_samples_that_a_network_takes_and_no_others(training: DictionaryTraining) -> None:
    training.run()
    assert isinstance(training.dataset, Counted)
    assert set(training.dataset.asked) <= set(range(4))
    assert training.dataset.asked == sorted(training.dataset.asked)
