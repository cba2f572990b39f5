"""Options that several commands share, each written once."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

__all__ = ["AffineOption", "DebugOption", "DeviceOption", "ModalityOption"]

ModalityOption = Annotated[
    Literal["ct", "mr"] | None, typer.Option(case_sensitive=False, help="Of all files. Default: as each file says.")
]
AffineOption = Annotated[
    Literal["sform", "qform"] | None, typer.Option(help="Which one holds where a NIfTI file states two that differ.")
]
DeviceOption = Annotated[str, typer.Option(metavar="auto|cpu|cuda[:N]|mps", help="Where the networks run.")]
DebugOption = Annotated[bool, typer.Option("--debug", help="Show tracebacks.")]
