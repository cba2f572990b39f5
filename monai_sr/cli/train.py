"""``monai-sr train``: joins the bundle's config and presets, and has MONAI run them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

import monai_sr
from monai_sr.catalogue import ModelError, bundle_root
from monai_sr.cli.options import AffineOption, DebugOption, ModalityOption
from monai_sr.cli.outcome import EnvironmentProblemError, ExitCode, is_environment_problem

__all__ = ["config_files", "presets_root", "train"]

_KINDS = ("task", "model", "run")


def train(
    data: Annotated[Path, typer.Option("--data", exists=True, file_okay=False, help="Folder with the training data.")],
    out: Annotated[
        Path,
        typer.Option("--out", "-o", file_okay=False, help="Output folder; a training that began there is continued."),
    ],
    task: Annotated[str | None, typer.Option(metavar="NAME", help="Preset from configs/task.")] = None,
    model: Annotated[str | None, typer.Option(metavar="NAME", help="Preset from configs/model.")] = None,
    run: Annotated[str | None, typer.Option(metavar="NAME", help="Preset from configs/run, e.g. smoke.")] = None,
    init: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="Weights to start from, e.g. of the L1 stage.")
    ] = None,
    config: Annotated[
        list[Path] | None,
        typer.Option(
            exists=True, dir_okay=False, help="Config of your own, laid over the presets. It is code: run no other's."
        ),
    ] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Optimiser steps of the whole training.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Of every random draw.")] = None,
    modality: ModalityOption = None,
    affine: AffineOption = None,
    debug: DebugOption = False,
) -> None:
    """Train a network on a folder of volumes; OUT/model.pt and its record are what --model takes afterwards.

    The same as python -m monai.bundle run training with these files as --config_file, which are printed first.
    """
    try:
        files = [*config_files({"task": task, "model": model, "run": run}), *(config or [])]
    except ModelError as error:
        raise EnvironmentProblemError(str(error)) from None
    typer.echo("config " + " ".join(map(str, files)))
    # Absolute paths: a config string that begins with $, @ or % is code or a reference to MONAI.
    values: dict[str, Any] = {"dataset_dir": str(data.resolve()), "output_dir": str(out.resolve())}
    optional = {
        "init_weights": init and str(init.resolve()),
        "steps": steps,
        "seed": seed,
        "modality": modality and modality.upper(),
        "affine": affine,
    }
    values |= {key: value for key, value in optional.items() if value is not None}
    raise typer.Exit(_run(files, values, debug=debug))


def presets_root() -> Path:
    """Folder of the presets: package data in an installed wheel, ``configs/`` in a checkout."""
    package = Path(monai_sr.__file__).resolve().parent
    installed = package / "_configs"
    return installed if installed.is_dir() else package.parent / "configs"


def config_files(presets: dict[str, str | None]) -> list[Path]:
    """The bundle's ``train.yaml`` and the files of the presets, in the order in which they are merged.

    Raises:
        typer.BadParameter: if there is no such preset; the message lists those that there are.
    """
    files = [bundle_root() / "configs" / "train.yaml"]
    for kind in _KINDS:
        name = presets.get(kind)
        if name is None:
            continue
        present = {file.stem: file for file in sorted((presets_root() / kind).glob("*.yaml"))}
        if name not in present:  # also keeps paths out: a config is code
            names = ", ".join(present) or "none"
            raise typer.BadParameter(f"no preset {name!r}; there are: {names}", param_hint=f"--{kind}")
        files.append(present[name])
    return files


def _run(files: Sequence[Path], values: dict[str, Any], *, debug: bool) -> ExitCode:
    from monai import bundle

    from monai_sr.engines import ConfigRefused

    root = files[0].parent
    try:
        bundle.run(
            run_id="training",
            config_file=[str(file) for file in files],
            meta_file=str(root / "metadata.json"),
            logging_file=str(root / "logging.conf"),
            **values,
        )
    except ConfigRefused as error:
        typer.echo(f"Error: {error}", err=True)
        return ExitCode.USAGE
    except Exception as error:
        causes = _causes(error)
        if any(is_environment_problem(cause) for cause in causes):
            raise EnvironmentProblemError(str(causes[-1])) from None
        if debug:
            raise
        reason = str(causes[-1]).splitlines() or [type(causes[-1]).__name__]
        typer.echo(f"Error: training ended: {reason[0]}", err=True)
        return ExitCode.CASES
    return ExitCode.DONE


def _causes(error: BaseException) -> list[BaseException]:
    """The error and what it was raised from, outermost first: MONAI wraps errors of a config."""
    found = [error]
    while (inner := found[-1].__cause__ or found[-1].__context__) is not None and inner not in found:
        found.append(inner)
    return found
