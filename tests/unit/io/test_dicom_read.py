"""Reading series: geometry against independent readers, values bit for bit, and every refusal by name."""

from __future__ import annotations

import logging
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
    generate_uid,
)

from monai_sr.geometry import LPS_TO_RAS, VolumeGeometry
from monai_sr.io.dicom_phantom import write_phantom_series
from monai_sr.io.dicom_read import find_series, read_series
from monai_sr.io.volume import InputError, Volume

SHAPE = (34, 33, 6)  # as small as JPEG 2000 with its six resolutions can be
SECRET = "Geheim^Patientin"


def phantom(modality: str = "CT", affine: np.ndarray | None = None) -> Volume:
    rng = np.random.default_rng(7)
    low = -1000 if modality == "CT" else 0
    array = rng.integers(low, 1500, SHAPE).astype(np.float32)
    if affine is None:
        affine = np.diag([-0.8, -0.9, 5.0, 1.0])
        affine[:3, 3] = [40.0, 31.5, -120.25]
    return Volume(array, VolumeGeometry(SHAPE, affine), modality, slice_thickness_mm=4.0)  # type: ignore[arg-type]


def oblique() -> np.ndarray:
    rotation = sitk.Euler3DTransform()
    rotation.SetRotation(0.3, -0.2, 1.1)
    affine = np.eye(4)
    affine[:3, :3] = np.array(rotation.GetMatrix()).reshape(3, 3) @ np.diag([0.7, 0.9, 3.3])
    affine[:3, 3] = [12.5, -7.0, 33.125]
    return affine


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    return write_phantom_series(phantom(), tmp_path / "series")


@pytest.fixture
def datasets(files: list[Path]) -> list[Dataset]:
    return [pydicom.dcmread(file) for file in files]


def mr_datasets(folder: Path) -> list[Dataset]:
    return [pydicom.dcmread(file) for file in write_phantom_series(phantom("MR"), folder / "mr")]


def set_position(dataset: Dataset, index: int, mm: float) -> None:
    position = [float(v) for v in dataset.ImagePositionPatient]
    position[index] = mm
    dataset.ImagePositionPatient = position


def enhanced(datasets: list[Dataset]) -> Dataset:
    """The same images as one legacy converted Enhanced object, made by highdicom."""
    kind = "CT" if datasets[0].Modality == "CT" else "MR"
    make = getattr(hd.legacy, f"LegacyConvertedEnhanced{kind}Image")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return make(datasets, generate_uid(), 3, generate_uid(), 1)


