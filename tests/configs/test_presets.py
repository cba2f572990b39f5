"""Every preset: its keys mean something, its parts take their arguments, and two steps run on the CPU."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser, ConfigWorkflow
from PIL import Image

from monai_sr.catalogue import find_model
from monai_sr.data import Split, thicken
from monai_sr.data.phantom import ellipsoids
from monai_sr.engines import ConfigRefused
from monai_sr.io import write_volume

REPOSITORY = Path(__file__).resolve().parents[2]
BASE = REPOSITORY / "bundle" / "configs" / "train.yaml"
PRESETS = sorted((REPOSITORY / "configs").glob("*/*.yaml"))
SMOKE = REPOSITORY / "configs" / "run" / "smoke.yaml"

# A preset that is no experiment of its own, and those that it is laid over.
BEFORE = {
    "paired_images": ["model/paper_unet_gan"],
    "paper_unet_gan": ["task/paired_images"],
}
# Values that only the user's machine or data can give, or that would make two steps long.
OVERRIDES: dict[str, dict[str, Any]] = {
    "gan": {"init_weights": None, "discriminator_def::channels": 4, "discriminator_def::num_layers": 2},
    "paper_unet_gan": {"discriminator_def::channels": 4, "batch_size": 1},
    "paired_images": {"discriminator_def::channels": 4, "batch_size": 1},
}


@pytest.fixture(scope="session")
def volumes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of two small scans."""
    folder = tmp_path_factory.mktemp("volumes")
    for name, modality in (("sub-1_ct", "CT"), ("sub-2_mr", "MR")):
        write_volume(ellipsoids((40, 36, 36), modality=modality), folder / f"{name}.nii.gz")  # type: ignore[arg-type]
    return folder


@pytest.fixture(scope="session")
def volume_pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pairs")
    for subject in "12":
        hr = ellipsoids((32, 32, 48), modality="MR")
        write_volume(hr, folder / "HR" / f"sub-{subject}.nii.gz")
        write_volume(thicken(hr, axis=2, factor=3.0), folder / "LR" / f"sub-{subject}.nii.gz")
    return folder


@pytest.fixture(scope="session")
def image_pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images of the paper's size and smaller ones, one of them corrupt."""
    folder = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    for side, size in (("HR", 512), ("LR", 128)):
        (folder / side).mkdir()
        for subject in "123":
            small = Image.fromarray(rng.integers(0, 255, (16, 16), dtype=np.uint8))
            small.resize((size, size), Image.Resampling.BICUBIC).save(folder / side / f"sub-{subject}.png")
        (folder / side / "sub-1_cut.png").write_bytes(b"\x89PNG")
    return folder


Run = Callable[..., ConfigWorkflow]


@pytest.fixture
def run(volumes: Path, volume_pairs: Path, image_pairs: Path, tmp_path: Path) -> Run:
    data = {"paired_volumes": volume_pairs, "paired_images": image_pairs}

    def start(files: list[Path], **overrides: Any) -> ConfigWorkflow:
        folder = next((data[file.stem] for file in files if file.stem in data), volumes)
        values = {"dataset_dir": str(folder), "output_dir": str(tmp_path / "out"), **overrides}
        if "split_file" in values:
            Split({"1": "train", "2": "train"}, {"sub-1_ct.nii.gz": "1", "sub-2_mr.nii.gz": "2"}).write(
                Path(values["split_file"])
            )
        workflow = ConfigWorkflow(
            config_file=[str(file) for file in files], workflow_type="train", logging_file=False, **values
        )
        workflow.initialize()
        workflow.run()
        return workflow

    return start


def read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = ConfigParser.load_config_file(str(path))
    return content


def exists(key: str, config: Any) -> bool:
    for step in key.split("::"):
        if isinstance(config, list) and step.isdigit() and int(step) < len(config):
            config = config[int(step)]
        elif isinstance(config, dict) and step in config:
            config = config[step]
        else:
            return False
    return True


