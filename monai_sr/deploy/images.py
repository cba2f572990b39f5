"""Our ``Volume`` as MONAI Deploy's ``Image``, and any operator's ``Image`` as a ``Volume``."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
from monai.deploy.core import Image

from monai_sr.geometry import LPS_TO_RAS, VolumeGeometry
from monai_sr.inference import SRResult
from monai_sr.io import InputError, Volume

__all__ = ["VolumeImage", "as_volume", "each", "many", "one_or_list"]

T = TypeVar("T")

_logger = logging.getLogger(__name__)


class VolumeImage(Image):
    """An ``Image`` with the volume behind it.

    The array is ``(Z, Y, X)`` float32, as that of the stock operators; of the metadata, ``affine`` maps ``(X, Y, Z)``
    indices to RAS+ mm (``space`` says so) and ``nifti_affine_transform``, ``dicom_affine_transform`` (LPS+) and the
    pixel spacings have the stock operators' names and the right values.

    Args:
        volume: values, grid and source.
        result: what ``super_resolve`` returned, if the volume is its result.
    """

    def __init__(self, volume: Volume, result: SRResult | None = None) -> None:
        spacing = volume.geometry.spacing
        affine = np.array(volume.geometry.affine)
        metadata = {
            "affine": affine,
            "space": "RAS",
            "nifti_affine_transform": affine,
            "dicom_affine_transform": LPS_TO_RAS @ affine,
            "row_pixel_spacing": spacing[1],
            "col_pixel_spacing": spacing[0],
            "depth_pixel_spacing": spacing[2],
            "Modality": volume.modality,
        }
        super().__init__(volume.array.T, metadata)
        self.volume = volume
        self.result = result


def as_volume(image: Any, name: str = "image") -> Volume:
    """The volume of an ``Image`` of any operator.

    Raises:
        InputError: if it is no image with three axes, or does not say where it lies.
    """
    if isinstance(image, VolumeImage):
        return image.volume
    if not isinstance(image, Image):
        raise InputError(f"port image got {type(image).__name__}; connect an operator that emits an Image")
    array, metadata = np.asarray(image.asnumpy()), image.metadata() or {}
    if array.ndim != 3:
        raise InputError(f"an Image with the axes (depth, height, width) is needed, got the shape {array.shape}")
    affine = metadata.get("affine")
    if affine is None:
        affine = metadata.get("nifti_affine_transform")
    elif metadata.get("space") == "LPS":
        affine = LPS_TO_RAS @ np.asarray(affine, dtype=np.float64)
    if affine is None:
        raise InputError(
            "the Image has no affine in its metadata, so its place is unknown; MonaiBundleInferenceOperator drops it "
            "from outputs of type series"
        )
    array = np.ascontiguousarray(array.T, dtype=np.float32)
    modality = str(metadata.get("Modality", "")).upper()
    return Volume(
        array,
        VolumeGeometry(array.shape, np.asarray(affine, dtype=np.float64)),
        modality if modality in ("CT", "MR") else None,  # type: ignore[arg-type]
        name=name,
    )


def many(found: Any) -> list[Any]:
    """What a port received, as a list: one image, or a list where several series were selected."""
    return list(found) if isinstance(found, (list, tuple)) else [found]


def one_or_list(found: Sequence[T]) -> T | list[T]:
    """What a port emits: the image itself where there is one, as stock operators expect it."""
    return found[0] if len(found) == 1 else list(found)


def each(items: Sequence[Any], work: Callable[[Any], T], refused: list[str]) -> list[T]:
    """Work on every item; one that is refused is told and the others go on.

    Args:
        items: what to work on.
        work: raises :class:`InputError` for an item that it refuses.
        refused: gets the sentence of every refusal.

    Raises:
        InputError: if none is left; the sentence of the last refusal.
    """
    done: list[T] = []
    for item in items:
        try:
            done.append(work(item))
        except InputError as error:
            refused.append(str(error))
            _logger.warning("refused: %s", error)
    if not done:
        raise InputError(refused[-1] if items else "there is nothing to work on: no series was selected")
    return done
