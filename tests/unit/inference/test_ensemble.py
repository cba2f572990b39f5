"""Several restorations of one scan, their mean and their disagreement."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from monai_sr.catalogue import ModelError, read_record, write_record
from monai_sr.data import thicken
from monai_sr.data.phantom import ellipsoids
from monai_sr.inference import SRModel, super_resolve
from monai_sr.inference import model as model_module
from monai_sr.inference.ensemble import FLIPS, RunningSpread
from monai_sr.inference.model import load_perceptual, with_fidelity
from monai_sr.intensity import body_mask, intensity_range
from monai_sr.io import Volume
from monai_sr.networks import UNetGenerator

NETWORK = {"_target_": "monai_sr.networks.UNetGenerator", "channels": [4, 8], "blocks": [1, 1]}
RANGE: dict[str, Any] = {"modalities": ["CT", "MR"], "factor": [1.1, 6.0], "width": [0.5, 2.0], "noise": [0.0, 0.5]}


@pytest.fixture
def lr() -> Volume:
    return thicken(ellipsoids((32, 32, 32), modality="MR"), axis=2, factor=4.0, noise=0.005)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A bundle with a fidelity model and the GAN stage that began from it."""
    (tmp_path / "configs").mkdir()
    (tmp_path / "models").mkdir()
    entries = {}
    for seed, (name, stage) in enumerate((("mr_fast_fidelity", "l1"), ("mr_fast_gan", "gan"))):
        torch.manual_seed(seed)
        network = UNetGenerator(channels=(4, 8), blocks=(1, 1))
        for parameter in network.parameters():
            parameter.data += 0.02 * torch.randn_like(parameter)
        file = tmp_path / "models" / f"{name}.pt"
        torch.save(network.state_dict(), file)
        entry = {"network": NETWORK, "stage": stage, "trained_range": RANGE, "size": "fast"}
        entries[name] = json.loads(write_record(file, entry).read_text(encoding="utf-8"))
    (tmp_path / "configs" / "metadata.json").write_text(json.dumps({"models": entries}), encoding="utf-8")
    return tmp_path


@pytest.fixture
def fidelity_model(bundle: Path) -> SRModel:
    return model_module.load_model(bundle)


