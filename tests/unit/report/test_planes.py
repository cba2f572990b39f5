from __future__ import annotations

import itertools

import nibabel as nib
import numpy as np
import pytest

from monai_sr import Volume, VolumeGeometry
from monai_sr.report.planes import anatomical_axes, sections

SHAPE = (10, 12, 14)
SPACING = (1.0, 2.0, 3.0)


def corner_volume() -> nib.Nifti1Image:
    """Bright in the octant that is the patient's right, anterior and superior."""
    array = np.zeros(SHAPE, np.float32)
    array[5:, 6:, 7:] = 1.0
    return nib.Nifti1Image(array, np.diag([*SPACING, 1.0]))


ORIENTATIONS = [
    np.array(list(zip(axes, signs, strict=True)))
    for axes in itertools.permutations(range(3))
    for signs in itertools.product((1, -1), repeat=3)
]


@pytest.mark.parametrize("orientation", ORIENTATIONS, ids=lambda o: "".join(nib.orientations.ornt2axcodes(o)))
def test_right_is_on_the_left_and_anterior_and_head_are_up_in_all_48_orientations(orientation):
    image = corner_volume().as_reoriented(orientation)  # nibabel is the oracle of what the array then means
    volume = Volume(np.asarray(image.dataobj), VolumeGeometry(image.shape, image.affine))
    codes = nib.aff2axcodes(image.affine)
    for (axis, sign), letters in zip(anatomical_axes(volume), ("RL", "AP", "SI"), strict=True):
        assert codes[axis] == letters[0 if sign > 0 else 1]
    # a little beyond the middle, towards right, anterior and superior: inside the bright octant
    place = tuple(0.6 if code in "RAS" else 0.4 for code in codes)
    axial, coronal, sagittal = sections(volume, place)

    def quadrant(image: np.ndarray) -> tuple[int, int]:
        row, column = np.argwhere(image > 0.5).mean(axis=0)
        return int(row > (image.shape[0] - 1) / 2), int(column > (image.shape[1] - 1) / 2)

    assert axial.labels == ("R", "L", "A", "P")
    assert coronal.labels == ("R", "L", "S", "I")
    assert sagittal.labels == ("A", "P", "S", "I")
    for section in (axial, coronal, sagittal):
        assert quadrant(section.image) == (0, 0), section.name  # top left: right or anterior, and anterior or head
    assert axial.size_mm == pytest.approx((10.0, 24.0))
    assert coronal.size_mm == pytest.approx((10.0, 42.0))
    assert sagittal.size_mm == pytest.approx((24.0, 42.0))
    assert axial.image.shape == (12, 10)


def test_an_oblique_scan_is_named_by_its_closest_planes():
    angle = np.deg2rad(30.0)
    affine = np.eye(4)
    affine[:3, :3] = [[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]]
    volume = Volume(np.zeros(SHAPE, np.float32), VolumeGeometry(SHAPE, affine))
    assert anatomical_axes(volume) == [(0, 1), (1, 1), (2, 1)]


def test_the_outer_edge_of_the_field_is_the_last_voxel():
    array = np.arange(np.prod(SHAPE), dtype=np.float32).reshape(SHAPE)
    volume = Volume(array, VolumeGeometry(SHAPE, np.eye(4)))
    axial = sections(volume, (0.5, 0.5, 1.0))[0]
    np.testing.assert_array_equal(np.sort(axial.image.ravel()), np.sort(array[:, :, -1].ravel()))


def test_a_region_is_the_same_field_on_a_thick_and_a_thin_grid():
    thin = Volume(np.zeros((10, 12, 60), np.float32), VolumeGeometry((10, 12, 60), np.eye(4)))
    thick = Volume(np.zeros((10, 12, 12), np.float32), thin.geometry.resized((10, 12, 12)))
    region = ((0.2, 0.9), (0.0, 1.0), (3 / 12, 7 / 12))
    for a, b in zip(sections(thin, region=region), sections(thick, region=region), strict=True):
        assert a.size_mm == pytest.approx(b.size_mm)
    assert sections(thick, region=region)[1].size_mm == pytest.approx((7.0, 20.0))


@pytest.mark.parametrize("orientation", ORIENTATIONS, ids=lambda o: "".join(nib.orientations.ornt2axcodes(o)))
def test_a_part_lies_at_its_corner_of_the_whole_section(orientation):
    array = np.random.default_rng(0).random(SHAPE, np.float32)
    image = nib.Nifti1Image(array, np.diag([*SPACING, 1.0])).as_reoriented(orientation)
    volume = Volume(np.asarray(image.dataobj), VolumeGeometry(image.shape, image.affine))
    region = [(2 / n, (n - 3) / n) for n in volume.array.shape]
    for part, whole in zip(sections(volume, region=region), sections(volume), strict=True):
        spacing = [volume.geometry.spacing[axis] for axis in part.axes]
        left, top = (round(mm / s) for mm, s in zip(part.corner_mm, spacing, strict=True))
        rows, columns = part.image.shape
        np.testing.assert_array_equal(part.image, whole.image[top : top + rows, left : left + columns])
