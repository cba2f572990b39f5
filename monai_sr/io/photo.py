"""Ordinary photographs: luma for the network, colour and transparency beside it.

Colour is taken apart as JPEG does it (ITU-R BT.601 with the full range), which is also how the super-resolution
literature works: the network restores the luma Y, and Cb and Cr, in which the eye sees less, are interpolated.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile
from PIL import Image

from monai_sr.geometry import VolumeGeometry
from monai_sr.io.atomic import atomic_path
from monai_sr.io.files import safe_name, shown
from monai_sr.io.image2d import LUMA, load_pixels
from monai_sr.io.volume import InputError, Volume
from monai_sr.io.wide_samples import write_wide_png

__all__ = ["Photo", "read_photo", "write_photo"]

FloatArray = npt.NDArray[np.float32]

_CB, _CR = 2.0 * (1.0 - LUMA[2]), 2.0 * (1.0 - LUMA[0])  # 1.772 and 1.402: they bring both to -0.5 ... 0.5
_SUFFIXES = {"PNG": ".png", "JPEG": ".png", "TIFF": ".tif"}


@dataclass(frozen=True, eq=False)
class Photo:
    """A photograph; x runs to the right, y downwards.

    It is also what the :class:`~monai_sr.io.volume.Volume` of its luma carries as ``source``, for writing back.

    Args:
        luma: ``(X, Y, 1)`` float32, 0 to 1 of the stored type's range.
        chroma: ``(2, X, Y)`` float32, Cb and Cr between -0.5 and 0.5; None for a grey image.
        alpha: ``(X, Y)`` float32 opacity, 0 to 1; None where the file has none.
        depth: bits per sample, 8 or 16.
        file_format: ``"PNG"``, ``"JPEG"`` or ``"TIFF"``: what it was read from.
        icc: colour profile of the file.
        dpi: pixels per inch along x and y, where the file says so; for printing, it says nothing of the object.
        name: file stem.
        notes: what the reader left out, one sentence each.
        format: tells it from the sources of scans.
    """

    luma: FloatArray
    chroma: FloatArray | None = None
    alpha: FloatArray | None = None
    depth: int = 8
    file_format: str = "PNG"
    icc: bytes | None = None
    dpi: tuple[float, float] | None = None
    name: str = "photo"
    notes: tuple[str, ...] = field(default=())
    format: str = "photo"

    @property
    def suffix(self) -> str:
        """Of the file to write, ``.png`` or ``.tif``; a JPEG becomes PNG, since its losses need not be made twice."""
        return _SUFFIXES[self.file_format]

    @property
    def volume(self) -> Volume:
        """The luma as a volume of one slice.

        A photograph has no spacing: 1 stands for the width of its pixel. Its directions are those of an axial slice as
        it is looked at (x to the left of the patient, y to the back), so that whatever draws slices draws it upright.
        """
        x, y, z = self.luma.shape
        grid = VolumeGeometry((x, y, z), np.diag([-1.0, -1.0, 1.0, 1.0]))
        return Volume(self.luma, grid, modality="photo", name=self.name, source=self, notes=self.notes)

    def samples(self) -> FloatArray:
        """``(Y, X, C)``, 0 to 1: grey or RGB, with the opacity behind; what lies outside is clipped."""
        luma = self.luma[..., 0].astype(np.float64)
        planes: list[npt.NDArray[np.floating]] = [luma]
        if self.chroma is not None:
            red = luma + _CR * self.chroma[1]
            blue = luma + _CB * self.chroma[0]
            planes = [red, (luma - LUMA[0] * red - LUMA[2] * blue) / LUMA[1], blue]
        if self.alpha is not None:
            planes.append(self.alpha)
        return np.clip(np.stack(planes, axis=-1).swapaxes(0, 1), 0.0, 1.0).astype(np.float32)


def read_photo(path: Path) -> Photo:
    """Read a grey or RGB photograph of 8 or 16 bit from PNG, JPEG or TIFF.

    The turn that a camera noted is made, and transparency, colour profile and resolution are kept.

    Raises:
        FileNotFoundError: if there is no such file.
        InputError: if the file is corrupt, of another format, depth or kind of colour, or holds several images.
    """
    pixels = load_pixels(path)
    values = pixels.array.swapaxes(0, 1) / float(np.iinfo(pixels.array.dtype).max)  # (X, Y, C) float64
    count = values.shape[2]
    chroma = None
    luma = values[..., 0]
    if count >= 3:
        luma = values[..., :3] @ LUMA
        chroma = np.stack([(values[..., 2] - luma) / _CB, (values[..., 0] - luma) / _CR]).astype(np.float32)
    return Photo(
        luma=np.ascontiguousarray(luma[..., None], dtype=np.float32),
        chroma=chroma,
        alpha=values[..., -1].astype(np.float32) if count in (2, 4) else None,
        depth=8 * pixels.array.dtype.itemsize,
        file_format=pixels.format,
        icc=pixels.icc,
        dpi=pixels.dpi,
        name=safe_name(path.stem),
        notes=pixels.notes,
    )


def write_photo(photo: Photo, path: Path, *, overwrite: bool = False) -> Path:
    """Write a photograph without loss as PNG or TIFF, with the depth it was read with, whole or not at all.

    Args:
        photo: what to write; values are rounded, and clipped to black and white.
        path: a ``.png``, ``.tif`` or ``.tiff`` file; :attr:`Photo.suffix` says which fits.
        overwrite: whether an existing file may be replaced.

    Raises:
        InputError: if something exists at the path, or its suffix is another one.
    """
    suffix = path.suffix.lower()
    if suffix not in (".png", ".tif", ".tiff"):
        raise InputError(f"{shown(path)}: a photograph is written as .png or .tif, not as {suffix or 'no suffix'}")
    largest = 2**photo.depth - 1
    samples = np.rint(photo.samples().astype(np.float64) * largest).astype(np.uint8 if photo.depth == 8 else np.uint16)
    with atomic_path(path, overwrite=overwrite) as temporary:
        if suffix != ".png":
            _write_tiff(samples, photo, temporary)
        elif photo.depth == 16 and samples.shape[2] > 1:
            write_wide_png(samples, temporary, icc=photo.icc, dpi=photo.dpi)
        else:
            image = Image.fromarray(samples[..., 0] if samples.shape[2] == 1 else samples)
            extra: dict[str, Any] = {} if photo.dpi is None else {"dpi": photo.dpi}
            # level 4: two and a half times as fast as the usual 6, and the file is 5 % larger
            image.save(temporary, format="PNG", compress_level=4, icc_profile=photo.icc, **extra)
    return path


def _write_tiff(samples: npt.NDArray[np.unsignedinteger], photo: Photo, path: Path) -> None:
    colour = photo.chroma is not None
    tifffile.imwrite(
        path,
        samples[..., 0] if samples.shape[2] == 1 else samples,
        photometric="rgb" if colour else "minisblack",
        planarconfig=None if samples.shape[2] == 1 else "contig",
        extrasamples=None if photo.alpha is None else ["unassalpha"],
        compression="zlib",
        predictor=True,
        iccprofile=photo.icc,
        resolution=photo.dpi,
        resolutionunit=None if photo.dpi is None else "INCH",
        metadata=None,  # no description in tifffile's own words
        software="monai_sr",
    )
