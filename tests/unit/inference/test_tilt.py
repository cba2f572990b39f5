"""Tilted scans: restored as well as the upright scan of the same object, and exactly where they were acquired."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, shift

from monai_sr import InputError, Volume, super_resolve
from monai_sr.data import phantom
from monai_sr.geometry import VolumeGeometry
from monai_sr.grid import AxisGrid
from monai_sr.inference.tilt import tilt_of
from monai_sr.inference.unexplained import unexplained
from monai_sr.report import output_format

FACTOR, PIXELS_PER_MM = 4, 0.35  # the shift of a slice against the next one, per mm: a tilt of 19 degrees


def leaning(array: np.ndarray, places_mm: np.ndarray) -> np.ndarray:
    slices = [
        shift(array[..., k], (0, -place * PIXELS_PER_MM), order=3, mode="nearest") for k, place in enumerate(places_mm)
    ]
    return np.stack(slices, axis=-1).astype(np.float32)


def grid(shape: tuple[int, ...], step_mm: float, tilt: float) -> VolumeGeometry:
    affine = np.diag([1.0, 1.0, step_mm, 1.0])
    affine[1, 2] = tilt * step_mm
    return VolumeGeometry((shape[0], shape[1], shape[2]), affine)


@pytest.fixture(scope="module")
def scans() -> dict[str, Volume]:
    """One object: thin slices upright and leaning, and thick slices of both, averaged along their normal."""
    thin = phantom.ellipsoids((48, 56, 40), (1.0, 1.0, 1.0)).array
    thick = thin.reshape(*thin.shape[:2], -1, FACTOR).mean(axis=-1)
    places = np.arange(40) - 19.5
    thick_places = places.reshape(-1, FACTOR).mean(axis=-1)
    facts = {"modality": "CT", "slice_axis": 2, "slice_thickness_mm": float(FACTOR)}
    return {
        "truth": Volume(leaning(thin, places), grid(thin.shape, 1.0, PIXELS_PER_MM), **facts),  # type: ignore[arg-type]
        "tilted": Volume(leaning(thick, thick_places), grid(thick.shape, FACTOR, PIXELS_PER_MM), **facts),  # type: ignore[arg-type]
        "upright": Volume(thick.astype(np.float32), grid(thick.shape, FACTOR, 0.0), **facts),  # type: ignore[arg-type]
        "upright truth": Volume(thin, grid(thin.shape, 1.0, 0.0), **facts),  # type: ignore[arg-type]
    }


def error(restored: Volume, truth: Volume) -> float:
    inner = (slice(4, -4), slice(12, -12), slice(4, -4))  # the outermost rows of a leaning slice were never acquired
    return float(np.sqrt(np.mean((restored.array[inner] - truth.array[inner]) ** 2)))


def test_as_good_as_the_upright_scan(scans: dict[str, Volume], monkeypatch: pytest.MonkeyPatch) -> None:
    options = {"model": "none", "scale": (1, 1, FACTOR), "device": "cpu"}
    tilted = super_resolve(scans["tilted"], **options)
    upright = super_resolve(scans["upright"], **options)
    straightened = error(tilted.volume, scans["truth"])
    monkeypatch.setattr("monai_sr.inference.pipeline.tilt_of", lambda volume: None)
    along_the_table = error(super_resolve(scans["tilted"], **options).volume, scans["truth"])
    assert straightened < 1.15 * error(upright.volume, scans["upright truth"])
    assert straightened < 0.9 * along_the_table
    np.testing.assert_allclose(tilted.volume.geometry.corners(), scans["tilted"].geometry.corners(), atol=1e-9)
    assert tilted.report["tilt_degrees"] == pytest.approx(np.degrees(np.arctan(PIXELS_PER_MM)), abs=1e-3)
    assert any("consistency with the acquired data holds on that straight stack" in n for n in tilted.report["notes"])
    assert tilted.report["axes"][0]["profile_width_mm"] == pytest.approx(FACTOR)
    assert upright.report["tilt_degrees"] is None


def test_the_truth_leaves_nothing_unexplained(scans: dict[str, Volume], monkeypatch: pytest.MonkeyPatch) -> None:
    """Seen along its own normal, the leaning truth is the leaning scan; along the table it is not."""
    smooth = gaussian_filter(scans["upright truth"].array, 2.0)  # as sharp as splines can carry
    places = np.arange(40) - 19.5
    thick = smooth.reshape(*smooth.shape[:2], -1, FACTOR).mean(axis=-1)
    tilted = scans["tilted"].with_values(leaning(thick, places.reshape(-1, FACTOR).mean(axis=-1)))
    truth = tilted.with_values(leaning(smooth, places), tilted.geometry.resized(smooth.shape))
    axes = [{"axis": 2, "profile": "box", "profile_width_spacings": 1.0}]
    inner = (slice(4, -4), slice(12, -12), slice(1, -1))
    left = []
    for _ in range(2):
        missed = unexplained(tilted, truth, axes)
        assert missed is not None and missed.geometry == tilted.geometry
        left.append(float(np.sqrt(np.mean(missed.array[inner] ** 2))))
        monkeypatch.setattr("monai_sr.inference.unexplained.tilt_of", lambda volume: None)
    assert left[0] < 0.1 * left[1], left


def test_straight_and_back_is_the_scan(scans: dict[str, Volume]) -> None:
    import torch

    volume = scans["tilted"]
    tilt = tilt_of(volume)
    assert tilt is not None
    smooth = torch.from_numpy(np.ascontiguousarray(volume.array))
    straight, margins = tilt.straightened(smooth, list(volume.geometry.spacing))
    assert margins[0] == 0 and straight.shape[1] == smooth.shape[1] + 2 * margins[1]
    same = AxisGrid(volume.array.shape[2], volume.array.shape[2], 1.0, 0.0)
    back = tilt.leant(straight, same, list(volume.geometry.spacing), margins)
    # the edges of the phantom are as sharp as voxels allow, and two splines round them
    assert float((back - smooth).abs().mean()) < 0.015 * float(smooth.std())
    middle = straight[:, margins[1] : -margins[1]]
    upright = torch.from_numpy(scans["upright"].array)
    assert float((middle - upright)[:, 14:-14].abs().mean()) < 0.02 * float(smooth.std())


def test_an_upright_scan_has_no_tilt(scans: dict[str, Volume]) -> None:
    assert tilt_of(scans["upright"]) is None


def test_nifti_is_refused_before_the_work(scans: dict[str, Volume]) -> None:
    with pytest.raises(InputError, match=r"NIfTI was asked for, and the slices are stacked 19\.29 degrees"):
        output_format(scans["tilted"], "nifti")
    assert output_format(scans["upright"], "nifti") == "nifti"
