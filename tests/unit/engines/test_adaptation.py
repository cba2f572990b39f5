"""A model is tuned on a scan only if the scan's own held-out slices say so; what happened stands in its record."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from monai_sr.engines.adaptation import Budget, adapt, adaptation_in_words
from monai_sr.inference import SRModel, super_resolve
from monai_sr.io import InputError, Volume
from monai_sr.networks import UNetGenerator

ScanModel = Callable[..., SRModel]


def weights(model: SRModel) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in model.network.parameters()])


def test_better_on_held_out_slices_and_adopted(thick_scan: Volume, scan_model: ScanModel) -> None:
    model = scan_model()
    before = weights(model).clone()
    tuned = adapt(model, thick_scan, Budget(5.0, max_steps=40), device="cpu", learning_rate=2e-3)
    facts = tuned.adaptation
    assert facts is not None
    assert facts["adopted"], facts
    assert facts["steps"] == 40
    assert all(b > a for a, b in zip(facts["psnr_before"], facts["psnr_after"], strict=True))
    assert torch.equal(weights(model), before)  # a copy was tuned
    assert not torch.equal(weights(tuned), before)
    assert not tuned.network.training
    json.dumps(facts, allow_nan=False)
    result = super_resolve(thick_scan, model=tuned, device="cpu")
    assert result.report["model"]["adaptation"] == facts
    assert "held-out slices" in adaptation_in_words(tuned)
    shipped = super_resolve(thick_scan, model=model, device="cpu")
    assert "adaptation" not in shipped.report["model"]
    assert result.volume.geometry.shape == shipped.volume.geometry.shape
    np.testing.assert_array_equal(result.volume.geometry.affine, shipped.volume.geometry.affine)
    assert np.abs(result.volume.array - shipped.volume.array).max() > 0


def test_equal_steps_give_equal_weights(thick_scan: Volume, scan_model: ScanModel) -> None:
    torch.manual_seed(1)
    first = adapt(scan_model(), thick_scan, Budget(5.0, max_steps=3), device="cpu", learning_rate=2e-3)
    state = torch.random.get_rng_state()
    second = adapt(scan_model(), thick_scan, Budget(5.0, max_steps=3), device="cpu", learning_rate=2e-3)
    assert first.adaptation is not None
    assert second.adaptation is not None
    keys = ("weights_sha256", "psnr_after", "adopted")
    assert [first.adaptation.get(k) for k in keys] == [second.adaptation.get(k) for k in keys]
    assert torch.equal(torch.random.get_rng_state(), state)  # what the caller draws next does not depend on it


@pytest.mark.parametrize("learning_rate", [0.3, 1e6])
def test_worse_and_the_model_stays_as_it_was(thick_scan: Volume, scan_model: ScanModel, learning_rate: float) -> None:
    model = scan_model()
    tuned = adapt(model, thick_scan, Budget(5.0, max_steps=10), device="cpu", learning_rate=learning_rate)
    facts = tuned.adaptation
    assert facts is not None
    assert facts["adopted"] is False
    assert tuned.network is model.network
    assert "weights_sha256" not in facts
    assert any(said in adaptation_in_words(tuned) for said in ("were not restored better", "diverged"))
    adapted, shipped = (super_resolve(thick_scan, model=m, device="cpu").volume.array for m in (tuned, model))
    np.testing.assert_array_equal(adapted, shipped)


def test_the_budget_is_kept_and_holds_both_measurements(thick_scan: Volume, scan_model: ScanModel) -> None:
    """By a clock of its own, which moves one second each time that somebody looks."""
    seconds = iter(range(10_000))
    budget = Budget(1.0, clock=lambda: float(next(seconds)))
    tuned = adapt(scan_model(), thick_scan, budget, device="cpu")
    assert tuned.adaptation is not None
    assert 40 < tuned.adaptation["steps"] < 60
    assert 50 < tuned.adaptation["seconds"] <= 66


def test_no_time_is_said(thick_scan: Volume, scan_model: ScanModel) -> None:
    model = scan_model()
    tuned = adapt(model, thick_scan, Budget(1e-6), device="cpu")
    assert tuned.adaptation is not None
    assert tuned.adaptation["steps"] == 0
    assert "no time left" in adaptation_in_words(tuned)
    assert tuned.network is model.network


def test_a_scan_on_which_the_network_is_not_used_costs_no_training(thick_scan: Volume, scan_model: ScanModel) -> None:
    tuned = adapt(scan_model(factor=[4.0, 6.0]), thick_scan, Budget(5.0), device="cpu")
    assert tuned.adaptation is not None
    assert tuned.adaptation["adopted"] is False
    assert "not used on this scan" in adaptation_in_words(tuned)


def test_a_network_of_slices_is_refused(thick_scan: Volume, scan_model: ScanModel) -> None:
    flat = replace(scan_model(), network=UNetGenerator(spatial_dims=2, channels=(4, 8), blocks=(1, 1)))
    with pytest.raises(InputError, match="restores slices"):
        adapt(flat, thick_scan, Budget(1.0))
