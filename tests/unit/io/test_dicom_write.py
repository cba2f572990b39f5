"""Derived series: independent readers find every voxel where it was, validators find no error, no tag lies."""

from __future__ import annotations

import itertools
import re
import shutil
import subprocess
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.uid import UID, JPEGLSNearLossless, generate_uid

from monai_sr.geometry import LPS_TO_RAS, VolumeGeometry
from monai_sr.io import dicom_write
from monai_sr.io.dicom_options import DicomOptions
from monai_sr.io.dicom_phantom import write_phantom_series
from monai_sr.io.dicom_read import read_series
from monai_sr.io.dicom_source import DicomSource
from monai_sr.io.dicom_values import choose_encoding
from monai_sr.io.dicom_write import Derivation, write_series
from monai_sr.io.volume import InputError, Volume

SHAPE = (24, 20, 6)
WHEN = datetime(2026, 3, 29, 12, 30, 15, tzinfo=timezone.utc)
DERIVATION = Derivation("x3 through-plane", "0.1.0", "default", "ab" * 32, created=WHEN)
needs_dciodvfy = pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dicom3tools is not installed")
needs_dcentvfy = pytest.mark.skipif(shutil.which("dcentvfy") is None, reason="dicom3tools is not installed")


def oblique() -> np.ndarray:
    rotation = sitk.Euler3DTransform()
    rotation.SetRotation(0.3, -0.2, 1.1)
    affine = np.eye(4)
    affine[:3, :3] = np.array(rotation.GetMatrix()).reshape(3, 3) @ np.diag([0.7, 0.9, 5.1])
    affine[:3, 3] = [12.5, -7.0, 33.125]
    return affine


def phantom(modality: str = "CT", affine: np.ndarray | None = None, scale: float = 1.0) -> Volume:
    rng = np.random.default_rng(5)
    low = -1000 if modality == "CT" else 0
    array = (rng.integers(low, 1500, SHAPE) * scale).astype(np.float32)
    affine = np.diag([-0.8, -0.9, 5.0, 1.0]) if affine is None else affine
    return Volume(array, VolumeGeometry(SHAPE, affine), modality, slice_thickness_mm=4.0)  # type: ignore[arg-type]


def source_datasets(folder: Path, modality: str = "CT", **kwargs: object) -> list[Dataset]:
    files = write_phantom_series(phantom(modality, **kwargs), folder / f"source_{modality}")  # type: ignore[arg-type]
    return [pydicom.dcmread(file) for file in files]


def upscaled(volume: Volume, shape: tuple[int, int, int] = (24, 20, 18), seed: int = 0) -> Volume:
    """The volume on another grid with the same field of view, values between the source's extremes."""
    rng = np.random.default_rng(seed)
    low, high = float(volume.array.min()), float(volume.array.max())
    return volume.with_values(rng.uniform(low, high, shape).astype(np.float32), volume.geometry.resized(shape))


def write(
    volume: Volume, folder: Path, derivation: Derivation = DERIVATION, options: DicomOptions | None = None
) -> list[Dataset]:
    files = write_series(volume, folder, derivation=derivation, options=options or DicomOptions())
    return [pydicom.dcmread(file) for file in files]


def sitk_grid(files: Sequence[Path]) -> tuple[np.ndarray, VolumeGeometry]:
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames([str(file) for file in files])
    image = reader.Execute()
    affine = np.eye(4)
    affine[:3, :3] = np.array(image.GetDirection()).reshape(3, 3) * np.array(image.GetSpacing())
    affine[:3, 3] = image.GetOrigin()
    return sitk.GetArrayFromImage(image).transpose(2, 1, 0), VolumeGeometry(image.GetSize(), LPS_TO_RAS @ affine)


def errors(file: Path) -> list[str]:
    """What dciodvfy calls an error; its exit code does not tell."""
    found = subprocess.run(["dciodvfy", "-new", str(file)], capture_output=True, text=True, check=False)
    return [line for line in (found.stderr + found.stdout).splitlines() if line.startswith("Error -")]


