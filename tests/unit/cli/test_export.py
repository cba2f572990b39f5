from __future__ import annotations

import json
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from monai_sr import super_resolve
from monai_sr.catalogue import ModelError, find_model, models, write_record
from monai_sr.data import phantom
from monai_sr.inference import load_model
from monai_sr.networks import UNetGenerator

NETWORK = {"_target_": "monai_sr.networks.UNetGenerator", "spatial_dims": 3, "channels": [4, 8], "blocks": [1, 1]}


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """What a training leaves behind, with weights that change something."""
    folder = tmp_path_factory.mktemp("run")
    torch.manual_seed(0)
    network = UNetGenerator(channels=(4, 8), blocks=(1, 1))
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    torch.save(network.state_dict(), folder / "model.pt")
    wide = {"CT": {}, "MR": {}}
    limits = {"modalities": ["CT", "MR"], "factor": [1.1, 6], "width": [0.5, 2], "noise": [0, 1], "contrast": wide}
    entry = {"network": NETWORK, "stage": "l1", "trained_range": limits, "description": "a test", "steps": 7}
    write_record(folder / "model.pt", entry)
    return folder


def test_the_exported_folder_is_the_same_model(run, trained, tmp_path):
    ended = run("export", trained, "-o", tmp_path / "exported")
    assert ended.code == 0, ended.err
    assert sorted(p.name for p in (tmp_path / "exported").iterdir()) == ["model.json", "model.pt"]
    before, after = find_model(trained), find_model(tmp_path / "exported")
    assert (after.sha256, after.network, after.trained_range) == (before.sha256, before.network, before.trained_range)
    assert after.extra["steps"] == 7
    thick = phantom.ellipsoids((24, 24, 12), (1.0, 1.0, 3.0), modality="MR")
    results = [super_resolve(thick, model=p, device="cpu") for p in (trained, tmp_path / "exported")]
    np.testing.assert_array_equal(results[0].volume.array, results[1].volume.array)


def test_half_precision_is_half_the_file_and_the_same_volume(run, tmp_path):
    torch.manual_seed(1)
    network = UNetGenerator(channels=(16, 16), blocks=(1, 1))
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.02)
    torch.save(network.state_dict(), tmp_path / "model.pt")
    wide = {"modalities": ["MR"], "factor": [1.1, 6], "width": [0.5, 2], "noise": [0, 1], "contrast": {"MR": {}}}
    entry = {"network": {**NETWORK, "channels": [16, 16]}, "stage": "l1", "trained_range": wide}
    write_record(tmp_path / "model.pt", entry)
    ended = run("export", tmp_path, "-o", tmp_path / "half", "--half")
    assert ended.code == 0, ended.err
    whole, half = find_model(tmp_path), find_model(tmp_path / "half")
    assert half.file.stat().st_size < 0.6 * whole.file.stat().st_size
    assert next(load_model(half).network.parameters()).dtype == torch.float32
    thick = phantom.ellipsoids((24, 24, 12), (1.0, 1.0, 3.0), modality="MR")
    results = [super_resolve(thick, model=p, device="cpu").volume.array for p in (tmp_path, tmp_path / "half")]
    assert not np.array_equal(*results)
    np.testing.assert_allclose(*results, atol=1e-3 * float(np.ptp(thick.array)))
    for parameter in network.parameters():
        parameter.data.fill_(1e5)
    torch.save(network.state_dict(), tmp_path / "model.pt")
    write_record(tmp_path / "model.pt", entry)
    ended = run("export", tmp_path, "-o", tmp_path / "too_large", "--half")
    assert ended.code == 3
    assert "weights beyond 65504" in ended.err


