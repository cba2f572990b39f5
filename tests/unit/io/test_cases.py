"""What a path holds: names, kinds, clutter, loops, and the front door `monai_sr.io`."""

from __future__ import annotations

import gzip
import os
import re
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from monai_sr.io import Case, InputError, find_cases, read_volume, write_volume
from monai_sr.io.files import file_kind, safe_name, shown


def nifti(path: Path, value: float = 1) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    array = np.full((4, 5, 6), value, np.int16)
    array[0, 0, 0] += 1
    nib.Nifti1Image(array, np.diag([1.0, 1, 3, 1])).to_filename(path)
    return path


def ct_series(folder: Path, slices: int = 4) -> Path:
    """The least that a CT series needs."""
    folder.mkdir(parents=True, exist_ok=True)
    study, series, frame = generate_uid(), generate_uid(), generate_uid()
    for k in range(slices):
        image = Dataset()
        image.file_meta = FileMetaDataset()
        image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        image.file_meta.MediaStorageSOPClassUID = image.SOPClassUID = CTImageStorage
        image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID = generate_uid()
        image.StudyInstanceUID, image.SeriesInstanceUID, image.FrameOfReferenceUID = study, series, frame
        image.PatientName, image.PatientID, image.Modality = "Doe^Jane", "12345", "CT"
        image.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        image.Rows, image.Columns, image.InstanceNumber = 6, 5, k + 1
        image.PixelSpacing, image.SliceThickness = [0.8, 0.8], 5
        image.ImageOrientationPatient, image.ImagePositionPatient = [1, 0, 0, 0, 1, 0], [0, 0, 5 * k]
        image.BitsAllocated = image.BitsStored = 16
        image.HighBit, image.PixelRepresentation, image.SamplesPerPixel = 15, 1, 1
        image.PhotometricInterpretation = "MONOCHROME2"
        image.RescaleSlope, image.RescaleIntercept, image.RescaleType = 1, 0, "HU"
        image.PixelData = np.full((6, 5), k - 1000, "<i2").tobytes()
        image.save_as(folder / f"{k}.dcm", enforce_file_format=True)
    return folder


def test_dicom_goes_out_through_the_same_door(tmp_path: Path) -> None:
    from monai_sr.io.dicom_write import Derivation

    volume = read_volume(ct_series(tmp_path / "in"))
    thin = volume.geometry.resized((5, 6, 8))
    result = volume.with_values(np.repeat(volume.array, 2, axis=2), thin)
    files = write_volume(result, tmp_path / "out", format="dicom", derivation=Derivation("x2 through-plane", "0"))
    assert len(files) == 8
    assert all(path.is_file() for path in files)
    np.testing.assert_allclose(read_volume(tmp_path / "out").geometry.corners(), volume.geometry.corners(), atol=1e-3)
    with pytest.raises(InputError, match="exists"):
        write_volume(result, tmp_path / "out", format="dicom", derivation=Derivation("x2 through-plane", "0"))


# --- one path ------------------------------------------------------------------------------------------------------


def test_a_nifti_file(tmp_path: Path) -> None:
    (case,) = find_cases(nifti(tmp_path / "T1 (axial).nii.gz"))
    assert (case.name, case.kind) == ("T1_axial", "nifti")
    volume = case.read()
    assert (volume.name, volume.array.shape) == ("T1_axial", (4, 5, 6))


def test_a_dicom_series_is_one_case_with_a_name_that_is_no_patient(tmp_path: Path) -> None:
    folder = ct_series(tmp_path / "Doe_Jane" / "scan")
    for path in (folder, tmp_path):
        (case,) = find_cases(path)
        assert case.kind == "dicom"
        assert case.path == folder
        assert re.fullmatch(r"[0-9a-f]{8,16}", case.name)
        volume = case.read()
        assert volume.name == case.name
        assert volume.geometry.spacing == pytest.approx((0.8, 0.8, 5))
    np.testing.assert_array_equal(read_volume(folder).array, volume.array)


def test_one_file_of_a_series_is_one_case(tmp_path: Path) -> None:
    (case,) = find_cases(ct_series(tmp_path) / "2.dcm")
    assert (case.kind, case.path) == ("dicom", tmp_path / "2.dcm")
    with pytest.raises(InputError):  # one slice is no volume
        case.read()


