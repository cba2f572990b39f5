"""Every preset: its keys mean something, its parts take their arguments, and two steps run on the CPU."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable
from pathlib import Path
from pydoc import locate
from typing import Any

import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser, ConfigWorkflow
from PIL import Image

from monai_sr.catalogue import find_model
from monai_sr.data import Split, thicken
from monai_sr.data.phantom import ellipsoids
from monai_sr.engines import ConfigRefused, SRGanTrainer
from monai_sr.inference import load_model
from monai_sr.io import write_volume

REPOSITORY = Path(__file__).resolve().parents[2]
BASE = REPOSITORY / "bundle" / "configs" / "train.yaml"
CONFIGS = REPOSITORY / "configs"
PRESETS = sorted(file for kind in ("model", "run", "task") for file in (CONFIGS / kind).glob("*.yaml"))
PLANS = sorted((CONFIGS / "comparison").glob("*.yaml"))
SMOKE = CONFIGS / "run" / "smoke.yaml"
IN_PLANE = CONFIGS / "task" / "in_plane.yaml"

# A preset that is no experiment of its own, and those that it is laid over.
BEFORE = {"paired_images": ["model/paper_unet_gan"], "release_mr_gan": ["run/release_gan"]}
# Values that only the user's machine or data can give, or that would make two steps long.
_TINY_PAPER: dict[str, Any] = {
    "network_def::channels": [4, 8, 16],
    "network_def::blocks": [1, 1, 1],
    "discriminator_def::channels": 4,
    "discriminator_def::num_layers": 2,
}
_TINY_JUDGE: dict[str, Any] = {
    "discriminator_def::channels": 4,
    "discriminator_def::pairs": 3,
    "adversary::start_step": 0,
}
OVERRIDES: dict[str, dict[str, Any]] = {
    "gan": {"init_weights": None, "discriminator_def::channels": 4, "discriminator_def::num_layers": 2},
    "release_mr": {"init_weights": None, "cases::only": None},  # the phantoms of these tests are CT
    "release_ct": {"init_weights": None},
    "release_gan": {"init_weights": None, "discriminator_def::channels": 4, "discriminator_def::num_layers": 2},
    "release_mr_gan": {
        "init_weights": None,
        "cases::only": None,
        "discriminator_def::channels": 4,
        "discriminator_def::num_layers": 2,
    },
    "unet_gan": {"discriminator_def::channels": 4, "discriminator_def::num_layers": 2},
    "srgan": {**_TINY_JUDGE, "network_def::blocks": 2},
    "esrgan": _TINY_JUDGE | {"adversary::start_step": 1},
    "attention_srgan": _TINY_JUDGE,
    "srcnn": {"network_def::channels": [8, 4]},
    "autoencoder": {"network_def::channels": [4, 8, 16]},
    "dictionary": {"network_def::atoms": 24, "network_def::components": 12, "network_def::patch": 3},
    "paper_unet_gan": _TINY_PAPER,
    "paired_images": _TINY_PAPER,
}
# Short validation and check of the discriminator: how well they measure is tested elsewhere.
QUICK: dict[str, Any] = {"train::handlers::6::patches": 4}
VALIDATED: dict[str, Any] = {"validate::scores::crop": 24}


@pytest.fixture(scope="session")
def volumes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of two small scans."""
    folder = tmp_path_factory.mktemp("volumes")
    for name, modality in (("sub-1_ct", "CT"), ("sub-2_mr", "MR")):
        write_volume(ellipsoids((48, 48, 48), modality=modality), folder / f"{name}.nii.gz")  # type: ignore[arg-type]
    return folder