class TestGeometry:
    @pytest.mark.parametrize("affine", [None, oblique()])
    @pytest.mark.parametrize("shape", [(24, 20, 18), (48, 40, 6), (37, 33, 14), (24, 20, 6)])
    def test_independent_readers_find_the_same_corners_and_values(
        self, tmp_path: Path, affine: np.ndarray | None, shape: tuple[int, int, int]
    ) -> None:
        source = read_series(source_datasets(tmp_path, affine=affine))
        result = upscaled(source, shape)
        files = write_series(result, tmp_path / "out", derivation=DERIVATION)
        assert [file.name for file in files] == [f"{k + 1:04d}.dcm" for k in range(shape[2])]
        ours = read_series(tmp_path / "out")
        np.testing.assert_allclose(ours.geometry.corners(), source.geometry.corners(), atol=1e-6)
        np.testing.assert_allclose(ours.array, result.array, atol=0.5)
        values, grid = sitk_grid(files)
        np.testing.assert_allclose(grid.corners(), source.geometry.corners(), atol=1e-6)
        np.testing.assert_allclose(values, result.array, atol=0.5)
        oracle = hd.get_volume_from_series([pydicom.dcmread(file) for file in files])
        grid = VolumeGeometry(oracle.spatial_shape, LPS_TO_RAS @ oracle.affine)
        theirs, truth = (np.array(sorted(map(tuple, np.round(g.corners(), 5)))) for g in (grid, source.geometry))
        np.testing.assert_allclose(theirs, truth, atol=1e-4)  # highdicom may turn the slice axis round

    def test_exact_spacing_moves_the_edge_and_keeps_the_origin_of_the_field(self, tmp_path: Path) -> None:
        source = read_series(source_datasets(tmp_path))
        grid = source.geometry.resampled((24, 20, 29), (1, 1, 0.2), (0, 0, 0.1))
        result = source.with_values(np.zeros((24, 20, 29), np.float32), grid)
        write_series(result, tmp_path / "out", derivation=DERIVATION)
        np.testing.assert_allclose(read_series(tmp_path / "out").geometry.affine, grid.affine, atol=1e-6)

    def test_spacing_and_thickness_say_what_they_mean(self, tmp_path: Path) -> None:
        source = read_series(source_datasets(tmp_path, "MR"))
        through = write(upscaled(source), tmp_path / "a")[0]
        assert float(through.SliceThickness) == pytest.approx(5 / 3)
        assert float(through.SpacingBetweenSlices) == pytest.approx(5 / 3)
        plane = write(upscaled(source, (48, 40, 6)), tmp_path / "b")[0]
        assert (float(plane.SliceThickness), float(plane.SpacingBetweenSlices)) == (4.0, 5.0)
        assert [float(v) for v in plane.PixelSpacing] == pytest.approx([0.45, 0.4])  # rows, then columns
        assert (plane.Rows, plane.Columns) == (40, 48)

    def test_positions_are_collinear_and_orientation_is_word_for_word(self, tmp_path: Path) -> None:
        datasets = source_datasets(tmp_path, affine=oblique())
        written = write(upscaled(read_series(datasets)), tmp_path / "out")
        positions = np.array([[float(v) for v in d.ImagePositionPatient] for d in written])
        np.testing.assert_allclose(np.diff(positions, n=2, axis=0), 0, atol=1e-9)
        texts = {tuple(v.original_string for v in d.ImageOrientationPatient) for d in written}
        assert texts == {tuple(v.original_string for v in datasets[0].ImageOrientationPatient)}
        assert [d.InstanceNumber for d in written] == list(range(1, 19))

    def test_coarse_cosines_are_written_as_they_were_understood(self, tmp_path: Path) -> None:
        datasets = source_datasets(tmp_path)
        row, column = [0.866, 0.499, 0.0], [-0.5, 0.866, 0.0]
        for k, dataset in enumerate(datasets):
            dataset.ImageOrientationPatient = row + column
            dataset.ImagePositionPatient = [1, 2, 5 * k]
        source = read_series(datasets)
        files = write_series(upscaled(source), tmp_path / "out", derivation=DERIVATION)
        np.testing.assert_allclose(sitk_grid(files)[1].corners(), source.geometry.corners(), atol=1e-6)

    def test_a_tilted_gantry_keeps_its_step_and_measures_distances_along_the_normal(self, tmp_path: Path) -> None:
        upright = read_series(source_datasets(tmp_path, "MR"))
        assert isinstance(upright.source, DicomSource)
        tilted = upright.geometry.affine.copy()
        tilted[:3, 2] += 0.4 * tilted[:3, 1]  # every slice is shifted by 0.4 pixels: 4.1 degrees
        geometry = VolumeGeometry(SHAPE, tilted)
        source = replace(upright, geometry=geometry, source=replace(upright.source, geometry=geometry))
        written = write(upscaled(source), tmp_path / "out")
        positions = np.array([[float(v) for v in d.ImagePositionPatient] for d in written])
        thick = (LPS_TO_RAS @ tilted)[:3]
        np.testing.assert_allclose(positions[0], thick[:, 3] + thick[:, 2] * (0.5 / 3 - 0.5), atol=1e-6)
        np.testing.assert_allclose(np.diff(positions, axis=0), np.tile(thick[:, 2] / 3, (17, 1)), atol=1e-6)
        assert float(written[0].SpacingBetweenSlices) == pytest.approx(5 / 3)
        assert float(written[0].SliceThickness) == pytest.approx(5 / 3)
        assert list(written[0].ImageOrientationPatient) == [1, 0, 0, 0, 1, 0]

    @pytest.mark.parametrize("itk_reader", ["GDCM series names", "ITK"])
    def test_itk_finds_the_slices_by_itself(self, tmp_path: Path, itk_reader: str) -> None:
        source = read_series(source_datasets(tmp_path, "MR", affine=oblique()))
        result = upscaled(source)
        write_series(result, tmp_path / "out", derivation=DERIVATION)
        if itk_reader == "ITK":
            itk = pytest.importorskip("itk")
            names = itk.GDCMSeriesFileNames.New()
            names.SetDirectory(str(tmp_path / "out"))
            (uid,) = names.GetSeriesUIDs()
            image = itk.imread(list(names.GetFileNames(uid)), itk.F)
            values = itk.array_from_image(image).transpose(2, 1, 0)
            affine = np.eye(4)
            affine[:3, :3] = itk.array_from_matrix(image.GetDirection()) * np.array(image.GetSpacing())
            affine[:3, 3] = image.GetOrigin()
            grid = VolumeGeometry(values.shape, LPS_TO_RAS @ affine)
        else:
            values, grid = sitk_grid(
                [Path(f) for f in sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(tmp_path / "out"))]
            )
        np.testing.assert_allclose(grid.affine, result.geometry.affine, atol=1e-6)
        np.testing.assert_allclose(values, result.array, atol=0.5)


