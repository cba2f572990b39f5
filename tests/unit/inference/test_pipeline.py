"""The laws of ``super_resolve``: identity, consistency, scale of the intensities, place, refusals and fallbacks."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from monai_sr.catalogue import ModelRecord
from monai_sr.data.phantom import ellipsoids
from monai_sr.data.simulate import thicken
from monai_sr.degradation import SliceProfile, backprojection_matrix, degradation_matrix, degrade
from monai_sr.geometry import VolumeGeometry
from monai_sr.grid import AxisGrid, apply_along, interpolation_matrix
from monai_sr.inference import DeviceError, SRModel, super_resolve
from monai_sr.inference.pipeline import _consistency_weight
from monai_sr.intensity import body_mask, intensity_range
from monai_sr.io import InputError, Volume, read_volume, write_volume
from monai_sr.metrics import body_bias, body_core, psnr, tissue_bias
from monai_sr.networks import EDSR, SRCNN, UNetGenerator

MakeModel = Callable[..., SRModel]
WIDE: dict[str, Any] = {"modalities": ["CT", "MR"], "factor": [1, 6], "width": [0, 4], "noise": [0, 1]}


# ---- identity and consistency


def test_an_untrained_model_is_the_pipeline_without_network(thick_mr: Volume, make_model: MakeModel) -> None:
    width = intensity_range(thick_mr.array, "MR").width
    none = super_resolve(thick_mr, model="none").volume.array
    untrained = super_resolve(thick_mr, model=make_model()).volume.array
    np.testing.assert_allclose(untrained, none, atol=1e-5 * width)
    changed = super_resolve(thick_mr, model=make_model(0.1)).volume.array
    assert np.abs(changed - none).max() > 0.01 * width


def test_without_network_and_noise_it_is_back_projection() -> None:
    clean = thicken(ellipsoids((48, 48, 48), modality="CT"), axis=2, factor=4.0)
    result = super_resolve(clean, model="none")
    steps = result.report["axes"][0]["backprojection_steps"]
    matrix = backprojection_matrix(AxisGrid(12, 48), SliceProfile("box"), steps + 1)  # one more: data consistency
    expected = apply_along(matrix, torch.from_numpy(clean.array), 2)
    np.testing.assert_allclose(result.volume.array, expected.clamp(min=float(clean.array.min())), atol=0.05)


def test_the_residual_is_that_of_the_result(thick_ct: Volume) -> None:
    """Not of a volume before its last step: what is below the acquired minimum is cut off, and that shows in it."""
    result = super_resolve(thick_ct, model="none")
    n_lr, n_hr = thick_ct.array.shape[2], result.volume.array.shape[2]
    again = degrade(torch.from_numpy(result.volume.array), AxisGrid(n_lr, n_hr), SliceProfile("box"), 2)
    rms = float(torch.sqrt(torch.mean((torch.from_numpy(thick_ct.array) - again) ** 2)))
    assert result.volume.array.min() == thick_ct.array.min()
    assert result.report["axes"][0]["residual_rms"] == pytest.approx(rms, rel=1e-3)


@pytest.mark.parametrize("spread", [0.0, 0.05])
def test_the_residual_against_the_acquired_data_falls(thick_ct: Volume, make_model: MakeModel, spread: float) -> None:
    axis = super_resolve(thick_ct, model=make_model(spread)).report["axes"][0]
    assert axis["residual_rms"] < 0.75 * axis["residual_rms_interpolated"]


def test_it_is_closer_to_the_truth_than_interpolation(thick_mr: Volume) -> None:
    truth = ellipsoids((40, 36, 48), modality="MR")
    mask = body_mask(truth.array, "MR")
    scale = intensity_range(truth.array, "MR", mask)
    cubic = apply_along(
        backprojection_matrix(AxisGrid(16, 48), SliceProfile("gaussian"), 0), torch.from_numpy(thick_mr.array), 2
    )
    ours = super_resolve(thick_mr, model="none").volume.array
    assert psnr(ours, truth.array, mask, scale) > psnr(cubic.numpy(), truth.array, mask, scale) + 0.3


@pytest.mark.parametrize("spacing", ["auto", (0.5, 1.0, 1.3)])
def test_the_result_does_not_depend_on_the_tile(thick_mr: Volume, make_model: MakeModel, spacing: Any) -> None:
    model, width = make_model(0.05), intensity_range(thick_mr.array, "MR").width
    results = [super_resolve(thick_mr, model=model, tile=t, spacing=spacing).volume.array for t in (16, 24, 32, None)]
    for result in results[:-1]:
        assert np.abs(result - results[-1]).max() < 1e-3 * width


def test_the_same_call_gives_the_same_values(thick_mr: Volume, make_model: MakeModel) -> None:
    first, second = (super_resolve(thick_mr, model=make_model(0.05)).volume.array for _ in range(2))
    assert np.array_equal(first, second)


# ---- the scale of the intensities


@pytest.mark.parametrize("spread", [0.0, 0.02])
def test_ct_stays_in_hu(thick_ct: Volume, make_model: MakeModel, spread: float) -> None:
    result = super_resolve(thick_ct, model=make_model(spread)).volume.array
    mask = body_mask(thick_ct.array, "CT")
    assert abs(body_bias(result, thick_ct.array, mask)) < 1.0
    bands = tissue_bias(result, thick_ct.array, mask)
    assert set(bands) >= {"fat", "soft tissue"}
    for band, bias in bands.items():
        assert abs(bias) < 5.0, band


@pytest.mark.parametrize("spread", [0.0, 0.02])
def test_mr_stays_on_the_scanners_scale(make_model: MakeModel, spread: float) -> None:
    thick = thicken(ellipsoids((80, 72, 96), modality="MR"), axis=2, factor=3.0, noise=0.003)
    result = super_resolve(thick, model=make_model(spread)).volume.array
    core = body_core(body_mask(thick.array, "MR"))
    assert abs(body_bias(result, thick.array, core)) < 0.005 * thick.array[core].mean()


def test_the_scanners_unit_does_not_matter(thick_mr: Volume, make_model: MakeModel) -> None:
    model = make_model(0.05)
    plain = super_resolve(thick_mr, model=model).volume.array
    for unit in (1e-3, 400.0):
        scaled = super_resolve(thick_mr.with_values(thick_mr.array * np.float32(unit)), model=model).volume.array
        np.testing.assert_allclose(scaled / unit, plain, atol=2e-3 * np.ptp(plain))


def test_nothing_falls_below_what_was_acquired(thick_mr: Volume, make_model: MakeModel) -> None:
    """Interpolation rings at edges; an MR magnitude has no negative values, and air no less than -1024 HU."""
    result = super_resolve(thick_mr, model=make_model(0.1)).volume.array
    assert result.min() >= thick_mr.array.min()


def test_one_hot_voxel_stays_in_its_line(thick_mr: Volume) -> None:
    """It moves neither the range nor the noise estimate, which would change every voxel."""
    hot = thick_mr.array.copy()
    hot[20, 18, 8] = 1e5
    before = super_resolve(thick_mr, model="none").volume.array
    moved = np.abs(super_resolve(thick_mr.with_values(hot), model="none").volume.array - before)
    moved[20, 18] = 0.0
    assert moved.max() < 1e-3 * intensity_range(thick_mr.array, "MR").width


# ---- place


def test_the_corners_stay_where_they_are(thick_mr: Volume) -> None:
    result = super_resolve(thick_mr, model="none").volume
    assert result.geometry.shape == (40, 36, 48)
    np.testing.assert_allclose(result.geometry.corners(), thick_mr.geometry.corners(), atol=1e-9)


def test_a_structure_stays_where_it_is() -> None:
    """The centre of mass of an off-centre ball, in world coordinates; a half-voxel error would move it by 1 mm."""
    truth = ellipsoids((40, 36, 48), modality="MR")
    z = np.indices(truth.array.shape)[2]
    lopsided = truth.with_values((truth.array * (1 + z / 48)).astype(np.float32))

    def centre(volume: Volume) -> np.ndarray:
        weights = volume.array.astype(np.float64)
        index = [(np.indices(volume.array.shape)[a] * weights).sum() / weights.sum() for a in range(3)]
        return volume.geometry.world(index)

    result = super_resolve(thicken(lopsided, axis=2, factor=3.0), model="none").volume
    np.testing.assert_allclose(centre(result), centre(lopsided), atol=0.1)


def test_exact_spacing_is_exact_and_reported() -> None:
    thick = thicken(ellipsoids((24, 24, 50), modality="MR"), axis=2, factor=50 / 15)  # 15 slices of 3.33 mm
    odd = thick.with_values(thick.array[:, :, :14], thick.geometry.resampled((24, 24, 14), (1, 1, 1), (0, 0, 0)))
    result = super_resolve(odd, spacing=(1.0, 1.0, 1.5), exact_spacing=True, model="none")
    assert result.volume.geometry.spacing[2] == pytest.approx(1.5, abs=1e-9)
    change = result.volume.geometry.field_of_view[2] - odd.geometry.field_of_view[2]
    assert 0 < abs(change) < 1.5
    assert any(f"{change:+.3f} mm" in note for note in result.report["notes"])


def test_several_coarse_axes_one_after_the_other_coarsest_first() -> None:
    truth = ellipsoids((36, 36, 48), modality="MR")
    thick = replace(thicken(thicken(truth, axis=0, factor=2.0), axis=2, factor=4.0), slice_axis=None)
    result = super_resolve(thick, model="none")
    assert [a["axis"] for a in result.report["axes"]] == [2, 0]
    assert result.volume.geometry.shape == truth.geometry.shape
    mask = body_mask(truth.array, "MR")
    scale = intensity_range(truth.array, "MR", mask)
    assert psnr(result.volume.array, truth.array, mask, scale) > 18


def test_an_axis_may_be_made_coarser_if_allowed(thick_mr: Volume) -> None:
    with pytest.raises(InputError, match="--allow-downsample"):
        super_resolve(thick_mr, spacing=(2.0, 1.0, 1.0), model="none")
    result = super_resolve(thick_mr, spacing=(2.0, 1.0, 1.0), allow_downsample=True, model="none")
    assert result.volume.geometry.shape == (20, 36, 48)
    assert result.volume.array.mean() == pytest.approx(thick_mr.array.mean(), rel=0.01)
    assert result.report["axes"][0]["treatment"] == "made coarser"


# ---- the slice profile


@pytest.mark.parametrize(
    ("facts", "ask", "kind", "width"),
    [
        ({"slice_thickness_mm": None}, {}, "gaussian", 1.0),
        ({"slice_thickness_mm": 2.4, "slice_axis": 2}, {}, "gaussian", 0.8),
        ({"slice_thickness_mm": 2.4, "slice_axis": 2}, {"slice_thickness": 3.6}, "gaussian", 1.2),
        ({"slice_thickness_mm": 2.4, "slice_axis": 0}, {}, "gaussian", 1.0),  # the header speaks of another axis
        ({"slice_thickness_mm": None, "slice_axis": None}, {"slice_thickness": 3.6}, "gaussian", 1.2),
        ({"slice_thickness_mm": 2.4, "slice_axis": 2}, {"profile": "sinc"}, "sinc", 0.8),
        ({"slice_thickness_mm": 2.4, "slice_axis": 2, "modality": "CT"}, {}, "box", 0.8),
    ],
)
def test_the_profile_is_the_headers_unless_the_user_says_otherwise(
    thick_mr: Volume, facts: dict[str, Any], ask: dict[str, Any], kind: str, width: float
) -> None:
    axis = super_resolve(replace(thick_mr, **facts), model="none", **ask).report["axes"][0]
    assert axis["profile"] == kind
    assert axis["profile_width_spacings"] == pytest.approx(width)
    assert axis["profile_width_mm"] == pytest.approx(3.0 * width)


def test_an_impossible_thickness_is_not_believed(thick_mr: Volume) -> None:
    report = super_resolve(replace(thick_mr, slice_thickness_mm=200.0, slice_axis=2), model="none").report
    assert report["axes"][0]["profile_width_spacings"] == 1.0
    assert any("one spacing is assumed" in warning for warning in report["warnings"])


def test_a_kspace_crop_can_be_asked_for(thick_mr: Volume) -> None:
    report = super_resolve(thick_mr, profile="kspace", model="none").report
    assert report["axes"][0]["profile"] == "kspace"
    assert report["axes"][0]["residual_rms"] < report["axes"][0]["residual_rms_interpolated"]


# ---- fallbacks


@pytest.mark.parametrize(
    ("trained", "word"),
    [
        ({"modalities": ["CT"]}, "modality MR"),
        ({"factor": [1.2, 2.5]}, "factor 3"),
        ({"width": [1.2, 1.3]}, "slice profile width"),
        ({"noise": [0.1, 0.2]}, "noise level"),
        ({"contrast": {"MR": {"median": [0.9, 1.0]}}}, "contrast"),
    ],
)
def test_outside_the_trained_range_the_network_is_not_used(
    thick_mr: Volume, make_model: MakeModel, trained: dict[str, Any], word: str
) -> None:
    result = super_resolve(thick_mr, model=make_model(0.3, **trained))
    none = super_resolve(thick_mr, model="none")
    assert np.array_equal(result.volume.array, none.volume.array)
    assert len(result.report["warnings"]) == 1
    assert word in result.report["warnings"][0]
    assert "without the network" in result.report["warnings"][0]
    assert result.report["axes"][0]["treatment"] == "interpolation and data consistency"
    assert super_resolve(thick_mr, model=make_model(0.3)).report["axes"][0]["treatment"] == "network"


def test_the_noise_that_decides_is_that_of_the_scan(make_model: MakeModel) -> None:
    body = ellipsoids((60, 60, 48), modality="MR")
    noisy = thicken(body, axis=2, factor=3.0, noise=0.08)
    report = super_resolve(noisy, model=make_model(0.3, noise=[0.0, 0.05])).report
    added = 8.0 * intensity_range(body.array, "MR").width / intensity_range(noisy.array, "MR").width
    assert report["axes"][0]["noise_percent"] == pytest.approx(added, rel=0.1)
    assert "noise level" in report["warnings"][0]


def test_an_axis_restored_before_does_not_hide_the_noise() -> None:
    """On it the second difference is small; taken for silence, the next axis would be sharpened as if it were clean."""
    body = ellipsoids((60, 60, 48), modality="MR")
    noisy = thicken(thicken(body, axis=0, factor=3.0), axis=1, factor=3.0, noise=0.04)
    first, second = super_resolve(noisy, scale=(3.0, 3.0, 1.0), model="none").report["axes"]
    assert first["noise_percent"] > 3.0
    assert second["noise_percent"] >= first["noise_percent"]


def test_a_model_that_returns_nonsense_is_stopped(thick_mr: Volume, make_model: MakeModel) -> None:
    model = make_model(0.3)
    model.network.head_out.conv.bias.data.fill_(float("nan"))  # type: ignore[union-attr, operator]
    with pytest.raises(RuntimeError, match="not finite"):
        super_resolve(thick_mr, model=model)


# ---- networks that restore slices, know some factors only, or go without the step towards the data


def coarse_slices(factors: tuple[float, float], axes: tuple[int, int] = (0, 1), noise: float = 0.0) -> Volume:
    """An MR phantom of 1 mm that was acquired coarsely along two axes."""
    volume = ellipsoids((48, 48, 24) if axes == (0, 1) else (24, 48, 48), modality="MR")
    for axis, factor in zip(axes, factors, strict=True):
        volume = thicken(volume, axis=axis, factor=factor, noise=noise)
    return replace(volume, name="phantom", slice_axis=None, slice_thickness_mm=None)


def slice_model(make_model: MakeModel, spread: float = 0.0, **trained: Any) -> SRModel:
    torch.manual_seed(0)
    network = UNetGenerator(spatial_dims=2, channels=(8, 16), blocks=(1, 1)).eval()
    if spread:
        torch.nn.init.normal_(network.head_out.conv.weight, std=spread)
    return SRModel(network, make_model(**trained).record)


class Toy(torch.nn.Module):
    """By the contract of a generator: adds ``amount`` of the difference between start and plain interpolation."""

    def __init__(
        self, spatial_dims: int, amount: float = 0.0, factors: tuple[int, ...] = (), consistency: bool = True
    ) -> None:
        super().__init__()
        self.spatial_dims, self.factors, self.consistency = spatial_dims, factors, consistency
        self.size_multiple, self.receptive_field = 1, 0
        self.amount = amount
        self.seen: list[torch.Tensor] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.seen.append(x)
        return x[:, :1] + self.amount * (x[:, :1] - x[:, 1:2])


def toy(spatial_dims: int, **options: Any) -> SRModel:
    return SRModel(Toy(spatial_dims, **options), ModelRecord("toy", Path("toy.pt"), "0" * 64, {}, "l1", WIDE))


@pytest.fixture(scope="module")
def thick_slices() -> Volume:
    """A CT phantom whose axes 0 and 1 are coarse by 2, without noise."""
    body = ellipsoids((40, 48, 20), modality="CT")
    return replace(
        thicken(thicken(body, axis=0, factor=2.0), axis=1, factor=2.0), slice_axis=2, slice_thickness_mm=None
    )


@pytest.mark.parametrize("axes", [(0, 1), (0, 2), (1, 2)])
def test_a_network_of_slices_restores_both_axes_at_once(axes: tuple[int, int]) -> None:
    """One that adds nothing leaves the joint back-projection: every slice for itself, by matrices from both sides."""
    body = ellipsoids((48, 56, 64), modality="CT")
    thick = thicken(thicken(body, axis=axes[0], factor=2.0), axis=axes[1], factor=2.0)
    scale = [2.0 if axis in axes else 1.0 for axis in range(3)]
    model = toy(2)
    result = super_resolve(thick, scale=scale, model=model)
    assert result.report["warnings"] == []
    assert [a["treatment"] for a in result.report["axes"]] == ["network"] * 2
    assert sorted(a["axis"] for a in result.report["axes"]) == list(axes)
    steps, weight = (result.report["axes"][0][key] for key in ("backprojection_steps", "consistency_weight"))
    assert weight > 0.5
    grids = [AxisGrid(thick.array.shape[a], 2 * thick.array.shape[a]) for a in axes]
    profile = SliceProfile("box")
    back = [backprojection_matrix(grid, profile, steps) for grid in grids]
    up = [backprojection_matrix(grid, profile, 0) for grid in grids]
    down = [degradation_matrix(grid, profile) for grid in grids]
    expected = np.empty_like(body.array)
    across = ({0, 1, 2} - set(axes)).pop()
    for i in range(body.array.shape[across]):
        y = np.take(thick.array, i, axis=across).astype(np.float64)
        x = back[0] @ y @ back[1].T
        x = x + weight * up[0] @ (y - down[0] @ x @ down[1].T) @ up[1].T
        expected[(slice(None),) * across + (i,)] = x
    np.testing.assert_allclose(result.volume.array, expected.clip(min=float(thick.array.min())), atol=0.1)
    shape = [2 * thick.array.shape[a] for a in axes]
    for seen in model.network.seen:
        assert seen.dim() == 4 and sorted(seen.shape[2:]) == sorted(shape)
    assert sum(len(seen) for seen in model.network.seen) == body.array.shape[across]


def test_at_once_differs_from_axis_by_axis_by_the_network_alone(thick_slices: Volume) -> None:
    """The start is the same product of matrices, so without a step towards the data nothing else is left."""
    # as MR, of which little noise takes no step of back-projection away: it is measured elsewhere axis by axis
    ask: dict[str, Any] = {"scale": (2.0, 2.0, 1.0), "modality": "MR"}
    slices, volumes = (super_resolve(thick_slices, model=toy(d, consistency=False), **ask) for d in (2, 3))
    np.testing.assert_allclose(slices.volume.array, volumes.volume.array, atol=0.05)
    slices, volumes = (super_resolve(thick_slices, model=toy(d, consistency=False, amount=0.5), **ask) for d in (2, 3))
    assert np.abs(slices.volume.array - volumes.volume.array).max() > 1.0


@pytest.mark.parametrize(
    ("scale", "axes"),
    [((1.0, 1.0, 3.0), "axis 2"), ((2.0, 3.0, 1.0), "axis 0"), ((2.0, 2.0, 2.0), "axis 0")],
    ids=["one", "two factors", "three"],
)
def test_a_network_of_slices_declines_what_is_no_slice(scale: tuple[float, float, float], axes: str) -> None:
    """Each axis then falls back alone, and says why."""
    thick = ellipsoids((24, 24, 24), modality="CT")
    model = toy(2, amount=1.0)
    result = super_resolve(thick, scale=scale, model=model)
    warnings = result.report["warnings"]
    assert len(warnings) == sum(f > 1 for f in scale)
    assert all("this network restores the two axes of a slice at once, by one factor" in w for w in warnings)
    assert any(w.startswith(axes) for w in warnings)
    assert model.network.seen == []
    assert np.array_equal(result.volume.array, super_resolve(thick, scale=scale, model="none").volume.array)


def test_a_2d_network_works_in_the_slices(make_model: MakeModel) -> None:
    """A slice is restored by itself: what stands in another one does not matter, and every one is treated."""
    thick, model = coarse_slices((2.0, 2.0)), slice_model(make_model, spread=0.05)
    width = intensity_range(thick.array, "MR").width
    result = super_resolve(thick, scale=(2.0, 2.0, 1.0), model=model).volume.array
    none = super_resolve(thick, scale=(2.0, 2.0, 1.0), model="none").volume.array
    changed = np.abs(result - none).max(axis=(0, 1)) / width
    assert (changed[4:-4] > 0.005).all()
    tiled = super_resolve(thick, scale=(2.0, 2.0, 1.0), model=model, tile=16).volume.array
    assert np.abs(tiled - result).max() < 1e-3 * width


def test_batches_of_slices_are_put_together_again(make_model: MakeModel, monkeypatch: pytest.MonkeyPatch) -> None:
    thick, model = coarse_slices((2.0, 2.0)), slice_model(make_model, spread=0.05)
    once = super_resolve(thick, scale=(2.0, 2.0, 1.0), model=model).volume.array
    monkeypatch.setattr("monai_sr.inference.pipeline._SLICE_VOXELS", 5 * 48 * 48)
    shares: list[float] = []
    again = super_resolve(
        thick,
        scale=(2.0, 2.0, 1.0),
        model=model,
        progress=lambda stage, share: shares.append(share) if stage == "network" else None,
    ).volume.array
    np.testing.assert_allclose(again, once, atol=1e-4 * np.ptp(once))
    assert shares == sorted(shares) and shares[-1] == 1.0
    assert len(set(shares)) > 5


def test_a_3d_network_restores_two_axes_one_after_the_other(make_model: MakeModel) -> None:
    report = super_resolve(coarse_slices((2.0, 2.0)), scale=(2.0, 2.0, 1.0), model=make_model(0.02)).report
    assert [a["treatment"] for a in report["axes"]] == ["network", "network"]


def test_a_network_declines_a_factor_that_it_does_not_know(thick_mr: Volume, make_model: MakeModel) -> None:
    model = SRModel(EDSR(channels=4, blocks=1, factors=(2, 3)).eval(), make_model().record)
    known = super_resolve(thick_mr, model=model).report
    assert known["warnings"] == [] and known["axes"][0]["treatment"] == "network"
    for factor in (4.0, 2.5):
        result = super_resolve(thick_mr, scale=(1.0, 1.0, factor), model=model)
        none = super_resolve(thick_mr, scale=(1.0, 1.0, factor), model="none")
        assert np.array_equal(result.volume.array, none.volume.array)
        assert f"axis 2: factor {factor:g} is none of 2, 3" in result.report["warnings"][0]


def test_a_published_system_is_used_without_the_step_towards_the_data(thick_mr: Volume, make_model: MakeModel) -> None:
    """SRCNN, untrained: cubic interpolation, and nothing else."""
    result = super_resolve(thick_mr, model=SRModel(SRCNN(channels=(4, 2)).eval(), make_model().record))
    axis = result.report["axes"][0]
    assert (axis["treatment"], axis["consistency_weight"]) == ("network", 0.0)
    cubic = apply_along(interpolation_matrix(AxisGrid(16, 48)), torch.from_numpy(thick_mr.array), 2)
    expected = cubic.clamp(min=float(thick_mr.array.min()))
    np.testing.assert_allclose(result.volume.array, expected, atol=1e-4 * np.ptp(thick_mr.array))
    assert axis["residual_rms"] == pytest.approx(axis["residual_rms_interpolated"], rel=1e-3)
    assert super_resolve(thick_mr, model=make_model()).report["axes"][0]["consistency_weight"] == 1.0


def test_a_noisy_scan_keeps_a_share_of_the_data_behind_a_network(thick_mr: Volume, make_model: MakeModel) -> None:
    """All of it would be noise; none of it let small structures go that the acquired slices show."""
    noise = np.random.default_rng(0).normal(0.0, 0.06 * np.ptp(thick_mr.array), thick_mr.array.shape)
    noisy = thick_mr.with_values((thick_mr.array + noise).astype(np.float32))
    shares = {
        name: super_resolve(noisy, model=model).report["axes"][0]["consistency_weight"]
        for name, model in (("network", make_model(noise=[0.0, 1.0])), ("none", "none"))
    }
    assert shares == {"network": 0.3, "none": 0.0}


@pytest.mark.parametrize(
    ("modality", "noise", "expected"),
    [
        ("CT", 0.004, 1.0),
        ("CT", 0.0125, 0.5),
        ("CT", 0.03, 0.3),
        ("MR", 0.01, 1.0),
        ("MR", 0.015, 0.5),
        ("MR", 0.03, 0.3),
    ],
)
def test_a_ct_follows_its_data_less_from_half_a_per_cent_of_noise_on(
    modality: str, noise: float, expected: float
) -> None:
    """One per cent is 20 HU, of which a whole step brought all back: x2 ended 0.24 dB below cubic interpolation."""
    assert _consistency_weight(noise, modality, network=True) == pytest.approx(expected)
    assert _consistency_weight(0.03, modality, network=False) == 0.0


def test_where_it_is_declined_the_step_is_taken(thick_mr: Volume, make_model: MakeModel) -> None:
    model = SRModel(SRCNN(channels=(4, 2)).eval(), make_model(factor=[1.2, 2.0]).record)
    assert super_resolve(thick_mr, model=model).report["axes"][0]["consistency_weight"] == 1.0


# ---- what may come in


def test_a_path_and_an_array_go_the_same_way(thick_mr: Volume, tmp_path: Path) -> None:
    file = tmp_path / "thick.nii.gz"
    write_volume(thick_mr, file)
    from_file = super_resolve(file, modality="MR", model="none").volume
    from_text = super_resolve(str(file), modality="MR", model="none").volume
    array = super_resolve(thick_mr.array, affine=thick_mr.geometry.affine, modality="MR", model="none").volume
    for other in (from_text, array):
        np.testing.assert_allclose(other.array, from_file.array, atol=1e-3)
    np.testing.assert_allclose(array.geometry.affine, from_file.geometry.affine, atol=1e-5)
    assert read_volume(file).array.shape == (40, 36, 16)  # the input is as it was


def test_integers_are_taken_as_values() -> None:
    thick = np.random.default_rng(0).integers(0, 4000, (16, 16, 8)).astype(np.int16)
    result = super_resolve(thick, affine=np.diag([1.0, 1.0, 3.0, 1.0]), modality="MR", model="none")
    assert result.volume.array.dtype == np.float32
    assert result.volume.array.max() > 2000


@pytest.mark.parametrize(
    ("array", "ask", "words"),
    [
        (np.zeros((8, 8, 8)), {}, "there is nothing to resolve"),
        (np.full((8, 8, 8), np.nan), {}, "NaN or infinite"),
        (np.ones((8, 8)), {}, "three axes"),
        (np.random.default_rng(0).normal(size=(8, 8, 8)), {"modality": None}, "modality is not known"),
        (np.random.default_rng(0).normal(size=(8, 8, 8)), {"affine": None}, "its affine"),
        (np.random.default_rng(0).normal(size=(8, 8, 8)), {"affine": np.eye(4)}, "already isotropic"),
    ],
)
def test_refusals_are_one_sentence(array: np.ndarray, ask: dict[str, Any], words: str) -> None:
    options = {"affine": np.diag([1.0, 1.0, 3.0, 1.0]), "modality": "MR", "model": "none", **ask}
    with pytest.raises(InputError, match=words) as caught:
        super_resolve(array, **options)
    assert "\n" not in str(caught.value)


def test_a_device_that_is_not_there_is_said_so(thick_mr: Volume) -> None:
    with pytest.raises(DeviceError, match="unknown device"):
        super_resolve(thick_mr, model="none", device="abacus")


def test_the_report_is_complete_and_plain(thick_mr: Volume, make_model: MakeModel) -> None:
    stages: list[tuple[str, float]] = []
    result = super_resolve(
        thick_mr, model=make_model(0.05), progress=lambda stage, share: stages.append((stage, share))
    )
    report = json.loads(json.dumps(result.report))
    assert report["case"] == "phantom"
    assert report["acquired"]["shape"] == [40, 36, 16]
    assert report["target"]["shape"] == [40, 36, 48]
    assert report["target"]["field_of_view_mm"] == report["acquired"]["field_of_view_mm"]
    assert report["model"] == {"name": "toy", "sha256": "0" * 64, "stage": "l1"}
    assert report["peak_memory_bytes"] > 1e6
    assert set(report["seconds"]) >= {"read", "measure", "interpolate", "network", "consistency"}
    assert {"torch", "monai", "numpy"} <= set(report["versions"])
    assert report["warnings"] == []
    assert ("network", 1.0) in stages
    assert result.acquired is thick_mr


# ---- a real scan


def test_a_real_ct_keeps_its_hu_and_its_place(real_data: Path) -> None:
    """Limb CT of 3.27 mm slices: body within 1 HU, tissue bands within 5 HU."""
    scan = read_volume(real_data / "train" / "ct_sts_033.nii.gz")
    result = super_resolve(scan, model="none").volume
    np.testing.assert_allclose(result.geometry.corners(), scan.geometry.corners(), atol=1e-3)
    mask = body_mask(scan.array, "CT")
    assert abs(body_bias(result.array, scan.array, mask)) < 1.0
    for band, bias in tissue_bias(result.array, scan.array, mask).items():
        assert abs(bias) < 5.0, band


def test_an_axis_made_coarser_at_exact_spacing_stays_in_place() -> None:
    """The target grid is centred on the field, not edge-aligned; a ramp in mm tells where the values went."""
    geometry = VolumeGeometry((25, 20, 8), np.diag([1.0, 1.0, 4.0, 1.0]))
    ramp = geometry.world(np.indices(geometry.shape).reshape(3, -1).T)[:, 0].reshape(geometry.shape)
    acquired = Volume((ramp + 100.0).astype(np.float32), geometry, modality="MR")
    result = super_resolve(
        acquired, spacing=(1.7, 1.0, 1.0), exact_spacing=True, allow_downsample=True, model="none", device="cpu"
    ).volume
    index = np.indices(result.geometry.shape).reshape(3, -1).T
    where = result.geometry.world(index)[:, 0].reshape(result.geometry.shape)
    inner = (slice(2, -2), slice(2, -2), slice(1, -1))
    # a Gaussian profile keeps a ramp up to the steps of the voxels it is integrated over
    assert np.abs(result.array[inner] - 100.0 - where[inner]).max() < 0.05