@pytest.fixture(scope="session")
def volume_pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pairs")
    for subject in "12":
        hr = ellipsoids((48, 48, 48), modality="MR")
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


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two smooth pictures, one grey and one in colour."""
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for name, shape in (("grey", (12, 12)), ("colour", (12, 12, 3))):
        small = Image.fromarray(rng.integers(0, 255, shape, dtype=np.uint8))
        small.resize((96, 96), Image.Resampling.BICUBIC).save(folder / f"{name}.png")
    return folder


Run = Callable[..., ConfigWorkflow]


@pytest.fixture
def run(volumes: Path, volume_pairs: Path, image_pairs: Path, photos: Path, tmp_path: Path) -> Run:
    data = {"paired_volumes": volume_pairs, "paired_images": image_pairs, "photos": photos}

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
    for step in key.removeprefix("+").split("::"):  # + adds to a list
        if isinstance(config, list) and step.isdigit() and int(step) < len(config):
            config = config[int(step)]
        elif isinstance(config, dict) and step in config:
            config = config[step]
        else:  # an argument that train.yaml leaves at its default
            target = locate(config["_target_"]) if isinstance(config, dict) and "_target_" in config else None
            return target is not None and step in inspect.signature(target).parameters
    return True


def preset_id(preset: Path) -> str:
    return f"{preset.parent.name}/{preset.stem}"


@pytest.mark.parametrize("preset", PRESETS, ids=preset_id)
def test_every_key_of_a_preset_exists_or_is_referred_to(preset: Path) -> None:
    config = read(preset)
    text = preset.read_text(encoding="utf-8")
    strange = [key for key in config if not exists(key, read(BASE)) and f"@{key}" not in text]
    assert strange == []
    assert text.startswith("#"), "a preset begins with its purpose"


@pytest.mark.parametrize("preset", PRESETS, ids=preset_id)
def test_a_preset_can_be_read_at_a_glance(preset: Path) -> None:
    lines = [line for line in preset.read_text(encoding="utf-8").splitlines() if line.strip()]
    assert 5 <= len(lines) <= 40


@pytest.mark.parametrize("file", [*PRESETS, *PLANS], ids=preset_id)
def test_every_file_has_its_row_in_the_readme(file: Path) -> None:
    assert f"| `{file.parent.name}/{file.name}` |" in (CONFIGS / "README.md").read_text(encoding="utf-8")


def test_every_row_of_the_readme_has_its_file() -> None:
    rows = re.findall(r"^\| `(\w+/\w+\.\w+)` \|", (CONFIGS / "README.md").read_text(encoding="utf-8"), re.M)
    assert len(rows) == len(set(rows)) >= len(PRESETS) + len(PLANS)
    assert [row for row in rows if not (CONFIGS / row).is_file()] == []


@pytest.mark.parametrize("plan", PLANS, ids=lambda p: p.stem)
def test_the_presets_and_settings_of_a_plan_exist(plan: Path) -> None:
    from monai_sr.engines.comparison_plan import read_plan
    from monai_sr.engines.methods import TRAIN_FREE

    found = read_plan(plan, (*TRAIN_FREE, "none"))
    names = {preset_id(preset) for preset in PRESETS}
    assert f"run/{found.run}" in names
    assert found.task is None or f"task/{found.task}" in names
    for method in found.methods:
        assert method.preset is None or f"model/{method.preset}" in names
        known = {**read(BASE), **({} if method.preset is None else read(CONFIGS / "model" / f"{method.preset}.yaml"))}
        assert [key for key in {**found.settings, **method.settings} if not exists(key, known)] == []
    assert found.split is None or (CONFIGS / "splits" / f"{found.split}.json").is_file()


def smoke(preset: Path, *, two_dimensional: bool = False) -> tuple[list[Path], dict[str, Any]]:
    """The files of a short training with a preset, and what it needs beside them."""
    others = [CONFIGS / f"{name}.yaml" for name in BEFORE.get(preset.stem, [])]
    others += [IN_PLANE] if two_dimensional else []
    files = [*sorted([*others, preset], key=lambda f: ("task", "model", "run").index(f.parent.name)), SMOKE]
    overrides = {**QUICK, **OVERRIDES.get(preset.stem, {})}
    if preset.stem != "paired_images":
        overrides |= VALIDATED
    return [BASE, *dict.fromkeys(files)], overrides


def check_two_steps(workflow: ConfigWorkflow, out: Path) -> None:
    trainer = workflow.parser.get_parsed_content("train::trainer")
    stage = find_model(out).stage
    network = load_model(out).network
    assert all(torch.isfinite(value).all() for value in network.state_dict().values())
    if not isinstance(trainer, SRGanTrainer):  # a dictionary has no steps
        assert stage == "dictionary"
        return
    assert trainer.state.iteration == 2
    assert stage == ("gan" if trainer.adversary else "l1")
    losses = [json.loads(line) for line in (out / "losses.jsonl").read_text("utf-8").splitlines()]
    assert losses[-1]["step"] == 2
    assert all(np.isfinite(list(row.values())).all() for row in losses)


@pytest.mark.parametrize("preset", PRESETS, ids=preset_id)
def test_two_steps_run(preset: Path, run: Run, tmp_path: Path) -> None:
    files, overrides = smoke(preset)
    if "split_file" in read(preset):
        overrides["split_file"] = str(tmp_path / "split.json")
    workflow = run(files, **overrides)
    check_two_steps(workflow, tmp_path / "out")
    if preset.stem == "esrgan":
        assert find_model(tmp_path / "out" / "model_interpolated.pt").stage == "gan"
        assert find_model(tmp_path / "out" / "model_psnr.pt").stage == "l1"


@pytest.mark.parametrize("preset", [p for p in PRESETS if p.parent.name == "model"], ids=preset_id)
def test_two_steps_of_every_model_run_on_slices(preset: Path, run: Run, tmp_path: Path) -> None:
    files, overrides = smoke(preset, two_dimensional=True)
    workflow = run(files, **overrides)
    check_two_steps(workflow, tmp_path / "out")
    assert load_model(tmp_path / "out").network.spatial_dims == 2


def test_the_paper_preset_is_the_papers_network(run: Run, tmp_path: Path) -> None:
    workflow = run(*smoke(CONFIGS / "task" / "paired_images.yaml")[:1], **_TINY_PAPER, **QUICK)
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
    workflow = run([BASE, BASE.with_name("multi_gpu_train.yaml"), SMOKE], **VALIDATED)
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
    run([BASE, SMOKE], **VALIDATED, my_rate=0.01, learning_rate="@my_rate")


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
