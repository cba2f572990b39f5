"""Which axes and slices of a volume can serve as truth."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from monai.data import MetaTensor

from monai_sr.data.phantom import ellipsoids
from monai_sr.io import InputError, Volume
from monai_sr.transforms import DescribeScand, NormalizeScand
from monai_sr.transforms.prepare import usable_axes, usable_planes

AsTensor = Callable[[Volume], MetaTensor]


@pytest.mark.parametrize(
    ("shape", "fine", "planes"),
    [
        ((40, 40, 40), (0, 1, 2), [(0, 1), (0, 2), (1, 2)]),
        ((40, 40, 10), (0, 1, 2), [(0, 1)]),  # a slice need not be thick
        ((40, 40, 40), (0, 2), [(0, 2)]),
        ((24, 24, 1), (0, 1), [(0, 1)]),  # a photograph, just large enough
        ((40, 23, 40), (0, 1), []),
        ((40, 40, 40), (1,), []),
    ],
)
def test_planes_hold_a_patch_along_two_fine_axes(
    shape: tuple[int, ...], fine: tuple[int, ...], planes: list[tuple[int, int]]
) -> None:
    assert usable_planes(shape, fine, 24) == planes


@pytest.mark.parametrize(
    ("shape", "fine", "axes"),
    [
        ((48, 24, 47), (0, 1, 2), [0]),  # twice the patch along it, once along all others
        ((48, 48, 23), (0, 1), []),
        ((48, 48, 1), (0, 1), [0, 1]),
        ((48, 48, 48), (2,), [2]),
    ],
)
def test_a_patch_is_degraded_along_a_fine_axis_with_room(
    shape: tuple[int, ...], fine: tuple[int, ...], axes: list[int]
) -> None:
    assert usable_axes(shape, fine, 24) == axes


def describe(as_tensor: AsTensor, volume: Volume, **options: Any) -> dict[Any, Any]:
    return DescribeScand(**options)(NormalizeScand("label")({"label": as_tensor(volume)}))


def test_slices_ask_less_of_a_volume_than_blocks(as_tensor: AsTensor) -> None:
    thick = ellipsoids((40, 40, 10), (1.0, 1.0, 4.0), modality="MR")
    assert describe(as_tensor, thick, patch=32, spatial_dims=2)["fine_axes"] == (0, 1)
    with pytest.raises(InputError, match="a patch of 32 voxels needs every axis that long"):
        describe(as_tensor, thick, patch=32)


@pytest.mark.parametrize(
    ("shape", "spacing"), [((40, 40, 40), (1.0, 3.0, 3.0)), ((40, 28, 40), (1.0, 1.0, 4.0))], ids=["coarse", "small"]
)
def test_a_volume_without_such_a_slice_is_refused_beforehand(
    as_tensor: AsTensor, shape: tuple[int, int, int], spacing: tuple[float, float, float]
) -> None:
    with pytest.raises(InputError, match="a patch of 32 x 32 pixels needs slices of that size") as caught:
        describe(as_tensor, ellipsoids(shape, spacing, modality="MR"), patch=32, spatial_dims=2)
    assert "\n" not in str(caught.value)