def test_a_missing_path(tmp_path: Path) -> None:
    for look in (find_cases, read_volume):
        with pytest.raises(FileNotFoundError, match="no such file or folder"):
            look(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("notes.txt", b"hello", "neither NIfTI nor DICOM"),
        ("empty", b"", "neither NIfTI nor DICOM"),
        ("a.mha", b"ObjectType = Image\n", "format that is not read"),
        ("zip.gz", gzip.compress(b"x" * 999, mtime=0), "gzip-compressed and holds no NIfTI"),
        ("cut.gz", gzip.compress(bytes(999), mtime=0)[:12], "gzip-compressed and holds no NIfTI"),
        ("a.nii", b"hello", "no NIfTI mark"),
        ("b.dcm", b"hello", "b.dcm"),
    ],
)
def test_a_file_of_another_kind_is_refused_in_a_sentence(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message) as refusal:
        read_volume(tmp_path / name)
    assert "\n" not in str(refusal.value)


def test_content_beats_the_name(tmp_path: Path) -> None:
    whole = nifti(tmp_path / "a.nii.gz").read_bytes()
    (tmp_path / "b.gz").write_bytes(whole)
    (tmp_path / "c.img").write_bytes(gzip.decompress(whole))
    for name in ("b.gz", "c.img"):
        assert file_kind(tmp_path / name) == "nifti"
        assert find_cases(tmp_path / name)[0].read().array.shape == (4, 5, 6)


@pytest.mark.skipif(sys.platform == "win32", reason="no FIFO there")
def test_a_fifo_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.nii")
    with pytest.raises(InputError, match="not a regular file"):
        find_cases(tmp_path / "a.nii")
    with pytest.raises(InputError, match="holds no NIfTI"):
        find_cases(tmp_path)


# --- a folder of cases ---------------------------------------------------------------------------------------------


def test_a_mixed_cohort(tmp_path: Path) -> None:
    nifti(tmp_path / "b" / "flair.nii")
    nifti(tmp_path / "a.nii.gz")
    ct_series(tmp_path / "c" / "deep" / "one")
    ct_series(tmp_path / "c" / "deep" / "two")
    cases = find_cases(tmp_path)
    assert [case.kind for case in cases] == ["nifti", "nifti", "dicom", "dicom"]
    assert [case.name for case in cases[:2]] == ["a", "flair"]
    assert [case.path.name for case in cases[2:]] == ["one", "two"]
    for case in cases:
        assert case.read().name == case.name


def test_names_are_unique_even_where_case_does_not_count(tmp_path: Path) -> None:
    nifti(tmp_path / "1" / "T1.nii.gz", 1)
    nifti(tmp_path / "2" / "t1.nii", 2)
    nifti(tmp_path / "3" / "T1_2.nii", 3)
    nifti(tmp_path / "4" / f"{'x' * 80}.nii", 4)
    nifti(tmp_path / "5" / f"{'x' * 80}.nii", 5)
    cases = find_cases(tmp_path)
    names = [case.name for case in cases]
    assert names[:3] == ["T1", "t1_2", "T1_2_2"]
    assert len({name.lower() for name in names}) == 5
    assert max(map(len, names)) == 64
    # each case reads its own file
    assert [float(case.read().array.max()) for case in cases] == [2, 3, 4, 5, 6]


def test_clutter_is_passed_over(tmp_path: Path) -> None:
    nifti(tmp_path / "a.nii.gz")
    nifti(tmp_path / ".hidden.nii.gz")
    nifti(tmp_path / ".git" / "b.nii.gz")
    for name in ("a.json", "a.bval", "a.bvec", "readme.txt", "run.log", "preview.png", "DICOMDIR", "DIRFILE"):
        (tmp_path / name).write_text("{}")
    assert [case.name for case in find_cases(tmp_path)] == ["a"]


def picture(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.arange(20, dtype=np.uint8).reshape(4, 5)).save(path)
    return path


