"""The pixels of PNG, JPEG and TIFF files, upright and in their full depth; such images have no spacing."""

from __future__ import annotations

import struct
import warnings
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import png
from PIL import ExifTags, Image, ImageOps
from PIL.TiffImagePlugin import TiffImageFile

from monai_sr.io.files import shown
from monai_sr.io.volume import InputError
from monai_sr.io.wide_samples import Samples, read_wide

__all__ = ["LUMA", "GreyImage", "Pixels", "load_pixels", "read_image"]

LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float64)
"""ITU-R BT.601, the weights by which JPEG itself makes its luma."""

_FORMATS = ("PNG", "JPEG", "TIFF")
_BITS, _PHOTOMETRIC = 258, 262  # tags of TIFF
_WHITE_IS_ZERO = 0
_SIDEWAYS = (5, 6, 7, 8)  # Exif orientations that exchange rows and columns


class Pixels(NamedTuple):
    """What one image file holds.

    Args:
        array: ``(Y, X, C)`` uint8 or uint16, rows first; grey, grey and alpha, RGB, or RGB and alpha.
        format: ``"PNG"``, ``"JPEG"`` or ``"TIFF"``.
        icc: colour profile, None where the file has none.
        dpi: pixels per inch along x and y, None where the file does not say.
        notes: what was left out, one sentence each.
    """

    array: Samples
    format: str
    icc: bytes | None = None
    dpi: tuple[float, float] | None = None
    notes: tuple[str, ...] = ()


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
    pixels = load_pixels(path)
    array, notes = pixels.array, list(pixels.notes)
    max_value = int(np.iinfo(array.dtype).max)
    if array.shape[2] in (2, 4):
        array = array[..., :-1]
        notes.append("the transparency was dropped")
    if array.shape[2] == 3 and not (array == array[..., :1]).all():
        notes.append("colour was converted to luma (ITU-R BT.601)")
        return GreyImage(_as_xy(array @ LUMA), max_value, tuple(notes))
    return GreyImage(_as_xy(array[..., 0]), max_value, tuple(notes))


def load_pixels(path: Path) -> Pixels:
    """Read the samples of one image of 8 or 16 bit, turned as the camera noted.

    Pillow reads all but colour and transparency of 16 bit, of which it would silently keep 8; see
    :mod:`monai_sr.io.wide_samples`.

    Raises:
        InputError: if the file is corrupt, of another format or depth, or holds several images.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow talks of broken metadata; broken pixels raise
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=_FORMATS) as image:
                return _pixels(image, path)
    except (FileNotFoundError, InputError):
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise InputError(f"{shown(path)} claims more pixels than are read from one image") from error
    except (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error, png.Error, RuntimeError) as error:
        raise InputError(f"{shown(path)} is corrupt, or no PNG, JPEG or TIFF image of a kind that is read") from error


def _pixels(image: Image.Image, path: Path) -> Pixels:
    notes = []
    file_format = str(image.format)
    if file_format == "MPO":  # a phone's JPEG: the photograph, then its gain map, depth map or thumbnail
        file_format = "JPEG"
        notes.append("the file holds several images; the first, the photograph itself, was taken")
    elif getattr(image, "n_frames", 1) > 1:
        raise InputError(f"{shown(path)} holds several images; save the one you want as its own file")
    turn = int(image.getexif().get(ExifTags.Base.Orientation, 1))
    icc, dpi = image.info.get("icc_profile"), _dpi(image, turned=turn in _SIDEWAYS)
    array: Samples | None = read_wide(image, path)
    if array is not None:
        array = _upright(array, turn)
    else:
        inverted = isinstance(image, TiffImageFile) and image.tag_v2.get(_PHOTOMETRIC) == _WHITE_IS_ZERO
        image.load()
        array = _samples(ImageOps.exif_transpose(image), path)
        if inverted and array.dtype == np.uint16:  # Pillow inverts 8 bit only
            array = np.asarray(65535 - array, dtype=np.uint16)
    return Pixels(array, file_format, icc, dpi, tuple(notes))


def _samples(image: Image.Image, path: Path) -> Samples:
    if image.mode == "P" or (image.mode in ("L", "RGB") and "transparency" in image.info):
        grey = image.mode == "L"
        with_alpha = "transparency" in image.info
        image = image.convert(("LA" if grey else "RGBA") if with_alpha else "RGB")
    elif image.mode in ("La", "RGBa"):  # colour that was multiplied by its opacity
        image = image.convert(image.mode.upper())
    if image.mode in ("L", "LA", "RGB", "RGBA"):
        pixels = np.asarray(image)
        return pixels if pixels.ndim == 3 else pixels[..., None]
    if image.mode.startswith("I;16") and _bits(image) == 16:
        return np.asarray(image).astype(np.uint16)[..., None]  # native byte order
    if image.mode == "I":  # 16-bit PNG in older Pillow
        pixels = np.asarray(image)
        if pixels.min() >= 0 and pixels.max() <= 65535:
            return pixels.astype(np.uint16)[..., None]
    raise InputError(f"{shown(path)} has pixels of type {image.mode}; save it as grey or RGB with 8 or 16 bit")


def _bits(image: Image.Image) -> int:
    stated = image.tag_v2.get(_BITS, (16,)) if isinstance(image, TiffImageFile) else (16,)
    return int(stated[0])


def _upright(array: Samples, turn: int) -> Samples:
    """Undo what an Exif orientation says, as Pillow does for the images that it reads itself."""
    if turn in _SIDEWAYS:
        array = array.swapaxes(0, 1)
    if turn in (3, 4, 7, 8):
        array = array[::-1]
    if turn in (2, 3, 6, 7):
        array = array[:, ::-1]
    return array


def _dpi(image: Image.Image, *, turned: bool) -> tuple[float, float] | None:
    try:
        x, y = (float(value) for value in image.info["dpi"])
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    if not (np.isfinite(x) and np.isfinite(y) and x > 0 and y > 0):
        return None
    return (y, x) if turned else (x, y)


def _as_xy(pixels: npt.NDArray[np.generic]) -> npt.NDArray[np.float32]:
    """Rows and columns ``(Y, X)`` to ``(X, Y)``."""
    return np.ascontiguousarray(pixels.T, dtype=np.float32)
