"""The bytes of a NIfTI file: header first, then voxels slab by slab, so that a lying header allocates nothing."""

from __future__ import annotations

import contextlib
import gzip
import math
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, TypeAlias

import nibabel as nib
import numpy as np
import numpy.typing as npt
from nibabel.spatialimages import HeaderDataError

from monai_sr.io.files import GZIP_MAGIC, shown
from monai_sr.io.memory import free_memory
from monai_sr.io.volume import InputError

__all__ = ["check_size", "open_nifti", "parse_header", "read_voxels"]

ByteStream: TypeAlias = IO[bytes] | gzip.GzipFile

# Deflate packs 1032 bytes into one at the very best, so a header that asks for more than this cannot be true.
MAX_DEFLATE_RATIO = 1040
# 8 GiB as float32. Beyond that a volume is no clinical series, and the pipeline holds several copies.
MAX_VOXELS = 2**31
# Some writers pad a file to a block; more than this after the voxels is data that the header does not account for.
MAX_TRAILING_BYTES = 2**16
_CHUNK = 2**20


@contextlib.contextmanager
def open_nifti(path: Path) -> Iterator[ByteStream]:
    """The file as a stream of unpacked bytes; whether it is packed is told from its content, not its name.

    Raises:
        InputError: if the file cannot be read, now or while the block reads on.
    """
    try:
        with path.open("rb") as raw:
            packed = raw.read(2) == GZIP_MAGIC
            raw.seek(0)
            if not packed:
                yield raw
                return
            with gzip.GzipFile(fileobj=raw) as unpacked:
                yield unpacked
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        reason = "it ends too early" if isinstance(error, EOFError) else "its gzip data are damaged"
        raise InputError(f"{shown(path)} is corrupt: {reason}; get a whole copy of the file") from error
    except OSError as error:
        raise InputError(f"{shown(path)} cannot be read: {error.strerror or 'input/output error'}") from error


def parse_header(stream: ByteStream, path: Path) -> Any:
    """Read and check the header of a single-file NIfTI-1 or NIfTI-2.

    nibabel's own repairs are not used: they turn a voxel size of 0 into 1 mm. Extensions are not read: they are free
    text and DICOM headers, which a result must not pass on.

    Returns:
        nibabel's header.
    """
    block = stream.read(348)
    if block[344:348] in (b"ni1\x00", b"ni2\x00"):
        raise InputError(f"{shown(path)} is half of a .hdr/.img pair; convert the pair to .nii.gz")
    kind: Any = nib.Nifti1Header
    if block[4:12] == b"n+2\x00\r\n\x1a\n":
        kind, block = nib.Nifti2Header, block + stream.read(540 - 348)
    elif block[344:348] != b"n+1\x00":
        raise InputError(f"{shown(path)} is not a NIfTI file: its header has no NIfTI mark")
    if len(block) != kind.template_dtype.itemsize:
        raise InputError(f"{shown(path)} is truncated: it ends within the header")
    try:
        header = kind(block, endianness=_byte_order(block), check=False)
        axes = int(header["dim"][0])
        header.get_data_shape(), header.get_data_dtype()
        slope, inter = float(header["scl_slope"]), float(header["scl_inter"])
    except (HeaderDataError, KeyError, ValueError, OverflowError) as error:
        raise InputError(f"{shown(path)} has a NIfTI header that cannot be understood; convert it anew") from error
    if not 1 <= axes <= 7:
        raise InputError(f"{shown(path)} has a NIfTI header with {axes} axes; convert it anew")
    if math.isinf(slope) or (math.isfinite(slope) and slope != 0 and not math.isfinite(inter)):
        raise InputError(
            f"{shown(path)} scales its values by {slope:g} and shifts them by {inter:g}; repair the header"
        )
    return header


