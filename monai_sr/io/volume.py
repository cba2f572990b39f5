"""The one type that files become and results are made of."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from monai_sr.geometry import VolumeGeometry

__all__ = ["InputError", "Modality", "Source", "Volume"]

Modality = Literal["CT", "MR", "photo"]
"""What made the values; ``"photo"`` is the luma of an ordinary photograph, see :mod:`monai_sr.io.photo`."""


class InputError(ValueError):
    """An input is refused. The message names file, rule, value and remedy; it never holds patient data."""


class Source(Protocol):
    """What a writer needs to know of the file a volume came from; only the format's own module looks inside."""

    @property
    def format(self) -> str:
        """``"nifti"``, ``"dicom"`` or ``"photo"``."""


@dataclass(frozen=True, eq=False)
class Volume:
    """A scan: values, grid, and what the header said that every format can say.

    Args:
        array: ``(X, Y, Z)`` float32; HU for CT, the scanner's own scale for MR, 0 to 1 of the stored
            type's range for a photograph, which is ``(X, Y, 1)``.
        geometry: grid of the array.
        modality: ``"CT"``, ``"MR"``, ``"photo"`` or None when the file does not say.
        slice_axis: array axis along which slices were acquired, None when the file does not say.
        slice_thickness_mm: width of the acquired slice profile (DICOM SliceThickness), None when the file does not say.
        body_part: examined body part in upper case (DICOM BodyPartExamined), None when the file does not say.
        name: case name for files and logs; file stem or short hash, never patient data.
        source: reference for writing back in the same format.
        notes: what the reader found and repaired or assumed, one sentence each.
    """

    array: npt.NDArray[np.float32]
    geometry: VolumeGeometry
    modality: Modality | None = None
    slice_axis: int | None = None
    slice_thickness_mm: float | None = None
    body_part: str | None = None
    name: str = "volume"
    source: Source | None = None
    notes: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        if tuple(self.array.shape) != self.geometry.shape:
            raise ValueError(f"array shape {self.array.shape} differs from the grid's {self.geometry.shape}")

    def with_values(self, array: npt.NDArray[np.float32], geometry: VolumeGeometry | None = None) -> Volume:
        """The same scan with other values, on another grid if one is given."""
        return replace(self, array=array, geometry=self.geometry if geometry is None else geometry)
