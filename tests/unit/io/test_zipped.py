"""Zip archives: read like folders, nothing written outside a private folder, and no bomb unpacked."""

from __future__ import annotations

import gc
import stat
import tempfile
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from monai_sr.io import find_cases, read_volume
from monai_sr.io import zipped as zipped_module
from monai_sr.io.dicom_directory import DIRECTORY_CLASS
from monai_sr.io.dicom_read import read_series
from monai_sr.io.volume import InputError
from monai_sr.io.zipped import Unpacked


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only place where temporary folders may appear."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def pack(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def pack_files(path: Path, files: list[Path]) -> Path:
    return pack(path, {f"export/IMAGES/{file.name}": file.read_bytes() for file in files})


def test_a_series_in_a_zip_is_that_of_the_folder_and_leaves_nothing(
    ct_files: list[Path], tmp_path: Path, temporary: Path
) -> None:
    archive = pack_files(tmp_path / "study.zip", ct_files)
    truth = read_series(ct_files[0].parent)
    (case,) = find_cases(archive)
    assert case.kind == "dicom"
    for _ in range(2):  # a case may be read again
        read = case.read()
        np.testing.assert_array_equal(read.array, truth.array)
        np.testing.assert_array_equal(read.geometry.affine, truth.geometry.affine)
    (folder,) = temporary.iterdir()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    del case
    gc.collect()
    assert list(temporary.iterdir()) == []
    np.testing.assert_array_equal(read_volume(archive).array, truth.array)
    gc.collect()
    assert list(temporary.iterdir()) == []


def test_no_member_decides_where_it_lands(tmp_path: Path, temporary: Path) -> None:
    names = [
        "../../escaped.txt",
        "/absolute.txt",
        "a/../../b.txt",
        "..\\windows.txt",
        "C:\\x\\y.txt",
        "a/same",
        "b/same",
    ]
    names += ["_" * 300 + "x" + "_" * 300, "8_same", "a/same/file", "A B/1", "A_B/1", "A?B/1"]
    names += ["weird\n\x1b[31m name.dcm", "x" * 300, "CON.dcm", "a" + "/a" * 200 + "/deep.dcm"]
    unpacked = Unpacked(pack(tmp_path / "evil.zip", {name: name.encode() for name in names}))
    written = [path for path in temporary.rglob("*") if path.is_file()]
    assert len(written) == len(names)
    assert {path.read_bytes() for path in written} == {name.encode() for name in names}
    assert all(unpacked.folder in path.parents and not path.is_symlink() for path in written)
    everything = {path for path in tmp_path.rglob("*") if path.is_file()}
    assert everything == {tmp_path / "evil.zip", *written}
    assert all(name.isprintable() and len(name) < 140 for path in written for name in path.parts)


def test_a_name_that_is_there_twice(tmp_path: Path, temporary: Path) -> None:
    path = tmp_path / "twice.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("2_a", "a", "a"):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # zipfile's own, of the duplicate
                archive.writestr(name, name)
    unpacked = Unpacked(path)  # held: the folder goes away with it
    assert len([file for file in unpacked.folder.rglob("*") if file.is_file()]) == 3


def test_what_its_dicomdir_lists_and_is_not_there(ct_files: list[Path], tmp_path: Path, temporary: Path) -> None:
    files = {f"_EXPORT/IM_{number}_": file.read_bytes() for number, file in enumerate(ct_files)}
    directory = Dataset()
    directory.DirectoryRecordSequence = []
    for name in files:
        record = Dataset()
        record.ReferencedFileID = name.split("/")
        directory.DirectoryRecordSequence.append(record)
    directory.file_meta = FileMetaDataset()
    directory.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    directory.file_meta.MediaStorageSOPClassUID = directory.file_meta.MediaStorageSOPInstanceUID = DIRECTORY_CLASS
    directory.save_as(tmp_path / "DICOMDIR", enforce_file_format=True)
    listed = {"DICOMDIR": (tmp_path / "DICOMDIR").read_bytes()}
    (whole,) = find_cases(pack(tmp_path / "whole.zip", {**listed, **files}))
    assert whole.read().notes == ()
    (part,) = find_cases(pack(tmp_path / "part.zip", {**listed, **dict(list(files.items())[:-2])}))
    assert "the DICOMDIR lists 2 file(s) that are not there" in part.read().notes[0]


