"""Whole studies: DICOMDIR, and which series is meant by what somebody types."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.fileset import FileSet
from pydicom.uid import generate_uid

from monai_sr.io import find_cases, read_volume
from monai_sr.io.dicom_directory import listed_files
from monai_sr.io.dicom_facts import SeriesFacts, matches, part_of
from monai_sr.io.dicom_read import read_series
from monai_sr.io.dicom_study import choose, find_study
from monai_sr.io.volume import InputError

Save = Callable[[list[Dataset], Path], list[Path]]


@pytest.fixture
def medium(ct: list[Dataset], mr: list[Dataset], tmp_path: Path) -> Path:
    """A medium with a DICOMDIR, two series of one study; the folder of the DICOMDIR."""
    medium = FileSet()
    for number, dataset in enumerate([*ct, *mr]):
        dataset.StudyInstanceUID = ct[0].StudyInstanceUID
        dataset.PatientID, dataset.StudyID = "ID", "1"
        dataset.SeriesNumber = 4 if number < len(ct) else 7
        dataset.SeriesDescription = "Head 5.0" if number < len(ct) else "T2 ax (fast)"
        medium.add(dataset)
    medium.write(tmp_path / "medium")
    return tmp_path / "medium"


class TestDicomdir:
    def test_its_series_are_those_of_the_folder(self, medium: Path, ct_files: list[Path]) -> None:
        by_file, by_folder = find_study(medium / "DICOMDIR"), find_study(medium)
        assert [series.name for series in by_file] == [series.name for series in by_folder]
        assert sorted(len(series.files) for series in by_file) == [6, 6]
        assert all(series.notes == () for series in by_file)
        cases = find_cases(medium / "DICOMDIR")
        assert sorted(str(case.read().modality) for case in cases) == ["CT", "MR"]
        truth = read_series(ct_files[0].parent)
        np.testing.assert_array_equal(read_volume(medium / "DICOMDIR", series="4").array, truth.array)

    def test_names_in_small_letters(self, medium: Path) -> None:
        for path in sorted((p for p in medium.rglob("*") if p.name != "DICOMDIR"), key=lambda p: -len(p.parts)):
            path.rename(path.with_name(path.name.lower()))
        assert sorted(len(series.files) for series in find_study(medium / "DICOMDIR")) == [6, 6]

    @pytest.mark.parametrize("place", ["DICOMDIR", "."])
    def test_missing_files_are_noted_on_what_is_there(self, medium: Path, place: str) -> None:
        files = sorted(find_study(medium)[0].files)
        files[0].unlink()  # the first slice: without the DICOMDIR nobody could see that
        found = find_study(medium / place)
        assert all("lists 1 file(s) that are not there" in series.notes[0] for series in found)
        volume = next(series for series in found if len(series.files) == 5).read()
        assert any("lists 1 file(s)" in note for note in volume.notes)

    def test_names_that_lead_out_of_the_folder(self, medium: Path, tmp_path: Path) -> None:
        outside = tmp_path / "OUTSIDE"
        outside.write_bytes(b"secret")
        directory = pydicom.dcmread(medium / "DICOMDIR")
        images = [r for r in directory.DirectoryRecordSequence if "ReferencedFileID" in r]
        for record, name in zip(images, (["..", "OUTSIDE"], [str(outside)], ["LINK"]), strict=False):
            record.ReferencedFileID = name
        (medium / "LINK").symlink_to(outside)
        directory.save_as(medium / "DICOMDIR")
        files, missing = listed_files(medium / "DICOMDIR")
        assert missing == 3
        assert all(medium.resolve() in file.resolve().parents for file in files)

    def test_refused(self, medium: Path, tmp_path: Path) -> None:
        alone = tmp_path / "alone"
        alone.mkdir()
        (alone / "DICOMDIR").write_bytes((medium / "DICOMDIR").read_bytes())
        with pytest.raises(InputError, match="lists 12 files and none of them is there"):
            find_study(alone / "DICOMDIR")
        with pytest.raises(InputError, match="holds no NIfTI file"):
            find_cases(alone)
        (alone / "DICOMDIR").write_bytes(b"\0" * 128 + b"DICM" + b"garbage" * 9)
        with pytest.raises(InputError, match="DICOMDIR"):
            find_study(alone / "DICOMDIR")


class TestChoice:
    facts = SeriesFacts(uid="1.2.34", number=4, description="T2 ax (fast)")

    @pytest.mark.parametrize("wanted", ["1.2.34", "abc", "4", "+4", " 4 ", "t2 AX", "(fast)"])
    def test_meant(self, wanted: str) -> None:
        assert matches(self.facts, "abc", wanted)

    @pytest.mark.parametrize("wanted", ["1.2.3", "1.2.345", "ab", "2", "", " ", "T1", ".*"])
    def test_not_meant(self, wanted: str) -> None:
        assert not matches(self.facts, "abc", wanted)

    def test_part(self) -> None:
        assert [part_of(w) for w in ("4:2", "T2 ax:all", "4:ALL", "4", "a:b", ":1")] == [
            ("4", 2), ("T2 ax", None), ("4", None), None, None, None
        ]  # fmt: skip
        with pytest.raises(InputError, match="counted from 1"):
            part_of("4:0")

    def test_of_a_study(self, medium: Path) -> None:
        found = find_study(medium)
        for wanted, numbers in {
            ("4",): [4], ("fast",): [7], ("7", "head"): [7, 4], ("4", "4"): [4], (found[0].facts.uid,): [4]
        }.items():  # fmt: skip
            assert [series.facts.number for series, _ in choose(found, wanted, "medium")] == numbers
        with pytest.raises(InputError, match=r"no series in medium is meant by --series T1; monai-sr inspect"):
            choose(found, ["4", "T1"], "medium")

    def test_cases_are_only_those_chosen(self, medium: Path) -> None:
        (medium / "photo.png").write_bytes(b"\x89PNG\r\n\x1a\n")
        (case,) = find_cases(medium, series=["fast"])
        assert case.read().modality == "MR"
        with pytest.raises(InputError, match="--series chooses among those"):
            find_cases(medium / "photo.png", series=["4"])

    def test_one_or_all_volumes_of_a_series(
        self, mr: list[Dataset], repeated: Callable[..., list[Dataset]], save: Save, tmp_path: Path
    ) -> None:
        save(repeated(mr, {"EchoTime": "80", "SeriesNumber": 3}, {"EchoTime": "30", "SeriesNumber": 3}), tmp_path / "s")
        every = find_cases(tmp_path / "s", series=["3:all"])
        assert [case.name[-2:] for case in every] == ["_1", "_2"]
        assert every[1].read().name == every[1].name
        (second,) = find_cases(tmp_path / "s", series=["3:2"])
        np.testing.assert_array_equal(second.read().array, every[1].read().array)
        with pytest.raises(InputError, match="holds 2 volumes of 6 slices"):
            find_cases(tmp_path / "s")[0].read()
        with pytest.raises(InputError, match="no volume 9"):
            find_cases(tmp_path / "s", series=["3:9"])[0].read()


def other(datasets: list[Dataset], **attributes: object) -> list[Dataset]:
    """The first images as another series."""
    import copy

    uid = generate_uid()
    found = copy.deepcopy(datasets[:3])
    for dataset in found:
        dataset.SeriesInstanceUID, dataset.SOPInstanceUID = uid, generate_uid()
        for keyword, value in attributes.items():
            setattr(dataset, keyword, value)
    return found


SKIPPED: dict[str, tuple[dict[str, object], str, str]] = {
    "localizer": ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, "localizer", "ImageType LOCALIZER"),
    "secondary capture": ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"}, "secondary capture", "Secondary Capture Image"),
    "dose report": ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.88.67"}, "report", "X-Ray Radiation Dose SR"),
    "mosaic": ({"ImageType": ["ORIGINAL", "PRIMARY", "M", "MOSAIC"]}, "mosaic", "many slices tiled into one image"),
    "derived": ({"ImageType": ["DERIVED", "SECONDARY", "MPR"]}, "derived", "made out of other images"),
    "PET": ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.128"}, "other modality", "Positron Emission Tomography"),
    "colour": ({"PhotometricInterpretation": "RGB"}, "colour", "colour image"),
    "no image": ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.11.1", "Rows": None}, "no image", "Presentation State"),
}


class TestPassedOver:
    @pytest.mark.parametrize("case", SKIPPED)
    def test_by_name_beside_a_scan(
        self, ct: list[Dataset], ct_files: list[Path], save: Save, tmp_path: Path, case: str
    ) -> None:
        attributes, kind, phrase = SKIPPED[case]
        save(other(ct, SeriesNumber=9, **attributes), tmp_path / "study" / "other")
        found = find_study(tmp_path / "study")
        assert sorted(series.facts.kind for series in found) == sorted(["image", kind])
        (skipped,) = (c for c in find_cases(tmp_path / "study") if c.skip)
        assert skipped.skip is not None
        assert skipped.skip.startswith("series 9 is ") and phrase in skipped.skip
        for file in skipped.files:  # a sentence needs a subject, also where the series has no number
            dataset = pydicom.dcmread(file)
            del dataset.SeriesNumber
            dataset.save_as(file)
        (skipped,) = (c for c in find_cases(tmp_path / "study") if c.skip)
        assert skipped.skip is not None and skipped.skip.startswith(f"series {skipped.name} is ")
        np.testing.assert_array_equal(read_volume(tmp_path / "study").array, read_series(ct_files[0].parent).array)

    def test_a_derived_series_is_read_when_it_is_chosen(self, ct: list[Dataset], save: Save, tmp_path: Path) -> None:
        save(other(ct, ImageType=["DERIVED", "SECONDARY", "MPR"], SeriesNumber=9), tmp_path / "derived")
        (case,) = find_cases(tmp_path / "derived")
        assert case.skip is not None
        assert case.read().array.shape[2] == 3  # who asks for it gets it
        (case,) = find_cases(tmp_path / "derived", series=["9"])
        assert case.skip is None

    def test_scout_in_three_planes(self, mr: list[Dataset], save: Save, tmp_path: Path) -> None:
        scouts = other(mr, SeriesDescription="AAHead_Scout 3-plane")
        for dataset, plane in zip(scouts, ([1, 0, 0, 0, 1, 0], [1, 0, 0, 0, 0, -1], [0, 1, 0, 0, 0, -1]), strict=True):
            dataset.ImageOrientationPatient = plane
        save(scouts, tmp_path / "scout")
        (series,) = find_study(tmp_path / "scout")
        assert "images in 3 planes, and called one" in str(series.facts.skip)
        for dataset in scouts:
            dataset.SeriesDescription = "T2"
        save(scouts, tmp_path / "scout")
        (series,) = find_study(tmp_path / "scout")
        assert series.facts.skip is None  # refused for what it is when it is read
        with pytest.raises(InputError, match="mixes slice orientations"):
            series.read()

    def test_one_strange_image_among_slices_is_no_reason_to_pass_over_a_scan(
        self, ct: list[Dataset], save: Save, tmp_path: Path
    ) -> None:
        ct[0].ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
        save(ct, tmp_path / "mixed")
        (series,) = find_study(tmp_path / "mixed")
        assert series.facts.skip is None
        with pytest.raises(InputError, match="is a localizer"):
            series.read()
