"""``monai-sr export``: a model as a folder that ``--model`` takes and others can load."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from monai_sr.catalogue import ModelError, ModelRecord, bundle_root, release, write_record
from monai_sr.cli.console import silence_libraries
from monai_sr.cli.outcome import EnvironmentProblemError, ExitCode
from monai_sr.cli.upscale import prepare
from monai_sr.io import InputError, atomic_path

__all__ = ["export"]


def export(
    model: Annotated[str, typer.Argument(metavar="NAME|PATH", help="A model's name, file, or a training's folder.")],
    out: Annotated[Path, typer.Option("--out", "-o", file_okay=False, help="Folder for model.pt and its record.")],
    torchscript: Annotated[
        bool, typer.Option("--torchscript", help="Also model.ts, through monai.bundle ckpt_export.")
    ] = False,
    name: Annotated[
        str | None, typer.Option("--name", help="OUT is a bundle: make it that bundle's default model under this name.")
    ] = None,
    beside: Annotated[
        bool,
        typer.Option("--beside", help="With --name: as models/NAME.pt, beside the default model."),
    ] = False,
    size: Annotated[
        Literal["fast", "best"] | None, typer.Option(help="With --name: what --model fast or --model best finds.")
    ] = None,
    half: Annotated[
        bool, typer.Option("--half", help="Store the weights as float16: half the file, still computed in float32.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an exported model.")] = False,
) -> None:
    """Export a model: weights-only state dict, record (network, trained range, sha256), TorchScript if asked for.

    The weights are checked first: digest, network, and that every number is finite.
    """
    silence_libraries()  # torch and MONAI announce deprecations of TorchScript on every line
    loaded = prepare(model, "cpu")
    if isinstance(loaded, str):
        raise typer.BadParameter("none is no model", param_hint="NAME|PATH")
    if loaded.record.file.suffix == ".ts":
        raise typer.BadParameter("it is exported already; name the model that it was made of", param_hint="NAME|PATH")
    with tempfile.TemporaryDirectory() as folder:
        record = _halved(loaded.record, Path(folder) / "model.pt") if half else loaded.record
        if name is not None:
            written = [_into_bundle(record, out, name, size or "", overwrite, beside)]
        else:
            written = _alone(record, out, overwrite)
            written += [_torchscript(record, written[0])] if torchscript else []
    for file in written:
        typer.echo(f"wrote    {file}")


def _halved(record: ModelRecord, file: Path) -> ModelRecord:
    from monai_sr.inference.model import in_half_precision

    try:
        return in_half_precision(record, file)
    except ModelError as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(ExitCode.CASES) from None


def _alone(record: ModelRecord, out: Path, overwrite: bool) -> list[Path]:
    """``model.pt`` and its record, by themselves in a folder."""
    weights = out / "model.pt"
    try:
        with atomic_path(weights, overwrite=overwrite) as temporary:
            shutil.copyfile(record.file, temporary)
    except InputError as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(ExitCode.CASES) from None
    entry = record.as_json()
    return [weights, write_record(weights, {**entry.pop("extra"), **entry})]


def _into_bundle(record: ModelRecord, root: Path, name: str, size: str, overwrite: bool, beside: bool) -> Path:
    file = root / "models" / (f"{name}.pt" if beside else "model.pt")
    if file.exists() and not overwrite:
        typer.echo(f"Error: {file} exists; replace it with --overwrite", err=True)
        raise typer.Exit(ExitCode.CASES)
    try:
        return release(record, root, name, size=size, default=not beside)
    except ModelError as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(ExitCode.USAGE) from None


def _torchscript(record: ModelRecord, weights: Path) -> Path:
    """Traced, since MONAI's pixel shuffle cannot be scripted; it takes every size that the network takes.

    Its metadata hold the record of this model alone, so that ``--model model.ts`` and MONAI Deploy need no other file.
    """
    from monai.bundle import ckpt_export

    from monai_sr.degradation import CONDITION_CHANNELS, IMAGE_CHANNELS

    arguments = record.network
    channels = arguments.get("image_channels", IMAGE_CHANNELS) + arguments.get("condition_channels", CONDITION_CHANNELS)
    configs = bundle_root() / "configs"
    file = weights.with_suffix(".ts")
    with tempfile.TemporaryDirectory() as folder:
        metadata = Path(folder) / "metadata.json"
        metadata.write_text(json.dumps(_metadata(record, configs)), encoding="utf-8")
        try:
            ckpt_export(
                net_id="network_def",
                filepath=str(file),
                ckpt_file=str(weights),
                meta_file=str(metadata),
                config_file=str(configs / "inference.yaml"),
                use_trace=True,
                input_shape=[1, channels, *[32] * arguments.get("spatial_dims", 3)],
                network_def=dict(arguments),
            )
        except (RuntimeError, ValueError) as error:
            raise EnvironmentProblemError(f"TorchScript export failed: {str(error).splitlines()[0]}") from None
    return file


def _metadata(record: ModelRecord, configs: Path) -> dict[str, Any]:
    """The bundle's metadata, with this model as its only one."""
    metadata: dict[str, Any] = json.loads((configs / "metadata.json").read_text(encoding="utf-8"))
    entry = record.as_json()
    name = entry.pop("name")
    return {**metadata, "models": {name: {**entry.pop("extra"), **entry}}}