def test_links_devices_and_hidden_members_are_left_out(tmp_path: Path, temporary: Path) -> None:
    path = tmp_path / "links.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, kind in (("link", stat.S_IFLNK), ("pipe", stat.S_IFIFO), ("plain", stat.S_IFREG)):
            member = zipfile.ZipInfo(name)
            member.external_attr = (kind | 0o777) << 16
            archive.writestr(member, "/etc/passwd")
        archive.writestr("__MACOSX/._x.dcm", "resource fork")
        archive.writestr(".DS_Store", "x")
        archive.writestr("folder/", "")
    unpacked = Unpacked(path)
    assert [entry.name for entry in unpacked.folder.rglob("*") if entry.is_file()] == ["plain"]


@pytest.mark.parametrize("limit", ["ratio", "size", "count"])
def test_bombs_are_refused_and_removed(
    tmp_path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setattr(zipped_module, "RATIO_COUNTS_FROM", 2**20)
    if limit == "size":
        monkeypatch.setattr(zipped_module, "LARGEST_BYTES", 2**20)
    if limit == "count":
        monkeypatch.setattr(zipped_module, "MOST_MEMBERS", 1)
    path = pack(tmp_path / "bomb.zip", {"a.dcm": bytes(8 * 2**20), "b.dcm": b"x"})
    told = {"ratio": "500 times its size", "size": "more than 0 GB", "count": "holds 2 files, more than 1"}[limit]
    with pytest.raises(InputError, match=told):
        Unpacked(path)
    assert list(temporary.iterdir()) == []


def test_sizes_in_the_archive_are_not_believed(
    tmp_path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A member that says it is small and is not: zipfile itself may stop it, and if not the count while unpacking."""
    monkeypatch.setattr(zipped_module, "RATIO_COUNTS_FROM", 2**20)
    path = pack(tmp_path / "liar.zip", {"a.dcm": bytes(8 * 2**20)})
    content = path.read_bytes()
    true, told = (8 * 2**20).to_bytes(4, "little"), (100).to_bytes(4, "little")
    assert content.count(true) == 2  # local and central header
    path.write_bytes(content.replace(true, told))
    with pytest.raises(InputError):
        Unpacked(path)
    assert list(temporary.iterdir()) == []


def test_damaged_and_encrypted_archives(ct_files: list[Path], tmp_path: Path, temporary: Path) -> None:
    path = pack_files(tmp_path / "study.zip", ct_files)
    content = bytearray(path.read_bytes())
    (tmp_path / "cut.zip").write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match=r"cut\.zip is a zip archive that cannot be unpacked"):
        find_cases(tmp_path / "cut.zip")
    place = content.index(b"PK\x01\x02")
    content[place + 8] |= 1  # general purpose flag: encrypted
    (tmp_path / "locked.zip").write_bytes(content)
    with pytest.raises(InputError, match="is encrypted"):
        find_cases(tmp_path / "locked.zip")
    assert list(temporary.iterdir()) == []


def test_too_little_space(tmp_path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zipped_module, "_SPARE_SPACE", 2**62)
    with pytest.raises(InputError, match="set TMPDIR"):
        Unpacked(pack(tmp_path / "a.zip", {"a.dcm": b"x"}))
    assert list(temporary.iterdir()) == []


def test_a_zip_in_a_folder_is_named_and_passed_over(ct_files: list[Path], tmp_path: Path) -> None:
    pack_files(ct_files[0].parent / "more.zip", ct_files[:1])
    cases = find_cases(ct_files[0].parent)
    assert [(case.kind, case.skip is None) for case in cases] == [("dicom", True), ("refused", False)]
    with pytest.raises(InputError, match=r"more\.zip is a zip archive; give it by itself"):
        cases[1].read()


def test_an_empty_zip_and_one_without_images(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no NIfTI file"):
        find_cases(pack(tmp_path / "text.zip", {"a.txt": b"text"}))