class TestAccepted:
    @pytest.mark.parametrize(
        "affine",
        [
            None,
            oblique(),
            np.array([[0, 0, 4.0, -20], [-0.8, 0, 0, 15], [0, -0.9, 0, 44], [0, 0, 0, 1]]),  # sagittal
            np.array([[-0.8, 0, 0, 9], [0, 0, 4.0, 15], [0, -0.9, 0, 44], [0, 0, 0, 1.0]]),  # coronal
            np.diag([0.8, -0.9, 5.0, 1.0]),  # left-handed for DICOM: the writer turns the slices round
        ],
    )
    def test_grid_and_values_are_those_of_the_phantom(self, tmp_path: Path, affine: np.ndarray | None) -> None:
        truth = phantom(affine=affine)
        write_phantom_series(truth, tmp_path / "s")
        read = read_series(tmp_path / "s")
        index = np.linalg.inv(truth.geometry.affine) @ read.geometry.affine
        start = np.rint(index[:3, 3]).astype(int)
        array = truth.array[:, :, ::-1] if start[2] else truth.array
        np.testing.assert_allclose(np.abs(index[:3, :3]), np.eye(3), atol=1e-9)
        np.testing.assert_array_equal(read.array, array)
        np.testing.assert_allclose(read.geometry.world([0, 0, 0]), truth.geometry.world(start), atol=1e-9)
        assert (read.modality, read.slice_axis, read.slice_thickness_mm) == ("CT", 2, 4.0)
        assert read.array.dtype == np.float32

    @pytest.mark.parametrize("affine", [None, oblique()])
    def test_agrees_with_highdicom_and_simpleitk(self, tmp_path: Path, affine: np.ndarray | None) -> None:
        files = write_phantom_series(phantom(affine=affine), tmp_path / "s")
        read = read_series(tmp_path / "s")
        oracle = hd.get_volume_from_series([pydicom.dcmread(f) for f in files])
        np.testing.assert_allclose(
            VolumeGeometry(oracle.spatial_shape, LPS_TO_RAS @ oracle.affine).corners().mean(axis=0),
            read.geometry.corners().mean(axis=0),
            atol=1e-6,
        )
        assert sorted(np.round(oracle.spacing, 6)) == sorted(np.round(read.geometry.spacing, 6))
        reader = sitk.ImageSeriesReader()
        reader.SetFileNames([str(f) for f in files])
        image = reader.Execute()
        np.testing.assert_array_equal(sitk.GetArrayFromImage(image).transpose(2, 1, 0), read.array)
        far = [n - 1 for n in SHAPE]
        np.testing.assert_allclose(
            image.TransformIndexToPhysicalPoint(far), read.geometry.world(far) * [-1, -1, 1], atol=1e-6
        )

    def test_pixel_spacing_is_row_then_column(self, datasets: list[Dataset]) -> None:
        for dataset in datasets:
            dataset.PixelSpacing = [0.5, 0.25]  # rows 0.5 mm apart: along Y
        assert read_series(datasets).geometry.spacing == pytest.approx((0.25, 0.5, 5.0))

    def test_order_is_by_position(self, datasets: list[Dataset]) -> None:
        truth = read_series(datasets)
        for number, dataset in enumerate(datasets):
            dataset.InstanceNumber = len(datasets) - number
        datasets[2].InstanceNumber = None
        del datasets[3].InstanceNumber
        shuffled = [datasets[i] for i in (3, 0, 5, 1, 4, 2)]
        read = read_series(shuffled)
        np.testing.assert_array_equal(read.array, truth.array)
        np.testing.assert_array_equal(read.geometry.affine, truth.geometry.affine)

    @pytest.mark.parametrize("shift", [0.009, -0.009, 0.049])  # 1 % of 5 mm is 0.05 mm
    def test_jitter_within_tolerance(self, datasets: list[Dataset], shift: float) -> None:
        set_position(datasets[2], 2, float(datasets[2].ImagePositionPatient[2]) + shift)
        assert read_series(datasets).geometry.spacing[2] == pytest.approx(5.0, abs=1e-9)

    def test_missing_frame_of_reference_is_no_reason_to_refuse(self, datasets: list[Dataset]) -> None:
        for dataset in datasets:
            del dataset.FrameOfReferenceUID
        assert any("FrameOfReferenceUID" in note for note in read_series(datasets).notes)

    def test_overlapping_and_gapped_slices(self, datasets: list[Dataset]) -> None:
        for dataset in datasets:
            dataset.SliceThickness = 8
        assert read_series(datasets).notes == ()
        for dataset in datasets:
            dataset.SliceThickness = 2
        assert any("not imaged" in note for note in read_series(datasets).notes)

    @pytest.mark.parametrize("bad", [None, "", 0, -3, float("nan"), 1e30])
    def test_unusable_thickness_is_none_and_said(self, datasets: list[Dataset], bad: object) -> None:
        for dataset in datasets:
            dataset["SliceThickness"]._value = bad
        read = read_series(datasets)
        assert read.slice_thickness_mm is None
        assert any("SliceThickness" in note for note in read.notes)

    def test_name_is_a_hash_of_the_series(self, files: list[Path]) -> None:
        import hashlib

        uid = pydicom.dcmread(files[0]).SeriesInstanceUID
        (found,) = find_series(files[0].parent)
        assert found.name == hashlib.sha256(uid.encode()).hexdigest()[:12] == found.read().name

    def test_enhanced_ct_equals_classic(self, datasets: list[Dataset]) -> None:
        truth, read = read_series(datasets), read_series([enhanced(datasets)])
        np.testing.assert_array_equal(read.array, truth.array)
        np.testing.assert_allclose(read.geometry.affine, truth.geometry.affine, atol=1e-9)
        assert read.slice_thickness_mm == truth.slice_thickness_mm

    def test_enhanced_mr_with_per_frame_rescale_and_shuffled_frames(self, tmp_path: Path) -> None:
        classic = mr_datasets(tmp_path)
        truth = read_series(classic)
        multi = enhanced([classic[i] for i in (4, 1, 0, 5, 3, 2)])
        groups = multi.PerFrameFunctionalGroupsSequence
        heights = [float(g.PlanePositionSequence[0].ImagePositionPatient[2]) for g in groups]
        shared = multi.SharedFunctionalGroupsSequence[0]
        if "PixelValueTransformationSequence" in shared:
            del shared.PixelValueTransformationSequence
        for i, group in enumerate(groups):
            item = Dataset()
            item.RescaleSlope, item.RescaleIntercept, item.RescaleType = 1 + i, 10 * i, "US"
            group.PixelValueTransformationSequence = [item]
        read = read_series([multi])
        for k, i in enumerate(np.argsort(heights)):
            np.testing.assert_allclose(read.array[:, :, k], truth.array[:, :, k] * (1 + i) + 10 * i)

    def test_folder_with_other_things(self, files: list[Path]) -> None:
        folder = files[0].parent
        (folder / "notes.txt").write_text("not DICOM")
        (folder / ".hidden.dcm").write_bytes(b"hidden")
        (folder / "DICOMDIR").write_bytes(b"directory")
        (folder / "loop").symlink_to(folder, target_is_directory=True)
        (found,) = find_series(folder.parent)
        assert len(found.files) == SHAPE[2]
        assert found.read().notes == ()

    def test_files_of_one_series_in_several_folders(self, files: list[Path]) -> None:
        (files[0].parent / "more").mkdir()
        files[1].rename(files[0].parent / "more" / "x")
        assert read_series(files[0].parent).array.shape == SHAPE

    def test_copies_of_a_series_in_other_folders_are_series_of_their_own(self, files: list[Path]) -> None:
        shutil.copytree(files[0].parent, files[0].parent.parent / "copy")
        found = find_series(files[0].parent.parent)
        assert [len(series.files) for series in found] == [SHAPE[2]] * 2
        for series in found:
            volume = series.read()
            assert volume.array.shape == SHAPE
            assert any("2 folders" in note for note in volume.notes)

    def test_a_folder_with_some_images_of_a_series_that_lies_in_others_too(self, files: list[Path]) -> None:
        part = files[0].parent.parent / "some"
        part.mkdir()
        for file in files[:4]:
            shutil.copy(file, part)
        whole, some = sorted(find_series(files[0].parent.parent), key=lambda series: -len(series.files))
        assert whole.read().array.shape == SHAPE
        with pytest.raises(InputError, match="holds 4 of the 6 images of a series"):
            some.read()

    @pytest.mark.parametrize("told", ["HU", "US", "HU_MOD"])
    def test_units_of_ct_that_mean_hu(self, datasets: list[Dataset], told: str) -> None:
        for dataset in datasets:
            dataset.RescaleType = told
        assert read_series(datasets).array.shape == SHAPE

    def test_no_patient_is_no_other_patient(self, datasets: list[Dataset]) -> None:
        datasets[0].PatientID = None
        del datasets[1].FrameOfReferenceUID
        assert read_series(datasets).array.shape == SHAPE


