"""What a DICOM object is, told from its header alone: a CT or MR image, or something else that a study holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydicom.dataset import Dataset
from pydicom.uid import UID

from monai_sr.io.dicom_headers import has_value, strings, whole_number
from monai_sr.io.volume import Modality

__all__ = ["CLASSIC", "ENHANCED", "Kind", "KindName", "kind_of", "sop_class_of"]

CLASSIC: dict[str, Modality] = {
    "1.2.840.10008.5.1.4.1.1.2": "CT",
    "1.2.840.10008.5.1.4.1.1.4": "MR",
}
ENHANCED: dict[str, Modality] = {
    "1.2.840.10008.5.1.4.1.1.2.1": "CT",
    "1.2.840.10008.5.1.4.1.1.2.2": "CT",  # Legacy Converted: the same functional groups
    "1.2.840.10008.5.1.4.1.1.4.1": "MR",
    "1.2.840.10008.5.1.4.1.1.4.4": "MR",
}
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
REPORTS = "1.2.840.10008.5.1.4.1.1.88."

KindName = Literal[
    "image",
    "derived",
    "localizer",
    "mosaic",
    "colour",
    "secondary capture",
    "report",
    "no image",
    "other modality",
    "unknown",
]


@dataclass(frozen=True)
class Kind:
    """What an object is.

    Args:
        name: ``"image"`` and ``"derived"`` may be slices of a volume, all others never are.
        why: for all others, what messages say of it after its name.
    """

    name: KindName
    why: str = ""


def sop_class_of(header: Dataset) -> str:
    """SOP Class UID, empty where absent."""
    return next(iter(strings(header, "SOPClassUID")), "")


def kind_of(header: Dataset) -> Kind:
    """What the object is, from SOP class, photometric interpretation and ImageType.

    ImageType value 1 ``DERIVED`` says that the pixels were made out of other pixels (PS3.3 C.7.6.1.1.2): a reformat, a
    map, or a series that this software wrote.
    """
    uid = sop_class_of(header)
    if uid not in CLASSIC and uid not in ENHANCED:
        return Kind(_other(header, uid), f"is not a CT or MR image but {_named(header, uid)}; give a CT or MR series")
    samples = whole_number(header, "SamplesPerPixel")
    photometric = next(iter(strings(header, "PhotometricInterpretation")), "")
    if (samples is not None and samples != 1) or photometric not in ("MONOCHROME1", "MONOCHROME2", ""):
        return Kind(
            "colour",
            f"is a colour image ({photometric or f'{samples} samples per pixel'}), not a grayscale CT or MR image; "
            "give the original series",
        )
    values = [value.upper() for value in strings(header, "ImageType")]
    if "LOCALIZER" in values:
        return Kind("localizer", "is a localizer (ImageType LOCALIZER), not a slice of a volume; leave it out")
    if "MOSAIC" in values:
        return Kind(
            "mosaic",
            "is a mosaic (ImageType MOSAIC): many slices tiled into one image; split it into slices first, for "
            "instance with dcm2niix",
        )
    return Kind("derived" if values[:1] == ["DERIVED"] else "image")


def _other(header: Dataset, uid: str) -> KindName:
    if not uid:
        return "unknown"
    if uid.startswith(REPORTS):
        return "report"
    if not has_value(header, "Rows"):
        return "no image"
    return "secondary capture" if uid.startswith(SECONDARY_CAPTURE) else "other modality"


def _named(header: Dataset, uid: str) -> str:
    if not uid:
        return "an object without SOPClassUID"
    name = UID(uid).name
    name = name if name != uid else "an object of an unknown kind"
    photometric = next(iter(strings(header, "PhotometricInterpretation")), "")
    colour = f" ({photometric})" if photometric and not photometric.startswith("MONOCHROME") else ""
    return name + colour + ("" if has_value(header, "Rows") else " without an image")