def check_size(stream: ByteStream, header: Any, shape: tuple[int, int, int], path: Path) -> None:
    """Refuse a header that asks for more than its file can hold, before any memory is taken."""
    voxels = math.prod(shape)
    needed, size = _data_offset(header, path) + voxels * header.get_data_dtype().itemsize, path.stat().st_size
    if isinstance(stream, gzip.GzipFile):
        possible, holds = size * MAX_DEFLATE_RATIO, f"{size} packed bytes can hold {size * MAX_DEFLATE_RATIO} at most"
    else:
        possible, holds = size, f"it has {size}"
    if needed > possible:
        raise InputError(f"{shown(path)} is truncated or its header is wrong: it needs {needed} bytes and {holds}")
    if voxels > MAX_VOXELS:
        raise InputError(
            f"{shown(path)} holds {voxels} voxels ({voxels * 4e-9:.1f} GB as 32-bit numbers), more than the "
            f"{MAX_VOXELS} that are read; crop it first"
        )
    free = free_memory()
    if 4 * voxels > free:
        raise InputError(
            f"{shown(path)} needs {voxels * 4e-9:.1f} GB of memory to be read and {free * 1e-9:.1f} GB are free; crop "
            "it first, or use a larger machine"
        )


def read_voxels(stream: ByteStream, header: Any, shape: tuple[int, int, int], path: Path) -> npt.NDArray[np.float32]:
    """Read the voxels from a stream that stands behind the header, with slope and intercept applied.

    Args:
        stream: from :func:`open_nifti`.
        header: from :func:`parse_header`.
        shape: ``(X, Y, Z)``.
        path: for messages.

    Returns:
        ``(X, Y, Z)`` float32, Fortran order as in the file.
    """
    dtype = header.get_data_dtype()
    _skip(stream, _data_offset(header, path) - header.template_dtype.itemsize, path)
    slope, inter = float(header["scl_slope"]), float(header["scl_inter"])
    if not math.isfinite(slope) or slope == 0:
        slope, inter = 1.0, 0.0  # the standard: no scaling
    try:
        array = np.empty(shape, dtype=np.float32, order="F")
    except MemoryError as error:
        gigabytes = 4e-9 * math.prod(shape)
        raise InputError(f"{shown(path)} needs {gigabytes:.1f} GB of memory, more than there is") from error
    slab_bytes, bad = shape[0] * shape[1] * dtype.itemsize, 0
    for k in range(shape[2]):
        slab = np.frombuffer(_read_exactly(stream, slab_bytes, path), dtype=dtype).reshape(shape[:2], order="F")
        with np.errstate(over="ignore", invalid="ignore"):  # counted below
            array[:, :, k] = slab if (slope, inter) == (1.0, 0.0) else slab.astype(np.float64) * slope + inter
        bad += int(np.count_nonzero(~np.isfinite(array[:, :, k])))
    _check_end(stream, path)
    if bad:
        raise InputError(
            f"{shown(path)} holds {bad} of {array.size} voxels that are NaN, infinite or too large for 32 bit; "
            "replace them first"
        )
    return array


def _byte_order(block: bytes) -> str | None:
    """By the header's own size, its first field; None lets nibabel guess by the number of axes."""
    for order in ("<", ">"):
        if struct.unpack(order + "i", block[:4])[0] == len(block):
            return order
    return None


def _data_offset(header: Any, path: Path) -> int:
    offset = float(header["vox_offset"])
    if not math.isfinite(offset) or offset < header.template_dtype.itemsize or offset != int(offset):
        raise InputError(f"{shown(path)} has a NIfTI header that puts the voxels at byte {offset:g}; convert it anew")
    return int(offset)


def _read_exactly(stream: ByteStream, count: int, path: Path) -> bytes:
    """``count`` bytes; read in pieces, so that memory follows what is there and not what the header claims."""
    parts, missing = [], count
    while missing:
        part = stream.read(min(missing, _CHUNK))
        if not part:
            raise InputError(f"{shown(path)} is truncated: the voxels end too early; get a whole copy of the file")
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)


def _skip(stream: ByteStream, count: int, path: Path) -> None:
    while count:
        count -= len(_read_exactly(stream, min(count, _CHUNK), path))


def _check_end(stream: ByteStream, path: Path) -> None:
    """Read to the end: gzip checks its sum only there, and data left over mean that the header is not the file's."""
    left = len(stream.read(MAX_TRAILING_BYTES + 1))
    if left > MAX_TRAILING_BYTES:
        raise InputError(f"{shown(path)} holds more data than its header says; convert it anew")
