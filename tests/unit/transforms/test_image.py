from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from monai_sr.io import InputError
from monai_sr.transforms import LoadGreyImaged


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
