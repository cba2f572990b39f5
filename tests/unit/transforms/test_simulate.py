from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from monai_sr.data.phantom import ellipsoids
from monai_sr.degradation import DegradationSampler, ProfileKind
from monai_sr.grid import AxisGrid, interpolation_matrix
from monai_sr.io import InputError, Volume
from monai_sr.keys import HR, LR
from monai_sr.transforms import DescribeScand, NormalizeScand, RandSimulatePatchd
from monai_sr.transforms.prepare import OwnNoise
from monai_sr.transforms.simulate import span_with_margin

AsTensor = Callable[[Volume], MetaTensor]
SILENT = OwnNoise({axis: (0.0, 0.0, 0.0) for axis in range(3)})
CLEAN_X2 = DegradationSampler(factors=[2.0], listed=1.0, width=(1.0, 1.0), clean_fraction=1.0)


def prepared(as_tensor: AsTensor, volume: Volume, **options: Any) -> dict[Any, Any]:
    return DescribeScand(**options)(NormalizeScand("label")({"label": as_tensor(volume)}))


@pytest.fixture
def case(as_tensor: AsTensor) -> dict[Any, Any]:
    return prepared(as_tensor, ellipsoids((48, 44, 40), modality="MR"))


def sample(transform: RandSimulatePatchd, case: dict[Any, Any], seed: int) -> dict[Any, Any]:
    transform.set_random_state(seed=seed)
    return transform(case)


def test_a_description_measures_the_volume(as_tensor: AsTensor) -> None:
    volume = ellipsoids((40, 40, 20), (1.0, 0.9, 3.0), modality="MR")
    case = prepared(as_tensor, volume)
    assert case["fine_axes"] == (0, 1)
    assert case["modality"] == "MR"
    assert case["mask"].shape == (40, 40, 20) and bool(case["mask"][20, 20, 10]) and not bool(case["mask"][0, 0, 0])
    assert case["floor"] == pytest.approx(float(case[HR].min()), abs=1e-6)  # the phantom's air is the scanner's zero
    assert set(case["contrast"]) == {"median", "spread"}
    assert prepared(as_tensor, ellipsoids((40, 40, 20)))["floor"] is None  # CT


def test_noise_is_measured(as_tensor: AsTensor) -> None:
    volume = ellipsoids((48, 48, 40), modality="MR")
    rng = np.random.default_rng(0)
    low, high = NormalizeScand("label")({"label": as_tensor(volume)})["label"].meta["intensity_range"]
    noisy = volume.with_values(
        (volume.array + rng.normal(0, 0.03 * (high - low), volume.array.shape)).astype(np.float32)
    )
    assert prepared(as_tensor, noisy)["noise"] == pytest.approx(0.03, rel=0.25)


def test_volumes_too_small_for_the_patch_are_refused_beforehand(as_tensor: AsTensor) -> None:
    volume = ellipsoids((48, 48, 20))
    prepared(as_tensor, volume, patch=20)
    for patch in (24, 28):
        with pytest.raises(InputError, match=f"a patch of {patch} voxels needs every axis that long"):
            prepared(as_tensor, volume, patch=patch)


@pytest.mark.parametrize("seed", range(20))
def test_input_and_truth_are_one_patch(case: dict[Any, Any], seed: int) -> None:
    drawn = sample(RandSimulatePatchd(16), case, seed)
    assert drawn[LR].shape == (7, 16, 16, 16)
    assert drawn[HR].shape == (1, 16, 16, 16)
    assert all(bool(torch.isfinite(drawn[key]).all()) for key in (LR, HR))
    # conditions are constant, the images vary
    assert torch.equal(drawn[LR][2:].amax(dim=(1, 2, 3)), drawn[LR][2:].amin(dim=(1, 2, 3)))
    error = (drawn[LR][0] - drawn[HR][0]).abs().mean()
    assert float(error) < 0.15  # aligned: elsewhere the phantom differs by more


def test_one_state_one_sample(case: dict[Any, Any]) -> None:
    transform = RandSimulatePatchd(16)
    a, b, c = sample(transform, case, 1), sample(transform, case, 1), sample(transform, case, 2)
    assert torch.equal(a[LR], b[LR]) and torch.equal(a[HR], b[HR])
    assert not torch.equal(a[HR], c[HR])


def test_the_truth_is_a_part_of_the_volume(case: dict[Any, Any]) -> None:
    """Up to flips and the order of axes."""
    transform = RandSimulatePatchd(16, CLEAN_X2, coarse_fraction=0.0, restored_fraction=0.0)
    whole = np.asarray(case[HR])
    for seed in range(5):
        values = np.asarray(sample(transform, case, seed)[HR])
        assert np.isin(values, whole).all()


@pytest.mark.parametrize("kind", ["box", "gaussian", "sinc", "kspace"])
def test_the_patch_lies_where_its_simulation_lies(kind: ProfileKind) -> None:
    """A linear ramp is restored exactly far from its ends, so an offset of input to truth would show at once."""
    ramp = np.broadcast_to(np.linspace(0.0, 1.0, 96, dtype=np.float32), (96, 96, 96)).copy()
    description = {
        HR: torch.from_numpy(ramp),
        "mask": torch.ones(96, 96, 96, dtype=torch.bool),
        "modality": "MR",
        "name": "ramp",
        "noise": 0.0,
        "noise_after": SILENT,
        "floor": None,
        "fine_axes": (2,),
    }
    transform = RandSimulatePatchd(16, replace(CLEAN_X2, profiles={"MR": {kind: 1.0}}), 0.0, 0.0)
    inner = 0
    for seed in range(10):
        drawn = sample(transform, description, seed)
        step = (drawn[HR][0, 0, 0, 1:] - drawn[HR][0, 0, 0, :-1]).abs().mean()
        worst = (drawn[LR][:2] - drawn[HR]).abs().max()
        if kind != "kspace":  # its ends are joined, and a ramp steps there
            assert float(worst) < float(step)  # below one voxel anywhere
        if float(drawn[HR].min()) > 0.15 and float(drawn[HR].max()) < 0.85:  # away from the ends of the volume
            inner += 1
            assert float((drawn[LR][:2] - drawn[HR]).abs().max()) < 0.1 * float(step)  # voxels
    assert inner >= 3


