"""OpenVINO computes what torch computes, and gives its memory back."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from monai_sr import super_resolve
from monai_sr.inference import SRModel, engine
from monai_sr.inference.engine import EngineError, OpenVINONetwork, on_engine, select_engine
from monai_sr.intensity import intensity_range
from monai_sr.io import Volume
from monai_sr.networks import SRCNN, UNetGenerator

MakeModel = Callable[..., SRModel]
CPU = torch.device("cpu")


@pytest.fixture
def openvino() -> Any:
    if not engine.find_spec("openvino"):
        pytest.skip("the extra [openvino] is not installed")
    return engine._openvino()


@pytest.mark.parametrize("scale", [[1, 1, 3], [2, 1, 3]])
def test_it_gives_what_torch_gives(openvino: Any, thick_mr: Volume, make_model: MakeModel, scale: list[float]) -> None:
    """Whatever the tile, each of whose shapes is compiled anew."""
    width, model = intensity_range(thick_mr.array, "MR").width, make_model(0.1)
    common: dict[str, Any] = {"scale": scale, "model": model, "precision": "float32"}
    expected = super_resolve(thick_mr, engine="torch", **common)
    none = super_resolve(thick_mr, scale=scale, model="none").volume.array
    assert np.abs(expected.volume.array - none).max() > 0.01 * width
    for tile in (None, 16):
        found = super_resolve(thick_mr, engine="openvino", tile=tile, **common)
        np.testing.assert_allclose(found.volume.array, expected.volume.array, atol=1e-4 * width)
        assert (found.report["engine"], found.report["precision"]) == ("openvino", "float32")
        assert found.report["versions"]["openvino"] == openvino.__version__.partition("-")[0]
    assert expected.report["engine"] == "torch"
    assert "openvino" not in expected.report["versions"]


def test_the_shipped_model_in_an_ensemble_with_maps(openvino: Any, thick_mr: Volume) -> None:
    width = intensity_range(thick_mr.array, "MR").width
    torchs, other = (
        super_resolve(thick_mr, engine=name, precision="float32", maps=True) for name in ("torch", "openvino")
    )
    np.testing.assert_allclose(other.volume.array, torchs.volume.array, atol=1e-4 * width)
    assert other.maps.keys() == torchs.maps.keys()
    for name, volume in torchs.maps.items():
        np.testing.assert_allclose(other.maps[name].array, volume.array, atol=1e-3 * width)


def test_a_network_of_slices(openvino: Any) -> None:
    torch.manual_seed(0)
    network = UNetGenerator(spatial_dims=2, channels=(8, 16), blocks=(1, 1)).eval()
    torch.nn.init.normal_(network.head_out.conv.weight, std=0.1)
    images, conditions = torch.rand(3, 2, 24, 20), torch.rand(1, 5, 1, 1).expand(3, 5, 24, 20)
    with torch.inference_mode():
        expected = network(images, conditions)
        found = OpenVINONetwork(network)(images, conditions)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


def test_a_network_is_converted_once_and_goes_with_its_owner(openvino: Any, make_model: MakeModel) -> None:
    model = make_model(0.1)
    first, second = on_engine(model, "openvino"), on_engine(model, "openvino")
    assert first.network is second.network
    assert first.record is model.record
    kept = weakref.ref(model.network)
    del model
    gc.collect()
    assert kept() is None
    assert not len(engine._converted_before)


def test_working_memory_is_given_back(openvino: Any, thick_mr: Volume, make_model: MakeModel) -> None:
    model = make_model(0.1)
    super_resolve(thick_mr, model=model, engine="openvino")
    assert on_engine(model, "openvino").network._compiled is None


def test_networks_of_others_stay_with_torch(openvino: Any, make_model: MakeModel) -> None:
    other = SRModel(SRCNN(channels=(4, 2)).eval(), make_model().record)
    assert on_engine(other, "openvino") is other


@pytest.mark.parametrize(
    ("asked", "device", "bfloat16", "machine", "installed", "expected"),
    [
        ("auto", "cpu", False, "x86_64", True, "openvino"),
        ("auto", "cpu", True, "x86_64", True, "torch"),
        ("auto", "cpu", False, "arm64", True, "torch"),
        ("auto", "cpu", False, "x86_64", False, "torch"),
        ("auto", "cuda", False, "x86_64", True, "torch"),
        ("torch", "cpu", False, "x86_64", True, "torch"),
        ("openvino", "cpu", True, "x86_64", True, "openvino"),
    ],
)
def test_the_choice(
    monkeypatch: pytest.MonkeyPatch,
    asked: Any,
    device: str,
    bfloat16: bool,
    machine: str,
    installed: bool,
    expected: str,
) -> None:
    monkeypatch.setattr(engine, "find_spec", lambda name: object() if installed else None)
    monkeypatch.setattr(engine.platform, "machine", lambda: machine)
    dtype = torch.bfloat16 if bfloat16 else torch.float32
    monkeypatch.setattr(engine, "network_dtype", lambda precision, device: dtype)
    assert select_engine(asked, torch.device(device), "auto", voxels=8_000_000) == expected
    small = "openvino" if asked == "openvino" else "torch"
    assert select_engine(asked, torch.device(device), "auto", voxels=2_000_000) == small


def test_what_cannot_be_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(EngineError, match=r"not on cuda; use --device cpu"):
        monkeypatch.setattr(engine, "find_spec", lambda name: object())
        select_engine("openvino", torch.device("cuda"), "auto")
    monkeypatch.setattr(engine, "find_spec", lambda name: None)
    with pytest.raises(EngineError, match=r"not installed; pip install .*monai_sr\[openvino\]"):
        select_engine("openvino", CPU, "auto")


def test_nothing_is_sent_to_anyone(openvino: Any) -> None:
    """OpenVINO's package reports its import; here it finds nobody to tell."""
    script = """
import socket, sys
def refuse(*words, **more): raise AssertionError("somebody is called")
socket.socket.connect = socket.getaddrinfo = refuse
from monai_sr.inference import load_model
from monai_sr.inference.engine import on_engine
on_engine(load_model("default"), "openvino")
print("openvino" in sys.modules, [name for name, module in sys.modules.items() if "telemetry" in name and module])
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=300, check=False)
    assert ended.returncode == 0, ended.stderr
    loaded = ended.stdout.split(maxsplit=1)
    assert loaded[0] == "True"
    assert "openvino_telemetry" not in loaded[1], loaded
