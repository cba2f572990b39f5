"""Which model is meant by a name, and by none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from monai_sr.catalogue import ModelError, find_model


@pytest.fixture
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    entries = {
        name: {
            "file": f"{name}.pt",
            "sha256": "0",
            "network": {},
            "stage": "l1",
            "trained_range": {"modalities": known},
        }
        for name, known in (("scans", ["CT", "MR"]), ("photo_a", ["photo"]), ("photo_b", ["photo"]))
    }
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "metadata.json").write_text(json.dumps({"models": entries}))
    monkeypatch.setattr("monai_sr.catalogue.bundle_root", lambda: tmp_path)
    return tmp_path


def test_the_default_is_the_first_that_knows_the_modality(bundle: Path) -> None:
    assert find_model().name == "scans"
    assert [find_model("default", m).name for m in ("CT", "MR", "photo")] == ["scans", "scans", "photo_a"]
    assert find_model(bundle, "photo").name == "photo_a"


def test_of_a_size_the_model_for_one_modality_comes_first_where_that_is_known() -> None:
    """The shipped ones: ``best`` is tuned to MR; who does not know the modality gets the one for both."""
    found = [find_model("best", modality).name for modality in ("MR", "CT", None)]
    assert found == ["mr_best_l1", "ct_mr_best_l1", "ct_mr_best_l1"]
    assert [find_model(size, "MR").name for size in ("default", "fast")] == ["ct_mr_fast_l1", "ct_mr_fast_l1"]


@pytest.mark.parametrize("names", [("mr", "both"), ("both", "mr")])
def test_the_order_of_release_does_not_choose_within_a_size(bundle: Path, names: tuple[str, str]) -> None:
    file = bundle / "configs" / "metadata.json"
    entries = json.loads(file.read_text())["models"]
    sized = {"mr": {**entries["scans"], "trained_range": {"modalities": ["MR"]}}, "both": entries["scans"]}
    file.write_text(json.dumps({"models": entries | {name: {**sized[name], "size": "best"} for name in names}}))
    assert [find_model("best", modality).name for modality in ("MR", "CT", "PET", None)] == [
        "mr",
        "both",
        "both",
        "both",
    ]


def test_without_one_that_knows_it_the_default_is_the_first(bundle: Path) -> None:
    assert find_model("default", "PET").name == "scans"


def test_a_name_is_that_model_whatever_the_modality(bundle: Path) -> None:
    assert find_model("photo_b", "CT").name == "photo_b"
    with pytest.raises(ModelError, match="no model named other; there are: none, scans, photo_a, photo_b"):
        find_model("other", "photo")


def test_a_bundle_without_models_has_no_default(bundle: Path) -> None:
    (bundle / "configs" / "metadata.json").write_text("{}")
    with pytest.raises(ModelError, match="no model named default"):
        find_model("default", "photo")
