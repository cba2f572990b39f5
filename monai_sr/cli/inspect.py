"""``monai-sr inspect``: the series of a study, and what ``upscale`` would do with each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from monai_sr.cli.console import silence_libraries
from monai_sr.cli.options import DebugOption, IrregularOption, TiltOption
from monai_sr.cli.outcome import ExitCode
from monai_sr.io import InputError, SeriesRules

if TYPE_CHECKING:
    from monai_sr.io.dicom_read import PlannedVolume
    from monai_sr.io.study_report import SeriesReport

__all__ = ["inspect"]

_DESCRIPTION = 40
_MOST_VOLUMES = 20


def inspect(
    study: Annotated[
        list[Path], typer.Argument(metavar="STUDY...", exists=True, help="DICOM folder, DICOMDIR, file or zip archive.")
    ],
    allow_tilt: TiltOption = False,
    resample_irregular: IrregularOption = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    debug: DebugOption = False,
) -> None:
    """List the DICOM series of a study: which are taken, which not, and why. Shows no patient data, writes nothing.

    Per series: take, choose (it holds several volumes), skip (no one means it) or refuse; name, number, modality, grid
    and series description. Headers decide; damaged pixels are found by upscale only.

    Exit codes: 0 listed; 3 an input holds no DICOM series; 2 wrong command line or no such path.
    """
    from monai_sr.io.study_report import inspect_study

    if not debug:
        silence_libraries()
    rules = SeriesRules(allow_tilt=allow_tilt, resample_irregular=resample_irregular)
    found: list[SeriesReport] = []
    code = ExitCode.DONE
    for path in dict.fromkeys(study):
        try:
            found += inspect_study(path, rules)
        except InputError as error:
            typer.echo(f"refused  {error}", err=True)
            code = ExitCode.CASES
    if as_json:
        typer.echo(json.dumps({"series": [report.as_json() for report in found]}, indent=2))
    else:
        for report in found:
            typer.echo("\n".join(_lines(report)))
        if found:
            typer.echo(_count(found))
    raise typer.Exit(code)


def _lines(report: SeriesReport) -> list[str]:
    series, facts = report.series, report.series.facts
    number = "" if facts.number is None else f"series {facts.number}"
    described = facts.description[:_DESCRIPTION]
    files = f"{len(series.files)} file{'' if len(series.files) == 1 else 's'}"
    words = [facts.modality, number, files, f'"{described}"' if described else ""]
    head = f"{report.verdict:<7} {series.name}  {', '.join(filter(None, words))}"
    if report.verdict == "take":
        return [f"{head}: {_grid(report.volumes[0])}", *_notes(report.volumes[0])]
    if report.verdict == "choose":
        lines = [f"{head}: {len(report.volumes)} volumes, choose with --series {series.name}:1 or :all"]
        shown = list(enumerate(report.volumes, start=1))[:_MOST_VOLUMES]
        lines += [f"          {number}: {volume.label}: {volume.problem or _grid(volume)}" for number, volume in shown]
        return lines + ["          ..."] * (len(report.volumes) > _MOST_VOLUMES)
    return [f"{head}: {report.reason}"]


def _grid(volume: PlannedVolume) -> str:
    if volume.geometry is None:
        return ""
    shape = " x ".join(map(str, volume.geometry.shape))
    return f"{shape} voxels of {' x '.join(f'{s:.3g}' for s in volume.geometry.spacing)} mm"


def _notes(volume: PlannedVolume) -> list[str]:
    return [f"          {note}" for note in volume.notes]


def _count(found: list[SeriesReport]) -> str:
    verdicts = [report.verdict for report in found]
    words = (("take", "to take"), ("choose", "to choose from"), ("skip", "to skip"), ("refuse", "to refuse"))
    return ", ".join(f"{verdicts.count(verdict)} {text}" for verdict, text in words if verdicts.count(verdict))  # type: ignore[arg-type]
