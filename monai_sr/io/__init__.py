"""Files become a :class:`Volume`, and a :class:`Volume` becomes files: the only room that knows file formats."""

from __future__ import annotations

from monai_sr.io.atomic import atomic_folder, atomic_path
from monai_sr.io.cases import Case, find_cases
from monai_sr.io.readwrite import read_volume, write_volume
from monai_sr.io.series_rules import SeriesRules
from monai_sr.io.volume import InputError, Modality, Volume

__all__ = [
    "Case",
    "InputError",
    "Modality",
    "SeriesRules",
    "Volume",
    "atomic_folder",
    "atomic_path",
    "find_cases",
    "read_volume",
    "write_volume",
]