class TestValues:
    def test_rescale_per_slice(self, datasets: list[Dataset]) -> None:
        stored = np.stack([d.pixel_array.T for d in datasets], axis=2).astype(float)
        for k, dataset in enumerate(datasets):
            dataset.RescaleSlope, dataset.RescaleIntercept = 0.5 + k, -1000 + k
        slopes = np.arange(SHAPE[2])
        np.testing.assert_allclose(read_series(datasets).array, stored * (0.5 + slopes) - 1000 + slopes, rtol=1e-6)

    def test_slice_values_may_be_negative_where_the_first_is_not(self, datasets: list[Dataset]) -> None:
        for k, dataset in enumerate(datasets):
            pixels = np.full(SHAPE[1::-1], 5 if k == 0 else -50, np.int16)
            dataset.PixelRepresentation, dataset.PixelData = 1, pixels.tobytes()
            dataset.RescaleIntercept = 0
        assert read_series(datasets).array.min() == -50

    @pytest.mark.parametrize(
        ("allocated", "stored", "signed"),
        [
            (8, 8, 0),
            (8, 8, 1),
            (16, 12, 0),
            (16, 12, 1),
            (16, 16, 0),
            (16, 16, 1),
            (32, 32, 0),
            (32, 32, 1),
            (32, 20, 1),
        ],
    )
    def test_pixel_formats(self, datasets: list[Dataset], allocated: int, stored: int, signed: int) -> None:
        rng = np.random.default_rng(3)
        low, high = (-(2 ** (stored - 1)), 2 ** (stored - 1) - 1) if signed else (0, 2**stored - 1)
        low, high = max(low, -(2**23)), min(high, 2**23)  # float32 holds these exactly
        truth = rng.integers(low, high, SHAPE, endpoint=True)
        for k, dataset in enumerate(datasets):
            plane = truth[:, :, k].T.astype(f"<{'i' if signed else 'u'}{allocated // 8}")
            dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = allocated, stored, stored - 1
            dataset.PixelRepresentation = signed
            dataset.RescaleIntercept = 0
            dataset.PixelData = plane.tobytes() + b"\0" * (plane.nbytes % 2)
        np.testing.assert_array_equal(read_series(datasets).array, truth)

    def test_negative_values_without_repeated_sign_bits(self, datasets: list[Dataset]) -> None:
        for dataset in datasets:
            dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 12, 11, 1
            dataset.RescaleIntercept = 0
            dataset.PixelData = np.full(SHAPE[1::-1], 0x0FFB, "<u2").tobytes()  # -5 in 12 bits
        assert np.unique(read_series(datasets).array).tolist() == [-5]

    def test_values_beyond_bits_stored_are_refused(self, datasets: list[Dataset]) -> None:
        for dataset in datasets:
            dataset.BitsStored, dataset.HighBit = 8, 7
        with pytest.raises(InputError, match="BitsStored"):
            read_series(datasets)

    def test_overlay_in_the_unused_bits_is_dropped(self, datasets: list[Dataset]) -> None:
        truth = read_series(datasets).array
        for dataset in datasets:
            dataset.BitsStored, dataset.HighBit = 12, 11
            pixels = np.frombuffer(dataset.PixelData, "<u2") | 0x8000
            dataset.PixelData = pixels.tobytes()
            dataset.add_new((0x6000, 0x0100), "US", 16)
        np.testing.assert_array_equal(read_series(datasets).array, truth)

    def test_monochrome1_keeps_values_and_says_so(self, datasets: list[Dataset]) -> None:
        truth = read_series(datasets).array
        for dataset in datasets:
            dataset.PhotometricInterpretation = "MONOCHROME1"
        read = read_series(datasets)
        np.testing.assert_array_equal(read.array, truth)
        assert any("MONOCHROME1" in note for note in read.notes)

    @pytest.mark.parametrize(("vr", "value"), [("US", 63536), ("SS", -2000)])
    def test_padding_becomes_the_smallest_value(self, datasets: list[Dataset], vr: str, value: int) -> None:
        for dataset in datasets:
            pixels = dataset.pixel_array.astype("<i2") + 100
            pixels[:3] = -2000
            dataset.PixelRepresentation, dataset.PixelData = 1, pixels.tobytes()
            dataset.add_new("PixelPaddingValue", vr, value)
        read = read_series(datasets)
        truth = phantom().array + 100
        assert read.array.min() == truth[:, 3:].min()
        np.testing.assert_array_equal(read.array[:, 3:], truth[:, 3:])
        assert any("padding" in note for note in read.notes)

    def test_padding_range(self, datasets: list[Dataset]) -> None:
        for dataset in datasets:
            pixels = dataset.pixel_array + 100
            pixels[0, :5] = [0, 1, 2, 3, 4]
            dataset.PixelData = pixels.astype("<u2").tobytes()
            dataset.add_new("PixelPaddingValue", "US", 0)
            dataset.add_new("PixelPaddingRangeLimit", "US", 4)
        assert read_series(datasets).array.min() == (phantom().array + 100)[:, 1:].min()

    def test_padding_value_inside_the_image_range_is_kept(self, datasets: list[Dataset]) -> None:
        truth = read_series(datasets).array
        for dataset in datasets:
            dataset.add_new("PixelPaddingValue", "US", 1024)  # 0 HU: water
            pixels = dataset.pixel_array.copy()
            pixels[0, 0] = 1024
            dataset.PixelData = pixels.tobytes()
        read = read_series(datasets)
        assert (read.array[0, 0] == 0).all()
        np.testing.assert_array_equal(read.array[1:], truth[1:])
        assert any("PixelPaddingValue" in note for note in read.notes)

    def test_zero_padding_of_mr_stays_zero(self, tmp_path: Path) -> None:
        classic = mr_datasets(tmp_path)
        for dataset in classic:
            pixels = dataset.pixel_array + 50
            pixels[:2] = 0
            dataset.PixelData = pixels.astype("<u2").tobytes()
            dataset.add_new("PixelPaddingValue", "US", 0)
        assert (read_series(classic).array[:, :2] == 0).all()

    def test_mr_without_rescale_is_taken_as_stored(self, tmp_path: Path) -> None:
        np.testing.assert_array_equal(read_series(mr_datasets(tmp_path)).array, phantom("MR").array)

    @pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless, JPEGLSLossless])
    def test_compressed(self, datasets: list[Dataset], syntax: pydicom.uid.UID) -> None:
        truth = read_series(datasets).array
        for dataset in datasets:
            try:
                dataset.compress(syntax, generate_instance_uid=False)
            except (RuntimeError, NotImplementedError) as error:
                pytest.skip(f"no encoder for {syntax.name}: {error}")
        np.testing.assert_array_equal(read_series(datasets).array, truth)

    @pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian])
    def test_encodings(self, files: list[Path], datasets: list[Dataset], syntax: pydicom.uid.UID) -> None:
        truth = read_series(datasets).array
        for file, dataset in zip(files, datasets, strict=True):
            little = syntax != ExplicitVRBigEndian
            if not little:
                dataset.PixelData = np.frombuffer(dataset.PixelData, "<u2").astype(">u2").tobytes()
            recoded = Dataset()  # without a memory of its encoding it may be written in another
            recoded.update({element.tag: element for element in dataset})
            recoded.file_meta = dataset.file_meta
            recoded.file_meta.TransferSyntaxUID = syntax
            recoded.save_as(file, enforce_file_format=True)
        np.testing.assert_array_equal(read_series(files[0].parent).array, truth)

    @pytest.mark.parametrize("implicit", [True, False])
    def test_no_preamble_and_no_meta(self, files: list[Path], datasets: list[Dataset], implicit: bool) -> None:
        truth = read_series(datasets).array
        for file, dataset in zip(files, datasets, strict=True):
            del dataset.file_meta
            dataset.preamble = None
            dataset.save_as(file, implicit_vr=implicit, little_endian=True, enforce_file_format=False)
        np.testing.assert_array_equal(read_series(files[0].parent).array, truth)

    def test_identical_neighbours_are_noted(self, datasets: list[Dataset]) -> None:
        datasets[3].PixelData = datasets[2].PixelData
        assert any("same pixels" in note for note in read_series(datasets).notes)

    def test_undeclared_padding_is_noted(self, datasets: list[Dataset]) -> None:
        for dataset in datasets:
            dataset.RescaleIntercept = -2048
        assert any("below air" in note for note in read_series(datasets).notes)


