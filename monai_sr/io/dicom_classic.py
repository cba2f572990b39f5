"""Which attributes of a source series hold for a series derived from it, as classic CT or MR attributes.

Copied is only what stays true: patient and study word for word, and the acquisition where all slices agree. What
described one slice, the old grid, or a vendor's private view of it is left out.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator, Sequence
from typing import Any

from pydicom.charset import default_encoding
from pydicom.config import RAISE
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_data_element
from pydicom.multival import MultiValue
from pydicom.tag import BaseTag, Tag
from pydicom.valuerep import format_number_as_ds, validate_value

from monai_sr.io.dicom_headers import first_item, has_value, strings, whole_number
from monai_sr.io.dicom_tables import CLASSIC_NAMES, COMMON, EMPTY, PATIENT_GROUPS, STUDY, is_acquisition
from monai_sr.io.volume import Modality

__all__ = ["classic_header"]

TEXT_VRS = ("LO", "SH", "LT", "ST", "UT")
# VRs whose rules are rules for text; binary numbers and sequences cannot break any.
TEXT_RULES = ("AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UI", "UR")
LONG_VRS = ("OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV")


def classic_header(headers: Sequence[Dataset], frame: int | None, modality: Modality) -> Dataset:
    """What a derived classic series says of patient, study, equipment and acquisition.

    Args:
        headers: of the source instances, in slice order.
        frame: for a multi-frame source the frame of the first instance that speaks for all, else None.
        modality: CT or MR.

    Returns:
        A new dataset without UIDs of its own, geometry or pixels.
    """
    out = Dataset()
    first = headers[0]
    for tag in _verbatim_tags(first):
        _copy(first, tag, out, verbatim=True)
    for tag in _agreed_tags(headers):
        _copy(first, tag, out, verbatim=False)
    _set_earliest(headers, out)
    if frame is not None:
        _from_functional_groups(first, frame, modality, out)
    for tag in EMPTY[modality] - set(out.keys()):
        out.add_new(tag, dictionary_VR(tag), None)
    if not any(has_value(out, name) for name in ("BodyPartExamined", "Laterality")) and not _unpaired(out):
        out.Laterality = None  # unknown part of the body: it could be one of a pair
    return out


def _unpaired(out: Dataset) -> bool:
    """Whether the region is named by a code of a known scheme; without a side beside it, it has none."""
    region = first_item(out, "AnatomicRegionSequence") or Dataset()
    return strings(region, "CodingSchemeDesignator") in (("SCT",), ("SRT",), ("SNM3",))


def _verbatim_tags(header: Dataset) -> Iterator[BaseTag]:
    # sorted, so that the character set comes first: all other text is written in it
    yield from (tag for tag in sorted(header.keys()) if tag in STUDY or tag.group in PATIENT_GROUPS)


def _agreed_tags(headers: Sequence[Dataset]) -> Iterator[BaseTag]:
    for tag in sorted(headers[0].keys()):
        if (tag in COMMON or is_acquisition(tag)) and all(_same(headers[0], other, tag) for other in headers[1:]):
            yield tag


def _same(one: Dataset, two: Dataset, tag: BaseTag) -> bool:
    if tag not in two:
        return False
    a, b = _raw(one, tag), _raw(two, tag)
    if a is not None and b is not None:  # most are raw, and bytes compare fast
        return a.value == b.value
    try:
        return bool(one[tag].value == two[tag].value)
    except Exception:  # a value that its VR forbids
        return False


def _raw(dataset: Dataset, tag: BaseTag) -> RawDataElement | None:
    """The element as read, None once its value was asked for."""
    element: object = dataset.get_item(tag)
    return element if isinstance(element, RawDataElement) else None


def _copy(header: Dataset, tag: BaseTag, out: Dataset, *, verbatim: bool) -> None:
    """Copy one element if it can be written; unless verbatim, only if it keeps the rules of its VR."""
    element = _readable(header, tag, verbatim=verbatim)
    if element is None or element.VR == "UN" or not (verbatim or _valid(element)):
        return
    with contextlib.suppress(Exception):  # an element inside that its VR forbids
        out[tag] = _without_private(element)


def _readable(header: Dataset, tag: BaseTag, *, verbatim: bool) -> DataElement | None:
    """An element that can be written; a verbatim text keeps its bytes where decoding would change them."""
    raw = _raw(header, tag)
    original = None if raw is None else raw.value
    element: DataElement | None = None
    written = b""
    with contextlib.suppress(Exception):  # a value that its VR or the character set forbids
        element = header[tag]
        written = _encoded(element, header.get("SpecificCharacterSet") or default_encoding)
    vr = str(raw.VR if element is None and raw is not None else getattr(element, "VR", ""))
    if verbatim and original and vr in TEXT_VRS and original.rstrip(b" \0") != written.rstrip(b" \0"):
        return DataElement(tag, vr, original)
    return element if written or element is None or element.is_empty else None


def _encoded(element: DataElement, encodings: str | Sequence[str]) -> bytes:
    """The bytes of the value in Explicit VR Little Endian."""
    stream = DicomBytesIO()
    stream.is_little_endian, stream.is_implicit_VR = True, False
    write_data_element(stream, element, encodings if isinstance(encodings, str) else list(encodings))
    return bytes(stream.getvalue()[12 if element.VR in LONG_VRS else 8 :])


def _valid(element: DataElement) -> bool:
    """Whether every value keeps the rules of its VR (length, characters)."""
    if element.is_empty or element.VR not in TEXT_RULES:
        return True
    values = element.value if element.VM > 1 else [element.value]
    try:
        for value in values:
            validate_value(element.VR, str(getattr(value, "original_string", value)), RAISE)
    except Exception:  # ValueError for a broken rule; anything else is no valid value either
        return False
    return True


def _without_private(element: DataElement) -> DataElement:
    duplicate = copy.deepcopy(element)
    if duplicate.VR == "SQ":
        for item in duplicate.value:
            item.remove_private_tags()
    return duplicate


def _set_earliest(headers: Sequence[Dataset], out: Dataset) -> None:
    """Acquisition date, time and number of the slice that was acquired first.

    One value for all slices: viewers split a series where these differ.
    """
    moments = []
    for header in headers:
        told = "".join(strings(header, "AcquisitionDateTime")[:1])
        date = "".join(strings(header, "AcquisitionDate")[:1]) or told[:8]
        time = "".join(strings(header, "AcquisitionTime")[:1]) or told[8:].split("+")[0].split("-")[0]
        moments.append((date, time))
    date, time = min((moment for moment in moments if any(moment)), default=("", ""))
    earliest = headers[moments.index((date, time))] if (date, time) in moments else headers[0]
    for keyword, text in (("AcquisitionDate", date), ("AcquisitionTime", time)):
        if text:
            element = DataElement(Tag(keyword), "DA" if keyword.endswith("Date") else "TM", text)
            if _valid(element):
                out[element.tag] = element
    number = whole_number(earliest, "AcquisitionNumber")
    out.AcquisitionNumber = number if number is not None and abs(number) < 2**31 else None


def _from_functional_groups(header: Dataset, frame: int, modality: Modality, out: Dataset) -> None:
    """What an Enhanced object says in functional groups and a classic one in plain attributes."""
    own = (header.get("PerFrameFunctionalGroupsSequence") or [])[frame]
    shared = first_item(header, "SharedFunctionalGroupsSequence")
    for sequence, keyword, name in CLASSIC_NAMES[modality]:
        group = first_item(own, sequence) or first_item(shared, sequence)
        if group is None or name in out or not has_value(group, keyword):
            continue
        with contextlib.suppress(Exception):  # a value that the classic attribute cannot hold
            vr = dictionary_VR(name)
            element = DataElement(Tag(name), vr, _as_classic(group[keyword].value, vr))
            if _valid(element):
                out[element.tag] = _without_private(element)
    if modality == "MR":
        modifier = first_item(own, "MRModifierSequence") or first_item(shared, "MRModifierSequence") or Dataset()
        _set_scanning_sequence(header, modifier, out)


def _as_classic(value: Any, vr: str) -> Any:
    """A binary number of the Enhanced object as the decimal string of the classic one."""
    if vr != "DS":
        return value
    values = value if isinstance(value, MultiValue | list) else [value]
    return [format_number_as_ds(float(v)) for v in values]


def _set_scanning_sequence(header: Dataset, modifier: Dataset, out: Dataset) -> None:
    """ScanningSequence and SequenceVariant from their Enhanced counterparts, where those are there."""
    pulses = {"SPIN": ["SE"], "GRADIENT": ["GR"], "BOTH": ["SE", "GR"]}.get(
        "".join(strings(header, "EchoPulseSequence"))
    )
    if pulses is None and "ScanningSequence" not in out:
        out.ScanningSequence = "RM"  # must have a value; "research mode" names no technique that the source does not
        if "SequenceVariant" not in out:
            out.SequenceVariant = "NONE"
    if pulses and "ScanningSequence" not in out:
        planar = ["EP"] if strings(header, "EchoPlanarPulseSequence") == ("YES",) else []
        inversion = ["IR"] if strings(modifier, "InversionRecovery") == ("YES",) else []
        out.ScanningSequence = pulses + inversion + planar
    if pulses and "SequenceVariant" not in out:
        variants = []
        if "".join(strings(header, "SegmentedKSpaceTraversal")) in ("PARTIAL", "FULL"):
            variants.append("SK")
        if "".join(strings(modifier, "MagnetizationTransfer")) in ("ON_RESONANCE", "OFF_RESONANCE"):
            variants.append("MTC")
        if "".join(strings(header, "SteadyStatePulseSequence")) not in ("", "NONE"):
            variants.append("SS")
        if "".join(strings(modifier, "Spoiling")) not in ("", "NONE"):
            variants.append("SP")
        out.SequenceVariant = variants or ["NONE"]
