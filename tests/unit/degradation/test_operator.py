"""The forward model: point spread, adjoint, slab average, k-space crop, noise, and a real thick/thin pair."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from scipy import stats

from monai_sr.degradation import SliceProfile, add_noise, degradation_matrix, degrade
from monai_sr.grid import AxisGrid, apply_along, interpolation_matrix

KINDS = ["box", "gaussian", "sinc", "kspace"]
FACTORS = [1.1, 1.5, 2.0, 2.7, 3.0, 4.0, 6.0]


def grid_for(factor: float, n_lr: int = 16) -> AxisGrid:
    return AxisGrid(n_lr, round(n_lr * factor))


# ---- point spread


@pytest.mark.parametrize("width", [0.7, 1.0, 1.3])
@pytest.mark.parametrize("kind", ["box", "gaussian", "sinc"])
def test_point_spread_is_centred_on_the_slice_and_as_wide_as_stated(kind: str, width: float) -> None:
    factor = 101  # fine enough to read a width off the row; the matrix does not care how large it is
    grid = AxisGrid(13, 13 * factor)
    row = degradation_matrix(grid, SliceProfile(kind, width))[6]
    index = np.arange(grid.n_hr)
    assert (row * index).sum() == pytest.approx((6 + 0.5) * factor - 0.5, abs=0.05)
    above = index[row >= row[int((6 + 0.5) * factor)] / 2]
    assert above[-1] - above[0] + 1 == pytest.approx(width * factor, abs=2)


@pytest.mark.parametrize("factor", FACTORS)
@pytest.mark.parametrize("kind", ["box", "gaussian", "sinc"])
def test_point_spread_stays_centred_at_the_factors_in_use(kind: str, factor: float) -> None:
    """The half voxel between edge-aligned grids: the centroid in world coordinates is the acquired slice's centre.

    A target voxel counts as a box, so at fractional factors a slab's centroid wobbles by a few per cent of a slice; it
    never drifts, and at whole factors it is exact.
    """
    grid = grid_for(factor, 40)
    matrix = degradation_matrix(grid, SliceProfile(kind))
    hr_position = grid.start + (np.arange(grid.n_hr) + 0.5) / grid.factor  # acquired voxels from the outer edge
    inner = slice(5, -5)
    error = (matrix @ hr_position - np.arange(grid.n_lr) - 0.5)[inner]
    assert abs(error.mean()) < 1e-3
    assert abs(error).max() < (1e-3 if grid.factor == int(grid.factor) else {"box": 0.07}.get(kind, 0.02))


def test_kspace_point_spread_is_a_periodic_sinc() -> None:
    grid = AxisGrid(15, 15 * 41)
    row = degradation_matrix(grid, SliceProfile("kspace"))[7]
    centre = (7 + 0.5) * 41 - 0.5
    index = np.arange(grid.n_hr)
    np.testing.assert_allclose(row, row[::-1], atol=1e-12)
    above = index[row >= row.max() / 2]
    assert (above[-1] + above[0]) / 2 == pytest.approx(centre)
    assert (above[-1] - above[0] + 1) / 41 == pytest.approx(1.207, abs=0.03)  # FWHM of sinc(x)


# ---- algebra


@pytest.mark.parametrize("factor", FACTORS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_constant_stays_constant(kind: str, factor: float) -> None:
    for width in (0.6, 1.0, 1.4):
        matrix = degradation_matrix(grid_for(factor), SliceProfile(kind, width))
        np.testing.assert_allclose(matrix.sum(axis=1), 1.0, atol=1e-12)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_adjoint(kind: str, axis: int) -> None:
    """<A x, y> = <x, A^T y>, and the gradient that training sees is A^T."""
    grid = grid_for(2.7)
    generator = torch.Generator().manual_seed(axis)
    hr_shape, lr_shape = [5, 6, 7], [5, 6, 7]
    hr_shape[axis], lr_shape[axis] = grid.n_hr, grid.n_lr
    x = torch.randn(hr_shape, dtype=torch.float64, generator=generator, requires_grad=True)
    y = torch.randn(lr_shape, dtype=torch.float64, generator=generator)
    profile = SliceProfile(kind, 1.2)
    left = (degrade(x, grid, profile, axis) * y).sum()
    adjoint = apply_along(degradation_matrix(grid, profile).T, y, axis)
    assert left.item() == pytest.approx((x.detach() * adjoint).sum().item(), rel=1e-10)
    left.backward()
    np.testing.assert_allclose(x.grad, adjoint, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_commutes_with_affine_intensity_scaling(kind: str) -> None:
    grid, profile = grid_for(3.0), SliceProfile(kind)
    x = torch.randn(4, 4, grid.n_hr, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    scaled = degrade(2.5 * x - 1000.0, grid, profile, 2)
    np.testing.assert_allclose(scaled, 2.5 * degrade(x, grid, profile, 2) - 1000.0, atol=1e-9)


def test_a_slice_outside_the_target_grid_is_refused() -> None:
    with pytest.raises(ValueError, match="outside the target grid"):
        degradation_matrix(AxisGrid(10, 10, factor=2.0), SliceProfile("box"))


# ---- the physics each profile is named after


@pytest.mark.parametrize("factor", [2, 3, 5])
def test_box_of_one_spacing_is_the_mean_of_the_thin_slices(factor: int) -> None:
    x = np.random.default_rng(0).normal(size=(3, 4, 8 * factor))
    thick = degrade(torch.from_numpy(x), AxisGrid(8, 8 * factor), SliceProfile("box"), 2)
    np.testing.assert_allclose(thick, x.reshape(3, 4, 8, factor).mean(-1), atol=1e-12)


@pytest.mark.parametrize(("factor", "width"), [(2.7, 1.0), (1.5, 0.7), (4.0, 1.3)])
def test_box_at_any_factor_is_the_overlap_weighted_mean(factor: float, width: float) -> None:
    """Oracle: the thin slices as a step function, averaged over the slab by brute force."""
    grid = grid_for(factor)
    x = np.random.default_rng(1).normal(size=grid.n_hr)
    fine = (np.arange(200 * grid.n_hr) + 0.5) / 200  # in target voxels from the outer edge
    steps = x[fine.astype(int)]
    expected = [
        steps[np.abs(fine / grid.factor - (i + 0.5)) < width / 2].mean()  # what lies outside the field is left out
        for i in range(grid.n_lr)
    ]
    ours = degradation_matrix(grid, SliceProfile("box", width)) @ x
    np.testing.assert_allclose(ours, expected, atol=0.02)


@pytest.mark.parametrize(("n_lr", "n_hr"), [(16, 32), (15, 45), (20, 50), (12, 48), (10, 11)])
def test_kspace_equals_the_cropped_fft(n_lr: int, n_hr: int) -> None:
    """Oracle: crop the spectrum, shift by the half voxel between the grids with a phase ramp, transform back."""
    x = np.random.default_rng(2).normal(size=n_hr)
    spectrum = np.fft.fft(x)
    frequency = np.fft.fftfreq(n_lr) * n_lr
    kept = spectrum[frequency.astype(int)]
    if n_lr % 2 == 0:  # Nyquist: half of each sign
        kept[n_lr // 2] = 0.0
        nyquist = 0.5 * np.array([spectrum[n_lr // 2], spectrum[-n_lr // 2]])
    shift = 0.5 * n_hr / n_lr - 0.5  # first acquired centre in target voxels
    ramped = kept * np.exp(2j * np.pi * frequency * shift / n_hr)
    at = np.arange(n_lr)
    expected = np.fft.ifft(ramped) * n_lr / n_hr
    if n_lr % 2 == 0:
        where = at * n_hr / n_lr + shift
        for sign, value in zip((1, -1), nyquist, strict=True):
            expected = expected + value * np.exp(2j * np.pi * sign * (n_lr // 2) * where / n_hr) / n_hr
    ours = degradation_matrix(AxisGrid(n_lr, n_hr), SliceProfile("kspace")) @ x
    np.testing.assert_allclose(ours, expected.real, atol=1e-10)
    np.testing.assert_allclose(expected.imag, 0.0, atol=1e-10)


def test_kspace_keeps_what_the_acquired_grid_can_hold_and_drops_the_rest() -> None:
    grid = AxisGrid(16, 48)
    position = 2 * np.pi * (np.arange(48) + 0.5) / 48
    acquired = 2 * np.pi * (np.arange(16) + 0.5) / 16
    matrix = degradation_matrix(grid, SliceProfile("kspace"))
    np.testing.assert_allclose(matrix @ np.cos(5 * position), np.cos(5 * acquired), atol=1e-10)
    np.testing.assert_allclose(matrix @ np.cos(11 * position), 0.0, atol=1e-10)


# ---- noise


@pytest.mark.parametrize("signal", [0.0, 1.0, 3.0, 20.0])
def test_rician_moments(signal: float) -> None:
    sigma = 2.0
    noisy = add_noise(torch.full((200_000,), signal), sigma, "rician", torch.Generator().manual_seed(0)).numpy()
    law = stats.rice(signal / sigma, scale=sigma)
    assert noisy.mean() == pytest.approx(law.mean(), rel=0.01)
    assert noisy.std() == pytest.approx(law.std(), rel=0.01)
    assert noisy.min() >= 0.0


def test_gaussian_moments() -> None:
    noisy = add_noise(torch.full((200_000,), -700.0), 25.0, "gaussian", torch.Generator().manual_seed(0)).numpy()
    assert noisy.mean() == pytest.approx(-700.0, abs=0.3)
    assert noisy.std() == pytest.approx(25.0, rel=0.01)
    assert stats.skew(noisy) == pytest.approx(0.0, abs=0.02)


def test_noise_is_a_function_of_the_seed_and_absent_at_zero() -> None:
    y = torch.rand(50, 50)
    first, second, other = (add_noise(y, 0.1, "rician", torch.Generator().manual_seed(s)) for s in (3, 3, 4))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)
    assert torch.equal(add_noise(y, 0.0, "rician"), y)


# ---- a real scan, reconstructed thin and thick


@pytest.fixture(scope="module")
def phantom_pair(real_data: Path) -> tuple[torch.Tensor, torch.Tensor]:
    """1 mm and 5 mm reconstructions of one scan of a head phantom, in HU: ``(X, Y, 140)`` and ``(X, Y, 28)``."""
    folder = real_data / "train"
    thin, thick = (
        torch.from_numpy(nib.load(folder / f"ct_headphantom_{mm}mm_UB.nii.gz").get_fdata(dtype=np.float32))
        for mm in (1, 5)
    )
    return thin[::2, ::2], thick[::2, ::2]  # every other column: the axis that matters is the third


def test_slab_average_reproduces_a_real_thick_reconstruction(phantom_pair: tuple[torch.Tensor, torch.Tensor]) -> None:
    thin, thick = phantom_pair
    inside = thick > -500.0

    def rmse(model: torch.Tensor) -> float:
        return float(((model - thick)[inside] ** 2).mean().sqrt())

    slab = degrade(thin, AxisGrid(28, 140), SliceProfile("box"), 2)
    assert rmse(slab) < 45.0
    assert rmse(thin[..., 2::5]) > 4 * rmse(slab)  # central thin slice: sub-sampling is not what a scanner does


def test_the_phantom_pair_is_not_shifted_by_half_a_voxel(phantom_pair: tuple[torch.Tensor, torch.Tensor]) -> None:
    """Any other alignment explains the real thick slices worse: the grids are edge-aligned."""
    thin, thick = phantom_pair
    inside = (thick > -500.0)[..., 2:-2]
    error = []
    for shift in (-1, 0, 1):
        slab = degrade(torch.roll(thin, shift, dims=2), AxisGrid(28, 140), SliceProfile("box"), 2)
        error.append(float(((slab - thick)[..., 2:-2][inside] ** 2).mean()))
    assert error[1] < 0.6 * min(error[0], error[2])


def test_cubic_of_the_thick_scan_lies_where_the_thin_one_does(phantom_pair: tuple[torch.Tensor, torch.Tensor]) -> None:
    thin, thick = phantom_pair
    restored = apply_along(interpolation_matrix(AxisGrid(28, 140)), thick, 2)
    inside = (thin > -500.0)[..., 10:-10]
    error = []
    for shift in (-2, -1, 0, 1, 2):
        error.append(float(((torch.roll(restored, shift, dims=2) - thin)[..., 10:-10][inside] ** 2).mean()))
    assert int(np.argmin(error)) == 2