def drop(keyword: str) -> Callable[[list[Dataset]], list[Dataset]]:
    def edit(datasets: list[Dataset]) -> list[Dataset]:
        del datasets[2][keyword]
        return datasets

    return edit


def put(keyword: str, value: object, which: slice = slice(None)) -> Callable[[list[Dataset]], list[Dataset]]:
    def edit(datasets: list[Dataset]) -> list[Dataset]:
        for dataset in datasets[which]:
            setattr(dataset, keyword, value)
        return datasets

    return edit


def again(datasets: list[Dataset], *, new_uid: bool = True) -> list[Dataset]:
    import copy

    copies = copy.deepcopy(datasets)
    for dataset in copies if new_uid else []:
        dataset.SOPInstanceUID = generate_uid()
    return copies


def tilted(datasets: list[Dataset]) -> list[Dataset]:
    for k, dataset in enumerate(datasets):
        set_position(dataset, 1, float(dataset.ImagePositionPatient[1]) + k)
    return datasets


def zigzag(datasets: list[Dataset]) -> list[Dataset]:
    for dataset in datasets[::2]:
        set_position(dataset, 0, float(dataset.ImagePositionPatient[0]) + 1)
    return datasets


def off_by_half(datasets: list[Dataset]) -> list[Dataset]:
    set_position(datasets[2], 2, float(datasets[2].ImagePositionPatient[2]) + 0.5)
    return datasets


