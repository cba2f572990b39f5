from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from monai_sr.data import thicken
from monai_sr.data.phantom import ellipsoids
from monai_sr.degradation import CoarseAxis, SliceProfile, generator_input
from monai_sr.geometry import VolumeGeometry
from monai_sr.grid import AxisGrid
from monai_sr.io import InputError, Volume
from monai_sr.keys import HR, LR
from monai_sr.transforms import NormalizeScand, RandPairedPatchd, RestorePaird

AsTensor = Callable[[Volume], MetaTensor]


def moved(volume: Volume, order: tuple[int, int, int], flips: tuple[int, ...] = ()) -> Volume:
    """The same scan stored with other axes: every voxel stays where it is in the world."""
    array = np.flip(volume.array.transpose(order), flips)
    affine = np.eye(4)
    affine[:3, :3] = volume.geometry.affine[:3, :3][:, list(order)]
    first = np.zeros(3)
    for axis in range(3):
        if axis in flips:
            first[order[axis]] = volume.array.shape[order[axis]] - 1
            affine[:3, axis] *= -1
    affine[:3, 3] = volume.geometry.world(first)
    geometry = VolumeGeometry((array.shape[0], array.shape[1], array.shape[2]), affine)
    slice_axis = None if volume.slice_axis is None else order.index(volume.slice_axis)
    return replace(volume.with_values(np.ascontiguousarray(array), geometry), slice_axis=slice_axis)


def part(volume: Volume, *window: slice) -> Volume:
    affine = volume.geometry.affine.copy()
    affine[:3, 3] = volume.geometry.world([w.start for w in window])
    array = np.ascontiguousarray(volume.array[window])
    return volume.with_values(array, VolumeGeometry((array.shape[0], array.shape[1], array.shape[2]), affine))


@pytest.fixture
def hr() -> Volume:
    return ellipsoids((36, 32, 40), (1.0, 1.2, 1.0), modality="MR")


@pytest.fixture
def restore(as_tensor: AsTensor) -> Callable[..., dict[Any, Any]]:
    def run(lr: Volume, hr: Volume, **options: Any) -> dict[Any, Any]:
        pair = NormalizeScand(["image", "label"], reference="image")({LR: as_tensor(lr), HR: as_tensor(hr)})
        return RestorePaird(**options)(pair)

    return run


def test_a_pair_becomes_what_inference_would_give_the_network(
    restore: Callable[..., dict[Any, Any]], as_tensor: AsTensor, hr: Volume
) -> None:
    lr = thicken(hr, axis=2, factor=4.0, profile=SliceProfile("gaussian", 1.25))
    pair = restore(lr, hr)
    assert pair[LR].shape == (7, 36, 32, 40) and pair[HR].shape == (1, 36, 32, 40)
    assert (pair["factor"], pair["width"]) == (pytest.approx(4.0), pytest.approx(1.25))
    normalised = NormalizeScand("image")({LR: as_tensor(lr)})[LR]
    grid, profile = AxisGrid(10, 40), SliceProfile("gaussian", 1.25)
    expected = generator_input(
        torch.as_tensor(np.asarray(normalised[0])), [CoarseAxis(-1, grid, profile)], pair["noise"], "MR"
    )
    torch.testing.assert_close(pair[LR], expected, rtol=0, atol=1e-5)
    assert float((pair[LR][0] - pair[HR][0]).abs().mean()) < float((pair[LR][1] - pair[HR][0]).abs().mean())


@pytest.mark.parametrize(
    ("order", "flips"), [((2, 0, 1), ()), ((0, 1, 2), (2,)), ((1, 2, 0), (0, 1, 2)), ((0, 2, 1), (1,))]
)
def test_how_the_lr_volume_is_stored_does_not_matter(
    restore: Callable[..., dict[Any, Any]], hr: Volume, order: tuple[int, int, int], flips: tuple[int, ...]
) -> None:
    lr = thicken(hr, axis=2, factor=3.0)
    expected, found = restore(lr, hr), restore(moved(lr, order, flips), hr)
    assert found["width"] == pytest.approx(expected["width"])
    for key in (LR, HR):
        torch.testing.assert_close(found[key], expected[key], rtol=0, atol=1e-4)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_the_restored_axis_comes_last(restore: Callable[..., dict[Any, Any]], hr: Volume, axis: int) -> None:
    pair = restore(thicken(hr, axis=axis, factor=4.0), hr)
    others = [a for a in range(3) if a != axis]
    truth = torch.from_numpy(hr.array).permute(*others, axis)
    scale = float(pair[HR].max() - pair[HR].min()) / float(truth.max() - truth.min())
    torch.testing.assert_close(pair[HR][0] - pair[HR].min(), (truth - truth.min()) * scale, rtol=0, atol=1e-4)


def test_different_fields_are_cropped_to_what_is_shared(restore: Callable[..., dict[Any, Any]], hr: Volume) -> None:
    """The thick volume begins later and ends earlier; the structures stay where they are."""
    lr = part(thicken(hr, axis=2, factor=4.0), slice(3, 33), slice(0, 32), slice(1, 9))
    pair = restore(lr, hr)
    assert pair[HR].shape == (1, 30, 32, 32)
    whole = restore(thicken(hr, axis=2, factor=4.0), hr)
    inner = (slice(None), slice(None), slice(8, -8))
    expected = whole[LR][1, 3:33, :, 4:36][inner]
    scale = float((pair[LR][1][inner] - pair[LR][1][inner].mean()).std() / (expected - expected.mean()).std())
    difference = (pair[LR][1][inner] - pair[LR][1][inner].mean()) - scale * (expected - expected.mean())
    assert float(difference.abs().max()) < 0.03  # the range is measured on another field, the spline has other ends


def test_pairs_that_do_not_fit_are_refused(restore: Callable[..., dict[Any, Any]], hr: Volume) -> None:
    lr = thicken(hr, axis=2, factor=4.0)
    with pytest.raises(InputError, match="no axis of the LR volume is at least 10 % coarser"):
        restore(hr, hr)
    turned = np.eye(4)
    turned[:2, :2] = [[np.cos(0.1), -np.sin(0.1)], [np.sin(0.1), np.cos(0.1)]]
    tilted = lr.with_values(lr.array, VolumeGeometry(lr.geometry.shape, turned @ lr.geometry.affine))
    with pytest.raises(InputError, match="not parallel"):
        restore(tilted, hr)
    shift = np.eye(4)
    shift[0, 3] = 500.0
    far = lr.with_values(lr.array, VolumeGeometry(lr.geometry.shape, shift @ lr.geometry.affine))
    with pytest.raises(InputError, match="do not overlap along axis 0"):
        restore(far, hr)
    with pytest.raises(InputError, match="a patch of 40 does not fit"):
        restore(lr, hr, patch=40)


def test_patches_of_both_are_cut_and_turned_alike(restore: Callable[..., dict[Any, Any]], hr: Volume) -> None:
    pair = restore(thicken(hr, axis=2, factor=2.0), hr)
    pair = {**pair, LR: pair[HR].repeat(7, 1, 1, 1)}  # then equal patches are equal places
    transform = RandPairedPatchd(16)
    seen = set()
    for seed in range(12):
        transform.set_random_state(seed=seed)
        drawn = transform(pair)
        assert drawn[LR].shape == (7, 16, 16, 16)
        assert torch.equal(drawn[LR][:1], drawn[HR])
        assert np.isin(np.asarray(drawn[HR]), np.asarray(pair[HR])).all()
        seen.add(float(drawn[HR].double().sum()))
    assert len(seen) > 6
