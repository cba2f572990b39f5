"""Invented and lost structures are found where they were made, and blur, noise and shift are not taken for them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from monai_sr.data import Lesion, insert_lesions, lesion_patch
from monai_sr.geometry import VolumeGeometry
from monai_sr.io import Volume
from monai_sr.metrics import contrast_map, local_contrast, unmatched_blobs

GRID = VolumeGeometry((48, 40, 36), np.eye(4))
SMALL = VolumeGeometry((15, 15, 15), np.eye(4))
RADIUS = (2, 2, 2)


def kernel(diameter: float = 4.0) -> tuple[np.ndarray, np.ndarray]:
    patch = lesion_patch(SMALL, Lesion((7.5, 7.5, 7.5), diameter, 1.0), margin_mm=4.0)
    shell = (patch.distance_mm > diameter / 2 + 1) & (patch.distance_mm <= diameter / 2 + 4)
    return patch.weight, shell


def scan(*lesions: Lesion) -> np.ndarray:
    texture = ndimage.gaussian_filter(np.random.default_rng(0).normal(0, 30, GRID.shape), 1.0)
    return insert_lesions(Volume(texture.astype(np.float32), GRID, modality="CT", name="x"), lesions).array


REAL = (Lesion((12.3, 20.1, 18.2), 4.0, 100.0), Lesion((36.2, 20.4, 18.0), 4.0, -100.0))


def test_the_map_is_the_local_contrast_of_every_voxel() -> None:
    array, (weight, shell) = scan(*REAL), kernel()
    found = contrast_map(array, weight, shell)
    assert found.shape == array.shape
    half = weight.shape[0] // 2
    for x, y, z in ((12, 20, 18), (20, 15, 20), (36, 20, 17)):
        part = tuple(slice(c - half, c + half + 1) for c in (x, y, z))
        assert found[x, y, z] == pytest.approx(local_contrast(array[part], weight, shell), abs=0.02)
    np.testing.assert_allclose(contrast_map(array + 500.0, weight, shell), found, atol=0.01)
    with pytest.raises(ValueError, match="odd"):
        contrast_map(array, weight[1:], shell[1:])


def test_only_what_was_invented_or_lost_is_found() -> None:
    invented = Lesion((24.0, 12.0, 18.0), 4.0, 90.0)
    mask = np.ones(GRID.shape, bool)
    truth = contrast_map(scan(*REAL), *kernel())
    restored = contrast_map(scan(REAL[0], invented), *kernel())
    added = unmatched_blobs(restored, truth, mask, 50.0, RADIUS)
    lost = unmatched_blobs(truth, restored, mask, 50.0, RADIUS)
    assert [tuple(np.abs(blob - (23.5, 11.5, 17.5)) < 1.5) for blob in added] == [(True,) * 3]
    assert [tuple(np.abs(blob - (35.7, 19.9, 17.5)) < 1.5) for blob in lost] == [(True,) * 3]
    mask[:, :16] = False
    assert len(unmatched_blobs(restored, truth, mask, 50.0, RADIUS)) == 0


def test_a_blurred_structure_is_weak_but_neither_invented_nor_a_loss_until_half_of_it_is_gone() -> None:
    mask = np.ones(GRID.shape, bool)
    truth = scan(*REAL)
    sharp = contrast_map(truth, *kernel())
    weak = contrast_map(scan(*(Lesion(b.centre_mm, 4.0, 0.7 * b.contrast) for b in REAL)), *kernel())
    gone = contrast_map(scan(*(Lesion(b.centre_mm, 4.0, 0.2 * b.contrast) for b in REAL)), *kernel())
    assert len(unmatched_blobs(weak, sharp, mask, 50.0, RADIUS)) == 0
    assert len(unmatched_blobs(sharp, weak, mask, 50.0, RADIUS)) == 0
    assert len(unmatched_blobs(sharp, gone, mask, 50.0, RADIUS)) == 2
    assert len(unmatched_blobs(-sharp, sharp, mask, 50.0, RADIUS)) == 2  # dark is no match for bright