def drifting(datasets: list[Dataset]) -> list[Dataset]:
    for k, dataset in enumerate(datasets):
        set_position(dataset, 2, float(dataset.ImagePositionPatient[2]) + 0.02 * k**2)
    return datasets


def at_one_place(datasets: list[Dataset]) -> list[Dataset]:
    for dataset in datasets:
        dataset.ImagePositionPatient = [0, 0, 0]
    return datasets


def other_series(datasets: list[Dataset]) -> list[Dataset]:
    datasets[1].SeriesInstanceUID = generate_uid()
    return datasets


def no_series(datasets: list[Dataset]) -> list[Dataset]:
    for dataset in datasets:
        del dataset.SeriesInstanceUID
    return datasets


def float_pixels(datasets: list[Dataset]) -> list[Dataset]:
    datasets[0].FloatPixelData = bytes(4 * datasets[0].Rows * datasets[0].Columns)
    del datasets[0].PixelData
    return datasets


def shortened(datasets: list[Dataset]) -> list[Dataset]:
    datasets[1].PixelData = datasets[1].PixelData[:-62]
    return datasets


def undecodable(datasets: list[Dataset]) -> list[Dataset]:
    for dataset in datasets:
        dataset.compress(RLELossless, generate_instance_uid=False)
    datasets[1].PixelData = datasets[1].PixelData[:90] + bytes(len(datasets[1].PixelData) - 90)
    return datasets


def strange_syntax(datasets: list[Dataset]) -> list[Dataset]:
    for dataset in datasets:
        dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.100"  # MPEG-2
    return datasets


def enhanced_and(edit: Callable[[Dataset], None]) -> Callable[[list[Dataset]], list[Dataset]]:
    def build(datasets: list[Dataset]) -> list[Dataset]:
        multi = enhanced(datasets)
        edit(multi)
        return [multi]

    return build


def without_frame_groups(multi: Dataset) -> None:
    multi.PerFrameFunctionalGroupsSequence = multi.PerFrameFunctionalGroupsSequence[:-1]


def without_position(multi: Dataset) -> None:
    del multi.PerFrameFunctionalGroupsSequence[2].PlanePositionSequence


def missing_frame(multi: Dataset) -> None:
    places = [group.PlanePositionSequence[0] for group in multi.PerFrameFunctionalGroupsSequence]
    top = max(places, key=lambda place: place.ImagePositionPatient[2])
    top.ImagePositionPatient[2] += 10


