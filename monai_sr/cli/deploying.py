"""``python -m monai_sr.deploy``: the options of MONAI Deploy, and those of ``monai-sr upscale`` that fit there."""

from __future__ import annotations

from typing import Any

import typer

from monai_sr.cli.options import takes_options_of
from monai_sr.cli.outcome import ExitCode
from monai_sr.cli.upscale import upscale, upscaling_of
from monai_sr.io import InputError

__all__ = ["app", "deploy"]

# What MONAI Deploy decides itself, and what has no meaning there: an application writes what it reads, and says so.
OTHERS = ("inputs", "out", "model", "maps", "adapt", "affine", "format", "sidecar_patient", "overwrite")
CONSOLE = ("quiet", "as_json", "debug")

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.command(
    # what is not known here is for MONAI Deploy's own parser, which refuses what it does not know either
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
    options_metavar="-i STUDY -o OUT [-m MODEL] [OPTIONS]",
)
@takes_options_of(upscale, but=(*OTHERS, *CONSOLE))
def deploy(context: typer.Context, **words: Any) -> None:
    """Upscale every CT and MR series and every NIfTI file of a folder. Research only, not for diagnosis.

    MONAI Deploy's own options: -i, --input STUDY; -o, --output OUT; -m, --model MODEL (file or folder); -l, --log-level
    LEVEL; -w, --workdir DIR; or the variables HOLOSCAN_INPUT_PATH, HOLOSCAN_OUTPUT_PATH, HOLOSCAN_MODEL_PATH.

    Exit codes: 0 a series or file was written, whatever was refused beside it, since a study holds localizers and more;
    3 none was; 2 wrong command line; 4 the model or the device is at fault.
    """
    series = words.pop("series") or ()
    upscaling = upscaling_of(model="default", maps=False, affine=None, format="same", sidecar_patient=False, **words)
    from monai_sr.catalogue import ModelError
    from monai_sr.deploy.app import SuperResolutionApp
    from monai_sr.inference import DeviceError

    application = SuperResolutionApp(argv=["monai_sr.deploy", *context.args], upscaling=upscaling, series=series)
    try:
        application.run()
    except InputError as error:
        for sentence in dict.fromkeys([*application.refused, str(error)]):
            typer.echo(f"refused: {sentence}", err=True)
        raise typer.Exit(ExitCode.CASES) from None
    except (ModelError, DeviceError) as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(ExitCode.ENVIRONMENT) from None
    for folder in application.written:
        typer.echo(f"wrote {folder}")
    for sentence in application.refused:
        typer.echo(f"refused: {sentence}", err=True)
