"""Training pairs of slices: both axes coarse and restored, and truth and input are one place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from monai_sr.data.phantom import ellipsoids
from monai_sr.degradation import DegradationSampler
from monai_sr.grid import AxisGrid, interpolation_matrix
from monai_sr.io import Volume
from monai_sr.keys import HR, LR
from monai_sr.transforms import DescribeScand, NormalizeScand, RandSimulateSliced
from monai_sr.transforms.prepare import OwnNoise

AsTensor = Callable[[Volume], MetaTensor]
CLEAN_X2 = DegradationSampler(factors=[2.0], listed=1.0, width=(1.0, 1.0), clean_fraction=1.0)
SILENT = OwnNoise({axis: (0.0, 0.0, 0.0) for axis in range(3)})
BOX_X2 = replace(CLEAN_X2, profiles={"CT": {"box": 1.0}, "photo": {"box": 1.0}})


@pytest.fixture
def case(as_tensor: AsTensor) -> dict[Any, Any]:
    volume = ellipsoids((48, 44, 40), modality="MR")
    return DescribeScand(patch=16, spatial_dims=2)(NormalizeScand("label")({"label": as_tensor(volume)}))


def sample(transform: RandSimulateSliced, case: dict[Any, Any], seed: int) -> dict[Any, Any]:
    transform.set_random_state(seed=seed)
    return transform(case)


def described(array: np.ndarray, fine_axes: tuple[int, ...], modality: str = "CT") -> dict[Any, Any]:
    return {
        HR: torch.from_numpy(array), "mask": torch.ones(array.shape, dtype=torch.bool), "modality": modality,
        "name": "case", "noise": 0.0, "noise_after": SILENT, "floor": None, "fine_axes": fine_axes,
    }  # fmt: skip


@pytest.mark.parametrize("seed", range(20))
def test_input_and_truth_are_one_patch(case: dict[Any, Any], seed: int) -> None:
    drawn = sample(RandSimulateSliced(16), case, seed)
    assert drawn[LR].shape == (7, 16, 16)
    assert drawn[HR].shape == (1, 16, 16)
    assert drawn["name"] == case["name"]
    assert torch.equal(drawn[LR][2:].amax(dim=(1, 2)), drawn[LR][2:].amin(dim=(1, 2)))
    error = (drawn[LR][0] - drawn[HR][0]).abs().mean()
    assert float(error) < 0.15  # aligned: elsewhere the phantom differs by more


def test_without_noise_the_start_is_close_to_the_truth_and_closer_than_the_spline(case: dict[Any, Any]) -> None:
    transform = RandSimulateSliced(16, CLEAN_X2)
    drawn = [sample(transform, {**case, "noise_after": SILENT}, seed) for seed in range(20)]
    start, spline = (np.mean([float((d[LR][c] - d[HR][0]).square().mean()) for d in drawn]) for c in (0, 1))
    spread = np.mean([float(d[HR].var()) for d in drawn])
    assert start < spline < 0.2 * spread


def test_one_state_one_sample(case: dict[Any, Any]) -> None:
    transform = RandSimulateSliced(16)
    a, b, c = sample(transform, case, 1), sample(transform, case, 1), sample(transform, case, 2)
    assert torch.equal(a[LR], b[LR]) and torch.equal(a[HR], b[HR])
    assert not torch.equal(a[HR], c[HR])


@pytest.mark.parametrize("fine_axes", [(0, 1), (0, 2), (1, 2)])
def test_the_truth_is_a_piece_of_a_slice_along_the_fine_axes(fine_axes: tuple[int, int]) -> None:
    """Every voxel holds its own index, so the patch tells where it comes from."""
    shape = (20, 22, 24)
    index = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    for seed in range(8):
        truth = np.asarray(sample(RandSimulateSliced(16, CLEAN_X2), described(index, fine_axes), seed)[HR][0])
        places = np.stack(np.unravel_index(truth.astype(int), shape))
        across = ({0, 1, 2} - set(fine_axes)).pop()
        assert len(np.unique(places[across])) == 1
        for axis in fine_axes:
            assert len(np.unique(places[axis])) == 16


def test_all_planes_flips_and_transpositions_are_drawn() -> None:
    shape = (40, 40, 40)
    index = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    transform, steps = RandSimulateSliced(16, CLEAN_X2), set()
    for seed in range(150):
        truth = np.asarray(sample(transform, described(index, (0, 1, 2)), seed)[HR][0])
        steps.add((int(truth[1, 0] - truth[0, 0]), int(truth[0, 1] - truth[0, 0])))
    strides = (1600, 40, 1)
    expected = {(a * s, b * t) for s in strides for t in strides if s != t for a in (-1, 1) for b in (-1, 1)}
    assert steps == expected


def test_both_axes_are_coarse_and_restored() -> None:
    """Against numpy: a box profile of factor 2 is the mean of 2 x 2 pixels, and the spline goes along both axes."""
    rng = np.random.default_rng(0)
    volume = rng.random((16, 16, 1)).astype(np.float32)  # no room for margins: the patch is the whole slice
    drawn = sample(RandSimulateSliced(16, BOX_X2), described(volume, (0, 1)), 0)
    truth = np.asarray(drawn[HR][0])
    assert np.array_equal(np.sort(truth, axis=None), np.sort(volume, axis=None))
    up = interpolation_matrix(AxisGrid(8, 16))
    expected = up @ truth.reshape(8, 2, 8, 2).mean(axis=(1, 3)) @ up.T
    np.testing.assert_allclose(drawn[LR][1], expected, atol=1e-5)


def test_the_patch_lies_where_its_simulation_lies() -> None:
    """A plane slanted along both axes is restored exactly away from its ends; an offset would show at once."""
    x, y = np.meshgrid(np.linspace(0, 1, 96), np.linspace(0, 2, 96), indexing="ij")
    ramp = (x + y)[..., None].astype(np.float32)
    transform = RandSimulateSliced(16, BOX_X2)
    inner = 0
    for seed in range(12):
        drawn = sample(transform, described(ramp, (0, 1)), seed)
        worst = float((drawn[LR][:2] - drawn[HR]).abs().max()) * 95
        values = np.asarray(drawn[HR][0]) * 95
        step = min(np.abs(np.diff(values, axis=0)).mean(), np.abs(np.diff(values, axis=1)).mean())
        assert step == pytest.approx(1.0, abs=0.01)
        assert worst < 2.0
        if worst < 0.1:
            inner += 1
    assert inner >= 6, "away from the ends it is exact to a tenth of a voxel"


@pytest.mark.parametrize("factor", [2.0, 3.0, 4.0])
def test_conditions_say_what_was_drawn(case: dict[Any, Any], factor: float) -> None:
    """Whole factors exactly, wherever the patch lies."""
    transform = RandSimulateSliced(12, replace(CLEAN_X2, factors=[factor]))
    for seed in range(15):
        drawn = sample(transform, {**case, "noise_after": SILENT}, seed)
        assert [float(v) for v in drawn[LR][2:5, 0, 0]] == [factor / 4.0, 1.0, 0.0]


def test_a_photograph_is_a_slice(as_tensor: AsTensor) -> None:
    """Shape (X, Y, 1): the two axes it has are those that are restored."""
    rng = np.random.default_rng(0)
    photo = described(rng.random((40, 30, 1)).astype(np.float32), (0, 1), "photo")
    transform = RandSimulateSliced(24, BOX_X2)
    for seed in range(6):
        drawn = sample(transform, photo, seed)
        assert drawn[LR].shape == (7, 24, 24) and drawn[HR].shape == (1, 24, 24)
        assert np.isin(np.asarray(drawn[HR]), np.asarray(photo[HR])).all()


def test_patches_hold_body_where_there_is_some() -> None:
    """A small body in much air; where no patch holds any, one is drawn all the same."""
    body = np.zeros((64, 64, 8), dtype=np.float32)
    body[8:30, 10:30] = 1.0
    data = {**described(body, (0, 1)), "mask": torch.from_numpy(body > 0)}
    transform = RandSimulateSliced(16, CLEAN_X2)
    anywhere = {**data, "mask": torch.zeros(body.shape, dtype=torch.bool)}
    held, held_anywhere = (
        [float(sample(transform, d, seed)[HR].mean()) for seed in range(20)] for d in (data, anywhere)
    )
    assert min(held) > 0.05  # a fifth of the points that are looked at, a sixteenth of the voxels at worst
    assert min(held_anywhere) == 0.0


def test_a_volume_without_a_slice_of_that_size_is_refused() -> None:
    with pytest.raises(ValueError, match="case has no slice that holds a patch of 24 x 24"):
        RandSimulateSliced(24)(described(np.zeros((40, 20, 40), np.float32), (0, 1)))
