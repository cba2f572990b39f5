"""The module's way from a volume to its result, with the real program; Slicer itself had no part in it."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

from monai_sr import read_volume, write_volume
from monai_sr.data import phantom

FOLDER = Path(__file__).resolve().parents[3] / "slicer" / "SuperResolution"


@pytest.fixture(scope="module")
def upscaling():
    spec = importlib.util.spec_from_file_location("upscaling", FOLDER / "SuperResolutionLib" / "upscaling.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["upscaling"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    yield module
    del sys.modules["upscaling"]


@pytest.fixture
def program(tmp_path) -> str:
    """``monai-sr`` as an installation outside of Slicer has it."""
    root = Path(__file__).resolve().parents[3]
    file = tmp_path / "monai-sr"
    file.write_text(
        f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(root)!r})\nfrom monai_sr.cli import main\nmain()\n"
    )
    file.chmod(0o755)
    return str(file)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="the program of this test is a script for a Unix shell")
def test_a_volume_comes_back_finer_and_in_place(upscaling, program, tmp_path, monkeypatch):
    thick = phantom.ellipsoids((24, 20, 10), (1.0, 1.0, 3.0), modality="MR")
    write_volume(thick, tmp_path / "volume.nii.gz")
    monkeypatch.setenv("PYTHONHOME", "/nowhere")  # as Slicer sets it for its own Python
    seen, remarks = [], []
    wish = upscaling.Wish(program, "mr", "1", "none")
    file = upscaling.run(
        wish,
        tmp_path / "volume.nii.gz",
        tmp_path / "out",
        progress=lambda stage, share: seen.append(stage),
        remark=remarks.append,
    )
    assert read_volume(file).geometry.shape == (24, 20, 30)
    assert {"read", "consistency", "write"} <= set(seen)

    with pytest.raises(upscaling.UpscaleError, match="already isotropic"):
        upscaling.run(wish, file, tmp_path / "again")
    with pytest.raises(upscaling.UpscaleError, match="no model named nothing"):
        upscaling.run(upscaling.Wish(program, "mr", "1", "nothing"), tmp_path / "volume.nii.gz", tmp_path / "third")


def test_a_program_that_is_not_there_is_told(upscaling, tmp_path):
    wish = upscaling.Wish(str(tmp_path / "absent"), "ct")
    with pytest.raises(upscaling.UpscaleError, match="name the monai-sr program"):
        upscaling.run(wish, tmp_path / "volume.nii.gz", tmp_path / "out")


def test_the_module_is_python_that_slicer_can_parse():
    """Slicer 5.6 has Python 3.9; what the module imports of ours has to do without newer syntax at run time."""
    import ast

    for file in sorted(FOLDER.rglob("*.py")):
        ast.parse(file.read_text(encoding="utf-8"), feature_version=(3, 9))
