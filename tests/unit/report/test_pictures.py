from __future__ import annotations

import numpy as np
import pytest

from monai_sr import Volume, VolumeGeometry
from monai_sr.data import phantom
from monai_sr.report.pictures import load_picture, picture_of, picture_place, save_picture


@pytest.fixture(scope="module")
def truth() -> Volume:
    return phantom.ellipsoids((60, 48, 36), (1.0, 1.0, 1.5))


def test_a_file_gives_back_what_was_cut(truth, tmp_path):
    place, region = picture_place(truth)
    save_picture(tmp_path / "truth.npz", truth, place=place, region=region, count=5)
    kept, cut = load_picture(tmp_path / "truth.npz"), picture_of(truth, place=place, region=region, count=5)
    assert [plane.name for plane in kept.planes] == ["axial", "coronal", "sagittal"]
    for a, b in zip(kept.planes, cut.planes, strict=True):
        assert a.images.shape == b.images.shape
        assert a.images.shape[0] == 5
        np.testing.assert_allclose(a.images, b.images, atol=np.ptp(b.images) / 4000)
        assert (a.box_mm, a.labels, a.axes) == (b.box_mm, b.labels, b.axes)
    assert (kept.modality, kept.spacing) == ("CT", truth.geometry.spacing)


def test_the_middle_slice_goes_through_the_place_whatever_the_count(truth):
    place, region = picture_place(truth)
    one, nine = (picture_of(truth, place=place, region=region, count=n) for n in (1, 9))
    for a, b in zip(one.planes, nine.planes, strict=True):
        np.testing.assert_array_equal(a.middle, b.middle)


def test_pictures_of_two_grids_lie_where_they_lie_in_the_field(truth):
    """The same object on a grid three times as coarse: its box encloses that of the truth by less than a voxel."""
    thick = phantom.ellipsoids((60, 48, 12), (1.0, 1.0, 4.5))
    place, _ = picture_place(truth)
    region = [(5 / 60, 50 / 60), (4 / 48, 40 / 48), (7 / 36, 31 / 36)]
    fine, coarse = (picture_of(v, place=place, region=region) for v in (truth, thick))
    for a, b in zip(fine.planes, coarse.planes, strict=True):
        left, top, width, height = np.subtract(b.box_mm, a.box_mm)
        limit = 4.5 if 2 in a.axes else 0.0
        assert -limit <= left <= 1e-9
        assert -limit <= top <= 1e-9
        assert -1e-9 <= left + width <= limit
        assert -1e-9 <= top + height <= limit


def test_a_photograph_has_one_plane_and_one_slice(tmp_path):
    array = np.arange(30 * 20, dtype=np.float32).reshape(30, 20, 1)
    photo = Volume(array, VolumeGeometry((30, 20, 1), np.eye(4)), modality="photo")  # type: ignore[arg-type]
    place, region = picture_place(photo)
    save_picture(tmp_path / "photo.npz", photo, place=place, region=region, count=9)
    kept = load_picture(tmp_path / "photo.npz")
    assert [plane.images.shape for plane in kept.planes] == [(1, 20, 30)]


def test_a_constant_volume_and_one_hot_voxel_survive(tmp_path):
    flat = Volume(np.full((8, 8, 8), 7.0, np.float32), VolumeGeometry((8, 8, 8), np.eye(4)), modality="MR")
    hot = flat.array.copy()
    hot[4, 4, 4] = 1e6
    for name, volume in (("flat", flat), ("hot", flat.with_values(hot))):
        place, region = picture_place(volume)
        save_picture(tmp_path / f"{name}.npz", volume, place=place, region=region)
        for plane in load_picture(tmp_path / f"{name}.npz").planes:
            assert plane.images.min() == pytest.approx(7.0, abs=10.0)


def test_a_large_scan_stays_a_small_file(tmp_path):
    rng = np.random.default_rng(0)
    array = rng.normal(100.0, 20.0, (512, 512, 16)).astype(np.float32)
    scan = Volume(array, VolumeGeometry(array.shape, np.diag([0.5, 0.5, 5.0, 1.0])), modality="CT")
    place, region = picture_place(scan)
    save_picture(tmp_path / "large.npz", scan, place=place, region=region)
    (axial, *_) = load_picture(tmp_path / "large.npz").planes
    assert axial.images.shape == (1, 256, 256)
    assert (tmp_path / "large.npz").stat().st_size < 200_000