def test_the_plain_channel_is_the_spline_of_the_slab_averages() -> None:
    """Against numpy: box profile of factor 2 is the mean of voxel pairs."""
    rng = np.random.default_rng(0)
    volume = rng.random((16, 16, 32)).astype(np.float32)
    description = {
        HR: torch.from_numpy(volume), "mask": torch.ones(16, 16, 32, dtype=torch.bool), "modality": "CT",
        "name": "noise", "noise": 0.0, "noise_after": SILENT, "floor": None, "fine_axes": (2,),
    }  # fmt: skip
    sampler = replace(CLEAN_X2, profiles={"CT": {"box": 1.0}})
    transform = RandSimulatePatchd(16, sampler, 0.0, 0.0)
    for seed in range(20):
        drawn = sample(transform, description, seed)
        first, *turn = _found(volume, np.asarray(drawn[HR][0]))
        margin = slice(max(first - 8, 0), min(first + 24, 32))  # 4 acquired samples to either side
        margin = slice(margin.start + (first - margin.start) % 2, margin.stop - (margin.stop - first) % 2)
        crop = _turned(volume, *turn)[..., margin]
        acquired = crop.reshape(16, 16, -1, 2).mean(axis=-1)
        expected = acquired @ interpolation_matrix(AxisGrid(acquired.shape[-1], crop.shape[-1])).T
        offset = first - margin.start
        np.testing.assert_allclose(drawn[LR][1], expected[..., offset : offset + 16], atol=1e-5)


def _found(volume: np.ndarray, truth: np.ndarray) -> tuple[int, bool, bool, int]:
    """Offset on the last axis, and how the volume was turned."""
    turns = itertools.product((False, True), (False, True), range(4))
    return next(
        (first, *turn)
        for turn in turns
        for first in range(17)
        if np.array_equal(_turned(volume, *turn)[..., first : first + 16], truth)
    )


def _turned(volume: np.ndarray, flip: bool, swap: bool, plane: int) -> np.ndarray:
    x = volume.transpose(1, 0, 2) if swap else volume
    for axis in range(2):
        if plane & (1 << axis):
            x = np.flip(x, axis)
    return np.flip(x, 2) if flip else x


def test_conditions_say_what_was_drawn(case: dict[Any, Any]) -> None:
    noiseless = {**case, "noise_after": SILENT}
    drawn = sample(RandSimulatePatchd(16, CLEAN_X2), noiseless, 0)
    factor, width, noise = (float(drawn[LR][c, 0, 0, 0]) for c in (2, 3, 4))
    assert factor == pytest.approx(2.0 / 4.0)
    assert (width, noise) == (1.0, 0.0)


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_a_whole_factor_is_met_exactly_wherever_the_patch_lies(factor: int) -> None:
    """Networks that enlarge by whole factors go back to the acquired grid: the patch must begin where a voxel does."""
    patch, n = 24, 61
    for corner in range(n - patch + 1):
        first, last = span_with_margin(corner, patch, n, float(factor))
        assert 0 <= first <= corner and corner + patch <= last <= n
        assert (last - first) % factor == 0 and (corner - first) % factor == 0
        # as much as there is room for, and no more than four acquired voxels
        assert corner - first == min(4 * factor, corner // factor * factor)
        after = n - corner - patch
        assert last - corner - patch == min(4 * factor, after // factor * factor)


def test_another_factor_takes_all_the_room_there_is() -> None:
    assert span_with_margin(3, 24, 61, 2.5) == (0, 37)
    assert span_with_margin(20, 24, 61, 2.5) == (10, 54)
    assert span_with_margin(36, 24, 61, 2.5) == (26, 61)


@pytest.mark.parametrize("factor", [2.0, 3.0, 4.0])
def test_the_stated_factor_is_the_listed_one(case: dict[Any, Any], factor: float) -> None:
    transform = RandSimulatePatchd(12, replace(CLEAN_X2, factors=[factor]), 0.0, 0.0)
    for seed in range(15):
        assert float(sample(transform, case, seed)[LR][2, 0, 0, 0]) == factor / 4.0


def test_the_curriculum_reads_the_index_of_the_sample(case: dict[Any, Any]) -> None:
    grown = replace(CLEAN_X2, curriculum=[(0.0, [2.0]), (0.5, [4.0])], samples=10)
    transform = RandSimulatePatchd(16, grown, 0.0, 0.0)
    factors = [4 * float(sample(transform, {**case, "index": i}, i)[LR][2, 0, 0, 0]) for i in (0, 4, 5, 9)]
    assert factors == [2.0, 2.0, 4.0, 4.0]


def test_rician_noise_never_falls_below_the_scanners_zero(as_tensor: AsTensor) -> None:
    case = prepared(as_tensor, ellipsoids((48, 44, 40), modality="MR"))
    loud = replace(CLEAN_X2, clean_fraction=0.0, max_noise=0.5, profiles={"MR": {"box": 1.0}})
    gaussian = {**case, "floor": None}
    lowest = [
        min(float(sample(RandSimulatePatchd(16, loud, 0.0, 0.0), which, seed)[LR][1].min()) for seed in range(6))
        for which in (case, gaussian)
    ]
    assert lowest[1] < -0.3 < lowest[0]
