"""Loading weights: what is asked for and intact, or a sentence; never code from a file."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from monai_sr.catalogue import ModelError, ModelRecord, write_record
from monai_sr.degradation import SliceProfile, conditions_of, with_conditions
from monai_sr.inference import DeviceError, load_model, select_device
from monai_sr.inference.model import AddedDetail, build_network
from monai_sr.inference.precision import native_bfloat16
from monai_sr.intensity import IntensityRange
from monai_sr.networks import UNetGenerator

NETWORK = {"_target_": "monai_sr.networks.UNetGenerator", "channels": [4, 8], "blocks": [1, 1]}


def save(folder: Path, state: Any = None, **entry: Any) -> Path:
    """Weights and their record, as a training leaves them."""
    file = folder / "mine.pt"
    torch.save(UNetGenerator(channels=(4, 8), blocks=(1, 1)).state_dict() if state is None else state, file)
    write_record(file, {"network": NETWORK, "stage": "l1", "trained_range": {}, **entry})
    return file


def test_what_was_saved_is_loaded_ready_for_use(tmp_path: Path) -> None:
    original = UNetGenerator(channels=(4, 8), blocks=(1, 1))
    nn.init.normal_(original.head_out.conv.weight)
    model = load_model(save(tmp_path, original.state_dict()))
    assert not model.network.training
    x = torch.rand(1, 7, 16, 16, 16)
    torch.testing.assert_close(model.network(x), original.eval()(x))


def test_changed_weights_are_refused(tmp_path: Path) -> None:
    file = save(tmp_path)
    with file.open("ab") as stream:
        stream.write(b"x")
    with pytest.raises(ModelError, match="is not the recorded"):
        load_model(file)


def test_code_in_a_weights_file_does_not_run(tmp_path: Path) -> None:
    canary = tmp_path / "canary"

    class Payload:
        def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
            return (Path.touch, (canary,))

    file = tmp_path / "mine.pt"
    file.write_bytes(pickle.dumps(Payload()))
    write_record(file, {"network": NETWORK, "stage": "l1", "trained_range": {}})
    with pytest.raises(ModelError, match="not a weights-only state dict"):
        load_model(file)
    assert not canary.exists()


@pytest.mark.parametrize(
    ("network", "words"),
    [
        ({"_target_": "os.system", "command": "true"}, "is not a network of monai_sr.networks"),
        ({"_target_": "monai_sr.networks.contract"}, "is not a network"),
        ({}, "is not a network"),
        ({**NETWORK, "colour": "red"}, "does not fit UNetGenerator"),
        ({**NETWORK, "blocks": [1]}, "must name the same levels"),
    ],
)
def test_a_record_names_a_network_of_ours_or_is_refused(network: dict[str, Any], words: str) -> None:
    with pytest.raises(ModelError, match=words):
        build_network(ModelRecord("mine", Path("mine.pt"), "", network, "l1", {}))


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="does not fit the network of its record"):
        load_model(save(tmp_path, network={**NETWORK, "channels": [8, 8]}))


def test_weights_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    state = UNetGenerator(channels=(4, 8), blocks=(1, 1)).state_dict()
    state["head_out.conv.bias"][0] = float("nan")
    with pytest.raises(ModelError, match="not finite"):
        load_model(save(tmp_path, state))


def test_missing_weights_are_said_to_be_missing(tmp_path: Path) -> None:
    record = ModelRecord("mine", tmp_path / "mine.pt", "", NETWORK, "l1", {})
    with pytest.raises(ModelError, match="weights of model mine are missing"):
        load_model(record)


def test_devices() -> None:
    assert select_device("cpu").type == "cpu"
    assert select_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    with pytest.raises(DeviceError, match="unknown device"):
        select_device("abacus")
    if not torch.cuda.is_available():
        with pytest.raises(DeviceError, match="not available"):
            select_device("cuda:1")


class Seen(nn.Module):
    """Keeps what it was shown, and adds a tenth of the range."""

    spatial_dims, size_multiple, receptive_field, factors, consistency = 3, 2, 1, (), True

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.input = x
        return x[:, :1] + 0.1


def test_the_network_works_in_units_of_the_range() -> None:
    seen = Seen()
    added = AddedDetail(seen, IntensityRange(-1000.0, 1000.0), factor=3.0, profile=SliceProfile("kspace"), noise=0.02)
    x = torch.full((1, 2, 4, 4, 4), 500.0)
    torch.testing.assert_close(added(x), torch.full((1, 1, 4, 4, 4), 200.0))
    for channel, value in enumerate((0.75, 0.75, 0.75, 1.0, 0.6, 1.0, 0.0)):
        torch.testing.assert_close(seen.input[0, channel], torch.full((4, 4, 4), value))
    assert (added.size_multiple, added.receptive_field) == (2, 1)


def test_metal_is_clamped_for_the_network_only() -> None:
    """What the network adds to a voxel does not grow with how far the voxel lies outside the range."""
    added = AddedDetail(Seen(), IntensityRange(-1000.0, 1000.0), factor=2.0, profile=SliceProfile("box"), noise=0.0)
    torch.testing.assert_close(added(torch.full((1, 2, 2, 2, 2), 30000.0)), torch.full((1, 1, 2, 2, 2), 200.0))


def test_the_network_computes_in_bfloat16_where_the_machine_does_and_the_result_stays_float32() -> None:
    if not native_bfloat16(torch.device("cpu")):
        pytest.skip("this CPU computes no bfloat16")
    torch.manual_seed(0)
    network = UNetGenerator(channels=(8, 16), blocks=(1, 1)).eval()
    torch.nn.init.normal_(network.head_out.conv.weight, std=0.05)
    x = torch.rand(1, 2, 16, 16, 16)
    range_ = IntensityRange(0.0, 1.0)
    found = []
    for precision in ("float32", "auto"):
        detail = AddedDetail(network, range_, factor=2.0, profile=SliceProfile("box"), noise=0.0, precision=precision)
        with torch.inference_mode():
            found.append(detail(x))
    exact, fast = found
    assert exact.dtype == fast.dtype == torch.float32
    assert 0 < (exact - fast).abs().max() < 0.02 * exact.abs().max()


def test_conditions_apart_are_the_conditions_in_the_tensor() -> None:
    torch.manual_seed(0)
    network = UNetGenerator(channels=(8, 16), blocks=(1, 1)).eval()
    torch.nn.init.normal_(network.head_out.conv.weight, std=0.3)
    images, arguments = torch.rand(1, 2, 16, 16, 16), {"factor": 3.0, "profile": SliceProfile("box"), "noise": 0.01}
    with torch.inference_mode():
        apart = network(images, conditions_of(images, **arguments))
        assert torch.equal(apart, network(with_conditions(images, **arguments)))
