from __future__ import annotations

import io

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from monai_sr.report.png import write_png


def figure() -> Figure:
    drawn = Figure(figsize=(3.0, 2.0), dpi=150, facecolor="black", layout="constrained")
    left, right = drawn.subplots(1, 2)
    left.imshow(np.arange(12.0).reshape(3, 4), cmap="gray", interpolation="nearest")
    left.set_title("a title that needs room", color="white")
    right.plot([0, 1, 4])
    drawn.suptitle("both", color="white")
    return drawn


def test_drawn_once_it_has_the_pixels_that_savefig_draws(tmp_path):
    expected = io.BytesIO()
    saved = figure()
    FigureCanvasAgg(saved)
    saved.savefig(expected, format="png")
    found = Image.open(write_png(figure(), tmp_path / "figure.png"))
    np.testing.assert_array_equal(np.asarray(found), np.asarray(Image.open(expected)))
    assert found.info["dpi"] == pytest.approx((150.0, 150.0), rel=1e-3)
    assert found.info["Description"] == "Research only. Not for diagnosis."


def test_a_file_that_exists_stays_unless_it_may_be_replaced(tmp_path):
    file = tmp_path / "figure.png"
    file.write_bytes(b"mine")
    with pytest.raises(ValueError, match="exists"):
        write_png(figure(), file)
    assert file.read_bytes() == b"mine"
    assert Image.open(write_png(figure(), file, overwrite=True)).size == (450, 300)
