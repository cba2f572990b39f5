"""Voxels stay where they are: spacing, corners and resizing, with SimpleITK as oracle."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import SimpleITK as sitk

from monai_sr.geometry import LPS_TO_RAS, GeometryError, VolumeGeometry


def oblique_affine(spacing: tuple[float, float, float], seed: int = 0) -> np.ndarray:
    """A rotated, left- or right-handed affine with the given spacing in mm."""
    rng = np.random.default_rng(seed)
    rotation, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    affine = np.eye(4)
    affine[:3, :3] = rotation * np.asarray(spacing)
    affine[:3, 3] = rng.uniform(-200, 200, 3)
    return affine


def as_sitk(geometry: VolumeGeometry) -> sitk.Image:
    """The same grid in SimpleITK, which counts in LPS."""
    image = sitk.Image([int(n) for n in geometry.shape], sitk.sitkUInt8)
    lps = LPS_TO_RAS @ geometry.affine
    image.SetSpacing(geometry.spacing)
    image.SetOrigin(lps[:3, 3].tolist())
    image.SetDirection((lps[:3, :3] / np.asarray(geometry.spacing)).ravel().tolist())
    return image


def sitk_corners(image: sitk.Image) -> np.ndarray:
    """Outer corners in RAS, in the order of ``VolumeGeometry.corners``."""
    edges = [(-0.5, n - 0.5) for n in image.GetSize()]
    points = [image.TransformContinuousIndexToPhysicalPoint(p) for p in itertools.product(*edges)]
    return np.array(points) * [-1, -1, 1]


@pytest.mark.parametrize("seed", range(4))
def test_corners_equal_simpleitk(seed: int) -> None:
    geometry = VolumeGeometry((7, 11, 5), oblique_affine((0.7, 1.3, 4.5), seed))
    np.testing.assert_allclose(geometry.corners(), sitk_corners(as_sitk(geometry)), atol=1e-9)


@pytest.mark.parametrize("shape", [(7, 11, 20), (14, 11, 5), (9, 13, 17), (3, 2, 1)])
def test_resizing_keeps_the_outer_corners_exactly(shape: tuple[int, int, int]) -> None:
    geometry = VolumeGeometry((7, 11, 5), oblique_affine((0.7, 1.3, 4.5)))
    resized = geometry.resized(shape)
    assert resized.shape == shape
    np.testing.assert_allclose(resized.corners(), geometry.corners(), atol=1e-9)
    np.testing.assert_allclose(sitk_corners(as_sitk(resized)), sitk_corners(as_sitk(geometry)), atol=1e-9)
    np.testing.assert_allclose(resized.field_of_view, geometry.field_of_view, rtol=1e-12)


def test_resizing_by_two_puts_new_centres_a_quarter_voxel_beside_the_old_ones() -> None:
    fine = VolumeGeometry((4, 4, 4), np.diag([1.0, 1.0, 4.0, 1.0])).resized((4, 4, 8))
    np.testing.assert_allclose(fine.world([0, 0, 0]), [0, 0, -1.0])
    np.testing.assert_allclose(fine.world([0, 0, 1]), [0, 0, 1.0])


def test_resampling_with_a_start_moves_the_outer_edge_by_that_many_voxels() -> None:
    geometry = VolumeGeometry((6, 6, 10), np.diag([1.0, 1.0, 5.0, 1.0]))
    cut = geometry.resampled((6, 6, 16), (1.0, 1.0, 0.5), (0.0, 0.0, 1.0))
    np.testing.assert_allclose(cut.corners()[0], geometry.world([-0.5, -0.5, 0.5]))
    np.testing.assert_allclose(cut.spacing, (1.0, 1.0, 2.5))


def test_world_takes_many_points() -> None:
    geometry = VolumeGeometry((4, 5, 6), oblique_affine((1.0, 2.0, 3.0)))
    index = np.random.default_rng(0).uniform(0, 4, (3, 2, 3))
    points = geometry.world(index)
    assert points.shape == (3, 2, 3)
    homogeneous = np.append(index[1, 1], 1.0)
    np.testing.assert_allclose(points[1, 1], (geometry.affine @ homogeneous)[:3])


def test_spacing_is_the_length_of_the_columns_and_shear_is_seen() -> None:
    geometry = VolumeGeometry((4, 5, 6), oblique_affine((0.5, 2.0, 3.25)))
    np.testing.assert_allclose(geometry.spacing, (0.5, 2.0, 3.25))
    assert geometry.shear() < 1e-12
    tilted = np.diag([1.0, 1.0, 3.0, 1.0])
    tilted[1, 2] = 3.0 * np.tan(np.radians(18.0))
    assert VolumeGeometry((4, 5, 6), tilted).shear() == pytest.approx(np.sin(np.radians(18.0)))


def test_geometry_cannot_be_changed_by_accident() -> None:
    affine = np.eye(4)
    geometry = VolumeGeometry((4, 4, 4), affine)
    affine[0, 0] = 5.0
    assert geometry.spacing == (1.0, 1.0, 1.0)
    with pytest.raises(ValueError, match="read-only"):
        geometry.affine[0, 0] = 5.0


@pytest.mark.parametrize(
    ("affine", "words"),
    [
        (np.diag([1.0, 1.0, 0.0, 1.0]), "singular"),
        (np.array([[1, 1, 0, 0], [0, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]], float), "singular"),
        (np.full((4, 4), np.nan), "finite"),
        (np.eye(3), "4 x 4"),
    ],
)
def test_an_unusable_affine_is_refused(affine: np.ndarray, words: str) -> None:
    with pytest.raises(GeometryError, match=words):
        VolumeGeometry((4, 4, 4), affine)


@pytest.mark.parametrize("shape", [(4, 4), (4, 4, 0), (4, 4, 4, 2)])
def test_a_shape_that_is_no_volume_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(GeometryError, match="three axes"):
        VolumeGeometry(shape, np.eye(4))  # type: ignore[arg-type]  # the wrong type is the point
