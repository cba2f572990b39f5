"""Several volumes in one series: told apart by what differs between them, not between slices."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from monai_sr.io.dicom_assemble import parts_of
from monai_sr.io.dicom_headers import Instance, without_bulk
from monai_sr.io.dicom_read import read_series
from monai_sr.io.dicom_source import DicomSource
from monai_sr.io.volume import InputError

Build = Callable[..., list[Dataset]]


def labels(datasets: list[Dataset]) -> list[str]:
    instances = [Instance(without_bulk(d), f"dataset {i}", memory=d) for i, d in enumerate(datasets)]
    return [part.label for part in parts_of(instances, "name")]


DIFFERENCES = {
    "echoes": ([{"EchoTime": "80"}, {"EchoTime": "30"}], ["echo time 30 ms", "echo time 80 ms"]),
    "echo numbers": ([{"EchoNumbers": 1}, {"EchoNumbers": 2}], ["echo 1", "echo 2"]),
    "b-values": ([{"DiffusionBValue": 0.0}, {"DiffusionBValue": 800.0}], ["b 0 s/mm2", "b 800 s/mm2"]),
    "directions": (
        [
            {"DiffusionBValue": 0.0},
            {"DiffusionBValue": 800.0, "DiffusionGradientOrientation": [0.0, 1.0, 0.0]},
            {"DiffusionBValue": 800.0, "DiffusionGradientOrientation": [0.0, 0.0, 1.0]},
        ],
        ["b 0 s/mm2", "b 800 s/mm2, direction 1", "b 800 s/mm2, direction 2"],
    ),
    "time points": (
        [{"TemporalPositionIdentifier": n} for n in (1, 2, 3)],
        ["time point 1", "time point 2", "time point 3"],
    ),
    "cardiac phases": ([{"TriggerTime": "0"}, {"TriggerTime": "400"}], ["trigger delay 0 ms", "trigger delay 400 ms"]),
    "inversion times": (
        [{"InversionTime": "900"}, {"InversionTime": "2500"}],
        ["inversion time 900 ms", "inversion time 2500 ms"],
    ),
    "magnitude and phase": (
        [{"ImageType": ["ORIGINAL", "PRIMARY", kind]} for kind in ("M", "P")],
        ["image type ORIGINAL/PRIMARY/M", "image type ORIGINAL/PRIMARY/P"],
    ),
    "acquisitions": ([{"AcquisitionNumber": 7}, {"AcquisitionNumber": 9}], ["acquisition 7", "acquisition 9"]),
    "times": ([{"AcquisitionTime": "120000"}, {"AcquisitionTime": "120130"}], ["acquired at 1", "acquired at 2"]),
    "echoes at two times": (
        [{"EchoTime": te, "TemporalPositionIdentifier": n} for n in (1, 2) for te in ("30", "80")],
        [f"echo time {te} ms, time point {n}" for te in (30, 80) for n in (1, 2)],
    ),
}


class TestClassic:
    @pytest.mark.parametrize("case", DIFFERENCES)
    def test_told_apart(self, mr: list[Dataset], repeated: Build, case: str) -> None:
        values, expected = DIFFERENCES[case]
        assert labels(repeated(mr, *values)) == expected

    def test_each_volume_reads_its_own_pixels(self, mr: list[Dataset], repeated: Build) -> None:
        truth = read_series(mr).array
        series = repeated(mr, {"EchoTime": "80"}, {"EchoTime": "30"})
        for number, added in ((1, 1), (2, 0)):  # the shorter echo comes first, and was made second
            volume = read_series(series, volume=number)
            np.testing.assert_array_equal(volume.array, truth + added)
            assert f"volume {number} of 2 of the series: echo time" in volume.notes[0]
            assert isinstance(volume.source, DicomSource)
            assert volume.source.part == f"echo time {30 if added else 80} ms"

    def test_refused_by_name_without_a_choice(self, mr: list[Dataset], repeated: Build) -> None:
        series = repeated(mr, {"EchoTime": "80"}, {"EchoTime": "30"})
        with pytest.raises(InputError, match=r"holds 2 volumes of 6 slices \(1: echo time 30 ms; 2: echo time 80 ms\)"):
            read_series(series)
        with pytest.raises(InputError, match="no volume 3"):
            read_series(series, volume=3)

    def test_what_changes_from_slice_to_slice_tells_nothing_apart(self, mr: list[Dataset], repeated: Build) -> None:
        series = repeated(mr, {"EchoTime": "30"}, {"EchoTime": "80"})
        for number, dataset in enumerate(series):  # as scanners count and time
            dataset.AcquisitionNumber = number
            dataset.AcquisitionTime = f"12{number:02d}00"
            dataset.TriggerTime = str(10 * number)
        assert labels(series) == ["echo time 30 ms", "echo time 80 ms"]

    def test_by_equal_steps_of_instance_number_where_nothing_else_differs(
        self, mr: list[Dataset], repeated: Build
    ) -> None:
        series = repeated(mr, {}, {})
        for number, dataset in enumerate(series):
            dataset.InstanceNumber = number + 1
        assert labels(series) == ["volume 1 by InstanceNumber", "volume 2 by InstanceNumber"]
        series[3].InstanceNumber, series[9].InstanceNumber = 100, 101
        assert labels(series) == [""]
        with pytest.raises(InputError, match="holds 2 volumes: 2 images at each of 6 slice positions"):
            read_series(series)

    def test_an_incomplete_volume_is_not_taken_apart(self, mr: list[Dataset], repeated: Build) -> None:
        series = repeated(mr, {"EchoTime": "30"}, {"EchoTime": "80"})[:-1]
        assert labels(series) == [""]
        with pytest.raises(InputError, match="duplicate slices"):
            read_series(series)

    def test_stacks_of_different_orientation(self, mr: list[Dataset]) -> None:
        other = copy.deepcopy(mr)
        for k, dataset in enumerate(other):
            dataset.SOPInstanceUID = generate_uid()
            dataset.ImageOrientationPatient = [1, 0, 0, 0, 0, -1]
            dataset.ImagePositionPatient = [0, 5 * k, 0]
        assert labels(mr + other) == ["stack 1 of 2", "stack 2 of 2"]
        assert read_series(mr + other, volume=2).geometry.spacing == pytest.approx((0.8, 0.9, 5.0))

    def test_a_stack_of_too_few_slices_is_refused_with_the_rest(self, mr: list[Dataset]) -> None:
        mr[0].ImageOrientationPatient = [1, 0, 0, 0, 0, -1]
        with pytest.raises(InputError, match="mixes slice orientations"):
            read_series(mr)

    def test_one_volume_stays_one(self, ct: list[Dataset]) -> None:
        assert labels(ct) == [""]
        np.testing.assert_array_equal(read_series(ct, volume=1).array, read_series(ct).array)


def in_group(group: Dataset, sequence: str, **attributes: object) -> None:
    item = group[sequence][0] if sequence in group else Dataset()
    for keyword, value in attributes.items():
        setattr(item, keyword, value)
    setattr(group, sequence, [item])


def halves(multi: Dataset) -> tuple[list[Dataset], list[Dataset]]:
    groups = list(multi.PerFrameFunctionalGroupsSequence)
    return groups[:6], groups[6:]


class TestEnhanced:
    @pytest.fixture
    def multi(self, mr: list[Dataset], repeated: Build, enhanced: Callable[[list[Dataset]], Dataset]) -> Dataset:
        """Two volumes in one object; frames of the first come first."""
        found = enhanced(repeated(mr, {}, {}))
        groups = found.PerFrameFunctionalGroupsSequence
        pixels = np.frombuffer(found.PixelData, "<u2").reshape(12, 18, 20)
        heights = [float(group.PlanePositionSequence[0].ImagePositionPatient[2]) for group in groups]
        first, second = [], []
        for height in sorted(set(heights)):
            pair = sorted(
                (i for i, h in enumerate(heights) if h == height), key=lambda i: int(pixels[i].astype(int).sum())
            )
            first.append(pair[0])
            second.append(pair[1])
        found.PerFrameFunctionalGroupsSequence = [groups[i] for i in first + second]
        found.PixelData = pixels[first + second].tobytes()
        return found

    @pytest.mark.parametrize(
        ("sequence", "keyword", "values", "expected"),
        [
            ("MREchoSequence", "EffectiveEchoTime", (80.0, 30.0), ["echo time 30 ms", "echo time 80 ms"]),
            ("MRDiffusionSequence", "DiffusionBValue", (0.0, 1000.0), ["b 0 s/mm2", "b 1000 s/mm2"]),
            ("FrameContentSequence", "TemporalPositionIndex", (1, 2), ["time point 1", "time point 2"]),
            (
                "CardiacSynchronizationSequence",
                "NominalCardiacTriggerDelayTime",
                (0.0, 250.0),
                ["trigger delay 0 ms", "trigger delay 250 ms"],
            ),
            ("MRImageFrameTypeSequence", "ComplexImageComponent", ("MAGNITUDE", "PHASE"), ["MAGNITUDE", "PHASE"]),
            ("FrameContentSequence", "StackID", ("1", "2"), ["stack 1 of 2", "stack 2 of 2"]),
        ],
    )
    def test_told_apart_by_functional_groups(
        self, multi: Dataset, sequence: str, keyword: str, values: tuple[object, object], expected: list[str]
    ) -> None:
        for groups, value in zip(halves(multi), values, strict=True):
            for group in groups:
                in_group(group, sequence, **{keyword: value})
        assert labels([multi]) == expected
        one, two = (read_series([multi], volume=number).array for number in (1, 2))
        np.testing.assert_array_equal(two - one, -1 if values[0] == 80.0 else 1)

    def test_shared_groups_tell_nothing_apart(self, multi: Dataset) -> None:
        in_group(multi.SharedFunctionalGroupsSequence[0], "MREchoSequence", EffectiveEchoTime=30.0)
        for groups, value in zip(halves(multi), (0.0, 1000.0), strict=True):
            for group in groups:
                in_group(group, "MRDiffusionSequence", DiffusionBValue=value)
        assert labels([multi]) == ["b 0 s/mm2", "b 1000 s/mm2"]

    def test_written_as_a_classic_series(self, multi: Dataset, tmp_path: object) -> None:
        from pathlib import Path

        from monai_sr.io.dicom_write import Derivation, write_series

        for groups, value in zip(halves(multi), (30.0, 80.0), strict=True):
            for group in groups:
                in_group(group, "MREchoSequence", EffectiveEchoTime=value)
        volume = read_series([multi], volume=2)
        files = write_series(volume, Path(str(tmp_path)) / "out", derivation=Derivation("x1", "0"))
        written = [pydicom.dcmread(file) for file in files]
        assert {dataset.SOPClassUID.name for dataset in written} == {"MR Image Storage"}
        assert {float(dataset.EchoTime) for dataset in written} == {80.0}
        np.testing.assert_array_equal(read_series(written).array, volume.array)
        frames = {ref.ReferencedFrameNumber for dataset in written for ref in dataset.SourceImageSequence}
        assert frames == set(range(7, 13))
