"""What a user's INPUT path holds: one case per NIfTI file, per DICOM series and per photograph."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NoReturn

from monai_sr.io.files import NAME_LIMIT, file_kind, nifti_stem, safe_name, shown, walk_files
from monai_sr.io.series_rules import SeriesRules
from monai_sr.io.volume import InputError, Volume

if TYPE_CHECKING:
    from monai_sr.io.dicom_read import SeriesRef
    from monai_sr.io.nifti_forms import AffineForm
    from monai_sr.io.zipped import Unpacked

__all__ = ["Case", "CaseKind", "find_cases", "with_unique_names"]

CaseKind = Literal["nifti", "dicom", "photo", "refused"]

# Volumes in formats that are not read. They are named as refused, since passing over a scan in silence is worse.
_FOREIGN = (".hdr", ".mgz", ".mgh", ".mha", ".mhd", ".mnc", ".nhdr", ".nrrd")


@dataclass(frozen=True)
class Case:
    """One scan that is to be read, or a file whose refusal is to be reported; plain data that another machine takes.

    Args:
        name: unique among the cases found together, also where upper and lower case are the same.
        path: the NIfTI file, the folder or file of the DICOM series, or the PNG, JPEG or TIFF file of a photograph.
        kind: ``"refused"``: an image or archive of a format that is not read; ``problem`` says so.
        files: all files of a DICOM series.
        affine: which affine of a NIfTI file holds where it states two different ones.
        problem: why it is refused, where that is known before it is read.
        notes: what was found beside a DICOM series.
        skip: why the command line passes over it, since nobody means it when giving a whole study: a localizer, a
            report, a derived series. None for what is to be read.
        rules: what the DICOM reader accepts beyond a regular, right-angled stack of slices.
        volume: which of several volumes of a DICOM series, from 1; None where it has to hold one.
        unpacked: the temporary folder that its files lie in, which lives as long as its cases.
    """

    name: str
    path: Path
    kind: CaseKind
    files: tuple[Path, ...] = ()
    affine: AffineForm | None = None
    problem: str | None = None
    notes: tuple[str, ...] = ()
    skip: str | None = None
    rules: SeriesRules = field(default_factory=SeriesRules)
    volume: int | None = None
    unpacked: Unpacked | None = None

    def read(self) -> Volume:
        """Read it anew; the volume bears the name of the case.

        Raises:
            InputError: if it is refused.
        """
        if self.problem is not None:
            raise InputError(self.problem)
        return replace(self._volume(), name=self.name)

    def _volume(self) -> Volume:
        if self.kind == "nifti":
            from monai_sr.io.nifti import read_nifti

            return read_nifti(self.path, affine=self.affine)
        if self.kind == "dicom":
            from monai_sr.io.dicom_read import SeriesRef

            return SeriesRef(self.name, self.files, notes=self.notes).read(self.rules, self.volume)
        from monai_sr.io.photo import read_photo

        return read_photo(self.path).volume


@dataclass(frozen=True)
class _Wish:
    """How to read what is found."""

    affine: AffineForm | None = None
    rules: SeriesRules = field(default_factory=SeriesRules)
    series: tuple[str, ...] = ()


def find_cases(
    path: Path,
    *,
    affine: AffineForm | None = None,
    rules: SeriesRules | None = None,
    series: Sequence[str] = (),
) -> list[Case]:
    """The cases of one input, sorted by path. Voxels are read only by :attr:`Case.read`.

    Args:
        path: a NIfTI file, a DICOM file, a DICOMDIR, a photograph, a folder that holds any of them at any depth, or a
            zip archive of such a folder, which is unpacked into a temporary folder that lives as long as its cases.
            Hidden entries and files that are no images are passed over; and photographs are, where a scan lies in the
            same folder or below it, for beside scans they are previews and screenshots.
        affine: which affine of a NIfTI file holds where it states two different ones.
        rules: what the DICOM reader accepts beyond a regular, right-angled stack of slices.
        series: DICOM series that are meant, by UID, case name, number or part of the description, and with ``:2`` or
            ``:all`` behind it the second or all volumes of a series that holds several. Everything else is left out.

    Raises:
        FileNotFoundError: if there is no such path.
        InputError: if it is a file of another kind, a folder in which nothing was found, or no series is the one meant.
    """
    if not path.exists():
        raise FileNotFoundError(f"no such file or folder: {path}")
    wish = _Wish(affine, rules or SeriesRules(), tuple(series))
    found = _in_folder(path, wish) if path.is_dir() else _of_file(path, wish)
    if not found:
        raise InputError(f"{shown(path)} holds no NIfTI file (.nii, .nii.gz), no DICOM image and no photograph")
    return with_unique_names(sorted(found, key=lambda case: str(case.path)))


def with_unique_names(cases: list[Case]) -> list[Case]:
    """Append ``_2``, ``_3`` ... to a name that came before."""
    taken: set[str] = set()
    named = []
    for case in cases:
        name, number = case.name, 2
        while name.lower() in taken:
            ending = f"_{number}"
            name, number = case.name[: NAME_LIMIT - len(ending)] + ending, number + 1
        taken.add(name.lower())
        named.append(replace(case, name=name))
    return named


def _of_file(path: Path, wish: _Wish) -> list[Case]:
    kind = file_kind(path)
    if kind == "zip":
        return _zip_cases(path, wish)
    if kind == "dicom":
        return _dicom_file_cases(path, wish)
    if kind in ("nifti", "photo") and wish.series:
        raise InputError(f"{shown(path)} is no DICOM series; --series chooses among those")
    if kind == "nifti":
        return [_nifti_case(path, wish.affine)]
    if kind == "photo":
        return [_photo_case(path)]
    _refuse(path, gzipped=kind == "gzip")


def _in_folder(folder: Path, wish: _Wish) -> list[Case]:
    cases: list[Case] = []
    photos: list[Case] = []
    scans = False  # also those that are refused for their format

    def unlisted(error: OSError) -> None:
        place = Path(error.filename)
        cases.append(_refused_case(place, f"{shown(place)} cannot be listed: {error.strerror}"))

    for file in walk_files(folder, on_error=unlisted):
        try:
            kind = file_kind(file)
        except InputError as error:
            cases.append(_refused_case(file, str(error)))
            continue
        if kind == "nifti":
            scans = True
            cases.append(_nifti_case(file, wish.affine))
        elif kind == "photo":
            photos.append(_photo_case(file))
        elif kind == "zip" and file.suffix.lower() == ".zip":
            told = f"{shown(file)} is a zip archive; give it by itself"
            cases.append(replace(_refused_case(file, told), skip=told))
        elif kind == "gzip" or (kind == "other" and file.name.lower().endswith(_FOREIGN)):
            scans = scans or kind == "other"
            cases.append(_refused_case(file, _reason(file, gzipped=kind == "gzip")))
    series = _dicom_cases(folder, {case.path for case in cases if case.kind == "refused"}, wish)
    return series if wish.series else cases + series + ([] if scans or series else photos)


def _zip_cases(path: Path, wish: _Wish) -> list[Case]:
    from monai_sr.io.zipped import Unpacked

    unpacked = Unpacked(path)
    return [replace(case, unpacked=unpacked) for case in _in_folder(unpacked.folder, wish)]


def _nifti_case(path: Path, affine: AffineForm | None) -> Case:
    return Case(safe_name(nifti_stem(path)), path, "nifti", affine=affine)


def _photo_case(path: Path) -> Case:
    return Case(safe_name(path.stem), path, "photo")


def _dicom_cases(folder: Path, refused: set[Path], wish: _Wish) -> list[Case]:
    """One case per series; a file that is refused already (unreadable, so of unknown kind) is not reported twice."""
    from monai_sr.io.dicom_study import find_study

    found = [series for series in find_study(folder) if not refused.issuperset(series.files)]
    return _series_cases(found, folder, wish)


def _dicom_file_cases(path: Path, wish: _Wish) -> list[Case]:
    from monai_sr.io.dicom_study import find_study

    found = find_study(path)
    if not found:
        raise InputError(f"{shown(path)} is no DICOM image")
    return _series_cases(found, path, wish)


def _series_cases(found: Sequence[SeriesRef], place: Path, wish: _Wish) -> list[Case]:
    from monai_sr.io.dicom_study import choose

    if not wish.series:
        return [_series_case(series, place, wish, None, series.facts.skip) for series in found]
    chosen = choose(found, wish.series, shown(place))
    return [_series_case(series, place, wish, volume, None) for series, volume in chosen]


def _series_case(series: SeriesRef, place: Path, wish: _Wish, volume: int | None, skip: str | None) -> Case:
    name = series.name if volume is None else f"{series.name}_{volume}"
    if skip is not None:
        skip = f"series {series.name if series.facts.number is None else series.facts.number} {skip}"
    return Case(
        name,
        _place(series.files, place),
        "dicom",
        series.files,
        problem=series.problem,
        notes=series.notes,
        skip=skip,
        rules=wish.rules,
        volume=volume,
    )


def _place(files: Sequence[Path], folder: Path) -> Path:
    """The folder of a series; its file where it has only one."""
    if len(files) == 1:
        return files[0]
    return Path(os.path.commonpath([file.parent for file in files])) if files else folder


def _refused_case(path: Path, message: str) -> Case:
    return Case(safe_name(path.stem), path, "refused", problem=message)


def _refuse(path: Path, *, gzipped: bool) -> NoReturn:
    raise InputError(_reason(path, gzipped=gzipped))


def _reason(path: Path, *, gzipped: bool) -> str:
    if gzipped:
        return f"{shown(path)} is gzip-compressed and holds no NIfTI image; unpack it first"
    if path.name.lower().endswith(_FOREIGN):
        return f"{shown(path)} is in a format that is not read; convert it to .nii.gz first"
    return f"{shown(path)} is neither NIfTI nor DICOM, nor a PNG, JPEG or TIFF image"