def of_electron_density(multi: Dataset) -> None:
    for group in (multi.SharedFunctionalGroupsSequence[0], *multi.PerFrameFunctionalGroupsSequence):
        for item in group.get("PixelValueTransformationSequence", []):
            item.RescaleType = "ED"


def volumes_of_frames(multi: Dataset) -> None:
    groups = multi.PerFrameFunctionalGroupsSequence
    for one, two in ((0, 3), (1, 4), (2, 5)):
        groups[two].PlanePositionSequence = groups[one].PlanePositionSequence


REFUSALS: dict[str, tuple[Callable[[list[Dataset]], list[Dataset]], str]] = {
    "one slice missing": (lambda d: d[:2] + d[3:], r"misses 1 slice: spacing is 5 mm, but 10 mm lie between .*2.*4"),
    "two neighbours missing": (lambda d: d[:2] + d[4:], r"misses 2 slices.*15 mm"),
    "duplicate with identical pixels": (lambda d: d + again(d[2:3]), "1 duplicate slice.*identical pixels"),
    "duplicate with other pixels": (
        lambda d: d + put("PixelData", bytes(len(d[0].PixelData)))(again(d[2:3])),
        "1 duplicate slice.*other pixels",
    ),
    "the same instance twice": (lambda d: d + again(d[2:3], new_uid=False), "same image twice.*SOPInstanceUID"),
    "two volumes": (lambda d: d + again(d), "holds 2 volumes: 2 images at each of 6 slice positions"),
    "three volumes": (lambda d: d + again(d) + again(d), "holds 3 volumes"),
    "all at one place": (at_one_place, "not a volume: all its 6 images lie at one slice position"),
    "one slice off": (off_by_half, "irregularly spaced: gaps of 4.5 to 5.5 mm"),
    "spacing drifts": (drifting, "irregularly spaced"),
    "mixed orientation": (
        put("ImageOrientationPatient", [1, 0, 0, 0, 0, -1], slice(1, 2)),
        r"mixes slice orientations .*90\.00 degrees",
    ),
    "gantry tilt": (tilted, r"gantry tilt: its slices are stacked 11\.31 degrees off"),
    "gantry tilt told only": (put("GantryDetectorTilt", 15), "contradicts itself: GantryDetectorTilt is 15 degrees"),
    "shifted sideways": (zigzag, "shifted sideways"),
    "single slice": (lambda d: d[:1], "has 1 slice; a volume needs at least 3"),
    "two patients": (put("PatientID", "another", slice(3, 6)), "mixes images of 2 patients .*differ in PatientID"),
    "two studies": (put("StudyInstanceUID", "1.2.3", slice(3, 6)), "mixes images of 2 studies"),
    "two frames of reference": (put("FrameOfReferenceUID", "1.2.3", slice(3, 6)), "mixes images of 2 frames of ref"),
    "two slices": (lambda d: d[:2], "has 2 slices; a volume needs at least 3"),
    "mixed rows": (put("Rows", 7, slice(1, 2)), "mixes image sizes.*33 x 34.*7 x 34"),
    "mixed pixel spacing": (put("PixelSpacing", [0.9, 0.81], slice(1, 2)), "mixes pixel spacings"),
    "localizer": (put("ImageType", ["ORIGINAL", "PRIMARY", "LOCALIZER"], slice(0, 1)), "localizer"),
    "mosaic": (put("ImageType", ["ORIGINAL", "PRIMARY", "M", "MOSAIC"]), "mosaic"),
    "several series": (other_series, "belong to 2 series"),
    "no series": (no_series, "no SeriesInstanceUID"),
    "no datasets": (lambda d: [], "no DICOM dataset"),
    "colour": (put("PhotometricInterpretation", "RGB"), "colour image"),
    "three samples": (put("SamplesPerPixel", 3), "colour image"),
    "palette": (put("PhotometricInterpretation", "PALETTE COLOR"), "colour image"),
    "secondary capture": (put("SOPClassUID", "1.2.840.10008.5.1.4.1.1.7"), "Secondary Capture Image Storage"),
    "structured report": (put("SOPClassUID", "1.2.840.10008.5.1.4.1.1.88.22"), "Enhanced SR Storage"),
    "unknown class": (put("SOPClassUID", "1.2.3.4"), "an object of an unknown kind"),
    "no class": (drop("SOPClassUID"), "without SOPClassUID"),
    "no position": (drop("ImagePositionPatient"), "no ImagePositionPatient"),
    "no orientation": (drop("ImageOrientationPatient"), "no ImageOrientationPatient"),
    "no pixel spacing": (drop("PixelSpacing"), "no PixelSpacing"),
    "no rows": (drop("Rows"), "no Rows"),
    "no pixels": (drop("PixelData"), "no pixel data"),
    "CT without rescale": (drop("RescaleSlope"), "without RescaleSlope and RescaleIntercept"),
    "CT map of another quantity": (put("RescaleType", "Z_EFF"), r"effective atomic number \(RescaleType Z_EFF\)"),
    "enhanced CT map": (enhanced_and(of_electron_density), "electron density"),
    "lookup table": (put("ModalityLUTSequence", [Dataset()]), "Modality LUT"),
    "float pixels": (float_pixels, "float pixel data"),
    "truncated pixels": (shortened, r"truncated pixel data, 2182 of 2244 bytes"),
    "damaged compression": (undecodable, "RLE Lossless pixel data cannot be decoded"),
    "unsupported syntax": (strange_syntax, "unsupported"),
    "frames in a classic object": (put("NumberOfFrames", 2), "holds 2 frames, but its SOP class allows one"),
    "one bit": (put("BitsAllocated", 1), "are not supported"),
    "high bit": (put("HighBit", 12), "HighBit must be"),
    "enhanced: groups missing": (enhanced_and(without_frame_groups), "6 frames but describes 5"),
    "enhanced: position missing": (enhanced_and(without_position), "no ImagePositionPatient"),
    "enhanced: gap": (enhanced_and(missing_frame), r"misses 2 slices.*15 mm lie between .* frame \d and .* frame \d"),
    "enhanced: several volumes": (enhanced_and(volumes_of_frames), "holds 2 volumes"),
}


