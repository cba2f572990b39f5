"""The b-value of a classic MR image whose maker wrote it in private elements only.

Older software of GE and Siemens writes no DiffusionBValue (0018,9087), and a series of several b-values could be told
apart by its counters at best.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

from pydicom.dataset import Dataset
from pydicom.uid import MRImageStorage

__all__ = ["private_b_value"]

# Maker, private group, creator, element.
_GE = ("GE", 0x0043, "GEMS_PARM_01", 0x39)
_SIEMENS = ("SIEMENS", 0x0019, "SIEMENS MR HEADER", 0x0C)
# GE adds it in protocols of several or synthetic b-values: github.com/rordenlab/dcm2niix, issue 602.
_GE_BIAS = 1_000_000_000
_LARGEST = 1e6  # s/mm2, beyond any gradient


def private_b_value(dataset: Dataset) -> float | None:
    """The b-value in s/mm2 that GE or Siemens hid; None where there is none, or the standard element has it.

    It is the first of the four numbers of GE's (0043,1039), less their bias; Siemens' (0019,100C); or ``B_value`` in
    the CSA header of Siemens, which older versions have alone.

    Args:
        dataset: complete, with its private elements.
    """
    try:
        if dataset.get("SOPClassUID") != MRImageStorage or dataset.get("DiffusionBValue") is not None:
            return None
    except Exception:  # a value that its VR forbids: whoever needs it refuses it
        return None
    found = _numbers(_private(dataset, *_GE))
    if any(found):  # four zeros stand in GE's images without diffusion
        return _plausible(found[0] % _GE_BIAS)
    found = _numbers(_private(dataset, *_SIEMENS)) or _numbers(_of_csa(dataset))
    return _plausible(found[0]) if found else None


def _private(dataset: Dataset, maker: str, group: int, creator: str, element: int) -> Any:
    """Where the creator is named, its block; where anonymisation took all names, the usual place, if the maker fits."""
    try:
        creators = {
            tag.element: str(dataset[tag].value).strip()
            for tag in dataset.keys()  # noqa: SIM118  iterating a Dataset parses every element, its keys do not
            if tag.group == group and 0x10 <= tag.element <= 0xFF
        }
        if not creators and str(dataset.get("Manufacturer", "")).upper().startswith(maker):
            creators = {0x10: creator}
        for block, name in creators.items():
            if name == creator and (place := (group, block << 8 | element)) in dataset:
                return dataset[place].value
    except Exception:  # a value that its VR forbids
        return None
    return None


def _of_csa(dataset: Dataset) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # nibabel calls this reader experimental
        from nibabel.nicom.csareader import get_csa_header

    try:
        return get_csa_header(dataset)["tags"]["B_value"]["items"]  # type: ignore[no-untyped-call]
    except Exception:  # no CSA header, or one that was damaged
        return None


def _numbers(value: Any) -> list[float]:
    """What is written there; nothing if any of it is no number."""
    if isinstance(value, bytes):  # of unknown VR: the text of an integer string
        value = value.decode("ascii", "replace").split("\\")
    try:
        found = [float(value)] if isinstance(value, str | int | float) else [float(item) for item in value]
    except (TypeError, ValueError):
        return []
    return found if all(map(math.isfinite, found)) else []


def _plausible(b_value: float) -> float | None:
    return b_value if 0 <= b_value <= _LARGEST else None
