"""A whole study as a scanner or an archive exports it: a folder, or what a DICOMDIR lists; which series are meant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from monai_sr.io.dicom_directory import is_directory_name, listed_files
from monai_sr.io.dicom_facts import matches, part_of
from monai_sr.io.dicom_read import SeriesRef, find_series
from monai_sr.io.files import file_kind, walk_files
from monai_sr.io.volume import InputError

__all__ = ["choose", "find_study"]


def find_study(place: Path) -> list[SeriesRef]:
    """Every series of a folder, of a DICOM file, or of a DICOMDIR.

    What a DICOMDIR lists and is not there is noted on every series beside it: a medium that was copied in part looks
    like a whole one.

    Raises:
        InputError: if the place is a DICOMDIR that cannot be used.
    """
    if place.is_file():
        if not is_directory_name(place.name):
            return find_series(place)
        files, missing = listed_files(place)
        return [_noting(series, missing) for series in find_series(files)]
    found = find_series(place)
    for file in walk_files(place, on_error=lambda error: None):
        if not is_directory_name(file.name):
            continue
        try:
            if file_kind(file) != "dicom":
                continue
            _, missing = listed_files(file)
        except InputError:
            continue  # the images are there, and are found without it
        root = file.parent
        found = [_noting(series, missing) if _lies_below(series, root) else series for series in found]
    return found


def choose(found: Sequence[SeriesRef], wanted: Sequence[str], place: str) -> list[tuple[SeriesRef, int | None]]:
    """The series that are meant, each with the number of the volume in it where one was asked for.

    Args:
        found: all series.
        wanted: by UID, name, number or part of the description, perhaps with ``:2`` or ``:all`` behind.
        place: how messages name where they were found.

    Raises:
        InputError: if a wish names no series.
    """
    chosen: list[tuple[SeriesRef, int | None]] = []
    for wish in wanted:
        meant: list[tuple[SeriesRef, int | None]] = [(s, None) for s in found if matches(s.facts, s.name, wish)]
        if not meant and (told := part_of(wish)) is not None:
            name, volume = told
            for series in (s for s in found if matches(s.facts, s.name, name)):
                numbers = [volume] if volume else [i + 1 for i in range(len(series.plan()))]
                meant += [(series, number) for number in numbers]
        if not meant:
            raise InputError(f"no series in {place} is meant by --series {wish}; monai-sr inspect lists them")
        chosen += [one for one in meant if one not in chosen]
    return chosen


def _noting(series: SeriesRef, missing: int) -> SeriesRef:
    if not missing:
        return series
    note = f"the DICOMDIR lists {missing} file(s) that are not there; the medium may have been copied in part"
    return replace(series, notes=(*series.notes, note))


def _lies_below(series: SeriesRef, root: Path) -> bool:
    return all(root in file.parents for file in series.files)
