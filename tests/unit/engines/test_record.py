from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from monai_sr.catalogue import find_model
from monai_sr.data import Split
from monai_sr.degradation import DegradationSampler
from monai_sr.engines import RunRecord, SRGanTrainer, export_weights, trained_range
from monai_sr.inference import load_model, super_resolve
from monai_sr.networks import UNetGenerator
from monai_sr.transforms import RandContrast


@pytest.fixture
def record(phantom_cases: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunRecord:
    network = {"_target_": "monai_sr.networks.UNetGenerator", "channels": [4, 8], "blocks": [1, 1]}
    monkeypatch.setattr("monai_sr.engines.record.running_config", lambda: {"network_def": network, "seed": 3})
    split = Split({"a": "train"}, {"a.nii.gz": "a"})
    seen = trained_range(phantom_cases, DegradationSampler(), {"CT": ["LEG", "HIP"]})
    return RunRecord(tmp_path, seed=3, split=split, trained_range=seen)


def test_the_model_of_a_training_is_what_inference_loads(
    make_trainer: Callable[..., SRGanTrainer], record: RunRecord, tmp_path: Path
) -> None:
    trainer = make_trainer(tmp_path, handlers=[record])
    trainer.run()
    model = load_model(tmp_path)
    assert trainer.generator.ema is not None
    for name, value in trainer.generator.ema.module.state_dict().items():
        assert torch.equal(value, model.network.state_dict()[name])
    assert model.record.stage == "l1"
    assert model.record.extra["steps"] == 6
    affine = np.diag([1.0, 1.0, 3.0, 1.0])
    thick = np.random.default_rng(0).normal(100.0, 20.0, (24, 24, 8)).astype("float32")
    assert super_resolve(thick, affine=affine, modality="MR", model=model).volume.array.shape == (24, 24, 24)


def test_a_record_stands_alone_without_the_references_of_its_config(
    make_trainer: Callable[..., SRGanTrainer], record: RunRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = {
        "_target_": "monai_sr.networks.UNetGenerator",
        "spatial_dims": "@dims",
        "channels": ["@width", 8],
        "blocks": [1, 1],
    }
    config = {"network_def": network, "dims": "@spatial_dims", "spatial_dims": 3, "width": 4, "text": "@elsewhere"}
    monkeypatch.setattr("monai_sr.engines.record.running_config", lambda: config)
    make_trainer(tmp_path, handlers=[record]).run()
    entry = json.loads((tmp_path / "model.json").read_text(encoding="utf-8"))["network"]
    assert (entry["spatial_dims"], entry["channels"], entry["blocks"]) == (3, [4, 8], [1, 1])
    assert load_model(tmp_path).network.spatial_dims == 3
    assert network["spatial_dims"] == "@dims"  # the config itself is left as it was written
    run = json.loads((tmp_path / "run.json").read_text(encoding="utf-8"))
    assert run["config"]["network_def"]["spatial_dims"] == "@dims"


def test_the_gan_stage_says_so(make_trainer: Callable[..., SRGanTrainer], record: RunRecord, tmp_path: Path) -> None:
    make_trainer(tmp_path, gan=True, handlers=[record]).run()
    assert find_model(tmp_path).stage == "gan"


def test_a_run_explains_itself_and_adds_up_its_seconds(
    make_trainer: Callable[..., SRGanTrainer], record: RunRecord, tmp_path: Path
) -> None:
    make_trainer(tmp_path, handlers=[record]).run()
    run = json.loads((tmp_path / "run.json").read_text(encoding="utf-8"))
    assert (run["steps_done"], run["steps"], run["seed"]) == (6, 6, 3)
    assert run["config"]["network_def"]["channels"] == [4, 8]
    assert run["versions"]["torch"] == torch.__version__
    assert run["split_sha256"] == record.split.sha256
    run["seconds"] = 1000.0
    (tmp_path / "run.json").write_text(json.dumps(run), encoding="utf-8")
    make_trainer(tmp_path, handlers=[record]).run()
    assert json.loads((tmp_path / "run.json").read_text(encoding="utf-8"))["seconds"] >= 1000.0


def test_trained_range_spans_all_cases(phantom_cases: list[dict[str, Any]]) -> None:
    sampler = DegradationSampler(factor_limits=(1.5, 4.0), width=(0.8, 1.2), max_noise=0.03)
    seen = trained_range(phantom_cases, sampler, {"MR": ["HEAD", "BRAIN"]})
    json.dumps(seen)
    assert seen["factor"] == [1.5, 4.0]
    assert seen["width"] == [0.8, 1.2]
    own = max(case["noise"] for case in phantom_cases)
    assert seen["noise"] == [0.0, pytest.approx((own**2 + 0.03**2) ** 0.5)]
    for case in phantom_cases:
        for name, (low, high) in seen["contrast"][case["modality"]].items():
            assert low <= case["contrast"][name] <= high
    assert (seen["modalities"], seen["body_parts"]) == (["CT", "MR"], {"MR": ["BRAIN", "HEAD"]})


def test_trained_range_knows_that_contrasts_were_changed(phantom_cases: list[dict[str, Any]]) -> None:
    """A network trained on changed contrasts has seen more than the volumes show, and can be used on more."""
    plain = trained_range(phantom_cases, DegradationSampler(), patch=20)["contrast"]
    wide = trained_range(phantom_cases, DegradationSampler(), change=RandContrast(), patch=20)["contrast"]
    for modality in ("CT", "MR"):
        for name in ("median", "spread"):
            assert wide[modality][name][0] <= plain[modality][name][0]
            assert wide[modality][name][1] >= plain[modality][name][1]
        assert np.diff(wide[modality]["spread"]) > np.diff(plain[modality]["spread"]) + 0.1
    again = trained_range(phantom_cases, DegradationSampler(), change=RandContrast(), patch=20)["contrast"]
    assert again == wide


def test_trained_range_of_real_pairs_is_measured() -> None:
    pairs = [
        {"modality": "MR", "noise": n, "factor": f, "width": 1.0, "contrast": {"median": 0.4, "spread": 0.5}}
        for n, f in ((0.01, 3.0), (0.02, 5.0))
    ]
    seen = trained_range(pairs)
    assert (seen["factor"], seen["width"], seen["noise"]) == ([3.0, 5.0], [1.0, 1.0], [0.0, 0.02])


def test_exported_weights_are_plain_whatever_the_memory_format(tmp_path: Path) -> None:
    network = UNetGenerator(channels=(4, 8), blocks=(1, 1)).to(memory_format=torch.channels_last_3d)
    export_weights(network, tmp_path / "model.pt")
    state = torch.load(tmp_path / "model.pt", weights_only=True)
    assert all(value.is_contiguous() for value in state.values())
    assert [p.name for p in tmp_path.iterdir()] == ["model.pt"]


def test_the_range_names_the_slice_profiles(phantom_cases: list[dict[str, Any]]) -> None:
    drawn = trained_range(phantom_cases, DegradationSampler())["profiles"]
    assert drawn == ["box", "gaussian", "kspace", "sinc"]
    assert trained_range(phantom_cases, DegradationSampler(), profiles=["sinc", "box"])["profiles"] == ["box", "sinc"]
