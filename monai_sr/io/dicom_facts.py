"""What a list of series says of each of them, and which of them somebody means.

Never patient data. SeriesDescription is free text that somebody typed at the scanner: it is shown to who asks for the
list, chosen by, and stands in no log and no record.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from pydicom.dataset import Dataset

from monai_sr.io.dicom_headers import first_item, numbers, strings, whole_number
from monai_sr.io.dicom_kinds import Kind, KindName, kind_of
from monai_sr.io.volume import InputError

__all__ = ["Glimpse", "SeriesFacts", "glimpse", "matches", "series_facts", "short_hash"]

HASH_LENGTH = 12
# A scout in three planes bears no LOCALIZER in MR: its several orientations and what it is called tell it.
SCOUT = re.compile(r"\b(loc|localizer|localiser|scout|survey|topogram|surview|3[- ]?plane)", re.IGNORECASE)
SEVERAL_PLANES = 0.5  # directions of rows and columns that differ by this are no slices of one stack


@dataclass(frozen=True)
class Glimpse:
    """What is kept of one file of a series until the whole series is known."""

    uid: str
    instance: str
    study: str
    modality: str
    number: int | None
    description: str
    kind: Kind
    orientation: tuple[float, ...] | None


@dataclass(frozen=True)
class SeriesFacts:
    """A series in a list.

    Args:
        uid: SeriesInstanceUID, empty where absent.
        study: short hash of the StudyInstanceUID: series of one study have the same.
        modality: the Modality tag, empty where absent or no code.
        number: SeriesNumber.
        description: SeriesDescription as one printable line.
        kind: what its objects are.
        skip: why it is passed over unless somebody chooses it; None for what is to be upscaled.
    """

    uid: str = ""
    study: str = ""
    modality: str = ""
    number: int | None = None
    description: str = ""
    kind: KindName = "image"
    skip: str | None = None


def short_hash(uid: str) -> str:
    """A name for a UID: the first hex digits of its SHA-256."""
    return hashlib.sha256(uid.encode("utf-8", "surrogateescape")).hexdigest()[:HASH_LENGTH]


def glimpse(header: Dataset) -> Glimpse:
    """What a series list needs of one header."""
    study = "".join(strings(header, "StudyInstanceUID"))
    modality = "".join(strings(header, "Modality")[:1])
    return Glimpse(
        uid="".join(strings(header, "SeriesInstanceUID")[:1]),
        instance="".join(strings(header, "SOPInstanceUID")),
        study=short_hash(study) if study else "",
        modality=modality if re.fullmatch(r"[A-Z0-9_ ]{1,16}", modality) else "",
        number=whole_number(header, "SeriesNumber"),
        description=_printable(" ".join(strings(header, "SeriesDescription"))),
        kind=kind_of(header),
        orientation=_orientation(header),
    )


def series_facts(files: Sequence[Glimpse]) -> SeriesFacts:
    """What the files of one series say together.

    A series is passed over for its kind only where that is the kind of all its files; a scan with one strange image
    among its slices is read, and refused for it by name.
    """
    first = files[0]
    kinds = {file.kind.name for file in files}
    kind = first.kind if len(kinds) == 1 else Kind("image")
    skip: str | None = None
    if kind.name == "derived":
        skip = (
            "is derived (ImageType DERIVED: made out of other images, not acquired); upscale the original, or choose "
            "it with --series"
        )
    elif kind.why and kind.name != "unknown":  # a scan whose header was damaged may be just that
        skip = kind.why
    elif SCOUT.search(first.description) and _planes(files) > 1:
        kind = Kind("localizer")
        skip = f"is a localizer (images in {_planes(files)} planes, and called one), not a volume; leave it out"
    return SeriesFacts(
        first.uid, first.study, first.modality, first.number, first.description, kind=kind.name, skip=skip
    )


def matches(facts: SeriesFacts, name: str, wanted: str) -> bool:
    """Whether a series is meant by its UID, its short name, its number or its description.

    Upper and lower case are the same, and a part of the description is enough.

    Example:
        >>> ct = SeriesFacts(uid="1.2.3", number=4, description="Head 5.0 Soft")
        >>> [matches(ct, "abc", wanted) for wanted in ("1.2.3", "abc", "4", "head", "5")]
        [True, True, True, True, False]
    """
    wanted = wanted.strip()
    if not wanted:
        return False
    if wanted in (facts.uid, name):
        return True
    if re.fullmatch(r"[+-]?\d+", wanted):  # digits stand in most descriptions
        return facts.number == int(wanted) or facts.description == wanted
    return wanted.casefold() in facts.description.casefold()


def part_of(wanted: str) -> tuple[str, int | None] | None:
    """``SERIES:2`` or ``SERIES:all`` taken apart; None where nothing is said of a volume in the series.

    Returns:
        What is said of the series, and the number of the volume in it from 1, None for all.

    Raises:
        InputError: if the number is 0.
    """
    found = re.fullmatch(r"(.+):(\d{1,6}|all)", wanted.strip(), re.IGNORECASE)
    if found is None:
        return None
    if found[2].lower() == "all":
        return found[1], None
    if int(found[2]) < 1:
        raise InputError(f"--series {_printable(wanted)}: volumes are counted from 1")
    return found[1], int(found[2])


def _orientation(header: Dataset) -> tuple[float, ...] | None:
    try:
        plane = first_item(first_item(header, "SharedFunctionalGroupsSequence"), "PlaneOrientationSequence")
        return numbers(plane or header, "ImageOrientationPatient", 6, "", low=-1.01, high=1.01)
    except InputError:
        return None


def _planes(files: Iterable[Glimpse]) -> int:
    found: list[np.ndarray] = []
    for file in files:
        if file.orientation is None:
            continue
        here = np.array(file.orientation)
        if all(np.abs(here - other).max() > SEVERAL_PLANES for other in found):
            found.append(here)
    return len(found)


def _printable(text: str) -> str:
    line = "".join(c if c.isprintable() else " " for c in text)
    return " ".join(line.split())