def test_a_photograph_is_a_case_whatever_its_suffix(tmp_path: Path) -> None:
    (tmp_path / "no_suffix").write_bytes(picture(tmp_path / "a.png").read_bytes())
    for file in (tmp_path / "a.png", picture(tmp_path / "b.JPG"), picture(tmp_path / "c.tif"), tmp_path / "no_suffix"):
        (case,) = find_cases(file)
        assert case.kind == "photo"
        assert case.read().modality == "photo"
        assert case.read().array.shape == (5, 4, 1)


def test_a_folder_of_photographs_holds_them_all_under_names_of_their_own(tmp_path: Path) -> None:
    for name in ("a.png", "A.jpg", "deeper/b.tif", ".hidden.png"):
        picture(tmp_path / name)
    (tmp_path / "broken.png").write_bytes(b"")
    (tmp_path / "notes.txt").write_text("mine")
    cases = find_cases(tmp_path)
    assert [(case.name, case.kind) for case in cases] == [
        ("A", "photo"), ("a_2", "photo"), ("broken", "photo"), ("b", "photo")
    ]  # fmt: skip
    assert cases[1].read().name == "a_2"
    with pytest.raises(InputError, match=r"broken\.png is corrupt"):
        cases[2].read()


@pytest.mark.parametrize("scan", ["a.nii.gz", "below/a.nii.gz", "a.mha"])
def test_photographs_beside_scans_are_passed_over(tmp_path: Path, scan: str) -> None:
    picture(tmp_path / "screenshot.png")
    if scan.endswith(".mha"):
        (tmp_path / scan).write_text("ObjectType = Image\n")
    else:
        nifti(tmp_path / scan)
    assert [case.name for case in find_cases(tmp_path)] == ["a"]


def test_images_that_are_not_read_are_named_not_passed_over(tmp_path: Path) -> None:
    nifti(tmp_path / "a.nii")
    (tmp_path / "b.nrrd").write_text("NRRD0005\n")
    (tmp_path / "c.gz").write_bytes(gzip.compress(b"no image"))
    cases = find_cases(tmp_path)
    assert [(case.name, case.kind) for case in cases] == [("a", "nifti"), ("b", "refused"), ("c", "refused")]
    for case, message in zip(cases[1:], ("b.nrrd is in a format", "c.gz is gzip-compressed"), strict=True):
        with pytest.raises(InputError, match=message):
            case.read()


def test_a_broken_file_is_a_case_that_fails_and_the_others_read(tmp_path: Path) -> None:
    nifti(tmp_path / "a.nii.gz")
    (tmp_path / "b.nii.gz").write_bytes((tmp_path / "a.nii.gz").read_bytes()[:60])
    good, bad = find_cases(tmp_path)
    assert good.read().array.shape == (4, 5, 6)
    with pytest.raises(InputError, match="corrupt"):
        bad.read()


def test_a_folder_with_nothing_to_read(tmp_path: Path) -> None:
    (tmp_path / "readme.txt").write_text("nothing")
    (tmp_path / "sub").mkdir()
    with pytest.raises(InputError, match=r"holds no NIfTI file \(.nii, .nii.gz\), no DICOM image and no photograph"):
        find_cases(tmp_path)


def test_several_scans_where_one_is_needed(tmp_path: Path) -> None:
    nifti(tmp_path / "a.nii")
    nifti(tmp_path / "b.nii")
    with pytest.raises(InputError, match="holds 2 scans and one is needed"):
        read_volume(tmp_path)


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_links_are_followed_once_and_loops_end(tmp_path: Path) -> None:
    nifti(tmp_path / "cohort" / "a.nii")
    ct_series(tmp_path / "elsewhere" / "ct")
    (tmp_path / "cohort" / "sub").mkdir()
    (tmp_path / "cohort" / "sub" / "loop").symlink_to(tmp_path / "cohort", target_is_directory=True)
    (tmp_path / "cohort" / "linked").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (tmp_path / "cohort" / "again").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (tmp_path / "cohort" / "dangling.nii").symlink_to(tmp_path / "gone.nii")
    cases = find_cases(tmp_path / "cohort")
    assert sorted(case.kind for case in cases) == ["dicom", "nifti"]
    assert next(case for case in cases if case.kind == "dicom").read().array.shape == (5, 6, 4)


