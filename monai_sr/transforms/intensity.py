"""Intensity normalisation with an exact inverse."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import InvertibleTransform, MapTransform

from monai_sr.intensity import IntensityRange, body_mask, intensity_range

__all__ = ["NormalizeScand"]


class NormalizeScand(MapTransform, InvertibleTransform):
    """Dictionary transform: HU or scanner units to the range the network works in, and back.

    CT: -1000 to 1000 HU become 0 to 1. MR: the 0.5th and the 99.8th percentile inside the body mask become 0 and 1,
    so neither one hot voxel nor the amount of background matters. A photograph is in 0 to 1 already. Nothing is clipped
    unless ``clip`` is given, so the inverse is exact; with ``clip`` it is exact for values inside the limits.

    Args:
        keys: MetaTensors ``(1, X, Y, Z)`` whose meta holds ``modality``.
        reference: key whose range is used for all keys (an LR/HR pair must share one); default: each its own.
        clip: limits in normalised units, e.g. ``(-0.5, 4.0)``.
        allow_missing_keys: skip absent keys.

    Raises:
        ValueError: if the modality is unknown, or an MR volume is constant.
    """

    def __init__(
        self,
        keys: KeysCollection,
        reference: Hashable | None = None,
        clip: tuple[float, float] | None = None,
        allow_missing_keys: bool = False,
    ) -> None:
        MapTransform.__init__(self, keys, allow_missing_keys)
        self.reference = reference
        self.clip = clip

    @staticmethod
    def _range(volume: MetaTensor) -> IntensityRange:
        modality = volume.meta.get("modality")
        if modality not in ("CT", "MR", "photo"):
            raise ValueError(f"modality must be CT, MR or photo to choose the intensity range, got {modality!r}")
        array = np.asarray(volume[0])
        return intensity_range(array, modality, body_mask(array, modality))

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Normalise and remember the range in the trace of applied operations."""
        d = dict(data)
        shared = self._range(d[self.reference]) if self.reference is not None else None
        for key in self.key_iterator(d):
            scale = shared or self._range(d[key])
            d[key] = (d[key] - scale.low) / scale.width
            if self.clip is not None:
                d[key] = torch.clamp(d[key], *self.clip)
            d[key].meta["intensity_range"] = (scale.low, scale.high)
            self.push_transform(d[key], extra_info={"low": scale.low, "high": scale.high})  # type: ignore[no-untyped-call]
        return d

    def inverse(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Back to HU or the scanner's units."""
        d = dict(data)
        for key in self.key_iterator(d):
            info = self.pop_transform(d[key])["extra_info"]
            scale = IntensityRange(info["low"], info["high"])
            d[key] = d[key] * scale.width + scale.low
        return d
