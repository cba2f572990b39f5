"""Options that several commands share, each written once."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

__all__ = [
    "AffineOption",
    "DebugOption",
    "DeviceOption",
    "IrregularOption",
    "ModalityOption",
    "SeriesOption",
    "TiltOption",
]

ModalityOption = Annotated[
    Literal["ct", "mr"] | None, typer.Option(case_sensitive=False, help="Of all files. Default: as each file says.")
]
AffineOption = Annotated[
    Literal["sform", "qform"] | None, typer.Option(help="Which one holds where a NIfTI file states two that differ.")
]
DeviceOption = Annotated[str, typer.Option(metavar="auto|cpu|cuda[:N]|mps", help="Where the networks run.")]
DebugOption = Annotated[bool, typer.Option("--debug", help="Show tracebacks.")]
SeriesOption = Annotated[
    list[str] | None,
    typer.Option(
        "--series",
        metavar="UID|NUMBER|TEXT[:N|:all]",
        help="Only this DICOM series: UID, number, name in 'monai-sr inspect', or part of the description; may be "
        "repeated. ':2' or ':all' behind it: the second or all volumes of a series that holds several.",
    ),
]
TiltOption = Annotated[
    bool,
    typer.Option(
        "--allow-tilt", help="Take gantry-tilted series as they are, on the sheared grid; the result can be DICOM only."
    ),
]
IrregularOption = Annotated[
    bool,
    typer.Option("--resample-irregular", help="Interpolate unevenly spaced slices, at their true positions."),
]
