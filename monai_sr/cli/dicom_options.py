"""Options of derived DICOM series, and of what stands beside a NIfTI file that came from DICOM."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from monai_sr.io import InputError

if TYPE_CHECKING:
    from monai_sr.io.dicom_options import DicomOptions

__all__ = [
    "CompressOption",
    "MapsOption",
    "NewUidsOption",
    "PatientOption",
    "QualificationOption",
    "SeriesDescriptionOption",
    "SeriesNumberOption",
    "SyntheticOption",
    "dicom_options",
]

NewUidsOption = Annotated[
    bool,
    typer.Option(
        "--new-uids",
        help="DICOM results: random UIDs. Default: they follow from source, model and parameters, so that a repeated "
        "run is the same series.",
    ),
]
CompressOption = Annotated[
    Literal["none", "jpegls", "rle"],
    typer.Option(case_sensitive=False, help="DICOM results: compress without loss."),
]
SeriesDescriptionOption = Annotated[
    str | None,
    typer.Option(
        metavar="TEMPLATE",
        help="DICOM results: may hold {source}, {tag}, {factor}, {scale}, {model}, {version}. Default: "
        "'{source} {tag}', which gives 'T1 axial [AI SR x3]'.",
    ),
]
SeriesNumberOption = Annotated[
    int | None,
    typer.Option(metavar="N", help="DICOM results: default 100 times the source's, plus 1."),
]
QualificationOption = Annotated[
    Literal["research", "none"],
    typer.Option(case_sensitive=False, help="DICOM results: what ContentQualification says."),
]
SyntheticOption = Annotated[
    Literal["yes", "no"] | None,
    typer.Option(case_sensitive=False, help="DICOM results: what SyntheticData says. Default: it is left out."),
]
MapsOption = Annotated[
    bool,
    typer.Option(
        "--dicom-maps",
        help="DICOM results: the maps of --maps as Parametric Maps in the study, not as NIfTI.",
    ),
]
PatientOption = Annotated[
    bool,
    typer.Option(
        "--sidecar-patient",
        help="<case>_sr.json, beside a NIfTI result of a DICOM series, also says whose scan it is, when and where.",
    ),
]


def dicom_options(format: str, given: Mapping[str, Any]) -> DicomOptions | None:
    """The options of derived series that were given; None: nothing was.

    Args:
        format: of ``--format``.
        given: arguments of :class:`monai_sr.io.dicom_options.DicomOptions`; None where not given.

    Raises:
        typer.BadParameter: if one cannot be used, or the results are to be NIfTI.
    """
    from monai_sr.io.dicom_options import DicomOptions  # here: it brings pydicom, which --help should not wait for

    try:
        options = DicomOptions(**{name: value for name, value in given.items() if value is not None})
    except InputError as error:
        raise typer.BadParameter(str(error)) from None
    if options == DicomOptions():
        return None
    if format == "nifti":
        raise typer.BadParameter("options of DICOM results have no meaning with --format nifti; leave one away")
    return options