class TestHeader:
    @pytest.fixture
    def pair(self, tmp_path: Path) -> tuple[list[Dataset], list[Dataset]]:
        datasets = source_datasets(tmp_path)
        return datasets, write(upscaled(read_series(datasets)), tmp_path / "out")

    def test_identity(self, pair: tuple[list[Dataset], list[Dataset]]) -> None:
        before, after = pair
        first, written = before[0], after[0]
        for keyword in [
            "SOPClassUID",
            "StudyInstanceUID",
            "FrameOfReferenceUID",
            "PatientName",
            "PatientID",
            "PatientSex",
            "StudyDate",
            "StudyTime",
            "StudyID",
            "AccessionNumber",
            "Modality",
            "Manufacturer",
            "ManufacturerModelName",
            "PatientPosition",
            "KVP",
            "AcquisitionNumber",
            "AcquisitionDate",
            "AcquisitionTime",
            "SpecificCharacterSet",
            "PhotometricInterpretation",
        ]:
            assert written[keyword].value == first[keyword].value, keyword
        assert list(written.ImageType) == ["DERIVED", "SECONDARY", "AXIAL"]
        uids = [d.SOPInstanceUID for d in (*before, *after)]
        assert len(set(uids)) == len(uids)
        assert {d.SeriesInstanceUID for d in after}.isdisjoint({d.SeriesInstanceUID for d in before})
        assert len({d.SeriesInstanceUID for d in after}) == 1
        for dataset in after:
            assert dataset.file_meta.MediaStorageSOPInstanceUID == dataset.SOPInstanceUID
            assert dataset.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.1"

    def test_derivation(self, pair: tuple[list[Dataset], list[Dataset]]) -> None:
        before, after = pair
        written = after[8]
        assert written.SeriesDescription == "CT phantom [AI SR x3]"
        assert written.SeriesNumber == 101
        assert "x3 through-plane, monai_sr 0.1.0, model default sha256:abab" in written.DerivationDescription
        assert "source slice thickness 4 mm" in written.DerivationDescription
        assert "not for diagnosis" in written.DerivationDescription
        code = written.DerivationCodeSequence[0]
        assert (code.CodeValue, code.CodingSchemeDesignator) == ("113085", "DCM")
        assert written.ContentQualification == "RESEARCH"
        equipment = written.ContributingEquipmentSequence[-1]
        assert equipment.PurposeOfReferenceCodeSequence[0].CodeValue == "109102"
        assert equipment.SoftwareVersions == "0.1.0"
        # the ninth of 18 slices lies at source index 8.5 / 3 - 0.5 = 2.33: between the third and the fourth
        sources = [item.ReferencedSOPInstanceUID for item in written.SourceImageSequence]
        assert sources == [before[2].SOPInstanceUID, before[3].SOPInstanceUID]
        # and the eighth exactly on the third
        assert [item.ReferencedSOPInstanceUID for item in after[7].SourceImageSequence] == sources[:1]
        assert written.SourceImageSequence[0].SpatialLocationsPreserved == "NO"
        (series,) = written.ReferencedSeriesSequence
        assert series.SeriesInstanceUID == before[0].SeriesInstanceUID
        assert [item.ReferencedSOPInstanceUID for item in series.ReferencedInstanceSequence] == sources

    def test_source_images_without_a_name_are_not_named(self, tmp_path: Path) -> None:
        datasets = source_datasets(tmp_path)
        for dataset in datasets:
            del dataset.SOPInstanceUID
        volume = read_series(datasets)
        assert f"{len(datasets)} of {len(datasets)} images have no SOPInstanceUID" in "; ".join(volume.notes)
        files = write_series(upscaled(volume), tmp_path / "out", derivation=DERIVATION)
        written = pydicom.dcmread(files[0])
        assert "SourceImageSequence" not in written
        assert "ReferencedSeriesSequence" not in written

    def test_edge_slices_name_the_edge_of_the_source(self, pair: tuple[list[Dataset], list[Dataset]]) -> None:
        before, after = pair
        for written, source in ((after[0], before[0]), (after[-1], before[-1])):
            assert [i.ReferencedSOPInstanceUID for i in written.SourceImageSequence] == [source.SOPInstanceUID]

    def test_one_moment_for_all_slices_in_the_stated_time_zone(self, tmp_path: Path) -> None:
        datasets = source_datasets(tmp_path)
        for k, dataset in enumerate(datasets):
            dataset.TimezoneOffsetFromUTC = "+0930"
            dataset.AcquisitionTime = f"1200{30 - k:02d}"
            dataset.AcquisitionNumber = 40 - k
        written = write(upscaled(read_series(datasets)), tmp_path / "out")
        for keyword in ("ContentTime", "SeriesTime", "InstanceCreationTime"):
            assert {d[keyword].value for d in written} == {"220015.000000"}
        assert {d.ContentDate for d in written} == {"20260329"}
        assert {d.AcquisitionTime for d in written} == {"120025"}  # of the slice acquired first
        assert {d.AcquisitionNumber for d in written} == {35}

    def test_no_network_no_ai(self, tmp_path: Path) -> None:
        plain = replace(DERIVATION, model_name=None, model_sha256=None)
        written = write(upscaled(read_series(source_datasets(tmp_path))), tmp_path / "out", plain)[0]
        assert written.SeriesDescription == "CT phantom [resampled x3]"
        assert written.DerivationDescription.startswith("Interpolation with data consistency x3")

    @pytest.mark.parametrize(("number", "expected"), [(7, 701), (2147483647, 1), (None, 1)])
    def test_series_number_and_long_description(self, tmp_path: Path, number: int | None, expected: int) -> None:
        datasets = source_datasets(tmp_path)
        for dataset in datasets:
            dataset.SeriesNumber = number
            dataset.SeriesDescription = "x" * 64
        written = write(upscaled(read_series(datasets)), tmp_path / "out")[0]
        assert written.SeriesNumber == expected
        assert written.SeriesDescription == "x" * 53 + " [AI SR x3]"
        assert len(written.SeriesDescription) == 64

    def test_what_holds_for_one_slice_or_one_vendor_is_left_out(self, tmp_path: Path) -> None:
        datasets = source_datasets(tmp_path)
        for k, dataset in enumerate(datasets):
            dataset.Exposure = 100 + k
            dataset.ExposureTime = 500
            dataset.SliceLocation = 5 * k
            dataset.TriggerTime = 3
            dataset.SmallestImagePixelValue = 3
            dataset.LargestImagePixelValue = 5
            dataset.add_new("PixelPaddingValue", "US", 0)
            dataset.private_block(0x0029, "SIEMENS CSA HEADER", create=True).add_new(0x10, "OB", b"1234")
            dataset.add_new((0x6000, 0x3000), "OW", b"\0\0")
            dataset.IconImageSequence = [Dataset()]
            dataset.PerformedProcedureStepID = "1"
            item = Dataset()
            item.RequestedProcedureID = "77"
            item.private_block(0x0029, "SIEMENS CSA HEADER", create=True).add_new(0x10, "OB", b"1234")
            dataset.RequestAttributesSequence = [item]
        written = write(upscaled(read_series(datasets)), tmp_path / "out")
        for dataset in written:
            for keyword in [
                "Exposure",
                "TriggerTime",
                "SmallestImagePixelValue",
                "LargestImagePixelValue",
                "PixelPaddingValue",
                "IconImageSequence",
                "PerformedProcedureStepID",
            ]:
                assert keyword not in dataset, keyword
            assert dataset.ExposureTime == 500
            assert [tag for tag in dataset.keys() if tag.is_private or tag.group == 0x6000] == []  # noqa: SIM118
            assert dataset.RequestAttributesSequence[0].RequestedProcedureID == "77"
            assert len(dataset.RequestAttributesSequence[0]) == 1
        locations = [float(d.SliceLocation) for d in written]
        heights = [float(d.ImagePositionPatient[2]) for d in written]
        np.testing.assert_allclose(locations, heights, atol=1e-6)  # axial: the normal is z

    def test_earlier_equipment_is_kept(self, tmp_path: Path) -> None:
        datasets = source_datasets(tmp_path)
        for dataset in datasets:
            item = Dataset()
            item.Manufacturer = "Somebody"
            dataset.ContributingEquipmentSequence = [item]
        written = write(upscaled(read_series(datasets)), tmp_path / "out")[0]
        makers = [item.Manufacturer for item in written.ContributingEquipmentSequence]
        assert makers == ["Somebody", "monai_sr project"]

    @pytest.mark.parametrize(
        ("charset", "name", "description"),
        [
            (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう", "胸部"),
            ("ISO_IR 100", "Müller^Jörg", "Schädel"),
            ("ISO_IR 100", "Lefèvre^Zoë", "Crâne à côté"),
            ("ISO_IR 126", "Παπαδόπουλος^Γιώργος", "Εγκέφαλος"),
            (["ISO 2022 IR 6", "ISO 2022 IR 126", "ISO 2022 IR 100"], "Διονύσιος^Ζωή", "Κρανίο"),
            (["", "ISO 2022 IR 100"], "Lefevre^Zoe", "Crâne à côté"),
            ("ISO_IR 13", "ﾔﾏﾀﾞ^ﾀﾛｳ", "ﾄｳﾌﾞ"),
            ("ISO_IR 192", "Wang^XiaoDong=王^小東", "头部"),
            (["ISO 2022 IR 6", "ISO 2022 IR 149"], "Hong^Gildong=洪^吉洞=홍^길동", "두부"),
        ],
    )
    def test_text_is_copied_byte_for_byte(
        self, tmp_path: Path, charset: str | list[str], name: str, description: str
    ) -> None:
        folder = tmp_path / "source_CT"
        for dataset in source_datasets(tmp_path):
            dataset.SpecificCharacterSet = charset
            dataset.PatientName, dataset.StudyDescription, dataset.SeriesDescription = name, description, description
            dataset.save_as(folder / f"{dataset.InstanceNumber:04d}.dcm", overwrite=True)
        raw = pydicom.dcmread(folder / "0001.dcm")
        source_bytes = {k: raw.get_item(k).value for k in ("PatientName", "StudyDescription")}
        write_series(upscaled(read_series(folder)), tmp_path / "out", derivation=DERIVATION)
        written = pydicom.dcmread(tmp_path / "out" / "0001.dcm")
        for keyword, expected in source_bytes.items():
            assert written.get_item(keyword).value.strip() == expected.strip()
        assert str(written.PatientName) == name
        assert written.SeriesDescription == f"{description} [AI SR x3]"

    def test_ill_formed_text_is_copied_byte_for_byte(self, tmp_path: Path) -> None:
        folder = tmp_path / "source_CT"
        for dataset in source_datasets(tmp_path):
            dataset.SpecificCharacterSet = "ISO_IR 192"
            dataset.StudyDescription = "OOOO"
            file = folder / f"{dataset.InstanceNumber:04d}.dcm"
            dataset.save_as(file, overwrite=True)
            file.write_bytes(file.read_bytes().replace(b"OOOO", b"O\xe4\xffO"))  # not UTF-8
        write_series(upscaled(read_series(folder)), tmp_path / "out", derivation=DERIVATION)
        written = pydicom.dcmread(tmp_path / "out" / "0001.dcm")
        assert written.get_item("StudyDescription").value == b"O\xe4\xffO"

    def test_missing_frame_of_reference_gets_one_that_stays(self, tmp_path: Path) -> None:
        datasets = source_datasets(tmp_path)
        for dataset in datasets:
            del dataset.FrameOfReferenceUID
        source = read_series(datasets)
        one = write(upscaled(source), tmp_path / "a")[0].FrameOfReferenceUID
        other = write(upscaled(source, seed=1), tmp_path / "b")[0].FrameOfReferenceUID
        assert one == other
        assert one.is_valid

    def test_uids_repeat_with_the_result_and_only_with_it(self, tmp_path: Path) -> None:
        source = read_series(source_datasets(tmp_path))
        runs = {
            "same": (upscaled(source), replace(DERIVATION, created=None)),
            "again": (upscaled(source), DERIVATION),
            "model": (upscaled(source), replace(DERIVATION, model_sha256="cd" * 32)),
            "parameters": (upscaled(source), replace(DERIVATION, parameters="steps=3")),
            "values": (upscaled(source, seed=1), DERIVATION),
        }
        uids = {name: write(*run[:1], tmp_path / name, run[1])[3] for name, run in runs.items()}
        assert uids["same"].SOPInstanceUID == uids["again"].SOPInstanceUID
        assert len({d.SeriesInstanceUID for d in uids.values()}) == 4

    def test_a_repeated_run_is_the_same_series_whatever_rounding_did(self, tmp_path: Path) -> None:
        source = read_series(source_datasets(tmp_path))
        known = replace(DERIVATION, parameters="acquired=ab, axis 2: box")
        one = upscaled(source)
        other = one.with_values(np.nextafter(one.array, np.float32(np.inf)) + np.float32(0.5))
        uids = [
            [d.SOPInstanceUID for d in write(volume, tmp_path / name, known)]
            for name, volume in (("a", one), ("b", other))
        ]
        assert uids[0] == uids[1]
        other_grid = write(upscaled(source, (24, 20, 12)), tmp_path / "c", known)
        assert other_grid[0].SeriesInstanceUID != pydicom.dcmread(tmp_path / "a" / "0001.dcm").SeriesInstanceUID

    def test_part_of_a_series_is_another_source(self, tmp_path: Path) -> None:
        datasets = source_datasets(tmp_path)
        known = replace(DERIVATION, parameters="same")
        uids = {
            write(upscaled(read_series(part)), tmp_path / name, known)[0].SeriesInstanceUID
            for name, part in (("all", datasets), ("some", datasets[:4]))
        }
        assert len(uids) == 2

    def test_new_uids(self, tmp_path: Path) -> None:
        result = upscaled(read_series(source_datasets(tmp_path)))
        known = replace(DERIVATION, parameters="same")
        runs = [write(result, tmp_path / name, known, DicomOptions(new_uids=True)) for name in "ab"]
        assert len({d.SeriesInstanceUID for run in runs for d in run}) == 2
        uids = {d.SOPInstanceUID for run in runs for d in run}
        assert len(uids) == 36
        assert all(uid.is_valid for uid in uids)

    def test_what_the_user_wants_it_to_say(self, tmp_path: Path) -> None:
        result = upscaled(read_series(source_datasets(tmp_path)))
        said = DicomOptions(
            series_description="SR {factor} of {source}, {model} {version}",
            series_number=7,
            research=False,
            synthetic_data=True,
        )
        written = write(result, tmp_path / "a", DERIVATION, said)[0]
        assert written.SeriesDescription == "SR x3 of CT phantom, default 0.1.0"
        assert written.SeriesNumber == 7
        assert "ContentQualification" not in written
        assert written.SyntheticData == "YES"
        plain = write(result, tmp_path / "b")[0]
        assert plain.ContentQualification == "RESEARCH"
        assert "SyntheticData" not in plain
        assert write(result, tmp_path / "c", DERIVATION, DicomOptions(synthetic_data=False))[0].SyntheticData == "NO"

    @pytest.mark.parametrize("charset", ["ISO_IR 192", "ISO_IR 126", "ISO_IR 100", None])
    def test_a_description_that_the_character_set_cannot_hold_is_refused(
        self, tmp_path: Path, charset: str | None
    ) -> None:
        datasets = source_datasets(tmp_path)
        for dataset in datasets:
            dataset.SpecificCharacterSet = charset
        result = upscaled(read_series(datasets))
        greek = DicomOptions(series_description="{source} λεπτό")
        if charset in ("ISO_IR 192", "ISO_IR 126"):
            assert write(result, tmp_path / "a", DERIVATION, greek)[0].SeriesDescription == "CT phantom λεπτό"
        else:
            with pytest.raises(InputError, match=f"character set of the source .{charset or 'ASCII'}.; use plain"):
                write(result, tmp_path / "a", DERIVATION, greek)
            assert not (tmp_path / "a").exists()

    def test_window_of_the_middle_slice_with_equal_counts(self, tmp_path: Path) -> None:
        datasets = source_datasets(tmp_path)
        for k, dataset in enumerate(datasets):
            dataset.WindowCenter, dataset.WindowWidth = [40 + k, 600], [400, 2000]
            dataset.WindowCenterWidthExplanation = ["SOFT", "BONE"]
        written = write(upscaled(read_series(datasets)), tmp_path / "a")
        assert {tuple(d.WindowCenter) for d in written} == {(43, 600)}
        assert list(written[0].WindowCenterWidthExplanation) == ["SOFT", "BONE"]
        for dataset in datasets:
            dataset.WindowWidth = 400
        assert "WindowCenter" not in write(upscaled(read_series(datasets)), tmp_path / "b")[0]

    def test_lossy_source_stays_lossy(self, tmp_path: Path) -> None:
        datasets = source_datasets(tmp_path)
        for dataset in datasets:
            dataset.LossyImageCompression, dataset.LossyImageCompressionRatio = "01", 12.5
            dataset.LossyImageCompressionMethod = "ISO_10918_1"
        written = write(upscaled(read_series(datasets)), tmp_path / "a")[0]
        assert (written.LossyImageCompression, float(written.LossyImageCompressionRatio)) == ("01", 12.5)

    def test_one_lossy_slice_is_enough(self, tmp_path: Path) -> None:
        datasets = source_datasets(tmp_path)
        for k, dataset in enumerate(datasets):
            dataset.LossyImageCompression = "01" if k > 3 else "00"
            if k > 3:
                dataset.LossyImageCompressionRatio = [4.0, 2.5 * k]
                dataset.LossyImageCompressionMethod = ["ISO_10918_1", "ISO_15444_1"]
        written = write(upscaled(read_series(datasets)), tmp_path / "a")
        assert {d.LossyImageCompression for d in written} == {"01"}
        assert [float(v) for v in written[0].LossyImageCompressionRatio] == [4.0, 12.5]
        assert list(written[0].LossyImageCompressionMethod) == ["ISO_10918_1", "ISO_15444_1"]

    def test_lossy_syntax_is_said_where_the_header_is_silent(self, tmp_path: Path) -> None:
        datasets = source_datasets(tmp_path)
        for dataset in datasets:
            try:
                dataset.compress(JPEGLSNearLossless, jls_error=2, generate_instance_uid=False)
            except (RuntimeError, NotImplementedError) as error:
                pytest.skip(f"no JPEG-LS encoder: {error}")
            for keyword in list(dataset.dir("LossyImage")):
                del dataset[keyword]
        written = write(upscaled(read_series(datasets)), tmp_path / "a")[0]
        assert written.LossyImageCompression == "01"
        assert written.LossyImageCompressionMethod == "ISO_14495_1"
        assert float(written.LossyImageCompressionRatio) > 1

    def test_invalid_values_of_the_acquisition_are_not_passed_on(self, tmp_path: Path) -> None:
        datasets = source_datasets(tmp_path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for dataset in datasets:
                dataset["KVP"]._value = "not a number at all"
                dataset["ConvolutionKernel"]._value = "K" * 40
            written = write(upscaled(read_series(datasets)), tmp_path / "a")[0]
        assert written["KVP"].is_empty
        assert "ConvolutionKernel" not in written


class TestValues:
    def stored(self, datasets: list[Dataset]) -> np.ndarray:
        return np.stack([pydicom.pixels.apply_rescale(d.pixel_array, d).T for d in datasets], axis=2)

    def test_ct_keeps_its_rescale(self, tmp_path: Path) -> None:
        result = upscaled(read_series(source_datasets(tmp_path)))
        written = write(result, tmp_path / "out")
        assert {(float(d.RescaleSlope), float(d.RescaleIntercept), d.RescaleType) for d in written} == {
            (1, -1024, "HU")
        }
        np.testing.assert_allclose(self.stored(written), result.array, atol=0.5)
        assert abs(self.stored(written).mean() - result.array.mean()) < 0.05

    @pytest.mark.parametrize("peak", [-2500.0, 40000.0])
    def test_ct_overshoot(self, tmp_path: Path, peak: float) -> None:
        result = upscaled(read_series(source_datasets(tmp_path)))
        result.array[0, 0, 0] = peak
        written = write(result, tmp_path / "out")
        back = self.stored(written)
        np.testing.assert_allclose(back.ravel()[1:], result.array.ravel()[1:], atol=0.5)
        assert back[0, 0, 0] == pytest.approx(peak, abs=0.5)
        assert {d.PixelRepresentation for d in written} == {int(peak < -1024)}

    def test_ct_beyond_16_bits_is_clipped_not_wrapped(self, tmp_path: Path) -> None:
        result = upscaled(read_series(source_datasets(tmp_path)))
        result.array[0, 0, :2] = [1e6, -1e6]
        back = self.stored(write(result, tmp_path / "out"))
        assert back[0, 0, :2].tolist() == [32767, -32768]
        np.testing.assert_allclose(back[1:], result.array[1:], atol=0.5)

    def test_ct_with_a_coarse_slope_is_stored_in_whole_hu(self, tmp_path: Path) -> None:
        datasets = source_datasets(tmp_path)
        for dataset in datasets:
            dataset.RescaleSlope = 4
        result = upscaled(read_series(datasets))
        np.testing.assert_allclose(self.stored(write(result, tmp_path / "out")), result.array, atol=0.5)

    def test_slopes_that_differ_become_one(self, tmp_path: Path) -> None:
        datasets = source_datasets(tmp_path, "MR")
        for k, dataset in enumerate(datasets):
            dataset.RescaleSlope, dataset.RescaleIntercept = 0.001 * (1 + k), 0.5
        result = upscaled(read_series(datasets))
        written = write(result, tmp_path / "out")
        assert len({(d.RescaleSlope, d.RescaleIntercept) for d in written}) == 1
        np.testing.assert_allclose(self.stored(written), result.array, atol=1e-4 * result.array.max())

    def test_mr_without_rescale_gets_none(self, tmp_path: Path) -> None:
        result = upscaled(read_series(source_datasets(tmp_path, "MR")))
        written = write(result, tmp_path / "out")
        assert not any("RescaleSlope" in d or "RescaleType" in d for d in written)
        np.testing.assert_allclose(self.stored(written), result.array, atol=0.5)

    def test_mr_overshoot_below_zero_is_signed(self, tmp_path: Path) -> None:
        result = upscaled(read_series(source_datasets(tmp_path, "MR")))
        result.array[0, 0, 0] = -30
        written = write(result, tmp_path / "out")
        assert {d.PixelRepresentation for d in written} == {1}
        assert self.stored(written)[0, 0, 0] == -30

    @pytest.mark.parametrize("scale", [1e-6, 1e-3, 0.01, 1.0, 40.0, 1e4])
    def test_mr_mean_stays_within_half_a_per_cent(self, tmp_path: Path, scale: float) -> None:
        source = read_series(source_datasets(tmp_path, "MR"))
        rng = np.random.default_rng(2)
        array = (scale * rng.gamma(3, 30, (24, 20, 18))).astype(np.float32)
        result = source.with_values(array, source.geometry.resized((24, 20, 18)))
        back = self.stored(write(result, tmp_path / "out"))
        body = array > array.mean()
        assert back[body].mean() == pytest.approx(array[body].mean(), rel=1e-3)

    def test_one_hot_voxel_does_not_cost_the_rest(self) -> None:
        rng = np.random.default_rng(2)
        array = rng.gamma(3, 30, (40, 40, 40)).astype(np.float32)
        array[0, 0, 0] = 1e7
        encoding = choose_encoding(array, "MR", [(1.0, 0.0)], rescaled=False, signed=False)
        back = encoding.stored(array) * encoding.slope + encoding.intercept
        np.testing.assert_allclose(back.ravel()[1:], array.ravel()[1:], atol=0.5)

    def test_constant_and_zero_volumes(self) -> None:
        for value, modality in itertools.product((0.0, 0.25, -3.5), ("CT", "MR")):
            array = np.full((3, 3, 3), value, np.float32)
            encoding = choose_encoding(array, modality, [(1.0, 0.0)], rescaled=False, signed=False)  # type: ignore[arg-type]
            back = encoding.stored(array) * encoding.slope + encoding.intercept
            np.testing.assert_allclose(back, array, atol=0.5 if modality == "CT" else 1e-4 * abs(value))

    def test_negative_slope(self, tmp_path: Path) -> None:
        datasets = source_datasets(tmp_path, "MR")
        for dataset in datasets:
            dataset.RescaleSlope, dataset.RescaleIntercept = -1, 2000
        result = upscaled(read_series(datasets))
        np.testing.assert_allclose(self.stored(write(result, tmp_path / "out")), result.array, atol=0.5)

    def test_monochrome1_is_shown_the_same_way_round(self, tmp_path: Path) -> None:
        datasets = source_datasets(tmp_path)
        for dataset in datasets:
            dataset.PhotometricInterpretation = "MONOCHROME1"
        result = upscaled(read_series(datasets))
        written = write(result, tmp_path / "out")
        assert {d.PhotometricInterpretation for d in written} == {"MONOCHROME1"}
        np.testing.assert_allclose(self.stored(written), result.array, atol=0.5)


class TestCompression:
    @pytest.mark.parametrize(
        ("compress", "syntax"), [("jpegls", "1.2.840.10008.1.2.4.80"), ("rle", "1.2.840.10008.1.2.5")]
    )
    @pytest.mark.parametrize("low", [-1024.0, -2500.0, 0.0])
    def test_nothing_is_lost(self, tmp_path: Path, compress: str, syntax: str, low: float) -> None:
        result = upscaled(read_series(source_datasets(tmp_path, "MR" if low == 0 else "CT")))
        result.array[0, 0, 0] = low  # below -1024 HU the pixels are signed
        plain = write(result, tmp_path / "plain")
        files = write_series(
            result,
            tmp_path / "coded",
            derivation=DERIVATION,
            options=DicomOptions(compress=compress),  # type: ignore[arg-type]
        )
        coded = [pydicom.dcmread(file) for file in files]
        assert {d.file_meta.TransferSyntaxUID for d in coded} == {syntax}
        assert [d.SOPInstanceUID for d in coded] == [d.SOPInstanceUID for d in plain]
        for one, other in zip(plain, coded, strict=True):
            np.testing.assert_array_equal(one.pixel_array, other.pixel_array)
            assert one.PixelRepresentation == other.PixelRepresentation == int(low < -1024)
            assert "LossyImageCompression" not in other
        values, grid = sitk_grid(files)  # GDCM's decoders
        np.testing.assert_allclose(values, result.array, atol=0.5)
        np.testing.assert_allclose(grid.affine, result.geometry.affine, atol=1e-6)
        assert not [line for file in files for line in (errors(file) if shutil.which("dciodvfy") else [])]


class TestEnhancedSource:
    @pytest.mark.parametrize("modality", ["CT", "MR"])
    def test_becomes_classic_and_names_its_frames(self, tmp_path: Path, modality: str) -> None:
        classic = source_datasets(tmp_path, modality)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            make = getattr(hd.legacy, f"LegacyConvertedEnhanced{modality}Image")
            multi = make(classic, generate_uid(), 3, generate_uid(), 1)
        source = read_series([multi])
        result = upscaled(source, (24, 20, 6))
        written = write(result, tmp_path / "out")
        assert {d.SOPClassUID for d in written} == {classic[0].SOPClassUID}
        heights = [
            float(g.PlanePositionSequence[0].ImagePositionPatient[2]) for g in multi.PerFrameFunctionalGroupsSequence
        ]
        for dataset in written:
            (item,) = dataset.SourceImageSequence
            assert item.ReferencedSOPInstanceUID == multi.SOPInstanceUID
            assert heights[item.ReferencedFrameNumber - 1] == pytest.approx(float(dataset.ImagePositionPatient[2]))
            assert "PerFrameFunctionalGroupsSequence" not in dataset
            assert "NumberOfFrames" not in dataset
        assert list(written[0].ImageType)[:2] == ["DERIVED", "SECONDARY"]
        np.testing.assert_allclose(read_series(tmp_path / "out").array, result.array, atol=0.5)


class TestRefused:
    def test_no_dicom_source(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match=r"not read from a DICOM series.*NIfTI"):
            write_series(phantom(), tmp_path / "out", derivation=DERIVATION)

    def test_values_that_are_not_finite(self, tmp_path: Path) -> None:
        result = upscaled(read_series(source_datasets(tmp_path)))
        result.array[0, 0, 0] = np.nan
        with pytest.raises(InputError, match="not finite"):
            write_series(result, tmp_path / "out", derivation=DERIVATION)
        assert not (tmp_path / "out").exists()

    def test_other_axes(self, tmp_path: Path) -> None:
        source = read_series(source_datasets(tmp_path))
        turned = VolumeGeometry(SHAPE, oblique())
        with pytest.raises(InputError, match="axes of the volume are not those"):
            write_series(source.with_values(source.array, turned), tmp_path / "out", derivation=DERIVATION)

    def test_another_modality(self, tmp_path: Path) -> None:
        result = replace(upscaled(read_series(source_datasets(tmp_path, "MR"))), modality="CT")
        with pytest.raises(InputError, match="series of MR and the result was made as CT"):
            write_series(result, tmp_path / "out", derivation=DERIVATION)

    def test_existing_folder_is_left_alone_unless_told(self, tmp_path: Path) -> None:
        result = upscaled(read_series(source_datasets(tmp_path)))
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "old.dcm").write_text("old")
        with pytest.raises(InputError, match="exists"):
            write_series(result, tmp_path / "out", derivation=DERIVATION)
        assert [p.name for p in (tmp_path / "out").iterdir()] == ["old.dcm"]
        write_series(result, tmp_path / "out", derivation=DERIVATION, overwrite=True)
        assert len(list((tmp_path / "out").iterdir())) == 18

    def test_a_failure_half_way_leaves_nothing(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        result = upscaled(read_series(source_datasets(tmp_path)))
        before = sorted(tmp_path.iterdir())
        save, calls = dicom_write.save_dataset, itertools.count()

        def failing(dataset: Dataset, path: Path, syntax: UID) -> None:
            if next(calls) == 5:
                raise OSError(28, "No space left on device")
            save(dataset, path, syntax)

        monkeypatch.setattr(dicom_write, "save_dataset", failing)
        with pytest.raises(OSError, match="No space"):
            write_series(result, tmp_path / "out", derivation=DERIVATION)
        assert sorted(tmp_path.iterdir()) == before

    def test_source_keeps_no_pixels(self, tmp_path: Path) -> None:
        source = read_series(source_datasets(tmp_path)).source
        assert isinstance(source, DicomSource)
        assert source.format == "dicom"
        assert not any("PixelData" in header for header in source.headers)


def shipped(name: str) -> list[Dataset]:
    """A scanner's header from pydicom's samples, as a series of four slices."""
    path = get_testdata_file(name, download=False)
    if path is None:
        pytest.skip(f"this pydicom does not ship {name}")
    stack = []
    for k in range(4):
        dataset = pydicom.dcmread(str(path))
        dataset.SOPInstanceUID = generate_uid()
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        position = [float(v) for v in dataset.ImagePositionPatient]
        dataset.ImagePositionPatient = [*position[:2], position[2] + 3 * k]
        stack.append(dataset)
    return stack


def plane(*columns: int) -> np.ndarray:
    """A RAS affine whose array axes run along these axes of LPS, signed and counted from 1."""
    lps = np.eye(4)
    for axis, (column, spacing) in enumerate(zip(columns, (0.8, 0.9, 5.0), strict=True)):
        lps[:3, axis] = np.eye(3)[abs(column) - 1] * np.sign(column) * spacing
    return LPS_TO_RAS @ lps


PLANES = {"axial": plane(1, 2, 3), "sagittal": plane(2, -3, -1), "coronal": plane(1, -3, 2), "oblique": oblique()}


class TestValidators:
    @needs_dciodvfy
    @pytest.mark.parametrize("modality", ["CT", "MR"])
    @pytest.mark.parametrize("orientation", PLANES)
    def test_phantom_and_derived_series_have_no_error(self, tmp_path: Path, modality: str, orientation: str) -> None:
        datasets = source_datasets(tmp_path, modality, affine=PLANES[orientation])
        files = write_series(upscaled(read_series(datasets)), tmp_path / "out", derivation=DERIVATION)
        for file in (*sorted((tmp_path / f"source_{modality}").iterdir()), *files):
            assert errors(file) == []

    @needs_dcentvfy
    def test_source_and_derived_series_agree_on_patient_and_study(self, tmp_path: Path) -> None:
        datasets = source_datasets(tmp_path)
        files = write_series(upscaled(read_series(datasets)), tmp_path / "out", derivation=DERIVATION)
        every = [*map(str, files), *map(str, sorted((tmp_path / "source_CT").iterdir()))]
        found = subprocess.run(["dcentvfy", *every], capture_output=True, text=True, check=False)
        assert (found.returncode, found.stdout + found.stderr) == (0, "")

    @needs_dciodvfy
    @pytest.mark.parametrize("make", [lambda d: d, lambda d: [d[i] for i in (2, 0, 3, 1)]])
    @pytest.mark.parametrize(
        "name", ["CT_small.dcm", "MR_small.dcm", "MR_small_implicit.dcm", "MR_small_bigendian.dcm"]
    )
    def test_scanner_headers_gain_no_error(
        self, tmp_path: Path, name: str, make: Callable[[list[Dataset]], list[Dataset]]
    ) -> None:
        datasets = make(shipped(name))
        datasets[0].save_as(tmp_path / "source.dcm")
        source = read_series(datasets)
        files = write_series(upscaled(source, (*source.array.shape[:2], 12)), tmp_path / "out", derivation=DERIVATION)
        assert set(errors(files[0])) <= set(errors(tmp_path / "source.dcm"))
        np.testing.assert_allclose(
            read_series(tmp_path / "out").geometry.corners(), source.geometry.corners(), atol=1e-6
        )

    @needs_dciodvfy
    def test_dciodvfy_would_tell(self, tmp_path: Path) -> None:
        file = write_series(upscaled(read_series(source_datasets(tmp_path))), tmp_path / "out", derivation=DERIVATION)[
            0
        ]
        dataset = pydicom.dcmread(file)
        del dataset.ImageType
        dataset.save_as(file)
        assert any(re.search("ImageType", line) for line in errors(file))
