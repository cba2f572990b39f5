"""``monai-sr archive``: thousands to millions of series, on one machine or many, resumable."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from monai_sr.cli.archive_console import ArchiveConsole, status_in_words
from monai_sr.cli.console import silence_libraries
from monai_sr.cli.options import AffineOption, DebugOption, takes_options_of
from monai_sr.cli.outcome import EnvironmentProblemError, ExitCode
from monai_sr.cli.upscale import check_models, upscale, upscaling_of
from monai_sr.io import InputError

__all__ = ["archive"]

archive = typer.Typer(
    help="Work on an archive of series: scan for them, run, and see how far it is.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@archive.command(no_args_is_help=True)
def scan(
    inputs: Annotated[list[Path], typer.Argument(metavar="DIR...", exists=True, help="Folders of NIfTI and DICOM.")],
    manifest: Annotated[Path, typer.Option("--manifest", dir_okay=False, help="Parquet file to write.")],
    affine: AffineOption = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a manifest that exists.")] = False,
) -> None:
    """List the series of an archive in a manifest: headers are read, voxels are not."""
    _need_extra()
    silence_libraries()
    try:
        count = _scan(inputs, manifest, manifest.parent, overwrite=overwrite)
    except OSError as error:
        raise EnvironmentProblemError(_in_words(error, manifest)) from None
    typer.echo(f"wrote    {manifest}: {count} series")


@archive.command(no_args_is_help=True)
@takes_options_of(upscale, but=("inputs", "out", "series", "adapt", "overwrite", "quiet", "as_json", "debug"))
def run(
    out: Annotated[Path, typer.Option("--out", "-o", file_okay=False, help="Output folder: OUT/<series>/...")],
    manifest: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="Manifest of 'monai-sr archive scan'.")
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option("--scan", metavar="DIR", exists=True, help="Or: first list the series in this folder."),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Processes. Default: one for each GPU, else as processor and memory allow; 0: this process alone, "
            "without Ray, which is the default with --shard.",
        ),
    ] = None,
    address: Annotated[
        str | None, typer.Option(metavar="auto|HOST:PORT|ray://...", help="A Ray cluster. Default: this machine.")
    ] = None,
    shard: Annotated[
        str | None, typer.Option(metavar="I/N", help="Only the I-th of N shares of the manifest, I from 1 to N.")
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Give series that were set aside two more tries.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")] = False,
    debug: DebugOption = False,
    **words: Any,
) -> None:
    """Super-resolve an archive. Started again, it goes on: results that are there and unchanged are kept.

    Research only, not for diagnosis. Each series gets a folder as from 'monai-sr upscale', with the digests of its
    files in SHA256SUMS, and a row in OUT/_job/status: done, refused, or set aside after two tries.

    Exit codes: 0 all done; 3 some refused or set aside; 2 wrong command line; 4 environment; 130 interrupted, and what
    was finished is kept.
    """
    _need_extra()
    from monai_sr.archive import Job, Manifest, Shard
    from monai_sr.archive.run import run_job, try_again

    if manifest is not None and folder is not None:
        raise typer.BadParameter("give either --manifest or --scan, not both")
    if not debug:
        silence_libraries()
    upscaling = upscaling_of(**words)
    check_models(upscaling, {False})
    file = manifest or Job.own_folder(out) / "manifest.parquet"
    try:
        part = Shard.parse(shard) if shard else Shard()
        if not file.is_file():
            if folder is None:
                raise typer.BadParameter("give --manifest FILE or --scan DIR", param_hint="--manifest")
            _scan([folder], file, out)
        elif folder is not None and not Manifest(file).is_of([folder]):
            raise typer.BadParameter(
                f"{out} holds a job over another folder than {folder}; choose another output folder, or leave out "
                "--scan to go on with that job",
                param_hint="--scan",
            )
        job = Job(out.absolute(), file.absolute(), upscaling)
        if again:
            try_again(job)
        if workers is None and shard is not None and address is None:
            workers = 0
        with ArchiveConsole(len(part.rows(len(Manifest(file)))), as_json=as_json) as console:
            run_job(
                job,
                shard=part,
                workers=workers,
                address=address,
                on_row=console.row,
                on_silence=console.silence,
            )
    except InputError as error:
        raise typer.BadParameter(str(error)) from None
    except OSError as error:  # what a series meets is a row of its own; this is the job's
        if error.errno is None or isinstance(error, ConnectionError):  # not of a disk
            raise
        raise EnvironmentProblemError(_in_words(error, out)) from None
    raise typer.Exit(ExitCode.DONE if console.all_done else ExitCode.CASES)


@archive.command(no_args_is_help=True)
def status(
    out: Annotated[Path, typer.Argument(metavar="OUT", exists=True, file_okay=False, help="Output folder of a job.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show how far a job is, and why series are not done."""
    _need_extra()
    from monai_sr.archive import summary_of

    try:
        facts = summary_of(out)
    except FileNotFoundError:
        raise typer.BadParameter(f"{out} is not the output folder of an archive job", param_hint="OUT") from None
    typer.echo(json.dumps(facts, indent=2) if as_json else status_in_words(facts))


def _scan(inputs: list[Path], file: Path, out: Path, *, overwrite: bool = False) -> int:
    from monai_sr.archive import write_manifest
    from monai_sr.casework import gather_cases

    try:
        cases = gather_cases(inputs, out)
        if len(cases) <= len(inputs) and all(case.kind == "refused" and case.path in inputs for case in cases):
            raise InputError(f"{cases[0].problem}; there is nothing to work on")
        return write_manifest(cases, file, overwrite=overwrite, scanned=inputs)
    except InputError as error:
        raise typer.BadParameter(str(error)) from None


def _in_words(error: OSError, place: Path) -> str:
    reason = (error.strerror or type(error).__name__).lower()
    return f"{place} cannot be written ({reason}); make room, or choose another place for the results"


def _need_extra() -> None:
    try:
        import monai_sr.archive  # noqa: F401
    except ModuleNotFoundError as error:
        if error.name not in ("pyarrow", "ray"):
            raise
        raise EnvironmentProblemError(
            "archives need Ray Data and PyArrow, which are not installed: pip install 'monai_sr[archive]'"
        ) from None
