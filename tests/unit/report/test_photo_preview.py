from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from monai_sr.io import InputError
from monai_sr.io.photo import Photo
from monai_sr.report import display_window, write_preview


def photo(x: int, y: int, *, colour: bool = False) -> Photo:
    luma = np.linspace(0.2, 0.8, x * y, dtype=np.float32).reshape(x, y, 1)
    return Photo(luma, np.full((2, x, y), 0.2, np.float32) if colour else None)


@pytest.mark.parametrize("colour", [False, True])
def test_side_by_side_in_the_colours_of_the_file(tmp_path: Path, colour: bool) -> None:
    rows = [("acquired", photo(40, 30, colour=colour).volume), ("after", photo(80, 60, colour=colour).volume)]
    file = write_preview(rows, "photo", tmp_path / "p.png", title="$a_1")
    with Image.open(file) as image:
        assert image.width > 1.5 * image.height
        assert "Not for diagnosis" in image.info["Description"]
        pixels = np.asarray(image.convert("RGB")).astype(int)
    spread = pixels.max(axis=-1) - pixels.min(axis=-1)
    assert (float(np.mean(spread > 30)) > 0.3) == colour


def test_an_extreme_shape_and_no_second_writing(tmp_path: Path) -> None:
    rows = [("a", photo(900, 20).volume), ("b", photo(1800, 40).volume)]
    file = write_preview(rows, "photo", tmp_path / "p.png", title="long")
    with Image.open(file) as image:
        assert max(image.size) < 6500
    with pytest.raises(InputError, match="exists"):
        write_preview(rows, "photo", file, title="long")


def test_the_window_is_black_to_white() -> None:
    assert display_window(photo(20, 20).volume, "photo") == (0.0, 1.0, "Window 1, level 0.5")
