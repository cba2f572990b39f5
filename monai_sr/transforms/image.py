"""Images: grey ones in pairs, and photographs as truths."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform

from monai_sr.io.image2d import read_image
from monai_sr.io.photo import read_photo
from monai_sr.transforms.load import as_tensor

__all__ = ["LoadGreyImaged", "LoadPhotod"]


class LoadGreyImaged(MapTransform):
    """Dictionary transform: path of a PNG, JPEG or TIFF to a tensor ``(1, X, Y)`` in [0, 1] of the stored type's range.

    Args:
        keys: entries that hold paths.
        allow_missing_keys: skip absent keys.

    Raises:
        monai_sr.io.InputError: if a file is corrupt or no grey image.
    """

    def __init__(self, keys: KeysCollection, allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Replace every path by its image."""
        d = dict(data)
        for key in self.key_iterator(d):
            image = read_image(Path(d[key]))
            d[key] = torch.from_numpy(image.array / image.max_value)[None]
        return d


class LoadPhotod(MapTransform):
    """Dictionary transform: path of a photograph to the MetaTensor ``(1, X, Y, 1)`` of its luma in [0, 1].

    ``meta`` is that of :class:`monai_sr.transforms.LoadVolumed`, with the modality ``"photo"`` and a spacing of 1, the
    width of a pixel, so that what measures, normalises and cuts scans takes photographs too.

    Args:
        keys: entries that hold paths.
        allow_missing_keys: skip absent keys.

    Raises:
        monai_sr.io.InputError: if a file is refused.
    """

    def __init__(self, keys: KeysCollection, allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Replace every path by its luma."""
        d = dict(data)
        for key in self.key_iterator(d):
            d[key] = as_tensor(read_photo(Path(d[key])).volume)
        return d
