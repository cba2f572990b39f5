"""Colour and transparency of 16 bit, of which Pillow keeps 8: pypng and tifffile read and write them."""

from __future__ import annotations

import io
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import png
import tifffile
from PIL import Image
from PIL.TiffImagePlugin import TiffImageFile

from monai_sr.io.files import shown
from monai_sr.io.volume import InputError

__all__ = ["Samples", "read_wide", "write_wide_png"]

Samples = npt.NDArray[Any]
"""``(Y, X, C)`` uint8 or uint16."""

_BITS = 258  # tag of TIFF: bits of each sample
_PNG_COLOUR_OR_ALPHA = (2, 4, 6)  # colour types of PNG with more than one sample per pixel
_INCHES_PER_METRE = 1 / 0.0254


def read_wide(image: Image.Image, path: Path) -> Samples | None:
    """Samples ``(Y, X, C)`` uint16 as stored, not turned; None where Pillow itself reads the image rightly.

    Args:
        image: the file as Pillow opened it; its pixels are not used.
        path: the file.

    Raises:
        InputError: if this image needs what the libraries cannot do.
    """
    if image.format == "PNG":
        with path.open("rb") as stream:
            depth, colour_type = stream.read(26)[24:]  # of the header chunk, which comes first
        return _read_png(path) if depth == 16 and colour_type in _PNG_COLOUR_OR_ALPHA else None
    if isinstance(image, TiffImageFile):
        bits = image.tag_v2.get(_BITS, (1,))
        return _read_tiff(path) if len(bits) > 1 and max(bits) > 8 else None
    return None


def write_wide_png(
    samples: npt.NDArray[np.uint16], path: Path, *, icc: bytes | None, dpi: tuple[float, float] | None
) -> None:
    """Write ``(Y, X, C)`` of two to four samples as PNG; nothing may lie at ``path``."""
    rows, columns, count = samples.shape
    resolution: dict[str, Any] = {}
    if dpi is not None:
        x, y = (round(value * _INCHES_PER_METRE) for value in dpi)
        resolution = {"x_pixels_per_unit": x, "y_pixels_per_unit": y, "unit_is_meter": True}
    buffer = io.BytesIO()
    writer = png.Writer(columns, rows, greyscale=count == 2, alpha=count in (2, 4), bitdepth=16, **resolution)
    writer.write(buffer, samples.reshape(rows, -1))
    buffer.seek(0)
    chunks = list(png.Reader(file=buffer).chunks())
    if icc is not None:
        chunks.insert(1, (b"iCCP", b"icc\0\0" + zlib.compress(icc)))  # its place is right behind the header
    with path.open("wb") as stream:
        png.write_chunks(stream, chunks)


def _read_png(path: Path) -> Samples:
    columns, rows, values, info = png.Reader(filename=str(path)).read()
    samples = np.array([np.frombuffer(row, dtype=np.uint16) for row in values])
    return samples.reshape(rows, columns, info["planes"])


def _read_tiff(path: Path) -> Samples:
    with tifffile.TiffFile(path) as file:
        page = file.pages.first
        if page.photometric not in (tifffile.PHOTOMETRIC.MINISBLACK, tifffile.PHOTOMETRIC.RGB):
            kind = tifffile.PHOTOMETRIC(page.photometric).name
            raise InputError(f"{shown(path)} has colours of type {kind}; save it as grey or RGB")
        colours = 3 if page.photometric == tifffile.PHOTOMETRIC.RGB else 1
        alpha = page.samplesperpixel - colours
        if alpha not in (0, 1) or (alpha and page.extrasamples != (tifffile.EXTRASAMPLE.UNASSALPHA,)):
            raise InputError(
                f"{shown(path)} has {alpha} samples beside its {colours}, or one that is no plain transparency; "
                "save it without them"
            )
        if page.dtype != np.uint16:
            raise InputError(f"{shown(path)} has samples of type {page.dtype}; save it with 8 or 16 bit")
        try:
            samples = page.asarray()
        except ValueError as error:
            if "imagecodecs" not in str(error):
                raise
            kind = tifffile.COMPRESSION(page.compression).name
            raise InputError(
                f"{shown(path)} is 16-bit colour compressed by {kind}, which is not read; "
                "save it without compression or with Deflate"
            ) from error
        if "S" in page.axes:
            samples = np.moveaxis(samples, page.axes.index("S"), -1)  # separate planes come first
        return samples.astype(np.uint16, copy=False)
