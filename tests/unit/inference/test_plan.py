"""Target grids: what auto means, what is refused, and that corners stay where they are."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from monai_sr.geometry import LPS_TO_RAS, VolumeGeometry
from monai_sr.inference import plan_grid
from monai_sr.io import InputError


def grid_of(spacing: tuple[float, float, float], shape: tuple[int, int, int] = (20, 24, 10)) -> VolumeGeometry:
    rotation, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))
    affine = np.eye(4)
    affine[:3, :3] = rotation * np.asarray(spacing)
    affine[:3, 3] = (-80.0, 12.0, 40.0)
    return VolumeGeometry(shape, affine)


def sitk_corners(geometry: VolumeGeometry) -> np.ndarray:
    """Outer corners as SimpleITK computes them from what would be written."""
    image = sitk.Image(list(geometry.shape), sitk.sitkUInt8)
    lps = LPS_TO_RAS @ geometry.affine
    image.SetSpacing(geometry.spacing)
    image.SetOrigin(lps[:3, 3].tolist())
    image.SetDirection((lps[:3, :3] / np.asarray(geometry.spacing)).ravel().tolist())
    edges = [(-0.5, n - 0.5) for n in geometry.shape]
    return np.array(
        [image.TransformContinuousIndexToPhysicalPoint((x, y, z)) for x in edges[0] for y in edges[1] for z in edges[2]]
    )


@pytest.mark.parametrize(
    ("spacing", "expected"),
    [
        ((0.5, 0.5, 5.0), (20, 24, 50)),  # not finer than 1 mm
        ((1.0, 1.0, 4.0), (20, 24, 40)),
        ((1.2, 1.2, 3.6), (20, 24, 30)),  # not finer than the finest axis
        ((0.9, 2.0, 3.0), (20, 48, 30)),  # both coarse axes, to 1 mm
        ((0.5, 0.9, 3.0), (20, 24, 30)),  # an axis below 1 mm is never made coarser
        ((1.0, 1.05, 4.0), (20, 24, 40)),  # within 10 % of the target: left alone
    ],
)
def test_auto(spacing: tuple[float, float, float], expected: tuple[int, int, int]) -> None:
    assert plan_grid(grid_of(spacing)).geometry.shape == expected


@pytest.mark.parametrize(
    "ask",
    [
        {},
        {"spacing": 0.7},
        {"spacing": (0.9, 1.0, 1.3)},
        {"scale": (1.0, 1.0, 3.7)},
        {"scale": (1.1, 2.0, 6.0)},
        {"spacing": (2.0, 2.0, 1.0), "allow_downsample": True},
    ],
)
def test_the_field_of_view_is_kept_to_its_outer_corners(ask: dict[str, object]) -> None:
    acquired = grid_of((1.0, 1.0, 3.3))
    target = plan_grid(acquired, **ask).geometry  # type: ignore[arg-type]  # options of several types
    assert target.shape != acquired.shape
    np.testing.assert_allclose(sitk_corners(target), sitk_corners(acquired), atol=1e-6)


def test_the_written_spacing_is_reported_where_it_is_not_the_one_asked_for() -> None:
    plan = plan_grid(grid_of((1.0, 1.0, 3.3)), spacing=(1.0, 1.0, 1.0))  # 33 mm in 33 slices
    assert plan.notes == ()
    plan = plan_grid(grid_of((1.0, 1.0, 3.25)), spacing=(1.0, 1.0, 1.0))  # 32.5 mm in 32 slices
    assert plan.geometry.spacing[2] == pytest.approx(32.5 / 32)
    assert "1.0156 mm instead of 1 mm keeps the field of view" in plan.notes[0]


def test_exact_spacing_keeps_the_centre_and_reports_the_change() -> None:
    acquired = grid_of((1.0, 1.0, 3.25))
    plan = plan_grid(acquired, spacing=(1.0, 1.0, 1.0), exact_spacing=True)
    assert plan.geometry.spacing[2] == pytest.approx(1.0, abs=1e-12)
    assert plan.geometry.shape[2] == 32
    np.testing.assert_allclose(plan.geometry.corners().mean(0), acquired.corners().mean(0), atol=1e-9)
    assert "-0.500 mm" in plan.notes[0]
    for axis, grid in plan.axes:  # the interpolation grid and the written geometry are the same place
        index = [0.0, 0.0, 0.0]
        index[axis] = float(grid.hr_centres()[7])
        there = [0, 0, 0]
        there[axis] = 7
        np.testing.assert_allclose(acquired.world(index), plan.geometry.world(there), atol=1e-9)


def test_the_coarsest_axis_comes_first_and_coarsening_before_all() -> None:
    plan = plan_grid(grid_of((2.0, 0.5, 5.0)), spacing=(1.0, 1.0, 1.0), allow_downsample=True)
    assert [axis for axis, _ in plan.axes] == [1, 2, 0]


@pytest.mark.parametrize(
    ("spacing", "ask", "words"),
    [
        ((1.0, 1.0, 1.0), {}, "already isotropic"),
        ((1.0, 1.0, 1.09), {}, "already isotropic"),
        ((0.3, 0.3, 0.9), {}, "already isotropic"),
        ((1.0, 1.0, 2.0), {"spacing": 3.0}, "already isotropic"),
        ((1.0, 1.0, 2.0), {"scale": (1.0, 1.0, 1.05)}, "already isotropic"),
        ((1.0, 1.0, 7.0), {}, "factor of 7.00"),
        ((1.0, 1.0, 3.0), {"scale": (1.0, 1.0, 6.5)}, "factor of 6.50"),
        ((1.0, 1.0, 3.0), {"spacing": (2.0, 1.0, 1.0)}, "would become coarser"),
        ((1.0, 1.0, 3.0), {"scale": (0.5, 1.0, 3.0)}, "would become coarser"),
        ((1.0, 1.0, 3.0), {"spacing": (1.0, 1.0)}, "one or three numbers"),
        ((1.0, 1.0, 3.0), {"spacing": 0.0}, "between 0.01 and 100"),
        ((1.0, 1.0, 3.0), {"spacing": "fine"}, "must be auto"),
        ((1.0, 1.0, 3.0), {"scale": (1.0, -1.0, 3.0)}, "factors > 0"),
    ],
)
def test_refusals_name_the_rule_and_the_case(
    spacing: tuple[float, float, float], ask: dict[str, object], words: str
) -> None:
    with pytest.raises(InputError, match=words) as caught:
        plan_grid(grid_of(spacing), name="case7", **ask)  # type: ignore[arg-type]  # options of several types
    assert str(caught.value).startswith("case7: ")
    assert "\n" not in str(caught.value)


def test_the_limits_themselves_are_allowed() -> None:
    assert plan_grid(grid_of((1.0, 1.0, 6.0))).geometry.shape == (20, 24, 60)
    assert plan_grid(grid_of((1.0, 1.0, 1.1))).geometry.shape == (20, 24, 11)


def test_two_slices_are_too_few() -> None:
    with pytest.raises(InputError, match="2 samples of 3 mm"):
        plan_grid(grid_of((1.0, 1.0, 3.0), (20, 24, 2)))