@pytest.mark.parametrize("shape", [(32, 32, 32), (40, 24, 52)])
def test_torchscript_gives_the_same_at_any_size(run, trained, tmp_path, shape):
    ended = run("export", trained, "-o", tmp_path, "--torchscript")
    assert ended.code == 0, ended.err
    scripted = torch.jit.load(tmp_path / "model.ts")
    x = torch.rand((1, 7, *shape), generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        torch.testing.assert_close(scripted(x), load_model(trained).network(x), rtol=1e-4, atol=1e-4)


def test_a_torchscript_archive_is_a_model_by_itself(run, trained, tmp_path):
    """MONAI Deploy is given one file: the same values to the bit, and the same record, so the same series UID."""
    assert run("export", trained, "-o", tmp_path / "exported", "--torchscript").code == 0
    alone = tmp_path / "alone" / "model.ts"
    alone.parent.mkdir()
    (tmp_path / "exported" / "model.ts").rename(alone)
    before, after = find_model(trained), find_model(alone)
    assert (after.name, after.sha256, after.network) == (before.name, before.sha256, before.network)
    assert (after.trained_range, after.extra["steps"]) == (before.trained_range, 7)
    thick = phantom.ellipsoids((24, 24, 12), (1.0, 1.0, 3.0), modality="MR")
    results = [super_resolve(thick, model=p, device="cpu") for p in (trained, alone)]
    np.testing.assert_array_equal(results[0].volume.array, results[1].volume.array)
    assert results[0].report["model"]["sha256"] == results[1].report["model"]["sha256"]
    ended = run("export", alone, "-o", tmp_path / "again")  # its bytes are no state dict
    assert ended.code == 2
    assert "exported already" in ended.err


@pytest.mark.parametrize("damage", ["cut", "flipped", "no archive"])
def test_a_damaged_archive_is_refused(run, trained, tmp_path, damage):
    assert run("export", trained, "-o", tmp_path, "--torchscript").code == 0
    file = tmp_path / "model.ts"
    content = bytearray(file.read_bytes())
    if damage == "cut":
        content = content[:-200]
    elif damage == "flipped":  # in the middle of the largest entry
        with zipfile.ZipFile(file) as archive:
            largest = max(archive.infolist(), key=lambda info: info.compress_size)
        header = largest.header_offset  # 30 bytes, name and padding stand before the data
        name, extra = struct.unpack_from("<HH", content, header + 26)
        content[header + 30 + name + extra + largest.compress_size // 2] ^= 0xFF
    else:
        content = bytearray(b"not a zip")
    file.write_bytes(bytes(content))
    with pytest.raises(ModelError, match=r"model\.ts"):
        load_model(file)


def test_an_exported_model_is_replaced_only_when_asked(run, trained, tmp_path):
    assert run("export", trained, "-o", tmp_path).code == 0
    ended = run("export", trained, "-o", tmp_path)
    assert ended.code == 3
    assert "exists" in ended.err
    assert run("export", trained, "-o", tmp_path, "--overwrite").code == 0


def test_damaged_weights_are_not_exported(run, trained, tmp_path):
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "model.json").write_bytes((trained / "model.json").read_bytes())
    (broken / "model.pt").write_bytes((trained / "model.pt").read_bytes()[:-10])
    ended = run("export", broken, "-o", tmp_path / "out")
    assert ended.code == 4
    assert "sha256" in ended.err
    assert not (tmp_path / "out").exists()


def test_none_and_unknown_names_are_wrong_command_lines(run, tmp_path):
    assert run("export", "none", "-o", tmp_path / "out").code == 2
    assert run("export", "no_such_model", "-o", tmp_path / "out").code == 2


def test_the_record_holds_no_path(run, trained, tmp_path):
    run("export", trained, "-o", tmp_path)
    assert str(trained) not in json.dumps(json.loads((tmp_path / "model.json").read_text()))


def test_a_release_becomes_the_default_model_of_a_bundle(run, trained, tmp_path):
    (tmp_path / "configs").mkdir()
    metadata = {"version": "0.1.0", "models": {"old": {**json.loads((trained / "model.json").read_text())}}}
    (tmp_path / "configs" / "metadata.json").write_text(json.dumps(metadata))
    assert run("export", trained, "-o", tmp_path, "--name", "ct_mr_small_l1").code == 0
    record = find_model(tmp_path)
    assert (record.name, record.file) == ("ct_mr_small_l1", tmp_path / "models" / "model.pt")
    assert load_model(record).record.trained_range == find_model(trained).trained_range
    found = json.loads((tmp_path / "configs" / "metadata.json").read_text())
    assert found["version"] == "0.1.0"
    assert list(found["models"]) == ["ct_mr_small_l1"]  # 'old' was the former model.pt, which is gone


def test_a_release_replaces_nothing_unasked_and_needs_a_bundle(run, trained, tmp_path):
    assert run("export", trained, "-o", tmp_path, "--name", "new").code == 2
    (tmp_path / "configs").mkdir()
    (tmp_path / "models").mkdir()
    (tmp_path / "configs" / "metadata.json").write_text("{}")
    (tmp_path / "models" / "model.pt").write_bytes(b"kept")
    assert run("export", trained, "-o", tmp_path, "--name", "new").code == 3
    assert (tmp_path / "models" / "model.pt").read_bytes() == b"kept"


def test_a_model_can_stand_beside_the_default_one(run, trained, tmp_path):
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "metadata.json").write_text("{}")
    assert run("export", trained, "-o", tmp_path, "--name", "ct_mr_small_l1").code == 0
    assert run("export", trained, "-o", tmp_path, "--name", "photo_small_l1", "--beside").code == 0
    found = models(tmp_path)
    assert [(record.name, record.file.name) for record in found] == [
        ("ct_mr_small_l1", "model.pt"),
        ("photo_small_l1", "photo_small_l1.pt"),
    ]
    assert load_model(found[1]).record.sha256 == found[1].sha256
    assert run("export", trained, "-o", tmp_path, "--name", "photo_small_l1", "--beside").code == 3  # exists
    clash = run("export", trained, "-o", tmp_path, "--name", "ct_mr_small_l1", "--beside")
    assert clash.code == 2
    assert "needs another name" in clash.err
    # a new default model leaves the other one where it is
    assert run("export", trained, "-o", tmp_path, "--name", "newer", "--overwrite").code == 0
    assert [record.name for record in models(tmp_path)] == ["newer", "photo_small_l1"]
    # and a model that is replaced keeps its place: the first of a kind stays the first
    assert run("export", trained, "-o", tmp_path, "--name", "photo_large_l1", "--beside").code == 0
    assert run("export", trained, "-o", tmp_path, "--name", "photo_small_l1", "--beside", "--overwrite").code == 0
    assert [record.name for record in models(tmp_path)] == ["newer", "photo_small_l1", "photo_large_l1"]
