from __future__ import annotations

import json
import subprocess
import sys

import pytest

import monai_sr


def test_info_as_json(run):
    facts = json.loads(run("info", "--json").out)
    assert facts["version"] == monai_sr.__version__
    assert facts["libraries"]["torch"]
    assert facts["intended_use"] == "Research only. Not for diagnosis."
    for model in facts["models"]:
        assert len(model["sha256"]) == 64
        assert model["trained_range"]["modalities"]
        assert model["weights"] == "intact"


def test_info_for_people(run):
    ended = run("info")
    assert ended.code == 0
    assert f"monai_sr {monai_sr.__version__}" in ended.out
    assert "Not for diagnosis" in ended.out


def test_info_says_what_is_wrong_with_the_weights(run, tmp_path, monkeypatch):
    bundle = tmp_path / "bundle"
    (bundle / "configs").mkdir(parents=True)
    (bundle / "models").mkdir()
    (bundle / "models" / "changed.pt").write_bytes(b"other")
    entry = {"sha256": "0" * 64, "network": {}, "stage": "l1", "trained_range": {"factor": [1.2, 6.0]}}
    models = {"gone": {**entry, "file": "gone.pt"}, "changed": {**entry, "file": "changed.pt"}}
    (bundle / "configs" / "metadata.json").write_text(json.dumps({"models": models}))
    for module in ("monai_sr.catalogue", "monai_sr.cli.info"):
        monkeypatch.setattr(f"{module}.bundle_root", lambda: bundle)
    states = {m["name"]: m["weights"] for m in json.loads(run("info", "--json").out)["models"]}
    assert states == {"gone": "missing", "changed": "changed"}
    assert "1.2 to 6" in run("info").out


def test_a_missing_bundle_is_four(run, tmp_path, monkeypatch):
    monkeypatch.setattr("monai_sr.catalogue._PACKAGE", tmp_path / "site-packages" / "monai_sr")
    ended = run("info")
    assert ended.code == 4
    assert "reinstall" in ended.err


@pytest.mark.parametrize(
    "code",
    [
        "import monai_sr",
        "import monai_sr.io",
        "from monai_sr import read_volume, write_volume, Volume, InputError",
        "from monai_sr.cli import main\ntry: main(['info', '--json'])\nexcept SystemExit: pass",
        "from monai_sr.cli import main\ntry: main(['upscale', '--help'])\nexcept SystemExit: pass",
    ],
)
def test_what_answers_without_loading_torch(code):
    check = "\nimport sys\nassert 'torch' not in sys.modules and 'monai' not in sys.modules, 'torch was loaded'"
    done = subprocess.run([sys.executable, "-c", code + check], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_importing_the_package_loads_nothing_heavy():
    check = "import sys, monai_sr; print(sorted({'numpy', 'scipy', 'matplotlib', 'pydicom'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == "[]", done.stderr


def test_the_package_names_what_it_exports():
    for name in monai_sr.__all__:
        assert getattr(monai_sr, name) is not None
        assert name in dir(monai_sr)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        monai_sr.nothing  # noqa: B018