@pytest.mark.parametrize("preset", PRESETS, ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_every_key_of_a_preset_exists_or_is_referred_to(preset: Path) -> None:
    config = read(preset)
    text = preset.read_text(encoding="utf-8")
    strange = [key for key in config if not exists(key, read(BASE)) and f"@{key}" not in text]
    assert strange == []
    assert text.startswith("#"), "a preset begins with its purpose"


@pytest.mark.parametrize("preset", PRESETS, ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_two_steps_run(preset: Path, run: Run, tmp_path: Path) -> None:
    others = [REPOSITORY / "configs" / f"{name}.yaml" for name in BEFORE.get(preset.stem, [])]
    files = [BASE, *sorted([*others, preset], key=lambda f: f.parent.name == "model"), SMOKE]
    overrides = dict(OVERRIDES.get(preset.stem, {}))
    if "split_file" in read(preset):
        overrides["split_file"] = str(tmp_path / "split.json")
    workflow = run(list(dict.fromkeys(files)), **overrides)
    trainer = workflow.parser.get_parsed_content("train::trainer")
    assert trainer.state.iteration == 2
    assert find_model(tmp_path / "out").stage == ("gan" if trainer.adversary else "l1")
    losses = [json.loads(line) for line in (tmp_path / "out" / "losses.jsonl").read_text("utf-8").splitlines()]
    assert all(np.isfinite(list(row.values())).all() for row in losses)


def test_the_paper_preset_is_the_papers_network(run: Run, tmp_path: Path) -> None:
    files = [BASE, *(REPOSITORY / "configs" / f for f in ("task/paired_images.yaml", "model/paper_unet_gan.yaml"))]
    workflow = run([*files, SMOKE], **OVERRIDES["paired_images"])
    parser = workflow.parser
    network = parser.get_parsed_content("network")
    kinds = {type(m) for m in network.modules()}
    assert {torch.nn.Conv2d, torch.nn.BatchNorm2d, torch.nn.ReLU, torch.nn.ConvTranspose2d} <= kinds
    assert network.output == "tanh" and network.spatial_dims == 2
    discriminator = {type(m) for m in parser.get_parsed_content("discriminator").modules()}
    assert {torch.nn.Conv2d, torch.nn.BatchNorm2d, torch.nn.LeakyReLU} <= discriminator
    prepared = parser.get_parsed_content("prepared")
    assert all(case[key].shape == (1, 512, 512) for case in prepared for key in ("image", "label"))
    listed = json.loads((tmp_path / "out" / "set_aside_train.json").read_text("utf-8"))
    validated = json.loads((tmp_path / "out" / "set_aside_validation.json").read_text("utf-8"))
    assert list({**listed, **validated}) == ["sub-1_cut"]
    assert (tmp_path / "out" / "validation.jsonl").exists()
    full = read(REPOSITORY / "configs" / "model" / "paper_unet_gan.yaml")["network_def"]
    assert full["channels"] == [64, 128, 256, 512]


def test_several_processes_need_only_their_file(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One process of one, as torchrun starts it."""
    for name, value in {"RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29511"}.items():
        monkeypatch.setenv(name, value)
    workflow = run([BASE, BASE.with_name("multi_gpu_train.yaml"), SMOKE])
    assert workflow.parser.get_parsed_content("train::sampler").world_size == 1
    workflow.finalize()
    assert not torch.distributed.is_initialized()


WRONG = [
    ({"dataset_dri": "x"}, r"unknown config key dataset_dri: nothing reads it; did you mean dataset_dir\?"),
    ({"train::trainer::max_epoch": 3}, r"train::trainer::max_epoch: .* did you mean max_epochs\?"),
    ({"train#trainer#max_epoch": 3}, r"train::trainer::max_epoch: .* did you mean max_epochs\?"),
    ({"train::hanlders": []}, r"train::hanlders: .* did you mean handlers\?"),
    ({"network_def::chanels": [4]}, r"network_def::chanels: .* did you mean channels\?"),
    ({"train::trainer::generator::max_norm": 1}, r"max_norm: .* did you mean max_grad_norm\?"),
    ({"train::preprocessing::0::pach": 8}, r"preprocessing::0::pach: .* did you mean patch\?"),
    ({"zzz": 1}, r"unknown config key zzz: nothing reads it; known here: .*batch_size"),
]


@pytest.mark.parametrize(("overrides", "sentence"), WRONG, ids=[next(iter(o)) for o, _ in WRONG])
def test_a_mistyped_override_is_refused_by_name(run: Run, overrides: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigRefused, match=sentence):
        run([BASE, SMOKE], **overrides)


def test_a_new_key_that_something_refers_to_is_no_mistake(run: Run) -> None:
    run([BASE, SMOKE], my_rate=0.01, learning_rate="@my_rate")


@pytest.mark.parametrize(
    ("folder", "sentence"),
    [
        (None, "dataset_dir is not given; name the folder with the data: --dataset_dir DIR"),
        ("absent", "no such folder: .*absent"),
        ("empty", "empty holds no NIfTI file and no DICOM series"),
    ],
)
def test_without_data_there_is_one_sentence(run: Run, tmp_path: Path, folder: str | None, sentence: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigRefused, match=sentence) as refused:
        run([BASE, SMOKE], dataset_dir=None if folder is None else str(tmp_path / folder))
    assert "\n" not in str(refused.value)


def test_steps_that_fill_no_epoch_and_weights_that_do_not_fit(run: Run, tmp_path: Path) -> None:
    with pytest.raises(ConfigRefused, match=r"steps \(3\) must be a multiple of steps_per_epoch \(2\)"):
        run([BASE, SMOKE], steps=3, steps_per_epoch=2)
    with pytest.raises(ConfigRefused, match=r"init_weights: .*none\.pt does not exist"):
        run([BASE, SMOKE], init_weights=str(tmp_path / "none.pt"))
    torch.save({"other": torch.zeros(1)}, tmp_path / "other.pt")
    with pytest.raises(ConfigRefused, match=r"other\.pt does not fit network_def"):
        run([BASE, SMOKE], init_weights=str(tmp_path / "other.pt"))


def test_expressions_only_wire() -> None:
    """No logic in YAML: a ``$`` text is one name, attribute or call."""
    configs = [*(REPOSITORY / "bundle" / "configs").glob("*.yaml"), *PRESETS]
    texts = [t.strip() for c in configs for t in c.read_text("utf-8").split("$")[1:]]
    assert texts
    for text in texts:
        line = text.splitlines()[0].partition(" #")[0]
        assert not any(word in line.split() for word in ("lambda", "for", "if", "else", "and", "or")), line
