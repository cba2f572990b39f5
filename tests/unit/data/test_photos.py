"""The photographs of scikit-image: written, found, split."""

from __future__ import annotations

from importlib.metadata import files
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data

from monai_sr.data import Split, export_photos, find_photos
from monai_sr.data.photos import PHOTOGRAPHS, photo_split

SPLIT = Path(__file__).parents[3] / "configs" / "splits" / "photos.json"


def test_all_of_them_travel_in_the_wheel() -> None:
    shipped = {str(file) for file in files("scikit-image") or []}
    assert {f"skimage/data/{photograph.file}" for photograph in PHOTOGRAPHS} <= shipped


def test_they_are_written_as_png_and_found_with_their_split(tmp_path: Path) -> None:
    written = export_photos(tmp_path)
    assert len(written) == len(PHOTOGRAPHS)
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "astronaut.png")), data.astronaut())
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "rocket.png")), data.rocket())
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "camera.png")), data.camera())
    assert "Lav Varshney, CC0" in (tmp_path / "CREDITS.txt").read_text()
    roles = Split.read(SPLIT).assign(find_photos(tmp_path))
    assert (len(roles["train"]), len(roles["validation"])) == (10, 4)
    assert {case["subject"] for case in roles["validation"]} == {"camera", "chelsea", "grass", "retina"}


def test_the_split_of_the_configs_is_the_one_of_the_list() -> None:
    assert Split.read(SPLIT) == photo_split()


def test_one_role_alone_and_no_such_role(tmp_path: Path) -> None:
    written = export_photos(tmp_path, ["validation"])
    assert [file.name for file in written] == ["camera.png", "chelsea.png", "grass.png", "retina.png"]
    assert export_photos(tmp_path, ["validation"]) == written  # once more over them
    with pytest.raises(ValueError, match="there are train and validation"):
        export_photos(tmp_path, ["test"])
