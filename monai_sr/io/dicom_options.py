"""What a user may decide about a derived series: UIDs, name and number, compression, and what it says of itself."""

from __future__ import annotations

import re
import string
from dataclasses import dataclass
from typing import Literal, get_args

from pydicom.charset import convert_encodings, decode_bytes, encode_string
from pydicom.uid import UID, ExplicitVRLittleEndian, JPEGLSLossless, RLELossless

from monai_sr.io.dicom_headers import quiet
from monai_sr.io.volume import InputError

__all__ = ["DESCRIPTION_FIELDS", "Compression", "DicomOptions", "encoded", "series_description"]

Compression = Literal["none", "jpegls", "rle"]

SYNTAXES: dict[Compression, UID] = {"none": ExplicitVRLittleEndian, "jpegls": JPEGLSLossless, "rle": RLELossless}
# An LO value: at most 64 characters, no backslash (it separates values), no control character.
DESCRIPTION_LENGTH = 64
DESCRIPTION_FIELDS = ("source", "tag", "factor", "scale", "model", "version")
LARGEST_SERIES_NUMBER = 2**31 - 1


@dataclass(frozen=True)
class DicomOptions:
    """How a derived series is written.

    Args:
        new_uids: random UIDs for every run; by default they follow from source, model and parameters, so that a
            repeated run is the same series for an archive.
        compress: lossless compression of the pixels.
        series_description: template; ``{source}`` is the source's description, shortened where it does not fit,
            ``{tag}`` is ``[AI SR x3]`` or, without network, ``[resampled x3]``; ``{factor}``, ``{scale}``, ``{model}``
            and ``{version}`` are parts of it.
        series_number: by default the source's, times 100, plus one.
        research: whether ContentQualification says ``RESEARCH``.
        maps: whether the maps of a result become Parametric Maps in the study, instead of NIfTI files beside it.
        synthetic_data: what SyntheticData says; None: it is left out (docs/decisions/0014).

    Raises:
        InputError: if the template or the number cannot be used.
    """

    new_uids: bool = False
    compress: Compression = "none"
    series_description: str = "{source} {tag}"
    series_number: int | None = None
    research: bool = True
    synthetic_data: bool | None = None
    maps: bool = False

    def __post_init__(self) -> None:
        if self.compress not in get_args(Compression):
            raise InputError(f"compression {self.compress} is not known; choose {', '.join(get_args(Compression))}")
        if self.series_number is not None and not 0 <= self.series_number <= LARGEST_SERIES_NUMBER:
            raise InputError(f"a series number lies between 0 and {LARGEST_SERIES_NUMBER}, got {self.series_number}")
        _check_template(self.series_description)

    @property
    def transfer_syntax(self) -> UID:
        """Transfer syntax of the files."""
        return SYNTAXES[self.compress]


def _check_template(template: str) -> None:
    known = ", ".join(f"{{{name}}}" for name in DESCRIPTION_FIELDS)
    try:
        parts = list(string.Formatter().parse(template))
    except ValueError as error:
        raise InputError(f"the series description {template!r} is no template ({error}); it knows {known}") from None
    for _, field, spec, conversion in parts:
        if field is not None and (field not in DESCRIPTION_FIELDS or spec or conversion):
            raise InputError(f"the series description has no {{{field}}}; it knows {known}")
    if "\\" in template or not template.isprintable() or not template.strip():
        raise InputError("a series description is not empty and holds no backslash and no control character")


def series_description(template: str, source: str, parts: dict[str, str]) -> str:
    """Fill a template, with as much of the source's description as 64 characters leave room for.

    Example:
        >>> series_description("{source} {tag}", "T1 axial", {"tag": "[AI SR x3]"})
        'T1 axial [AI SR x3]'
        >>> len(series_description("{source} {tag}", "x" * 64, {"tag": "[AI SR x3]"}))
        64
    """
    filled = {name: parts.get(name, "").replace("\\", "/") for name in DESCRIPTION_FIELDS}
    room = DESCRIPTION_LENGTH - len(template.format(**{**filled, "source": ""}))
    filled["source"] = source[: max(0, room)]
    return " ".join(template.format(**filled).split())[:DESCRIPTION_LENGTH].strip()


def encoded(text: str, character_set: tuple[str, ...]) -> bytes | None:
    """The bytes of a text in a SpecificCharacterSet (no value: ASCII), None where it cannot hold the text.

    Letters of other scripts and plain ones are encoded apart where pydicom does not take them together: it knows
    half-width katakana alone (ISO_IR 13).
    """
    with quiet():
        encodings = convert_encodings(list(character_set) or [""])
        if encodings[0] == "iso8859" and all(ord(letter) < 0x100 for letter in text):
            encodings[0] = "ascii"  # the default repertoire, for which pydicom takes Latin-1
        for pieces in ([text], re.findall(r"[\x00-\x7f]+|[^\x00-\x7f]+", text)):
            try:
                found = b"".join(encode_string(piece, encodings) for piece in pieces)
                if decode_bytes(found, encodings, set()) == text:
                    return found
            except (UnicodeError, ValueError, LookupError):
                continue
    return None
