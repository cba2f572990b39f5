"""``monai-sr evaluate``: known truths are degraded, restored and measured, beside the methods a model must beat."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from monai_sr.cli.console import silence_libraries
from monai_sr.cli.options import AffineOption, DebugOption, DeviceOption, EnsembleOption, ModalityOption
from monai_sr.cli.outcome import ExitCode
from monai_sr.cli.upscale import prepare
from monai_sr.cli.values import parse_device
from monai_sr.io import InputError

if TYPE_CHECKING:
    from monai_sr.inference import SRModel

__all__ = ["evaluate"]

Row = dict[str, Any]


def evaluate(
    data: Annotated[
        Path,
        typer.Option(
            "--data",
            exists=True,
            file_okay=False,
            help="Thin-slice volumes, HR/ and LR/ pairs, or photographs.",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", file_okay=False, help="Keeps every row in OUT/rows.jsonl; a second run goes on there."
        ),
    ] = None,
    model: Annotated[str, typer.Option(metavar="NAME|PATH|none", help="none: the references alone.")] = "default",
    ensemble: EnsembleOption = "1",
    crop: Annotated[
        int | None, typer.Option(metavar="VOXELS", min=24, help="At most so many voxels per axis, around the body.")
    ] = None,
    modality: ModalityOption = None,
    affine: AffineOption = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the added noise.")] = 0,
    device: DeviceOption = "auto",
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the table only.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print every row as one JSON object.")] = False,
    debug: DebugOption = False,
) -> None:
    """Measure a model against interpolation and back-projection on volumes whose truth is known.

    PSNR and SSIM are taken inside the body mask; docs/definitions.md says how.
    """
    if not debug:
        silence_libraries()
    from monai_sr.data import find_pairs, find_truths
    from monai_sr.engines import evaluate as measure
    from monai_sr.engines.scoreboard import markdown_table
    from monai_sr.engines.tasks import PHOTO_TASKS, STANDARD_TASKS
    from monai_sr.report import plain

    photos = False
    try:
        if (data / "HR").is_dir() and (data / "LR").is_dir():
            cases = find_pairs(data)
        else:
            cases, photos = find_truths(data)
    except InputError as error:
        raise typer.BadParameter(str(error), param_hint="--data") from None
    if ensemble != "1" and (photos or model == "none"):
        raise typer.BadParameter(
            "is for scans, and these are photographs" if photos else "is of a network; --model none has none",
            param_hint="--ensemble",
        )
    of = ("photo",) if photos else ("CT", "MR") if modality is None else (modality.upper(),)
    loaded: dict[Path, SRModel] = {}
    networks = [prepare(model, parse_device(device), each, loaded) for each in of]
    one = all(network is networks[0] for network in networks)

    def show(row: Row) -> None:
        if as_json:
            typer.echo(json.dumps(plain(row), allow_nan=False))
        elif "error" in row:
            typer.echo(f"failed   {row['case']}, {row['task']}, {row['method']}: {row['error']}", err=True)
        elif not quiet:
            typer.echo(f"measured {row['case']}, {row['task']}, {row['method']}: {row['psnr']:.2f} dB", err=True)

    rows = measure(
        cases,
        model=networks[0] if one else model,  # a size has a network for each modality
        ensemble=int(ensemble),
        tasks=PHOTO_TASKS if photos else STANDARD_TASKS,
        out=out,
        crop=crop,
        modality="CT" if modality == "ct" else "MR" if modality == "mr" else None,
        affine=affine,
        seed=seed,
        device=device,
        progress=show,
    )
    if not as_json:
        typer.echo(markdown_table(rows))
    raise typer.Exit(ExitCode.CASES if any("error" in row for row in rows) else ExitCode.DONE)