class TestRefused:
    @pytest.mark.parametrize("case", REFUSALS)
    def test_by_name(self, datasets: list[Dataset], case: str) -> None:
        edit, phrase = REFUSALS[case]
        with pytest.raises(InputError, match=phrase) as refusal:
            read_series(edit(datasets))
        assert "\n" not in str(refusal.value)

    @pytest.mark.parametrize("value", [float("nan"), float("inf"), 0, -1, 1e308, "text", [1] * 7, None, ""])
    @pytest.mark.parametrize(
        ("keyword", "vm"), [("PixelSpacing", 2), ("RescaleSlope", 1), ("ImageOrientationPatient", 6)]
    )
    def test_hostile_numbers(self, datasets: list[Dataset], keyword: str, vm: int, value: object) -> None:
        if keyword == "RescaleSlope" and value == -1:
            value = -0.0  # a negative slope is a slope
        for dataset in datasets:
            dataset[keyword]._value = [value] * vm if vm > 1 and isinstance(value, float | int | str) else value
        with pytest.raises(InputError, match=keyword):
            read_series(datasets)

    @pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e308, "text", [0, 0], None])
    @pytest.mark.parametrize("keyword", ["ImagePositionPatient", "RescaleIntercept"])
    def test_hostile_places(self, datasets: list[Dataset], keyword: str, value: object) -> None:
        full = [0, 0, value] if keyword == "ImagePositionPatient" and not isinstance(value, list) else value
        datasets[2][keyword]._value = full if value is not None else None
        with pytest.raises(InputError, match=keyword):
            read_series(datasets)

    def test_several_series_in_a_folder(self, tmp_path: Path) -> None:
        write_phantom_series(phantom(), tmp_path / "in" / "a")
        write_phantom_series(phantom("MR"), tmp_path / "in" / "b")
        assert [s.read().modality for s in find_series(tmp_path)] == ["CT", "MR"]
        with pytest.raises(InputError, match="holds 2 series, one is needed"):
            read_series(tmp_path)

    def test_mixed_modalities_in_one_series(self, datasets: list[Dataset]) -> None:
        datasets[1].SOPClassUID = "1.2.840.10008.5.1.4.1.1.4"
        with pytest.raises(InputError, match="mixes CT and MR"):
            read_series(datasets)

    def test_folder_without_dicom(self, tmp_path: Path) -> None:
        (tmp_path / "a.txt").write_text("text")
        assert find_series(tmp_path) == []
        with pytest.raises(InputError, match="holds no DICOM file"):
            read_series(tmp_path)

    @pytest.mark.parametrize("content", [b"", b"garbage" * 40, b"\0" * 128 + b"DICM", b"\0" * 128 + b"DICM\x02\x00"])
    def test_broken_file_is_named_and_noted(self, files: list[Path], content: bytes) -> None:
        (files[0].parent / "broken.dcm").write_bytes(content)
        found = find_series(files[0].parent)
        outcomes = []
        for series in found:
            try:
                outcomes.append(series.read().array.shape)
            except InputError as error:
                outcomes.append("broken.dcm" in str(error))
        assert sorted(map(str, outcomes)) == [str(SHAPE), "True"]

    def test_file_that_vanishes_or_changes(self, files: list[Path]) -> None:
        (series,) = find_series(files[0].parent)
        files[2].write_text("no longer DICOM")
        with pytest.raises(InputError, match=r"0003\.dcm"):
            series.read()


