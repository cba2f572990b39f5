"""Read a scan through ``monai_sr.io``, so that training, evaluation and use read alike."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import replace
from typing import Any, Literal

import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform

from monai_sr.io import Volume, read_volume

__all__ = ["LoadVolumed", "as_tensor"]


def as_tensor(volume: Volume) -> MetaTensor:
    """``(1, X, Y, Z)`` with the facts in ``meta`` that the transforms of this package ask for."""
    return MetaTensor(
        torch.from_numpy(volume.array)[None],
        affine=torch.from_numpy(volume.geometry.affine.copy()),
        meta={
            "modality": volume.modality,
            "spacing": volume.geometry.spacing,
            "slice_axis": volume.slice_axis,
            "slice_thickness_mm": volume.slice_thickness_mm,
            "name": volume.name,
        },
    )


class LoadVolumed(MapTransform):
    """Dictionary transform: path to MetaTensor ``(1, X, Y, Z)`` in HU or the scanner's units.

    ``meta`` carries ``modality``, ``spacing`` in mm, ``slice_axis``, ``slice_thickness_mm`` and ``name``, as far as the
    file says; the affine is RAS+. DICOM folders are read with this project's own policy, not by an image loader.

    Args:
        keys: entries that hold paths.
        modality: ``"CT"`` or ``"MR"``; default: what the file says.
        affine: ``"sform"`` or ``"qform"``, for NIfTI files that state two different ones; default: they are refused.
        allow_missing_keys: skip absent keys.

    Raises:
        monai_sr.io.InputError: if a file is refused.
    """

    def __init__(
        self,
        keys: KeysCollection,
        modality: Literal["CT", "MR"] | None = None,
        affine: Literal["sform", "qform"] | None = None,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.modality = modality
        self.affine = affine

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Replace every path by its volume."""
        d = dict(data)
        for key in self.key_iterator(d):
            volume = read_volume(d[key], affine=self.affine)
            d[key] = as_tensor(volume if self.modality is None else replace(volume, modality=self.modality))
        return d
