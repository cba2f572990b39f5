"""Which axes are degraded, on which part of the volume, and with how much noise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from monai_sr.data.phantom import ellipsoids
from monai_sr.engines.tasks import CROP_MULTIPLE, STANDARD_TASKS, Task, crop_to_body, degraded, task_axes
from monai_sr.geometry import VolumeGeometry
from monai_sr.intensity import intensity_range
from monai_sr.io import InputError, Volume


def volume_of(shape: tuple[int, int, int], spacing: tuple[float, float, float]) -> Volume:
    return ellipsoids(shape, spacing, modality="MR", oversampling=1)


def test_the_quality_bar_has_twelve_settings() -> None:
    assert len({task.name for task in STANDARD_TASKS}) == 12
    assert Task("in-plane", 3.0, 0.02).name == "in-plane x3, 2 % noise"
    assert Task("through-plane", 2.0, profile="kspace").name == "through-plane x2, clean, kspace"


@pytest.mark.parametrize(
    ("shape", "spacing", "slice_axis", "through", "in_plane"),
    [
        ((24, 24, 24), (1.0, 1.0, 1.0), None, 2, (0, 1)),  # isotropic, the file does not say
        ((24, 24, 24), (1.0, 1.0, 1.0), 0, 0, (1, 2)),  # isotropic, sagittal
        ((24, 30, 12), (0.9, 0.9, 3.3), 2, 1, (0, 1)),  # thick: the longer in-plane axis serves
        ((24, 24, 12), (0.9, 0.9, 3.3), None, 1, (0, 1)),  # of equal ones the later
        ((12, 24, 24), (4.0, 0.5, 0.7), None, 1, (1, 2)),  # the finer one, whatever its length
    ],
)
def test_axes_are_those_with_a_truth(
    shape: tuple[int, int, int],
    spacing: tuple[float, float, float],
    slice_axis: int | None,
    through: int,
    in_plane: tuple[int, int],
) -> None:
    volume = replace(volume_of(shape, spacing), slice_axis=slice_axis)
    chosen = task_axes(volume, "through-plane")
    assert chosen.axes == (through,)
    assert ("serving as slice direction" in chosen.note) == (max(spacing) > 1.5 * min(spacing))
    assert task_axes(volume, "in-plane").axes == in_plane


def test_one_fine_axis_has_no_plane() -> None:
    volume = volume_of((24, 12, 12), (1.0, 3.0, 3.0))
    assert task_axes(volume, "through-plane").axes == (0,)
    with pytest.raises(InputError, match="two axes of high resolution"):
        task_axes(volume, "in-plane")


def test_the_crop_holds_the_body_and_stays_where_it_was() -> None:
    body = volume_of((40, 40, 40), (1.0, 1.0, 2.0))
    array = np.zeros((90, 80, 70), np.float32)
    array[30:70, 10:50, 25:65] = body.array
    whole = body.with_values(array, VolumeGeometry((90, 80, 70), np.diag([1.0, 1.0, 2.0, 1.0])))
    part = crop_to_body(whole, (0, 2), 50)
    assert part.geometry.shape == (48, 50, 48)  # degraded axes: a multiple of 12
    assert part.array.sum() == pytest.approx(whole.array.sum(), rel=1e-6)  # all of the body
    for index in ((0, 0, 0), (47, 49, 47)):  # the same value at the same place in the world
        there = np.rint(np.linalg.inv(whole.geometry.affine) @ [*part.geometry.world(index), 1.0]).astype(int)[:3]
        assert part.array[index] == whole.array[tuple(there)]


def test_without_a_limit_only_the_remainder_is_cut() -> None:
    part = crop_to_body(volume_of((25, 30, 37), (1.0, 1.0, 1.0)), (2,))
    assert part.geometry.shape == (25, 30, 37 - 37 % CROP_MULTIPLE)


def test_a_factor_that_does_not_divide_the_multiple_widens_it() -> None:
    volume = volume_of((70, 30, 70), (1.0, 1.0, 1.0))
    part = crop_to_body(volume, (0, 2), factor=5.0)
    assert part.geometry.shape == (60, 30, 60)
    assert degraded(part, Task("in-plane", 5.0), (0, 2), seed=0).geometry.shape == (12, 30, 12)
    assert crop_to_body(volume, (0, 2), factor=4.0).geometry.shape == (60, 30, 60)
    assert crop_to_body(volume, (2,), factor=2.5).geometry.shape == (70, 30, 60)


def test_too_short_an_axis_is_refused() -> None:
    with pytest.raises(InputError, match="axis 2 has 10 voxels"):
        crop_to_body(volume_of((24, 24, 10), (1.0, 1.0, 1.0)), (2,))


@pytest.mark.parametrize("axes", [(2,), (0, 1)])
def test_every_degraded_axis_is_as_coarse_as_the_task_says(axes: tuple[int, ...]) -> None:
    truth = volume_of((24, 24, 24), (1.0, 1.0, 1.0))
    acquired = degraded(truth, Task("in-plane", 3.0), axes, seed=0)
    for axis in range(3):
        expected = 3.0 if axis in axes else 1.0
        assert acquired.geometry.spacing[axis] == pytest.approx(expected)
    np.testing.assert_allclose(acquired.geometry.corners(), truth.geometry.corners(), atol=1e-9)
    assert acquired.name == truth.name


@pytest.mark.parametrize("axes", [(2,), (0, 1)])
def test_noise_is_a_share_of_the_range_of_the_truth(axes: tuple[int, ...]) -> None:
    """Also where two axes are degraded, and the range has shrunk before the noise comes."""
    truth = replace(volume_of((48, 48, 48), (1.0, 1.0, 1.0)), modality="CT")
    clean = degraded(truth, Task("in-plane", 2.0), axes, seed=0)
    noisy = degraded(truth, Task("in-plane", 2.0, 0.02), axes, seed=0)
    assert (noisy.array - clean.array).std() == pytest.approx(40.0, rel=0.03)
    mr = replace(truth, modality="MR")
    width = intensity_range(mr.array, "MR").width
    added = (
        degraded(mr, Task("in-plane", 2.0, 0.02), axes, 0).array - degraded(mr, Task("in-plane", 2.0), axes, 0).array
    )
    bright = degraded(mr, Task("in-plane", 2.0), axes, 0).array > 0.2 * width  # where Rician noise is Gaussian
    assert added[bright].std() == pytest.approx(0.02 * width, rel=0.03)


def test_the_profile_can_be_chosen_and_the_seed_decides_the_noise() -> None:
    truth = volume_of((24, 24, 24), (1.0, 1.0, 1.0))
    box, kspace = (degraded(truth, Task("in-plane", 2.0, profile=p), (0, 1), 0).array for p in ("box", "kspace"))
    assert np.abs(box - kspace).max() > 1.0
    first, second, other = (degraded(truth, Task("in-plane", 2.0, 0.05), (0, 1), s).array for s in (1, 1, 2))
    assert np.array_equal(first, second)
    assert not np.array_equal(first, other)
