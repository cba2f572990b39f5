"""The ``monai-sr`` command."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Sequence
from types import FrameType
from typing import Annotated, NoReturn

import typer

import monai_sr
from monai_sr.cli.archive import archive
from monai_sr.cli.compare import compare
from monai_sr.cli.evaluate import evaluate
from monai_sr.cli.export import export
from monai_sr.cli.info import info
from monai_sr.cli.inspect import inspect
from monai_sr.cli.outcome import EnvironmentProblemError, ExitCode
from monai_sr.cli.train import train
from monai_sr.cli.upscale import upscale

__all__ = ["app", "main"]

# Plain text: boxes and wrapped lines break the sentences that users search for, and logs are no terminals.
app = typer.Typer(
    name="monai-sr",
    help="Super-resolution for CT and MRI. Research only, not for diagnosis.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command(no_args_is_help=True)(upscale)
app.command(no_args_is_help=True)(inspect)
app.command(no_args_is_help=True)(train)
app.command(no_args_is_help=True)(evaluate)
app.command(no_args_is_help=True)(compare)
app.command()(info)
app.command(no_args_is_help=True)(export)
app.add_typer(archive, name="archive")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"monai_sr {monai_sr.__version__}")
        raise typer.Exit()


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Super-resolution for CT and MRI. Research only, not for diagnosis."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit with one of the codes of :class:`ExitCode`."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _interrupt)
    try:
        app(words, prog_name="monai-sr")
    except EnvironmentProblemError as error:
        typer.echo(f"Error: {error}", err=True)
        sys.exit(ExitCode.ENVIRONMENT)
    except KeyboardInterrupt:
        sys.exit(ExitCode.INTERRUPTED)
    except Exception as error:
        if debug:
            raise
        typer.echo(f"Error: internal error ({type(error).__name__}); please report it, --debug shows more", err=True)
        sys.exit(ExitCode.CASES)
    sys.exit(ExitCode.DONE)


def _interrupt(signum: int, frame: FrameType | None) -> NoReturn:
    """A scheduler's polite end is an interrupt like any other: the current case is cleaned up, exit code 130."""
    raise KeyboardInterrupt