def test_mean_and_deviation_are_numpys() -> None:
    volumes = np.random.default_rng(0).normal(100.0, 5.0, (6, 3, 4, 5)).astype(np.float32)
    spread = RunningSpread(volumes[0])
    means = [spread.mean]
    for volume in volumes[1:]:
        spread.add(volume)
        means.append(spread.mean)
    assert spread.count == len(volumes)
    for count, mean in enumerate(means, start=1):  # those taken before have not changed
        np.testing.assert_allclose(mean, volumes[:count].mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(spread.deviation, volumes.std(axis=0, ddof=1), rtol=1e-4)


def test_one_restoration_disagrees_with_nothing() -> None:
    assert not RunningSpread(np.ones((2, 2, 2), dtype=np.float32)).deviation.any()


def test_four_flips_turn_every_axis_in_half_of_the_cases() -> None:
    assert len(set(FLIPS)) == 8
    assert [sum(flips[axis] for flips in FLIPS[:4]) for axis in range(3)] == [2, 2, 2]


class Sided(torch.nn.Module):
    """Adds to every voxel a tenth of its left neighbour on each axis: nothing that mirroring leaves alone."""

    spatial_dims, size_multiple, receptive_field, consistency, factors = 3, 2, 1, False, ()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        start = x[:, :1]
        return start + 0.1 * sum(torch.roll(start, 1, dims=axis) for axis in (2, 3, 4))


def test_the_mean_of_eight_has_no_side(lr: Volume, fidelity_model: SRModel) -> None:
    """A network that leans to one side leans to none in the ensemble: it commutes with mirroring the scan."""
    model = SRModel(Sided(), fidelity_model.record)
    mirrored = lr.with_values(np.ascontiguousarray(lr.array[::-1]))
    for ensemble, equal in ((1, False), (8, True)):
        here, there = (super_resolve(v, model=model, ensemble=ensemble).volume.array for v in (lr, mirrored))
        inner = (slice(2, -2),) * 3
        assert np.allclose(here[::-1][inner], there[inner], atol=1e-3 * np.ptp(here)) == equal


def test_maps_say_where_to_doubt(lr: Volume, fidelity_model: SRModel) -> None:
    plain = super_resolve(lr, model=fidelity_model)
    result = super_resolve(lr, model=fidelity_model, maps=True)
    assert plain.maps == {} and sorted(result.maps) == ["added", "deviation", "residual"]
    np.testing.assert_array_equal(result.volume.array, plain.volume.array)  # the maps change nothing of the result
    perceptual = load_perceptual(fidelity_model)
    assert perceptual is not None and perceptual.record.name == "mr_fast_gan"
    other = super_resolve(lr, model=perceptual).volume.array
    np.testing.assert_allclose(result.maps["added"].array, np.abs(other - plain.volume.array), atol=1e-4)
    for values in (result.maps[name] for name in ("added", "deviation")):
        assert values.geometry == result.volume.geometry
        assert values.array.min() >= 0.0 and values.array.max() > 0.0


def test_the_gan_stage_has_a_say_in_the_maps_and_none_in_the_result(lr: Volume, fidelity_model: SRModel) -> None:
    plain, mapped = (super_resolve(lr, model=fidelity_model, ensemble=4, maps=maps) for maps in (False, True))
    np.testing.assert_array_equal(mapped.volume.array, plain.volume.array)
    assert mapped.maps["added"].array.max() > 0.0


def test_a_model_that_left_its_bundle_has_no_gan_stage(fidelity_model: SRModel, tmp_path: Path) -> None:
    """As ``monai-sr export`` writes it; it must not look for a bundle around itself."""
    alone = replace(fidelity_model.record, file=tmp_path / "elsewhere" / "deep" / "model.pt")
    assert load_perceptual(SRModel(fidelity_model.network, alone)) is None


def test_the_network_that_adds_nothing_leaves_no_doubt(lr: Volume, fidelity_model: SRModel) -> None:
    alone = replace(fidelity_model.record, size="")  # no GAN stage belongs to it
    model = SRModel(UNetGenerator(channels=(4, 8), blocks=(1, 1)).eval(), alone)
    result = super_resolve(lr, model=model, maps=True)
    assert list(result.maps) == ["deviation", "residual"]
    assert result.maps["deviation"].array.max() < 1e-3


def test_a_calibrated_model_says_how_large_the_error_will_be(lr: Volume, fidelity_model: SRModel) -> None:
    """Only of the modality and the network that were measured, and where the network restored every axis."""
    known = replace(fidelity_model.record, extra={"calibration": {"MR": {"scale": 0.5, "power": 0.0}}})
    model = replace(fidelity_model, record=known)
    result = super_resolve(lr, model=model, maps=True)
    width = intensity_range(lr.array, "MR", body_mask(lr.array, "MR")).width
    np.testing.assert_allclose(result.maps["expected_error"].array, 0.5 * width, rtol=1e-5)
    assert result.maps["expected_error"].geometry == result.volume.geometry
    assert "expected_error" not in super_resolve(lr, model=model, maps=True, fidelity=0.5).maps
    narrow = replace(known, trained_range={**known.trained_range, "factor": [5.5, 6.0]})
    declined = super_resolve(lr, model=replace(fidelity_model, record=narrow), maps=True)
    assert declined.report["warnings"] and "expected_error" not in declined.maps


@pytest.mark.parametrize("fidelity", [0.0, 0.4, 1.0])
def test_fidelity_is_a_network_between_the_two(lr: Volume, fidelity_model: SRModel, fidelity: float) -> None:
    model = with_fidelity(fidelity_model, fidelity)
    perceptual = load_perceptual(fidelity_model)
    assert perceptual is not None
    for name, value in model.network.state_dict().items():
        ends = fidelity_model.network.state_dict()[name], perceptual.network.state_dict()[name]
        torch.testing.assert_close(value, fidelity * ends[0] + (1.0 - fidelity) * ends[1])
    facts = super_resolve(lr, model=fidelity_model, fidelity=fidelity).report["model"]
    assert facts["name"] == "mr_fast_fidelity"
    assert facts.get("fidelity") == (None if fidelity == 1.0 else fidelity)
    assert facts.get("gan", {}).get("sha256") == (None if fidelity == 1.0 else perceptual.record.sha256)


def test_what_cannot_be_is_refused(lr: Volume, fidelity_model: SRModel, bundle: Path) -> None:
    with pytest.raises(ModelError, match=r"within 0 .GAN stage. and 1"):
        with_fidelity(fidelity_model, 1.5)
    alone = model_module.load_model(read_record(bundle / "models" / "mr_fast_gan.pt"))
    with pytest.raises(ModelError, match="has no GAN stage"):
        with_fidelity(alone, 0.5)
    with pytest.raises(ValueError, match="maps need a model"):
        super_resolve(lr, model="none", maps=True)
    with pytest.raises(ValueError, match="1, 4 or 8 members"):
        super_resolve(lr, model=fidelity_model, ensemble=2)