class TestHostileFiles:
    def test_truncation_never_raises_anything_else_and_never_passes(self, files: list[Path]) -> None:
        whole = files[2].read_bytes()
        for offset in [*range(0, len(whole) - 1, 61), len(whole) - 2]:
            files[2].write_bytes(whole[:offset])
            for series in find_series(files[0].parent):
                with pytest.raises(InputError):
                    series.read()

    def test_bit_flips_never_raise_anything_else(self, files: list[Path]) -> None:
        whole = bytearray(files[2].read_bytes())
        rng = np.random.default_rng(11)
        for _ in range(150):
            flipped = bytearray(whole)
            for place in rng.integers(0, len(whole), 3):
                flipped[place] ^= 1 << int(rng.integers(8))
            files[2].write_bytes(flipped)
            with warnings.catch_warnings():
                warnings.simplefilter("error")  # pydicom's warnings quote the header
                for series in find_series(files[0].parent):
                    try:
                        series.read()
                    except InputError as error:
                        assert "\n" not in str(error)

    def test_no_patient_data_in_messages_warnings_or_logs(
        self, files: list[Path], caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        for file in files:
            dataset = pydicom.dcmread(file)
            dataset.PatientName = SECRET
            dataset.PatientID = SECRET
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                dataset["StudyDate"]._value = SECRET  # an invalid date: pydicom would quote it in a warning
                dataset["PixelSpacing"]._value = [SECRET, SECRET]
                dataset.save_as(file)
        with warnings.catch_warnings(record=True) as caught, pytest.raises(InputError) as refusal:
            warnings.simplefilter("always")
            read_series(files[0].parent)
        told = " ".join([str(refusal.value), caplog.text, *(str(w.message) for w in caught)])
        assert SECRET not in told


PYDICOM_SAMPLES = {
    "CT_small.dcm": "has 1 slice",
    "MR_small.dcm": "has 1 slice",
    "MR_small_RLE.dcm": "has 1 slice",
    "MR_small_bigendian.dcm": "has 1 slice",
    "J2K_pixelrep_mismatch.dcm": "has 1 slice",
    "ExplVR_BigEnd.dcm": "RGB",
    "examples_palette.dcm": "PALETTE COLOR",
    "examples_ybr_color.dcm": "YBR_FULL_422",
    "image_dfl.dcm": "Secondary Capture",
    "JPEG-lossy.dcm": "Secondary Capture",
    "rtplan.dcm": "RT Plan Storage",
    "rtdose.dcm": "RT Dose Storage",
    "reportsi.dcm": "without an image",
    "badVR.dcm": "RT Dose Storage",
    "empty_charset_LEI.dcm": "without SOPClassUID",
    "meta_missing_tsyntax.dcm": "without SOPClassUID",
    "nested_priv_SQ.dcm": "without SOPClassUID",
    "no_meta.dcm": "holds no DICOM header",
    "zipMR.gz": "holds no DICOM file",
}


class TestShippedSamples:
    @pytest.mark.parametrize("name", PYDICOM_SAMPLES)
    def test_single_files(self, name: str) -> None:
        path = get_testdata_file(name, download=False)
        if path is None:
            pytest.skip(f"this pydicom does not ship {name}")
        with pytest.raises(InputError, match=PYDICOM_SAMPLES[name]):
            read_series(Path(str(path)))

    @pytest.mark.parametrize(
        "name",
        [
            "CT_small.dcm",
            "MR_small.dcm",
            "MR_small_RLE.dcm",
            "MR_small_bigendian.dcm",
            "MR_small_implicit.dcm",
            "MR_small_expb.dcm",
            "MR_small_padded.dcm",
            "MR_small_jp2klossless.dcm",
            "MR_small_jpeg_ls_lossless.dcm",
        ],
    )
    def test_scanner_headers_stacked_to_a_volume(self, name: str) -> None:
        path = get_testdata_file(name, download=False)
        if path is None:
            pytest.skip(f"this pydicom does not ship {name}")
        stack = []
        for k in range(4):
            dataset = pydicom.dcmread(str(path))
            dataset.SOPInstanceUID = generate_uid()
            set_position(dataset, 2, float(dataset.ImagePositionPatient[2]) + 3 * k)
            stack.append(dataset)
        read = read_series(stack)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = pydicom.pixels.apply_rescale(stack[0].pixel_array, stack[0])
        np.testing.assert_array_equal(read.array[:, :, 1], expected.T)
        assert read.geometry.spacing[2] == pytest.approx(3.0)

    def test_truncated_sample(self) -> None:
        stack = []
        for k in range(4):
            dataset = pydicom.dcmread(str(get_testdata_file("MR_truncated.dcm", download=False)))
            dataset.SOPInstanceUID = generate_uid()
            set_position(dataset, 2, 3.0 * k)
            stack.append(dataset)
        with pytest.raises(InputError, match="truncated pixel data, 8130 of 8192 bytes"):
            read_series(stack)
