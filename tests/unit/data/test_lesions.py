"""A lesion has the volume, place and contrast that were asked for, on every grid; an erased structure is gone."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from monai_sr.data import Lesion, erase, insert_lesions, lesion_patch
from monai_sr.geometry import VolumeGeometry
from monai_sr.io import Volume


def volume(shape: tuple[int, int, int], spacing: tuple[float, float, float], value: float = 0.0) -> Volume:
    array = np.full(shape, value, np.float32)
    return Volume(array, VolumeGeometry(shape, np.diag([*spacing, 1.0])), modality="CT", name="box")


@pytest.mark.parametrize("diameter", [1.0, 3.0, 8.0])
@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.6, 0.6, 3.3), (0.5, 2.0, 1.0)])
def test_signal_is_contrast_times_the_volume_of_the_ball_wherever_it_lies(
    diameter: float, spacing: tuple[float, float, float]
) -> None:
    empty = volume((48, 40, 30), spacing)
    generator = np.random.default_rng(0)
    for _ in range(5):
        middle = np.array(empty.geometry.field_of_view) / 2 + generator.uniform(-1, 1, 3)
        lesion = Lesion((middle[0], middle[1], middle[2]), diameter, -40.0, edge_mm=1.0)
        painted = insert_lesions(empty, [lesion]).array.astype(np.float64)
        assert lesion.volume_mm3 == pytest.approx(4 / 3 * np.pi * (diameter / 2) ** 3)
        assert painted.sum() * np.prod(spacing) == pytest.approx(-40.0 * lesion.volume_mm3, rel=1e-4)
        weights = painted / painted.sum()
        for axis, step in enumerate(spacing):
            if step > lesion.edge_mm:
                continue  # a voxel coarser than the lesion does not say where in it the lesion lies
            positions = (np.arange(painted.shape[axis]) + 0.5) * step
            profile = weights.sum(axis=tuple(a for a in range(3) if a != axis))
            assert profile @ positions == pytest.approx(middle[axis], abs=0.02 * step)


def test_every_voxel_is_that_of_a_ball_blurred_on_a_fine_grid() -> None:
    """Oracle: a ball of small cubes, blurred by SciPy and averaged over the voxels."""
    fine, diameter, edge = 0.1, 4.0, 1.2
    lesion = Lesion((6.13, 5.9, 6.4), diameter, 1.0, edge)
    axis = (np.arange(120) + 0.5) * fine
    x, y, z = np.meshgrid(*(axis - centre for centre in lesion.centre_mm), indexing="ij")
    ball = np.clip((diameter / 2 - np.sqrt(x**2 + y**2 + z**2)) / fine + 0.5, 0, 1)
    blurred = ndimage.gaussian_filter(ball, edge / np.sqrt(8 * np.log(2)) / fine)
    for step in (10, 20):
        n = 120 // step
        expected = blurred.reshape(n, step, n, step, n, step).mean(axis=(1, 3, 5))
        painted = insert_lesions(volume((n, n, n), (step * fine,) * 3), [lesion]).array
        np.testing.assert_allclose(painted, expected, atol=0.005)


def test_coarse_lesion_is_the_mean_of_the_fine_one() -> None:
    lesion = Lesion((10.3, 9.7, 11.2), 3.0, 100.0)
    fine = insert_lesions(volume((20, 20, 20), (1.0, 1.0, 1.0)), [lesion]).array
    coarse = insert_lesions(volume((20, 20, 5), (1.0, 1.0, 4.0)), [lesion]).array
    np.testing.assert_allclose(coarse, fine.reshape(20, 20, 5, 4).mean(axis=3), atol=0.5)


def test_a_large_lesion_reaches_its_contrast_and_falls_by_half_at_its_radius() -> None:
    weight = lesion_patch(volume((40, 40, 40), (0.5, 0.5, 0.5)).geometry, Lesion((10.25,) * 3, 10.0, 1.0, 0.5)).weight
    middle = np.array(weight.shape) // 2
    assert weight.max() == pytest.approx(1.0, abs=1e-6)
    assert weight[middle[0] + 10, middle[1], middle[2]] == pytest.approx(0.5, abs=0.03)


def test_tissue_stays_under_the_lesion() -> None:
    texture = np.random.default_rng(1).normal(50, 20, (16, 16, 16)).astype(np.float32)
    scan = volume(texture.shape, (1.0, 1.0, 1.0)).with_values(texture)
    lesion = Lesion((8.0, 8.0, 8.0), 4.0, 60.0)
    alone = insert_lesions(volume(texture.shape, (1.0, 1.0, 1.0)), [lesion]).array
    np.testing.assert_allclose(insert_lesions(scan, [lesion]).array - texture, alone, atol=1e-4)
    np.testing.assert_array_equal(scan.array, texture)


def test_what_cannot_be_is_refused() -> None:
    scan = volume((16, 16, 16), (1.0, 1.0, 1.0), 30.0)
    with pytest.raises(ValueError, match="beyond the field of view"):
        insert_lesions(scan, [Lesion((1.0, 8.0, 8.0), 3.0, 10.0)])
    with pytest.raises(ValueError, match="> 0 mm"):
        Lesion((8.0, 8.0, 8.0), 0.0, 10.0)
    magnitude = Volume(scan.array, scan.geometry, modality="MR", name="magnitude")
    with pytest.raises(ValueError, match="below the scanner's zero"):
        insert_lesions(magnitude, [Lesion((8.0, 8.0, 8.0), 4.0, -40.0)])
    assert insert_lesions(scan, [Lesion((8.0, 8.0, 8.0), 4.0, -40.0)]).array.min() < 0  # HU may


@pytest.mark.parametrize(("spacing", "left"), [((1.0, 1.0, 1.0), 0.5), ((1.0, 1.0, 3.3), 4.0)])
def test_an_erased_structure_leaves_the_slope_of_its_surroundings(
    spacing: tuple[float, float, float], left: float
) -> None:
    """Of thick slices that the ball fills in part, a part of the structure is left."""
    n = (24, 24, 24 if spacing[2] == 1 else 8)
    x, y, z = np.meshgrid(*((np.arange(m) + 0.5) * s for m, s in zip(n, spacing, strict=True)), indexing="ij")
    slope = (100 + 3 * x - 2 * y + z).astype(np.float32)
    scan = volume(n, spacing).with_values(slope)
    centre = (12.2, 11.6, 12.9)
    with_structure = insert_lesions(scan, [Lesion(centre, 4.0, 80.0)])
    erased = erase(with_structure, [Lesion(centre, 7.0, 0.0)])
    assert np.abs(with_structure.array - slope).max() > 30
    np.testing.assert_allclose(erased.array, slope, atol=left)
