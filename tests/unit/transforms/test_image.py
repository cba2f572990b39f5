from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from monai_sr.io import InputError
from monai_sr.transforms import DescribeScand, LoadGreyImaged, LoadPhotod, LoadVolumed, NormalizeScand


def test_stored_values_become_0_to_1(tmp_path: Path) -> None:
    grey = np.arange(12, dtype=np.uint8).reshape(3, 4) * 20
    Image.fromarray(grey).save(tmp_path / "a.png")
    Image.fromarray(grey.astype(np.uint16) * 257).save(tmp_path / "b.png")
    loaded = LoadGreyImaged(["image", "label"])({"image": str(tmp_path / "a.png"), "label": str(tmp_path / "b.png")})
    assert loaded["image"].shape == (1, 4, 3)  # x first
    torch.testing.assert_close(loaded["image"][0], torch.from_numpy(grey.T / 255.0).float())
    torch.testing.assert_close(loaded["image"], loaded["label"])


def test_a_corrupt_image_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"\x89PNG but no more")
    with pytest.raises(InputError, match=r"a\.png"):
        LoadGreyImaged("image")({"image": str(tmp_path / "a.png")})


def test_a_photograph_is_a_scan_of_one_slice(tmp_path: Path) -> None:
    colour = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    Image.fromarray(colour).save(tmp_path / "a.png")
    loaded = LoadPhotod("label")({"label": str(tmp_path / "a.png")})["label"]
    assert loaded.shape == (1, 50, 40, 1)
    expected = np.asarray(Image.fromarray(colour).convert("L")).T / 255.0
    np.testing.assert_allclose(loaded[0, ..., 0].numpy(), expected, atol=0.003)
    scan = LoadVolumed("label")({"label": str(tmp_path / "a.png")})["label"]
    assert loaded.meta["modality"] == "photo"
    assert loaded.meta["spacing"] == (1.0, 1.0, 1.0)
    for key in ("modality", "spacing", "slice_axis", "slice_thickness_mm", "name"):
        assert loaded.meta[key] == scan.meta[key]


def test_photographs_are_normalised_and_described(tmp_path: Path) -> None:
    grey = np.random.default_rng(0).normal(128, 10, (60, 50)).astype(np.uint8)
    Image.fromarray(grey).save(tmp_path / "a.png")
    steps = (LoadPhotod("label"), NormalizeScand("label"), DescribeScand(patch=25))
    d: dict[object, object] = {"label": str(tmp_path / "a.png")}
    for step in steps:
        d = step(d)
    np.testing.assert_array_equal(d["label"][..., 0], grey.T.astype(np.float32) / 255)  # type: ignore[index]
    assert d["fine_axes"] == (0, 1)
    assert d["floor"] is None
    assert bool(d["mask"].all())  # type: ignore[attr-defined]
    assert d["noise"] == pytest.approx(10 / 255, rel=0.1)
    with pytest.raises(InputError, match="a patch of 60"):
        DescribeScand(patch=60)(NormalizeScand("label")(LoadPhotod("label")({"label": str(tmp_path / "a.png")})))
