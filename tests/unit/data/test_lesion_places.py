"""Places keep their distances, spread between the voxels, and repeat with the seed."""

from __future__ import annotations

import numpy as np
from scipy.spatial.distance import pdist

from monai_sr.data import draw_places

SPACING = (1.0, 0.5, 3.0)


def body() -> np.ndarray:
    mask = np.zeros((60, 120, 24), bool)
    mask[5:55, 10:110, 2:22] = True  # from 5 to 55 mm, from 5 to 55 mm, from 6 to 66 mm
    return mask


def test_surroundings_lie_in_the_body_and_apart() -> None:
    places = draw_places(body(), body(), SPACING, clearance_mm=6.0, count=200, seed=0)
    assert 20 < len(places) < 200  # as many as fit
    found = np.array(places)
    assert pdist(found).min() >= 12.0
    for axis, (low, high) in enumerate(((5, 55), (5, 55), (6, 66))):
        assert found[:, axis].min() >= low + 6.0
        assert found[:, axis].max() <= high - 6.0


def test_they_lie_anywhere_in_a_voxel_but_only_in_allowed_ones() -> None:
    allowed = np.zeros_like(body())
    allowed[::3, ::3, ::2] = True
    places = np.array(draw_places(allowed, body(), SPACING, clearance_mm=2.0, count=300, seed=1))
    inside = places / SPACING
    assert allowed[tuple(inside.astype(int).T)].all()
    assert np.histogram(inside % 1, bins=4, range=(0, 1))[0].min() > 0.15 * inside.size


def test_earlier_places_keep_their_room_and_a_seed_repeats() -> None:
    first = draw_places(body(), body(), SPACING, clearance_mm=6.0, count=5, seed=2)
    assert first == draw_places(body(), body(), SPACING, clearance_mm=6.0, count=5, seed=2)
    second = draw_places(
        body(), body(), SPACING, clearance_mm=2.0, count=100, seed=3, taken=[(place, 6.0) for place in first]
    )
    assert min(np.linalg.norm(np.subtract(a, b)) for a in first for b in second) >= 8.0


def test_touching_the_edge_of_the_volume_is_leaving_the_body() -> None:
    everywhere = np.ones((20, 20, 20), bool)
    places = np.array(draw_places(everywhere, everywhere, (1.0, 1.0, 1.0), clearance_mm=5.0, count=50, seed=4))
    assert places.min() >= 5.0
    assert places.max() <= 15.0
