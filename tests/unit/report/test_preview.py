from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from monai_sr import Volume, VolumeGeometry
from monai_sr.data import phantom
from monai_sr.report import display_window, write_preview


@pytest.fixture(scope="module")
def pair() -> tuple[Volume, Volume]:
    thick = phantom.ellipsoids((40, 36, 12), (4.0, 4.0, 12.0), modality="MR")
    thin = phantom.ellipsoids((40, 36, 36), (4.0, 4.0, 4.0), modality="MR")
    return tuple(v.with_values(np.where(v.array > 0, np.float32(500.0), np.float32(0.0))) for v in (thick, thin))


def panels(file) -> list[tuple[int, int, int, int]]:
    """Boxes (top, bottom, left, right) of the bright pictures, row by row: found in the pixels, not in the code."""
    from scipy import ndimage

    gray = np.asarray(Image.open(file).convert("L"))
    labels, _ = ndimage.label(ndimage.binary_closing(gray > 60, iterations=6))
    boxes = [
        (b[0].start, b[0].stop, b[1].start, b[1].stop)
        for b in ndimage.find_objects(labels)
        if (b[0].stop - b[0].start) > 100 and (b[1].stop - b[1].start) > 100
    ]
    return sorted(boxes, key=lambda b: ((b[0] + b[1]) // len(gray), b[2]))


def test_before_and_after_are_drawn_at_one_physical_scale(pair, tmp_path):
    file = write_preview([("acquired", pair[0]), ("after", pair[1])], "MR", tmp_path / "preview.png", title="phantom")
    boxes = panels(file)
    assert len(boxes) == 6
    for before, after in zip(boxes[:3], boxes[3:], strict=True):  # the same body, thick or thin, has the same size
        assert before[1] - before[0] == pytest.approx(after[1] - after[0], rel=0.12)
        assert before[3] - before[2] == pytest.approx(after[3] - after[2], rel=0.12)
    # the body is 0.86 * 160 mm wide and 0.97 * 144 mm high in the coronal plane, in mm and not in voxels
    top, bottom, left, right = boxes[4]
    assert (bottom - top) / (right - left) == pytest.approx(0.97 * 144 / (0.86 * 160), rel=0.08)


def test_the_picture_is_marked_and_carries_no_more_than_its_title(pair, tmp_path):
    file = write_preview([("acquired", pair[0])], "MR", tmp_path / "p.png", title="$case_1")  # no TeX is parsed
    assert Image.open(file).info["Description"] == "Research only. Not for diagnosis."


def test_an_existing_picture_stays(pair, tmp_path):
    file = tmp_path / "preview.png"
    file.write_bytes(b"mine")
    with pytest.raises(ValueError, match="exists"):
        write_preview([("acquired", pair[0])], "MR", file, title="phantom")
    assert file.read_bytes() == b"mine"


def test_window_of_soft_tissue_of_lung_and_of_mr():
    body = phantom.ellipsoids((64, 64, 64))
    assert display_window(body, "CT")[:2] == (-160.0, 240.0)
    chest = np.full((64, 64, 64), -1000.0, np.float32)
    chest[8:56, 8:56, 8:56] = 45.0
    chest[16:48, 16:48, 16:48] = -800.0
    low, high, words = display_window(body.with_values(chest), "CT")
    assert (low, high) == (-1350.0, 150.0)
    assert words == "Window 1500, level -600 HU"
    low, high, words = display_window(phantom.ellipsoids((32, 32, 32), modality="MR"), "MR")
    assert 0.0 < low < 320.0 < 700.0 < high <= 900.0
    assert words.startswith("Window ")


def test_one_hot_voxel_does_not_darken_the_picture():
    body = phantom.ellipsoids((32, 32, 32), modality="MR")
    hot = body.array.copy()
    hot[16, 16, 16] = 1e6
    assert display_window(body.with_values(hot), "MR")[1] == pytest.approx(display_window(body, "MR")[1], rel=0.05)


@pytest.mark.parametrize("modality", ["CT", "MR"])
def test_a_constant_volume_still_has_a_picture(modality, tmp_path):
    flat = Volume(np.full((4, 4, 4), 7.0, np.float32), VolumeGeometry((4, 4, 4), np.eye(4)))
    assert write_preview([("acquired", flat)], modality, tmp_path / "p.png", title="flat").is_file()


def test_a_very_flat_or_long_scan_keeps_the_figure_within_bounds(tmp_path):
    long = Volume(np.zeros((4, 4, 300), np.float32), VolumeGeometry((4, 4, 300), np.diag([1.0, 1.0, 5.0, 1.0])))
    width, height = Image.open(write_preview([("a", long)], "MR", tmp_path / "p.png", title="long")).size
    assert width < 2500
    assert height <= 40 * 150


def test_the_body_is_looked_for_once(pair, tmp_path, monkeypatch):
    """It takes longer than all the drawing where it is done for window and place apart."""
    from monai_sr.report import place

    asked = []
    monkeypatch.setattr(place, "body_mask", lambda values, modality: asked.append(modality) or values > 0)
    write_preview([("acquired", pair[0]), ("after", pair[1])], "MR", tmp_path / "p.png", title="phantom")
    assert asked == ["MR"]
