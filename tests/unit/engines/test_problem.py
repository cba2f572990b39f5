"""A problem: names that are safe, one truth, and what the methods are told of it."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from monai_sr.data.phantom import ellipsoids
from monai_sr.data.simulate import thicken
from monai_sr.degradation import SliceProfile
from monai_sr.engines.problem import Problem, real_pair, simulated
from monai_sr.engines.tasks import Task
from monai_sr.geometry import VolumeGeometry
from monai_sr.grid import AxisGrid
from monai_sr.io import InputError, Volume


@pytest.fixture(scope="module")
def truth() -> Volume:
    return replace(ellipsoids((24, 36, 24), (1.0, 1.0, 1.0), modality="MR"), name="head")


def photo(shape: tuple[int, int, int] = (48, 36, 1)) -> Volume:
    array = np.random.default_rng(0).uniform(0, 1, shape).astype(np.float32)
    return Volume(array, VolumeGeometry(shape, np.eye(4)), modality="photo", name="cat")


@pytest.mark.parametrize("name", ["../../etc/passwd", "sub 01/t1 (2)", "ä*?[0].nii", "a" * 20, "$(rm) -rf"])
def test_a_slug_is_a_safe_file_name(truth: Volume, name: str) -> None:
    slug = simulated(replace(truth, name=name), Task("through-plane", 2.0, 0.02), None, 0).slug
    assert re.fullmatch(r"[A-Za-z0-9.][A-Za-z0-9.-]*", slug)
    assert "/" not in slug


def test_every_problem_has_a_slug_of_its_own(truth: Volume) -> None:
    tasks = [
        Task("through-plane", 2.0),
        Task("through-plane", 2.0, 0.02),
        Task("through-plane", 2.0, profile="box"),
        Task("through-plane", 2.0, width=0.7),
        Task("in-plane", 2.0),
        Task("through-plane", 3.0),
    ]
    slugs = [simulated(truth, task, None, 0).slug for task in tasks]
    slugs.append(simulated(replace(truth, name="hea"), tasks[0], None, 0).slug)
    assert len(set(slugs)) == len(slugs)


@pytest.mark.parametrize("width", [0.7, 1.3])
def test_a_wrong_width_is_not_told_to_the_methods(truth: Volume, width: float) -> None:
    right, wrong = (simulated(truth, Task("through-plane", 3.0, width=w), None, 0) for w in (1.0, width))
    assert wrong.coarse() == right.coarse()
    assert wrong.acquired.slice_thickness_mm == pytest.approx(3.0)  # what the header claims
    assert not np.allclose(wrong.acquired.array, right.acquired.array)
    as_acquired = thicken(truth, axis=2, factor=3.0, profile=SliceProfile("gaussian", width))
    assert np.allclose(wrong.acquired.array, as_acquired.array)


def test_the_methods_are_told_the_grid_and_the_profile(truth: Volume) -> None:
    axis = simulated(truth, Task("through-plane", 2.0, profile="box"), None, 0).coarse()[0]
    assert axis == (2, AxisGrid(12, 24), SliceProfile("box", 1.0))


def test_a_photo_is_coarse_along_both_axes_of_the_picture() -> None:
    problem = simulated(photo(), Task("photo", 2.0), None, 0)
    assert problem.axes == (0, 1)
    assert problem.acquired.geometry.shape == (24, 18, 1)
    # the pixels of an acquired photograph are averages of 2 x 2 of the truth
    blocks = problem.truth.array.reshape(24, 2, 18, 2, 1).mean(axis=(1, 3))
    assert np.allclose(problem.acquired.array, blocks, atol=1e-5)
    assert problem.mask.all()
    assert (problem.scale.low, problem.scale.width) == (0.0, 1.0)


def test_photo_tasks_are_for_photos_alone(truth: Volume) -> None:
    with pytest.raises(InputError, match="photo tasks are not for MR images"):
        simulated(truth, Task("photo", 2.0), None, 0)
    with pytest.raises(InputError, match="in-plane tasks are not for photo images"):
        simulated(photo(), Task("in-plane", 2.0), None, 0)


def test_noise_depends_on_the_seed_alone(truth: Volume) -> None:
    def acquired(seed: int) -> np.ndarray:
        return simulated(truth, Task("through-plane", 2.0, 0.02), None, seed).acquired.array

    assert np.array_equal(acquired(0), acquired(0))
    assert not np.array_equal(acquired(0), acquired(1))


def test_a_real_pair_of_one_grid_is_nothing_to_restore(truth: Volume) -> None:
    with pytest.raises(InputError, match="nothing to restore"):
        real_pair(truth, truth)
    problem: Problem = real_pair(truth, thicken(truth, axis=2, factor=3.0))
    assert (problem.axes, problem.facts["factor"], problem.facts["task"]) == ((2,), 3.0, "as acquired, x3")
