"""What a scan can teach: which axes, by which degradation, from which slices; and the scans that are refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from monai_sr.data import thicken
from monai_sr.data.phantom import ellipsoids
from monai_sr.degradation import SliceProfile
from monai_sr.engines.lesson import HeldOut, find_lesson
from monai_sr.geometry import VolumeGeometry
from monai_sr.inference import SRModel, super_resolve
from monai_sr.intensity import body_mask
from monai_sr.io import InputError, Volume
from monai_sr.keys import HR

ScanModel = Callable[..., SRModel]


def test_the_fine_axes_teach_by_the_degradation_of_the_coarse_one(thick_scan: Volume, scan_model: ScanModel) -> None:
    lesson = find_lesson(thick_scan, scan_model(), {"slice_thickness": 2.4})
    assert (lesson.axis, lesson.teachers, lesson.factor) == (2, (0, 1), 3.0)
    assert lesson.profile == SliceProfile("gaussian", 0.8)
    rng = np.random.RandomState(0)
    for drawn in (lesson.sampler(0.02)(rng, "MR") for _ in range(20)):
        assert (drawn.factor, drawn.profile.kind, drawn.noise) == (3.0, "gaussian", 0.02)
        assert drawn.profile.width == pytest.approx(0.8)


def test_the_smallest_factor_survives_rounding(scan_model: ScanModel) -> None:
    """45 of 41 voxels are a factor of 1.098, below the smallest that may be asked for."""
    lesson = find_lesson(ellipsoids((44, 44, 41), (1.0, 1.0, 1.1), modality="MR"), scan_model(), {"scale": (1, 1, 1.1)})
    assert (lesson.axis, lesson.restored.geometry.shape) == (2, (44, 44, 45))


def test_the_slice_axis_may_be_any(thick_scan: Volume, scan_model: ScanModel) -> None:
    turned = thicken(ellipsoids((60, 56, 64), modality="MR"), axis=0, factor=3.0)
    lesson = find_lesson(turned, scan_model(), {})
    assert (lesson.axis, lesson.teachers) == (0, (1, 2))
    assert lesson.case()[HR].shape[1:] == (56, 64)


def test_an_axis_that_is_coarse_itself_does_not_teach(scan_model: ScanModel) -> None:
    twice = thicken(thicken(ellipsoids((60, 64, 60), modality="MR"), axis=0, factor=2.0), axis=2, factor=3.0)
    lesson = find_lesson(twice, scan_model(), {"scale": (2.0, 1.0, 3.0)})
    assert (lesson.axis, lesson.teachers) == (2, (1,))
    assert lesson.restored.geometry.shape == (30, 64, 60)  # in plane it stays what was acquired


def test_held_out_slices_are_body_and_apart_from_the_others(thick_scan: Volume, scan_model: ScanModel) -> None:
    lesson = find_lesson(thick_scan, scan_model(), {})
    body = body_mask(thick_scan.array, "MR")
    first, end = lesson.held_out
    assert 0.1 < body[..., first:end].sum() / body.sum() < 0.25
    assert lesson.trained[1] < first
    assert lesson.case()[HR].shape == (60, 56, 3 * lesson.trained[1])


def test_what_is_measured_are_the_acquired_slices(thick_scan: Volume, scan_model: ScanModel) -> None:
    """By an oracle: mean squared difference to the scan's own voxels, where the result is that of ``super_resolve``."""
    model = scan_model()
    lesson = find_lesson(thick_scan, model, {})
    check = HeldOut(lesson, "cpu")
    first, end = lesson.held_out
    np.testing.assert_array_equal(check.truth, thick_scan.array[..., first:end])
    values = check(model)
    assert values is not None
    lr = check.degraded[0]
    shape = check.start.geometry.shape
    result = super_resolve(lr, scale=(shape[0] / lr.array.shape[0], 1, 1), model=model, device="cpu").volume.array
    # a Gaussian of one slice, three voxels wide at half its height, by another library
    seen = ndimage.gaussian_filter1d(result, 3.0 / 2.3548, axis=2, mode="nearest", truncate=8)[..., 1::3]
    error = (seen[..., 2 : 2 + end - first] - check.truth)[check.mask]
    assert values[0] == pytest.approx(20 * np.log10(check.scale.width) - 10 * np.log10((error**2).mean()), abs=0.5)


def test_a_wide_scan_is_measured_around_its_body(thick_scan: Volume, scan_model: ScanModel) -> None:
    """What is cropped to save time is cropped around the body, and both grids alike."""
    wide = np.zeros((260, 56, 20), dtype=np.float32)
    wide[150:210] = thick_scan.array
    affine = thick_scan.geometry.affine
    scan = replace(thick_scan, array=wide, geometry=VolumeGeometry((260, 56, 20), affine))
    lesson = find_lesson(scan, scan_model(), {})
    check = HeldOut(lesson, "cpu")
    assert check.truth.shape[:2] == (160, 56)
    assert check.mask.sum() == body_mask(wide, "MR")[..., slice(*lesson.held_out)].sum()
    np.testing.assert_allclose(check.start.geometry.world((0, 0, 0))[0], scan.geometry.world((100, 0, 0))[0], atol=1e-6)


def test_noise_that_averaging_takes_away_is_made_up_for(thick_scan: Volume, scan_model: ScanModel) -> None:
    rng = np.random.default_rng(0)
    noisy = thick_scan.with_values((thick_scan.array + rng.normal(0, 20.0, thick_scan.array.shape)).astype(np.float32))
    lesson = find_lesson(noisy, scan_model(), {})
    assert lesson.noise == pytest.approx(20.0 / 900.0, rel=0.3)
    found = 0.5 * lesson.noise
    assert np.hypot(found, lesson.missing_noise(found)) == pytest.approx(lesson.noise)
    assert lesson.missing_noise(2 * lesson.noise) == 0.0


@pytest.mark.parametrize(
    ("spacing", "options", "said"),
    [
        ((1.0, 1.0, 1.0), {}, "already isotropic"),
        ((2.0, 2.0, 2.0), {"spacing": 1.0}, "nowhere 10 % finer"),
        ((2.0, 2.0, 2.1), {"spacing": 1.0}, "nowhere 10 % finer"),
        ((1.0, 1.0, 1.0), {"spacing": 2.0, "allow_downsample": True}, "no axis is restored"),
    ],
)
def test_scans_that_cannot_teach_are_refused(
    spacing: tuple[float, float, float], options: dict[str, Any], said: str, scan_model: ScanModel
) -> None:
    scan = replace(ellipsoids((24, 24, 24), spacing, modality="MR"), name="case")
    with pytest.raises(InputError, match=f"case: .*{said}"):
        find_lesson(scan, scan_model(), options)


def test_a_scan_of_few_slices_is_refused(scan_model: ScanModel) -> None:
    scan = ellipsoids((40, 40, 5), (1.0, 1.0, 3.0), modality="MR")
    with pytest.raises(InputError, match="too few for patches of 12"):
        find_lesson(scan, scan_model(), {}).patch(4)


def test_a_network_that_will_not_be_used_is_known(thick_scan: Volume, scan_model: ScanModel) -> None:
    assert find_lesson(thick_scan, scan_model(), {}).doubts == ()
    (doubt,) = find_lesson(thick_scan, scan_model(factor=[4.0, 6.0]), {}).doubts
    assert "factor 3 is not within 4 to 6" in doubt
