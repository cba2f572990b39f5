"""What a user allows: tilted slices as they are, uneven ones interpolated at their true positions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from scipy.interpolate import PchipInterpolator

from monai_sr.geometry import LPS_TO_RAS
from monai_sr.io import SeriesRules
from monai_sr.io.dicom_read import read_series
from monai_sr.io.dicom_source import DicomSource
from monai_sr.io.dicom_write import Derivation, write_series
from monai_sr.io.volume import InputError

TILT, UNEVEN = SeriesRules(allow_tilt=True), SeriesRules(resample_irregular=True)


def move(datasets: list[Dataset], places: list[tuple[float, float]]) -> list[Dataset]:
    """Put every slice at a height and shift it along a column, both in mm from the first slice."""
    first = [float(v) for v in datasets[0].ImagePositionPatient]
    for dataset, (height, shift) in zip(datasets, places, strict=True):
        dataset.ImagePositionPatient = [first[0], round(first[1] + shift, 6), round(first[2] + height, 6)]
    return datasets


def positions(datasets: list[Dataset]) -> np.ndarray:
    return np.array([[float(v) for v in dataset.ImagePositionPatient] for dataset in datasets])


class TestTilt:
    @pytest.mark.parametrize("shift", [1.5, -0.7])
    def test_voxels_lie_where_the_headers_say(self, ct: list[Dataset], shift: float) -> None:
        upright = read_series(ct).array
        volume = read_series(move(ct, [(5.0 * k, shift * k) for k in range(6)]), TILT)
        np.testing.assert_array_equal(volume.array, upright)
        lps = volume.geometry.world([[0, 0, k] for k in range(6)]) @ LPS_TO_RAS[:3, :3]
        np.testing.assert_allclose(lps, positions(ct), atol=1e-9)
        assert volume.geometry.shear() > 0.1
        assert volume.slice_thickness_mm == 4.0
        angle = np.degrees(np.arctan(abs(shift) / 5))
        assert any(f"stacked {angle:.2f} degrees off their normal" in note for note in volume.notes)

    def test_written_on_the_same_sheared_positions(self, ct: list[Dataset], tmp_path: Path) -> None:
        volume = read_series(move(ct, [(5.0 * k, 1.5 * k) for k in range(6)]), TILT)
        files = write_series(volume, tmp_path / "out", derivation=Derivation("x1", "0"))
        written = [pydicom.dcmread(file) for file in files]
        np.testing.assert_allclose(positions(written), positions(ct), atol=1e-6)
        assert [d.ImageOrientationPatient for d in written] == [d.ImageOrientationPatient for d in ct]
        np.testing.assert_array_equal(read_series(written, TILT).array, volume.array)

    def test_still_refused(self, ct: list[Dataset]) -> None:
        with pytest.raises(InputError, match=r"gantry tilt.*--allow-tilt"):
            read_series(move(ct, [(5.0 * k, 1.5 * k) for k in range(6)]))
        with pytest.raises(InputError, match="shifted sideways"):
            read_series(move(ct, [(5.0 * k, float(k % 2)) for k in range(6)]), TILT)
        with pytest.raises(InputError, match="misses 1 slice"):
            read_series(move(ct, [(5.0 * k, 1.5 * k) for k in (0, 1, 2, 4, 5, 6)]), TILT)

    def test_changes_nothing_for_an_upright_series(self, ct: list[Dataset]) -> None:
        np.testing.assert_array_equal(read_series(ct, TILT).geometry.affine, read_series(ct).geometry.affine)
        assert read_series(ct, TILT).notes == read_series(ct).notes


HEIGHTS = {
    "two spacings": [0.0, 5.0, 10.0, 20.0, 30.0, 40.0],
    "a missing slice": [0.0, 5.0, 10.0, 20.0, 25.0, 30.0],
    "no common step": [0.0, 3.0, 7.0, 12.0, 15.5, 20.0],
}


class TestUneven:
    @pytest.mark.parametrize("case", HEIGHTS)
    def test_interpolated_at_the_true_positions(self, ct: list[Dataset], case: str) -> None:
        heights = np.array(HEIGHTS[case])
        acquired = read_series(ct).array
        volume = read_series(move(ct, [(h, 0.0) for h in heights]), UNEVEN)
        z = volume.geometry.world([[0, 0, k] for k in range(volume.array.shape[2])])[:, 2]
        z = z - z[0]
        assert z[-1] == pytest.approx(heights[-1])
        assert np.ptp(np.diff(z)) < 1e-9
        assert np.diff(z)[0] == pytest.approx(np.diff(heights).min(), rel=0.2)
        np.testing.assert_allclose(volume.array, PchipInterpolator(heights, acquired, axis=2)(z), atol=2e-3)
        for k, height in enumerate(heights):  # what was acquired at a place of the grid is kept
            if np.abs(z - height).min() < 1e-9:
                np.testing.assert_allclose(volume.array[..., np.abs(z - height).argmin()], acquired[..., k], atol=1e-3)
        (note,) = (note for note in volume.notes if "--resample-irregular" in note)
        assert f"gaps of {np.diff(heights).min():g} to {np.diff(heights).max():g} mm" in note
        assert f"{len(z)} even places" in note and "0003.dcm" not in note

    def test_a_ramp_stays_a_ramp_and_a_constant_a_constant(self, ct: list[Dataset]) -> None:
        heights = HEIGHTS["two spacings"]
        for dataset, height in zip(ct, heights, strict=True):
            pixels = np.full((dataset.Rows, dataset.Columns), 1024 + 10 * int(height), "<u2")
            dataset.PixelData = pixels.tobytes()
        volume = read_series(move(ct, [(h, 0.0) for h in heights]), UNEVEN)
        expected = 10 * np.arange(9) * 5.0  # one HU per 0.1 mm
        np.testing.assert_allclose(volume.array, np.broadcast_to(expected, volume.array.shape), atol=1e-3)

    def test_result_can_be_derived_and_names_its_neighbours(self, ct: list[Dataset], tmp_path: Path) -> None:
        volume = read_series(move(ct, [(h, 0.0) for h in HEIGHTS["two spacings"]]), UNEVEN)
        assert isinstance(volume.source, DicomSource)
        assert len(volume.source.slices) == volume.array.shape[2] == 9
        files = write_series(volume, tmp_path / "out", derivation=Derivation("x1", "0"))
        np.testing.assert_allclose(read_series(tmp_path / "out").array, volume.array, atol=0.51)
        assert len(files) == 9

    def test_a_regular_series_is_not_touched(self, ct: list[Dataset]) -> None:
        read = read_series(ct, UNEVEN)
        np.testing.assert_array_equal(read.array, read_series(ct).array)
        assert read.notes == read_series(ct).notes

    def test_both_at_once(self, ct: list[Dataset]) -> None:
        heights = HEIGHTS["two spacings"]
        volume = read_series(move(ct, [(h, 0.3 * h) for h in heights]), SeriesRules(True, True))
        places = volume.geometry.world([[0, 0, 0], [0, 0, 8]]) @ LPS_TO_RAS[:3, :3]
        np.testing.assert_allclose(places, positions(ct)[[0, -1]], atol=1e-6)

    def test_still_refused(self, ct: list[Dataset]) -> None:
        with pytest.raises(InputError, match=r"irregularly spaced.*--resample-irregular"):
            read_series(move(ct, [(h, 0.0) for h in HEIGHTS["no common step"]]))
        with pytest.raises(InputError, match=r"misses 1 slice.*10 mm lie between .*0?3.*4.*--resample-irregular"):
            read_series(move(ct, [(h, 0.0) for h in HEIGHTS["a missing slice"]]))
        with pytest.raises(InputError, match=r"too unevenly spaced.*gaps of 5 to 25 mm, where 4 times"):
            read_series(move(ct, [(h, 0.0) for h in (0.0, 5.0, 10.0, 35.0, 40.0, 45.0)]), UNEVEN)
