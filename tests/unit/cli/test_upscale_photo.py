"""Photographs on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from monai_sr.casework.photo_options import photo_options
from monai_sr.io import InputError

NONE = ("--model", "none", "--device", "cpu")


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    noise = np.random.default_rng(0).integers(40, 220, (6, 8, 3), dtype=np.uint8)
    file = tmp_path / "in" / "photo.png"
    file.parent.mkdir()
    Image.fromarray(noise).resize((32, 24), Image.Resampling.BICUBIC).save(file)
    return file


def everything(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_a_photograph(run, photo, tmp_path):
    ended = run("upscale", photo, "--scale", "4,4", "-o", tmp_path / "out", *NONE)
    assert ended.code == 0, ended.err
    assert everything(tmp_path / "out") == ["photo/photo_sr.png", "photo/preview.png", "photo/run.json"]
    with Image.open(tmp_path / "out" / "photo" / "photo_sr.png") as image:
        assert (image.mode, image.size) == ("RGB", (128, 96))
        back = np.asarray(image.reduce(4)).astype(int)  # the mean of 4 x 4: what the coarser pixel would have seen
    np.testing.assert_allclose(back, np.asarray(Image.open(photo)).astype(int), atol=8)
    record = json.loads((tmp_path / "out" / "photo" / "run.json").read_text())
    assert record["modality"] == "photo"
    assert record["outputs"] == ["photo_sr.png", "preview.png"]
    assert any("no spacing" in note for note in record["notes"])
    assert "128 x 96 pixels" in ended.out
    assert " mm" not in ended.out


def test_sixteen_bit_colour_tiff_and_jpeg(run, photo, tmp_path):
    pixels = np.asarray(Image.open(photo)).astype(np.uint16) * 257
    tifffile.imwrite(photo.parent / "wide.tif", pixels, photometric="rgb")
    Image.open(photo).convert("L").save(photo.parent / "grey.jpg")
    ended = run("upscale", photo.parent, "--scale", "2,2", "-o", tmp_path / "out", *NONE)
    assert ended.code == 0, ended.err
    assert [name for name in everything(tmp_path / "out") if "_sr" in name] == [
        "grey/grey_sr.png", "photo/photo_sr.png", "wide/wide_sr.tif"
    ]  # fmt: skip
    wide = tifffile.imread(tmp_path / "out" / "wide" / "wide_sr.tif")
    assert (wide.dtype, wide.shape) == (np.uint16, (48, 64, 3))
    assert Image.open(tmp_path / "out" / "grey" / "grey_sr.png").mode == "L"


def test_two_photographs_of_one_name(run, photo, tmp_path):
    Image.open(photo).save(photo.parent / "photo.tif")
    ended = run("upscale", photo.parent, "--scale", "2,2", "-o", tmp_path / "out", *NONE)
    assert ended.code == 0, ended.err
    assert [name for name in everything(tmp_path / "out") if "_sr" in name] == [
        "photo/photo_sr.png", "photo_2/photo_2_sr.tif"
    ]  # fmt: skip


def test_results_are_replaced_only_when_asked_and_no_input_again(run, photo, tmp_path):
    out = photo.parent / "out"
    assert run("upscale", photo.parent, "--scale", "2,2", "-o", out, *NONE).code == 0
    ended = run("upscale", photo.parent, "--scale", "3,3", "-o", out, *NONE)
    assert ended.code == 3
    assert "not replaced without --overwrite" in ended.err
    (out / "photo" / "photo_mine.png").write_bytes(b"mine")
    assert run("upscale", photo.parent, "--scale", "3,3", "-o", out, "--overwrite", *NONE).code == 0
    assert Image.open(out / "photo" / "photo_sr.png").size == (96, 72)
    assert (out / "photo" / "photo_mine.png").read_bytes() == b"mine"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "has no spacing, so say how much finer it is to become: --scale 4,4"),
        (("--scale", "4,4,1"), "takes two factors for a photograph"),
        (("--scale", "8,8"), "above the limit of 6"),
        (("--spacing", "1"), "--spacing is in mm"),
        (("--scale", "2,2", "--slice-thickness", "2"), "--slice-thickness is in mm"),
        (("--scale", "2,2", "--format", "dicom"), "leave --format dicom away"),
        (("--scale", "2,2", "--format", "nifti"), "leave --format nifti away"),
        (("--scale", "2,2", "--affine", "qform"), "--affine is for scans"),
        (("--scale", "2,2", "--modality", "ct"), "--modality is for scans"),
    ],
)
def test_what_means_nothing_for_a_photograph_is_refused(run, photo, tmp_path, options, said):
    ended = run("upscale", photo, "-o", tmp_path / "out", *options, *NONE)
    assert ended.code == 3
    assert said in ended.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("option", ["--maps", "--dicom-maps"])
def test_there_are_no_maps_of_a_photograph(run, photo, tmp_path, option):
    ended = run("upscale", photo, "-o", tmp_path / "out", "--scale", "2,2", "--device", "cpu", option)
    assert ended.code == 3
    assert "--maps is for scans and this is a photograph" in ended.err
    assert not (tmp_path / "out").exists()


def test_two_factors_are_no_scale_of_a_scan(run, thick_mr, tmp_path):
    ended = run("upscale", thick_mr, "--scale", "2,2", "-o", tmp_path / "out", *NONE)
    assert ended.code == 3
    assert "needs three factors" in ended.err


def test_a_broken_photograph_is_refused_and_the_others_are_written(run, photo, tmp_path):
    (photo.parent / "broken.png").write_bytes(photo.read_bytes()[:200])
    ended = run("upscale", photo.parent, "--scale", "2,2", "-o", tmp_path / "out", *NONE)
    assert ended.code == 3
    assert "broken.png is corrupt" in ended.err
    assert (tmp_path / "out" / "photo" / "photo_sr.png").is_file()


def test_scans_and_photographs_get_their_own_default_model(run, photo, thick_mr, tmp_path, monkeypatch):
    from monai_sr.catalogue import find_model

    asked = []

    def find(name, modality=None):
        asked.append(modality)
        return find_model(name, modality)

    monkeypatch.setattr("monai_sr.catalogue.find_model", find)
    scan = tmp_path / "in2"
    scan.mkdir()
    ended = run("upscale", photo, "--scale", "2,2", "-o", tmp_path / "out", "--device", "cpu")
    assert ended.code == 0, ended.err
    assert set(asked) == {"photo"}
    record = json.loads((tmp_path / "out" / "photo" / "run.json").read_text())
    assert record["model"]["name"] == find_model("default", "photo").name


def test_options_that_pass(tmp_path):
    options = {"modality": None, "spacing": "auto", "scale": (2.0, 2.0), "slice_thickness": None, "tile": 64}
    assert photo_options("a", options) == {"scale": (2.0, 2.0), "tile": 64}
    with pytest.raises(InputError, match="a: --affine"):
        photo_options("a", options, "sform")
