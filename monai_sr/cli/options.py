"""Options that several commands share, each written once."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection
from typing import Annotated, Any, Literal, get_type_hints

import typer

__all__ = [
    "AffineOption",
    "DebugOption",
    "DeviceOption",
    "EnsembleOption",
    "IrregularOption",
    "ModalityOption",
    "SeriesOption",
    "TiltOption",
    "takes_options_of",
]

ModalityOption = Annotated[
    Literal["ct", "mr"] | None, typer.Option(case_sensitive=False, help="Of all files. Default: as each file says.")
]
AffineOption = Annotated[
    Literal["sform", "qform"] | None, typer.Option(help="Which one holds where a NIfTI file states two that differ.")
]
DeviceOption = Annotated[str, typer.Option(metavar="auto|cpu|cuda[:N]|mps", help="Where the networks run.")]
EnsembleOption = Annotated[
    Literal["1", "4", "8"],
    typer.Option(help="Mean of so many restorations of mirrored volumes; so many times slower."),
]
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


def takes_options_of(
    other: Callable[..., Any], *, but: Collection[str]
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A command that takes the options of another beside its own, and gets them as further keywords.

    Args:
        other: the other command.
        but: names of its parameters that are not taken.
    """

    def decorated(command: Callable[..., None]) -> Callable[..., None]:
        parameters = []
        for function, left_out in ((command, ()), (other, but)):
            hints = get_type_hints(function, include_extras=True)
            parameters += [
                parameter.replace(annotation=hints[name], kind=inspect.Parameter.KEYWORD_ONLY)
                for name, parameter in inspect.signature(function).parameters.items()
                if name not in left_out and parameter.kind != inspect.Parameter.VAR_KEYWORD
            ]
        command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return command

    return decorated
