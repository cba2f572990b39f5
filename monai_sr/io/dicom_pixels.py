"""Stored pixels to physical values: HU for CT, the scanner's own scale for MR.

``value = stored * RescaleSlope + RescaleIntercept``, per frame. MONOCHROME1 changes nothing here: it says that a
viewer shows the smallest value white, and leaves the values what they are.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels.decoders.base import Decoder, get_decoder
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from monai_sr.io.dicom_frames import Frame, modality_of
from monai_sr.io.dicom_headers import Instance, whole_number
from monai_sr.io.memory import free_memory
from monai_sr.io.volume import InputError, Modality

__all__ = ["LOSSY_METHODS", "check_decodable", "read_values", "transfer_syntax"]

NATIVE = (ImplicitVRLittleEndian, ExplicitVRLittleEndian, DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian)
# Transfer syntaxes that lose information, with the code that DICOM has for the method (PS3.3 C.7.6.1.1.5.1).
LOSSY_METHODS = {
    "1.2.840.10008.1.2.4.50": "ISO_10918_1",
    "1.2.840.10008.1.2.4.51": "ISO_10918_1",
    "1.2.840.10008.1.2.4.81": "ISO_14495_1",
    "1.2.840.10008.1.2.4.91": "ISO_15444_1",
    "1.2.840.10008.1.2.4.203": "ISO_15444_15",
}
# Where decoding a syntax needs more than the core installation (the one decoder is GPL-3, so the user decides).
LOSSLESS_JPEG = "install the extra monai_sr[codecs], or python-gdcm"
REMEDIES = {
    "1.2.840.10008.1.2.4.57": LOSSLESS_JPEG,
    "1.2.840.10008.1.2.4.70": LOSSLESS_JPEG,
    "1.2.840.10008.1.2.4.80": "install pyjpegls",
    "1.2.840.10008.1.2.4.81": "install pyjpegls",
}
FALLBACK_REMEDY = "install the extra monai_sr[codecs], or convert the series to Explicit VR Little Endian"
VOXEL_BYTES = 4
# Air is -1000 HU and noise spreads it; what is far below is padding that the header does not declare.
BELOW_AIR_HU = -1100.0


def read_values(frames: Sequence[Frame], shape: tuple[int, int, int]) -> tuple[npt.NDArray[np.float32], list[str]]:
    """Values of a stack of frames.

    Args:
        frames: in slice order.
        shape: ``(X, Y, Z)`` = (columns, rows, frames).

    Returns:
        ``(X, Y, Z)`` float32 values, and notes on what was found.

    Raises:
        InputError: if pixels are missing, truncated, not decodable, or do not fit what the header says.
    """
    need, free = VOXEL_BYTES * shape[0] * shape[1] * shape[2], free_memory()
    try:
        if need > free:
            raise MemoryError
        array = np.empty(shape, dtype=np.float32, order="F")  # one slice lies in one piece
    except MemoryError:
        raise InputError(
            f"the series needs {need * 1e-9:.1f} GB of memory for {shape} voxels and {free * 1e-9:.1f} GB are free; "
            "use a larger machine"
        ) from None
    padding: npt.NDArray[np.bool_] | None = None
    loaded: Instance | None = None
    dataset = Dataset()
    for k, frame in enumerate(frames):
        if frame.instance is not loaded:  # one file in memory at a time
            loaded, dataset = frame.instance, frame.instance.load()
        stored = _stored_frame(dataset, frame)
        array[:, :, k] = (stored.astype(np.float64) * frame.slope + frame.intercept).T
        marked = _padding_mask(frame, stored)
        if marked is not None and marked.any():
            padding = np.zeros(shape, dtype=np.bool_, order="F") if padding is None else padding
            padding[:, :, k] = marked.T
    modality = modality_of(frames[0].instance)
    notes = [] if padding is None else _replace_padding(array, padding, modality)
    beyond = float(np.mean(array < BELOW_AIR_HU)) if modality == "CT" else 0.0
    if beyond > 0:
        notes.append(f"{100 * beyond:.2g} % of the voxels are below air (down to {array.min():g} HU); kept as they are")
    if twins := _identical_neighbours(array):
        notes.append(
            f"{len(twins)} slices hold the same pixels as the slice before them (first: {frames[twins[0]].label})"
        )
    return array, notes


def transfer_syntax(dataset: Dataset) -> UID | None:
    """Transfer syntax of a dataset; without file meta the encoding that it was read with, None if that is unknown."""
    told = getattr(dataset, "file_meta", Dataset()).get("TransferSyntaxUID")
    if told:
        return UID(str(told))
    is_implicit, is_little = dataset.original_encoding
    if is_implicit is None:
        return None
    if is_implicit:
        return ImplicitVRLittleEndian
    return ExplicitVRLittleEndian if is_little else ExplicitVRBigEndian


def check_decodable(header: Dataset, label: str) -> None:
    """Refuse pixels for which no decoder is installed, from the header alone.

    Raises:
        InputError: naming the compression and what to install.
    """
    _decoder(transfer_syntax(header) or ExplicitVRLittleEndian, label)


def _decoder(syntax: UID, label: str) -> Decoder:
    try:
        decoder = get_decoder(syntax)
    except NotImplementedError:
        raise InputError(
            f"{label}: unsupported transfer syntax {_printable(syntax)}; convert it to Explicit VR Little Endian"
        ) from None
    if not decoder.is_available:
        raise InputError(f"{label}: unsupported compression {syntax.name}; {REMEDIES.get(syntax, FALLBACK_REMEDY)}")
    return decoder


def _stored_frame(dataset: Dataset, frame: Frame) -> npt.NDArray[np.integer]:
    """Stored values ``(rows, columns)`` of one frame.

    Raises:
        InputError: see :func:`read_values`.
    """
    label = frame.label
    if "FloatPixelData" in dataset or "DoubleFloatPixelData" in dataset:
        raise InputError(f"{label} holds float pixel data, which CT and MR images do not have; export whole numbers")
    coded = _pixel_bytes(dataset, label)
    syntax = transfer_syntax(dataset) or ExplicitVRLittleEndian
    if syntax in NATIVE:
        _check_length(frame, len(coded), told=bool(getattr(dataset, "file_meta", Dataset()).get("TransferSyntaxUID")))
    decoder = _decoder(syntax, label)
    try:
        # the unused bits are checked below: a value in them may be a fault of the header
        stored, _ = decoder.as_array(
            _with_syntax(dataset, syntax),
            index=frame.index,
            raw=True,
            correct_unused_bits=False,  # type: ignore[arg-type]  # pydicom annotates each option as all of them
        )
    except Exception as error:  # decoders raise whatever broken data provoke
        raise InputError(_undecodable(syntax, label, error)) from error
    if stored.shape != frame.size or stored.dtype.kind not in "iu":
        raise InputError(f"{label}: its pixels decode to {stored.shape}, its header says {frame.size}; export it again")
    return _used_bits(dataset, stored.astype(stored.dtype.newbyteorder("="), copy=False), frame)


def _printable(syntax: UID) -> str:
    return syntax.name if syntax.name != syntax else "(not in the standard)"


def _undecodable(syntax: UID, label: str, error: Exception) -> str:
    if syntax in NATIVE:
        return f"{label}: pixel data and header do not fit together ({type(error).__name__}); export the file again"
    if "does not support" in str(error):  # a decoder is there, but not for this form (12-bit JPEG)
        return (
            f"{label}: unsupported form of {syntax.name}: no installed decoder takes it; "
            "convert the series to Explicit VR Little Endian"
        )
    return f"{label}: its {syntax.name} pixel data cannot be decoded (truncated or damaged); export the file again"


def _pixel_bytes(dataset: Dataset, label: str) -> bytes:
    try:
        value = dataset.get("PixelData")
    except Exception:  # a broken VR
        value = b"" if "PixelData" in dataset else None
    if value is None:
        raise InputError(f"{label} has no pixel data; copy or export the file again")
    if not isinstance(value, bytes) or not value:
        raise InputError(f"{label}: its pixel data cannot be read; copy or export the file again")
    return value


def _check_length(frame: Frame, found: int, *, told: bool) -> None:
    header = frame.instance.header
    rows, columns = frame.size
    frames = whole_number(header, "NumberOfFrames") or 1
    expected = rows * columns * frames * (int(header.BitsAllocated) // 8)
    if found < expected:
        raise InputError(
            f"{frame.label}: truncated pixel data, {found} of {expected} bytes; copy or export the file again"
        )
    if not told and found > expected + expected % 2:  # could be compressed: nothing says how the pixels are encoded
        raise InputError(
            f"{frame.label} has no TransferSyntaxUID and {found} instead of {expected} bytes of pixel data; "
            "export the file again"
        )


def _with_syntax(dataset: Dataset, syntax: UID) -> Dataset:
    """The dataset with a transfer syntax in its file meta, as decoders want it; the given one is not changed."""
    if getattr(dataset, "file_meta", Dataset()).get("TransferSyntaxUID"):
        return dataset
    copy = Dataset()
    for keyword in (
        "Rows",
        "Columns",
        "SamplesPerPixel",
        "PhotometricInterpretation",
        "BitsAllocated",
        "BitsStored",
        "PixelRepresentation",
        "NumberOfFrames",
        "PixelData",
    ):
        if keyword in dataset:
            copy[keyword] = dataset[keyword]
    copy.setdefault("SamplesPerPixel", 1)
    copy.file_meta = FileMetaDataset()
    copy.file_meta.TransferSyntaxUID = syntax
    copy.set_original_encoding(*dataset.original_encoding)
    return copy


def _used_bits(dataset: Dataset, stored: npt.NDArray[np.integer], frame: Frame) -> npt.NDArray[np.integer]:
    """Drop the bits above BitsStored and extend the sign, or refuse where they are part of the values."""
    bits, signed = int(frame.instance.header.BitsStored), stored.dtype.kind == "i"
    unused = 8 * stored.dtype.itemsize - bits
    if unused <= 0:
        return stored
    used = (stored << unused) >> unused
    strange = used != stored
    if signed:  # a negative value without its sign bits repeated is well-formed
        strange &= (stored < 2 ** (bits - 1)) | (stored >= 2**bits)
    elif _has_embedded_overlay(dataset):
        return used
    if strange.any():
        raise InputError(
            f"{frame.label} holds pixel values that need more than its {bits} BitsStored; repair the header or export "
            "the file again"
        )
    return used


def _has_embedded_overlay(dataset: Dataset) -> bool:
    """Whether an overlay lives in the unused bits of the pixels: its OverlayBitsAllocated is theirs, not 1."""
    for group in range(0x6000, 0x6020, 2):
        with contextlib.suppress(Exception):  # no such overlay, or no number there
            if int(dataset[group, 0x0100].value) != 1:
                return True
    return False


def _padding_mask(frame: Frame, stored: npt.NDArray[np.integer]) -> npt.NDArray[np.bool_] | None:
    """Which pixels the header calls padding (outside the scan circle); None where it names no padding value."""
    header = frame.instance.header
    value = whole_number(header, "PixelPaddingValue")
    if value is None:
        return None
    limit = whole_number(header, "PixelPaddingRangeLimit")
    ends = [_as_stored(v, header) for v in (value, value if limit is None else limit)]
    return (stored >= min(ends)) & (stored <= max(ends))


def _as_stored(value: int, header: Dataset) -> int:
    """A padding value as the pixels hold it: headers often give a signed one with an unsigned VR (63536 for -2000)."""
    allocated, bits = int(header.BitsAllocated), int(header.BitsStored)
    if int(header.PixelRepresentation) == 0:
        return value & ((1 << allocated) - 1)
    half = 1 << (bits - 1)
    return ((value + half) & (2 * half - 1)) - half


def _replace_padding(array: npt.NDArray[np.float32], padding: npt.NDArray[np.bool_], modality: Modality) -> list[str]:
    """Put the smallest true value (air) where the header says padding, in place.

    Left alone: padding whose value lies among the true values (some headers name a value that tissue has), and zeros
    of an MR, which are its air already.

    Returns:
        Notes.
    """
    if padding.all():
        return []
    low, high = (float(f(array, where=~padding, initial=i)) for f, i in ((np.min, np.inf), (np.max, -np.inf)))
    pad_low, pad_high = (float(f(array, where=padding, initial=i)) for f, i in ((np.min, np.inf), (np.max, -np.inf)))
    if modality == "MR" and pad_low == pad_high == 0 and low >= 0:
        return []
    share = f"{100 * float(padding.mean()):.1f} % of the voxels"
    if pad_high >= low and pad_low <= high:
        return [f"PixelPaddingValue lies among the image values ({pad_low:g}); {share} are kept as they are"]
    array[padding] = low
    return [f"padding ({share}, value {pad_low:g}) was replaced by the smallest image value {low:g}"]


def _identical_neighbours(array: npt.NDArray[np.float32]) -> list[int]:
    """Slices that equal the one before them and are not constant: noise never repeats, so a copy is likely."""
    return [
        k
        for k in range(1, array.shape[2])
        if np.array_equal(array[:, :, k], array[:, :, k - 1]) and np.ptp(array[:, :, k]) > 0
    ]
