"""One DICOM header, read with suspicion: every number finite and bounded, no tag content in a message.

pydicom's own warnings quote values (names, dates) of the header; :func:`quiet` keeps them out of logs.
"""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydicom
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence as DicomSequence

from monai_sr.io.dicom_diffusion import private_b_value
from monai_sr.io.files import file_kind, shown
from monai_sr.io.volume import InputError

__all__ = [
    "Instance",
    "first_item",
    "has_value",
    "number",
    "numbers",
    "quiet",
    "read_header",
    "strings",
    "whole_number",
    "without_bulk",
]

PREAMBLE = 132
DICOM_SUFFIXES = (".dcm", ".dicom", ".ima")


@contextmanager
def quiet() -> Iterator[None]:
    """Silence pydicom inside a block or function: its warnings quote raw header values, so possibly patient data.

    Every public function of the DICOM modules runs inside it.
    """
    logger = logging.getLogger("pydicom")
    propagate = logger.propagate
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logger.propagate = False
        try:
            yield
        finally:
            logger.propagate = propagate


@dataclass(frozen=True, eq=False)
class Instance:
    """One SOP instance: its header now, its pixels when asked.

    Args:
        header: all standard elements without pixels (private elements dropped).
        label: how messages name it: the file name, or the place in the given list.
        path: file to load the pixels from; None when ``memory`` holds them.
        memory: the complete dataset, for instances that never were a file.
    """

    header: Dataset
    label: str
    path: Path | None = None
    memory: Dataset | None = None

    def load(self) -> Dataset:
        """The complete dataset with its pixels.

        Raises:
            InputError: if the file cannot be read any more.
        """
        if self.memory is not None:
            return self.memory
        try:
            return pydicom.dcmread(str(self.path), force=True)
        except Exception as error:  # pydicom raises whatever the broken bytes provoke
            raise InputError(
                f"{self.label} cannot be read to its end ({type(error).__name__}); copy or export the file again"
            ) from error


def read_header(path: Path) -> Dataset | None:
    """The header of a file, without pixels.

    Returns:
        None where the file is not DICOM at all: neither the ``DICM`` mark, nor a DICOM name, nor DICOM elements.

    Raises:
        InputError: if the file looks like DICOM and cannot be parsed, or cannot be opened.
    """
    if file_kind(path) != "dicom":
        return None
    with path.open("rb") as stream:
        marked = stream.read(PREAMBLE)[-4:] == b"DICM"
    named = path.name.lower().endswith(DICOM_SUFFIXES)
    try:
        header = without_bulk(pydicom.dcmread(str(path), stop_before_pixels=True, force=True))
    except Exception as error:  # pydicom raises whatever the broken bytes provoke
        if not (named or marked):
            return None
        raise InputError(
            f"{shown(path)} is broken: its DICOM header cannot be parsed ({type(error).__name__}); "
            "copy or export the file again"
        ) from None
    if marked or has_value(header, "SOPClassUID") or has_value(header, "SeriesInstanceUID"):
        return header
    if named:
        raise InputError(
            f"{shown(path)} is named like DICOM but holds no DICOM header ({path.stat().st_size} bytes); "
            "copy or export the file again"
        )
    return None


def without_bulk(dataset: Dataset) -> Dataset:
    """The standard elements of a dataset without pixels, private groups, overlays and icons.

    A b-value that only private elements tell is entered in its standard element.
    """
    kept = Dataset()
    for tag in dataset.keys():  # noqa: SIM118  iterating a Dataset parses every element, its keys do not
        group = tag.group
        if tag.is_private or group >= 0x7FE0 or group in (0x0002, 0x0004) or 0x6000 <= group <= 0x60FF:
            continue
        kept[tag] = dataset.get_item(tag)
    kept.pop("IconImageSequence", None)
    if (b_value := private_b_value(dataset)) is not None:
        kept.DiffusionBValue = b_value
    # encoding and file meta decide how raw elements and pixels are decoded later
    is_implicit, is_little = dataset.original_encoding
    kept.set_original_encoding(is_implicit, is_little, dataset.original_character_set)
    if hasattr(dataset, "file_meta"):
        kept.file_meta = dataset.file_meta
    return kept


def _value(dataset: Dataset, keyword: str, label: str) -> Any:
    try:
        return dataset.get(keyword)
    except Exception:  # a value that its VR forbids; its text may hold anything, so it is not quoted
        raise InputError(
            f"{label}: {keyword} holds no readable value; repair the header or export the series again"
        ) from None


def has_value(dataset: Dataset, keyword: str) -> bool:
    """Whether the element is there and not empty (an unreadable one counts as there)."""
    try:
        value = dataset.get(keyword)
    except Exception:
        return True
    return value is not None and value != "" and not (hasattr(value, "__len__") and len(value) == 0)


def numbers(
    dataset: Dataset,
    keyword: str,
    count: int,
    label: str,
    *,
    low: float = -1e5,
    high: float = 1e5,
) -> tuple[float, ...] | None:
    """``count`` finite numbers between ``low`` and ``high``, or None where the element is absent or empty.

    Raises:
        InputError: if the element holds anything else; header numbers are not to be trusted.
    """
    value = _value(dataset, keyword, label)
    if value is None or value == "" or (isinstance(value, MultiValue | list) and len(value) == 0):
        return None
    items = list(value) if isinstance(value, MultiValue | list | tuple) else [value]
    try:
        found = tuple(float(item) for item in items)
    except (TypeError, ValueError, OverflowError):
        raise InputError(f"{label}: {keyword} is not a number; repair the header or export the series again") from None
    if len(found) != count:
        raise InputError(f"{label}: {keyword} must hold {count} number(s), got {len(found)}; repair the header")
    if not all(math.isfinite(item) and low <= item <= high for item in found):
        shown = ", ".join(f"{item:g}" for item in found)
        raise InputError(
            f"{label}: {keyword} must be finite and between {low:g} and {high:g}, got {shown}; repair the header"
        )
    return found


def number(dataset: Dataset, keyword: str, label: str, *, low: float = -1e5, high: float = 1e5) -> float | None:
    """One finite number between ``low`` and ``high``, or None where the element is absent or empty."""
    found = numbers(dataset, keyword, 1, label, low=low, high=high)
    return None if found is None else found[0]


def whole_number(dataset: Dataset, keyword: str) -> int | None:
    """A whole number that nothing depends on (InstanceNumber and the like): None where it cannot be read."""
    try:
        return int(dataset.get(keyword))
    except Exception:
        return None


def strings(dataset: Dataset, keyword: str) -> tuple[str, ...]:
    """The values of a code string or UID as text; empty where absent or unreadable."""
    try:
        value = dataset.get(keyword)
    except Exception:
        return ()
    if value is None or value == "":
        return ()
    return tuple(str(item) for item in value) if isinstance(value, MultiValue | list) else (str(value),)


def first_item(dataset: Dataset | None, keyword: str) -> Dataset | None:
    """The first item of a sequence, None where there is none."""
    if dataset is None:
        return None
    try:
        value = dataset.get(keyword)
    except Exception:
        return None
    return value[0] if isinstance(value, DicomSequence) and len(value) > 0 else None
