"""Two-dimensional training pairs from PNG, JPEG and TIFF; such images have no spacing, and none is invented."""

from __future__ import annotations

import struct
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from monai_sr.io.files import shown
from monai_sr.io.volume import InputError

__all__ = ["GreyImage", "read_image"]

_FORMATS = ("PNG", "JPEG", "TIFF")
# ITU-R BT.601, the weights by which JPEG itself makes its luma.
_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float64)


class GreyImage(NamedTuple):
    """One grey image.

    Args:
        array: ``(X, Y)`` float32, stored values; x runs to the right, y downwards.
        max_value: largest value that the stored type can hold: 255 or 65535.
        notes: what was converted, one sentence each.
    """

    array: npt.NDArray[np.float32]
    max_value: int
    notes: tuple[str, ...] = ()


def read_image(path: Path) -> GreyImage:
    """Read one image of 8 or 16 bit; colour becomes luma, with a note.

    Raises:
        InputError: if the file is corrupt, of another format or depth, or holds several images.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow talks of broken metadata; broken pixels raise
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=_FORMATS) as image:
                if getattr(image, "n_frames", 1) > 1:
                    raise InputError(f"{shown(path)} holds several images; save the one you want as its own file")
                image.load()
                return _grey(ImageOps.exif_transpose(image), path)
    except (FileNotFoundError, InputError):
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise InputError(f"{shown(path)} claims more pixels than are read from one image") from error
    except (OSError, SyntaxError, ValueError, EOFError, struct.error) as error:  # what Pillow raises on broken bytes
        raise InputError(f"{shown(path)} is corrupt, or no PNG, JPEG or TIFF image") from error


def _grey(image: Image.Image, path: Path) -> GreyImage:
    if image.mode == "P":
        image = image.convert("RGBA" if "transparency" in image.info else "RGB")
    pixels = np.asarray(image)
    if image.mode == "L":
        return GreyImage(_as_xy(pixels), 255)
    if image.mode.startswith("I;16"):
        return GreyImage(_as_xy(pixels), 65535)
    if image.mode == "I" and pixels.min() >= 0 and pixels.max() <= 65535:  # 16-bit PNG in older Pillow
        return GreyImage(_as_xy(pixels), 65535)
    if image.mode == "LA":
        return GreyImage(_as_xy(pixels[..., 0]), 255, ("the transparency was dropped",))
    if image.mode in ("RGB", "RGBA"):
        return _luma(pixels[..., :3])
    raise InputError(f"{shown(path)} has pixels of type {image.mode}; save it as grey with 8 or 16 bit")


def _luma(pixels: npt.NDArray[np.uint8]) -> GreyImage:
    if (pixels == pixels[..., :1]).all():
        return GreyImage(_as_xy(pixels[..., 0]), 255)
    return GreyImage(_as_xy(pixels @ _LUMA), 255, ("colour was converted to luma (ITU-R BT.601)",))


def _as_xy(pixels: npt.NDArray[np.generic]) -> npt.NDArray[np.float32]:
    """Rows and columns ``(Y, X)`` to ``(X, Y)``."""
    return np.ascontiguousarray(pixels.T, dtype=np.float32)