def test_a_folder_that_cannot_be_listed_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nifti(tmp_path / "a.nii")
    (tmp_path / "locked").mkdir()
    scandir = os.scandir

    def guarded(path: str) -> object:
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", guarded)  # permissions do not stop root, so they are simulated
    cases = find_cases(tmp_path)
    assert [(case.name, case.kind) for case in cases] == [("a", "nifti"), ("locked", "refused")]
    with pytest.raises(InputError, match="locked cannot be listed: Permission denied"):
        cases[1].read()


def test_a_file_that_cannot_be_opened_is_reported_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nifti(tmp_path / "a.nii")
    (tmp_path / "b").write_bytes(b"secret")
    opened = Path.open

    def guarded(path: Path, *args: object, **kwargs: object) -> object:
        if path.name == "b":
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, *args, **kwargs)  # type: ignore[arg-type, call-overload]

    monkeypatch.setattr(Path, "open", guarded)
    cases = find_cases(tmp_path)
    assert [(case.name, case.kind) for case in cases] == [("a", "nifti"), ("b", "refused")]
    with pytest.raises(InputError, match="b cannot be read: Permission denied"):
        cases[1].read()


def test_the_choice_of_affine_reaches_the_reader(tmp_path: Path) -> None:
    image = nib.Nifti1Image(np.ones((4, 5, 6), np.int16), np.diag([1.0, 1, 3, 1]))
    image.set_qform(np.diag([1.0, 1, 3, 1]) + np.eye(4, k=3), code=1)
    image.to_filename(tmp_path / "a.nii")
    with pytest.raises(InputError, match="--affine"):
        find_cases(tmp_path)[0].read()
    assert find_cases(tmp_path, affine="qform")[0].read().geometry.affine[0, 3] == 1


# --- names ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("scan", "scan"),
        ("../../x", "x"),
        ("a\nb\0c", "a_b_c"),
        ("CON", "case_CON"),
        ("nul.txt", "case_nul.txt"),
        ("com7", "case_com7"),
        ("console", "console"),
        ("-rf", "rf"),
        (".hidden", "hidden"),
        ("Größe🧠", "Gr_e"),
        ("🧠", "case"),
        ("", "case"),
        ("...", "case"),
        ("x" * 300, "x" * 64),
    ],
)
def test_safe_names(text: str, name: str) -> None:
    assert safe_name(text) == name


@given(st.text(max_size=90))
def test_any_text_becomes_a_safe_name(text: str) -> None:
    name = safe_name(text)
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,64}", name)
    assert name[0] not in ".-" and name[-1] != "."
    assert not re.fullmatch(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", name, re.IGNORECASE)
    assert safe_name(name) == name


def test_a_hostile_file_name_stays_on_one_line() -> None:
    assert shown(Path("a\nb\x1b[31m.nii")) == "a?b?[31m.nii"
    assert len(shown(Path("x" * 250))) < 140


# --- the front door ------------------------------------------------------------------------------------------------


def test_importing_the_room_loads_no_format_and_no_torch() -> None:
    code = (
        "import sys, monai_sr.io;"
        "print([m for m in ('torch', 'monai', 'nibabel', 'pydicom', 'highdicom', 'PIL', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# --- real scans ----------------------------------------------------------------------------------------------------


def test_gzip_beside_real_dicom_is_refused_by_name(real_data: Path) -> None:
    folder = real_data / "dicom" / "pydicom"
    with pytest.raises(InputError, match=r"zipMR\.gz is gzip-compressed"):
        read_volume(folder / "zipMR.gz")
    refused = [case for case in find_cases(folder) if case.kind == "refused"]
    assert [case.path.name for case in refused] == ["zipMR.gz"]


def test_every_real_file_is_accounted_for(real_data: Path) -> None:
    cases = find_cases(real_data)
    assert sum(case.kind == "nifti" for case in cases) == 26
    assert len({case.name for case in cases}) == len(cases)
    assert all(isinstance(case, Case) for case in cases)
    series = {
        str(pydicom.dcmread(path, stop_before_pixels=True).SeriesInstanceUID)
        for path in (real_data / "dicom" / "ct_lidc_0001_2.5mm").iterdir()
    }
    assert len(series) == sum("ct_lidc_0001" in str(case.path) for case in cases) == 1
