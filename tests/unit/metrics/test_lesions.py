"""Contrast, visibility and volume of lesions whose values are known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage, stats

from monai_sr.data import Lesion, insert_lesions, lesion_patch
from monai_sr.geometry import VolumeGeometry
from monai_sr.io import Volume
from monai_sr.metrics import VISIBLE, contrast_scores, half_maximum_volume, local_contrast

SHAPE = (40, 40, 40)


def scan(values: float | np.ndarray = 50.0, spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)) -> Volume:
    array = np.full(SHAPE, values, np.float32) if isinstance(values, float) else values.astype(np.float32)
    return Volume(array, VolumeGeometry(SHAPE, np.diag([*spacing, 1.0])), modality="CT", name="box")


@pytest.mark.parametrize("diameter", [1.0, 3.0, 8.0])
@pytest.mark.parametrize("centre", [(20.0, 20.0, 20.0), (19.7, 20.3, 20.1)])
def test_contrast_is_that_of_the_lesion_however_small(diameter: float, centre: tuple[float, float, float]) -> None:
    lesion = Lesion(centre, diameter, -40.0)
    patch = lesion_patch(scan().geometry, lesion, margin_mm=4.0)
    radius = diameter / 2
    shell = (patch.distance_mm > radius + 1) & (patch.distance_mm <= radius + 4)
    assert local_contrast(scan().array[patch.window], patch.weight, shell) == pytest.approx(0.0, abs=1e-6)
    values = insert_lesions(scan(), [lesion]).array[patch.window]
    assert local_contrast(values, patch.weight, shell) == pytest.approx(-40.0, rel=1e-4)
    assert local_contrast(0.3 * values, patch.weight, shell) == pytest.approx(-12.0, rel=1e-4)
    with pytest.raises(ValueError, match="surrounds"):
        local_contrast(values, patch.weight, shell & False)


def test_visibility_counts_in_deviations_of_places_without_a_lesion() -> None:
    null = np.random.default_rng(0).normal(7.0, 4.0, 4000)
    np.testing.assert_allclose(contrast_scores([19.0, -5.0], null, 1), [3, -3], atol=0.15)
    np.testing.assert_allclose(contrast_scores([19.0, -5.0], null, -1), [-3, 3], atol=0.15)
    false = float((contrast_scores(np.random.default_rng(1).normal(7, 4, 10**6), null, 1) >= VISIBLE).mean())
    assert false == pytest.approx(stats.norm.sf(3), rel=0.3)
    with pytest.raises(ValueError, match="at least 8"):
        contrast_scores([1.0], [0.0, 1.0], 1)


@pytest.mark.parametrize(("diameter", "edge"), [(8.0, 0.6), (10.0, 1.0)])
def test_half_maximum_volume_of_a_ball_is_its_volume(diameter: float, edge: float) -> None:
    """Of a large ball: the surface at half maximum of a small blurred one lies inside the ball."""
    spacing = (0.4, 0.5, 0.5)
    lesion = Lesion((8.1, 10.2, 10.0), diameter, 100.0, edge)
    alone = insert_lesions(scan(0.0, spacing), [lesion]).array
    assert half_maximum_volume(alone, spacing) == pytest.approx(lesion.volume_mm3, rel=0.05)
    assert half_maximum_volume(0.4 * alone, spacing) == pytest.approx(half_maximum_volume(alone, spacing))


def test_half_maximum_volume_of_a_gaussian_is_that_of_its_width() -> None:
    """Oracle: a Gaussian of standard deviation s is above half within 1.1774 s."""
    point = np.zeros(SHAPE)
    point[20, 20, 20] = 1.0
    widths = (1.5, 2.0, 3.0)
    expected = 4 / 3 * np.pi * 1.1774**3 * np.prod(widths)
    assert half_maximum_volume(ndimage.gaussian_filter(point, widths), (1, 1, 1)) == pytest.approx(expected, rel=0.03)
    two = ndimage.gaussian_filter(point, widths) + 0.9 * ndimage.gaussian_filter(np.roll(point, 15, 0), widths)
    assert half_maximum_volume(two, (1, 1, 1)) == pytest.approx(expected, rel=0.03)  # the piece around the maximum
    assert half_maximum_volume(np.zeros((5, 5, 5)), (1, 1, 1)) == 0.0
