"""Known cut-offs and known blurs are found, in mm, whatever lies outside the mask."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage
from scipy.special import ndtr

from monai_sr.metrics import FrcCurve, edge_profile, edge_width_mm, frc, frc_resolution_mm

SHAPE = (48, 50, 56)
SPACING = (1.2, 0.9, 0.7)


@pytest.fixture
def white() -> np.ndarray:
    """Equal power at all frequencies."""
    return np.random.default_rng(0).normal(100.0, 10.0, SHAPE)


def ball(shape: tuple[int, ...]) -> np.ndarray:
    grids = np.meshgrid(*((np.arange(n) - (n - 1) / 2) / (n / 2) for n in shape), indexing="ij", sparse=True)
    return np.asarray(sum(g**2 for g in grids) < 0.9)


def low_passed(array: np.ndarray, axes: tuple[int, ...], cutoff: float) -> np.ndarray:
    """Without frequencies above the cut-off, in cycles per mm (a disc where there are two axes)."""
    spectrum = np.fft.fftn(array, axes=axes)
    square = 0.0
    for a in axes:
        shape = [-1 if i == a else 1 for i in range(array.ndim)]
        square = square + np.fft.fftfreq(array.shape[a], SPACING[a]).reshape(shape) ** 2
    return np.fft.ifftn(spectrum * (np.sqrt(square) <= cutoff), axes=axes).real


@pytest.mark.parametrize(
    ("axes", "cutoff"), [((2,), 0.3), ((0,), 0.2), ((0, 1), 0.25), ((1, 2), 0.4), ((0, 1, 2), 0.3)]
)
@pytest.mark.parametrize("body", [True, False])
def test_frc_finds_a_known_cutoff_to_within_a_bin(
    white: np.ndarray, axes: tuple[int, ...], cutoff: float, body: bool
) -> None:
    mask = ball(SHAPE) if body else np.ones(SHAPE, bool)
    curve = frc(low_passed(white, axes, cutoff), white, mask, axes, SPACING)
    width = curve.frequency[1] - curve.frequency[0]
    assert 1 / frc_resolution_mm(curve) == pytest.approx(cutoff, abs=width)
    assert curve.correlation[curve.frequency < cutoff - 2 * width].min() > 0.85
    assert curve.nyquist == pytest.approx(0.5 / max(SPACING[a] for a in axes))


def test_frc_of_identical_volumes_is_one_and_of_noise_about_nought(white: np.ndarray) -> None:
    mask = ball(SHAPE)
    for axes in ((2,), (0, 1)):
        same = frc(white, white, mask, axes, SPACING)
        np.testing.assert_allclose(same.correlation, 1.0, atol=1e-5)
        assert frc_resolution_mm(same) == pytest.approx(2 * max(SPACING[a] for a in axes))
        noise = np.random.default_rng(1).normal(100.0, 10.0, SHAPE)
        other = frc(noise, white, mask, axes, SPACING)
        assert np.abs(other.correlation).max() < 0.15
        assert np.abs(other.correlation.mean()) < 0.02


def test_frc_does_not_see_scale_shift_or_what_lies_outside_the_mask(white: np.ndarray) -> None:
    mask = ball(SHAPE)
    blurred = white + np.random.default_rng(2).normal(0, 10, SHAPE)
    expected = frc(blurred, white, mask, (2,), SPACING).correlation
    np.testing.assert_allclose(frc(3 * blurred - 1000, white, mask, (2,), SPACING).correlation, expected, atol=1e-4)
    spoiled = np.where(mask, blurred, 1e4)
    np.testing.assert_allclose(frc(spoiled, white, mask, (2,), SPACING).correlation, expected, atol=1e-6)
    # as much noise as signal: 1 / sqrt(2)
    assert expected.mean() == pytest.approx(np.sqrt(0.5), abs=0.02)


def test_the_masks_border_is_no_common_detail() -> None:
    """Two bodies of the same outline and of other smooth contents share nothing at high frequencies."""
    rng = np.random.default_rng(3)
    one, other = (ndimage.gaussian_filter(rng.normal(size=(64, 64, 64)), 4) * 100 + 1000 for _ in range(2))
    detail = [rng.normal(0, 1e-2, one.shape) for _ in range(2)]
    curve = frc(one + detail[0], other + detail[1], ball(one.shape), (2,), (1, 1, 1))
    assert np.abs(curve.correlation[curve.frequency > 0.3]).max() < 0.1


def test_frc_of_a_photograph(white: np.ndarray) -> None:
    photo = low_passed(white, (0, 1), 0.25)[:, :, :1]
    mask = np.ones(photo.shape, bool)
    curve = frc(photo, white[:, :, :1], mask, (0, 1, 2), SPACING)
    assert 1 / frc_resolution_mm(curve) == pytest.approx(0.25, abs=curve.frequency[0])
    with pytest.raises(ValueError, match="axis that is longer"):
        frc(photo, photo, mask, (2,), SPACING)
    with pytest.raises(ValueError, match="2 spacings"):
        frc(photo, photo, mask, (0,), (1.0, 1.0))


def test_the_threshold_is_interpolated() -> None:
    curve = FrcCurve(np.array([0.1, 0.2, 0.3, 0.4]), np.array([1.0, 0.8, 0.4, 0.9]), 0.45)
    assert frc_resolution_mm(curve) == pytest.approx(1 / 0.275)
    assert frc_resolution_mm(curve, 0.8) == pytest.approx(1 / 0.2)
    assert frc_resolution_mm(curve, 0.2) == pytest.approx(1 / 0.45)


def slanted(sigma: float, axis: int = 2, noise: float = 0.0) -> np.ndarray:
    """A step of 80 along an axis at places between voxels that differ from line to line; exactly blurred along it."""
    grids = np.meshgrid(*(np.arange(n) for n in (40, 42, 44)), indexing="ij")
    along, across = grids[axis], [g for i, g in enumerate(grids) if i != axis]
    step = ndtr((along - 18.0 - 0.11 * across[0] - 0.073 * across[1]) / max(sigma, 1e-3))
    # one seed per level: noise that both volumes shared would be taken for a sharper edge
    return -20.0 + 80.0 * step + np.random.default_rng(round(noise)).normal(0, 1, step.shape) * noise


@pytest.mark.parametrize("sigma", [0.8, 1.0, 1.5, 2.0])
@pytest.mark.parametrize("axis", [0, 2])
def test_a_gaussian_blur_of_a_step_has_its_width(sigma: float, axis: int) -> None:
    mask = np.ones((40, 42, 44), bool)
    width = edge_width_mm(slanted(sigma, axis), slanted(0.6, axis), mask, (axis,), SPACING)
    assert width == pytest.approx(2.563 * sigma * SPACING[axis], rel=0.04)
    noisy = edge_width_mm(slanted(sigma, axis, 4.0), slanted(0.6, axis, 2.0), mask, (axis,), SPACING)
    assert noisy == pytest.approx(2.563 * sigma * SPACING[axis], rel=0.08)


def test_a_step_between_two_voxels_everywhere() -> None:
    """All edges at the same fraction of a voxel: few bins are filled, and the line between them is coarse."""
    truth = np.zeros((20, 20, 40))
    truth[:, :, 20:] = 1.0
    blurred = ndimage.gaussian_filter1d(truth, 1.5, axis=2)
    assert edge_width_mm(blurred, truth, truth >= 0, (2,), (1, 1, 2.0)) == pytest.approx(2 * 2.563 * 1.5, rel=0.07)


def test_a_sharper_volume_has_a_narrower_edge_on_a_body() -> None:
    grids = np.meshgrid(*(np.arange(64.0),) * 3, indexing="ij", sparse=True)
    radius = np.sqrt(sum((g - 31.3) ** 2 for g in grids))
    truth = 100.0 * ndtr((22.0 - radius) / 0.7) + 30.0 * ndtr((12.0 - radius) / 0.7)
    mask = radius < 24
    widths = [
        edge_width_mm(ndimage.gaussian_filter(truth, (0, 0, s)), truth, mask, (2,), (1, 1, 1)) for s in (0, 0.7, 1.4, 2)
    ]
    assert widths == sorted(widths)
    assert widths[3] > 2 * widths[0]


def test_flips_of_place_and_sign_do_not_matter() -> None:
    restored, truth, mask = slanted(1.2), slanted(0.6), np.ones((40, 42, 44), bool)
    width = edge_width_mm(restored, truth, mask, (2,), SPACING)
    assert width == pytest.approx(edge_width_mm(restored[..., ::-1], truth[..., ::-1], mask, (2,), SPACING), rel=0.01)
    assert width == pytest.approx(edge_width_mm(-restored, -truth, mask, (2,), SPACING), rel=1e-5)


def test_edges_and_levels_are_the_truths() -> None:
    truth, mask = slanted(0.6), np.ones((40, 42, 44), bool)
    sharp, none = (edge_profile(r, truth, mask, (2,), SPACING) for r in (truth, np.zeros_like(truth)))
    assert sharp is not None
    assert none is not None
    assert sharp.edges == none.edges
    np.testing.assert_allclose(sharp.position, none.position)
    assert sharp.value[[0, -1]] == pytest.approx([0.0, 1.0], abs=0.01)
    np.testing.assert_allclose(none.value, 0.25, atol=0.01)
    # no edge left: as wide as the profile; half the contrast does not reach the level of 90 %
    assert edge_width_mm(np.zeros_like(truth), truth, mask, (2,), (1, 1, 1)) == pytest.approx(12, abs=0.5)
    assert edge_width_mm(20 + 0.6 * (truth - 20), truth, mask, (2,), (1, 1, 1)) > 5


def test_two_axes_are_averaged_and_a_photograph_will_do() -> None:
    grids = np.meshgrid(np.arange(200.0), np.arange(200.0), indexing="ij", sparse=True)
    radius = np.sqrt(sum((g - 99.6) ** 2 for g in grids))
    disc = ndtr((70.0 - radius) / 0.6)[..., None] + ndtr((40.0 - radius) / 0.6)[..., None]
    mask = np.ones(disc.shape, bool)
    profile = edge_profile(disc, disc, mask, (0, 1), (0.5, 0.5, 5.0))
    assert profile is not None
    width = edge_width_mm(disc, disc, mask, (0, 1), (0.5, 0.5, 5.0))
    # edges that cross the axis at up to 45 degrees are up to sqrt(2) wider along it
    assert 2.563 * 0.6 * 0.5 < width < 2.563 * 0.6 * 0.5 * 1.5


def test_too_few_edges_give_no_width() -> None:
    flat = np.zeros((30, 30, 30))
    mask = np.ones(flat.shape, bool)
    assert edge_width_mm(flat, flat, mask, (2,), SPACING) is None
    step = slanted(0.6)
    few = np.zeros(step.shape, bool)
    few[:10, :10] = True
    assert edge_width_mm(step, step, few, (2,), SPACING) is None
    assert edge_width_mm(step[..., :12], step[..., :12], few[..., :12], (2,), SPACING) is None
