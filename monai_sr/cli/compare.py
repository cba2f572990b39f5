"""``monai-sr compare``: every system of a plan, trained with one budget and measured on one road, in one report."""

from __future__ import annotations

import os
import platform
import shlex
import sys
import time
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

import monai_sr
from monai_sr.cli.comparison_training import train_systems
from monai_sr.cli.console import silence_libraries
from monai_sr.cli.options import AffineOption, DebugOption, DeviceOption, ModalityOption
from monai_sr.cli.outcome import EnvironmentProblemError, ExitCode
from monai_sr.cli.train import presets_root
from monai_sr.cli.values import parse_device
from monai_sr.io import InputError

__all__ = ["compare"]

Row = dict[str, Any]


def compare(
    data: Annotated[
        Path,
        typer.Option(
            "--data",
            exists=True,
            file_okay=False,
            help="Volumes of high resolution, HR/ and LR/ pairs, or photographs.",
        ),
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", file_okay=False, help="Output folder; a comparison that began there goes on.")
    ],
    plan: Annotated[
        str, typer.Option(metavar="NAME|FILE", help="What is compared: a file of configs/comparison, or your own.")
    ] = "through_plane",
    only: Annotated[str | None, typer.Option(metavar="A,B", help="These methods of the plan only.")] = None,
    trainings: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            file_okay=False,
            help="Trainings of an earlier comparison: nothing is trained, and all of --data is measured.",
        ),
    ] = None,
    outside: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=DIR", help="Results of a program of others on the files of --save-inputs."),
    ] = None,
    save_inputs: Annotated[
        Path | None, typer.Option(file_okay=False, help="Write the acquired volumes there, for programs of others.")
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Trainings at the same time; they share the cores.")] = 1,
    modality: ModalityOption = None,
    affine: AffineOption = None,
    device: DeviceOption = "auto",
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the table only.")] = False,
    debug: DebugOption = False,
) -> None:
    """Compare super-resolution systems on one data path, one forward model and one metric code.

    OUT gets report.html (open it in a browser), comparison.md (the tables), rows.jsonl (every number) and training/.
    A method or case that fails keeps its row with the reason, and the others go on; the exit code is then 3.
    """
    if not debug:
        silence_libraries()
    from monai_sr.engines.comparison import compare as run
    from monai_sr.engines.comparison import curves, methods_of, system_facts
    from monai_sr.engines.comparison_plan import read_plan
    from monai_sr.engines.methods import TRAIN_FREE
    from monai_sr.report import comparison_tables_text, write_comparison_report

    parse_device(device)
    began = time.perf_counter()
    others = _outside(outside or [])

    def tell(sentence: str) -> None:
        if not quiet:
            typer.echo(sentence, err=True)

    try:
        chosen = _only(read_plan(_plan_file(plan), (*TRAIN_FREE, "none")), only)
        cases, split = _cases(data, out, chosen.split, everything=trainings is not None)
        if split is None and trainings is None and any(method.trained for method in chosen.methods):
            raise InputError(
                "real pairs are measured with systems that were trained on other data: give --trainings of an earlier "
                "comparison, or --only methods that need no training"
            )
    except InputError as error:
        raise typer.BadParameter(str(error)) from None
    wanted: Literal["CT", "MR"] | None = None if modality is None else "CT" if modality == "ct" else "MR"
    options = [
        word for key, value in (("--modality", modality), ("--affine", affine)) if value for word in (key, value)
    ]
    folder = trainings or out / "training"
    reasons: dict[str, str] = {}
    if trainings is None:
        try:
            states = train_systems(chosen, data, folder, split=split, jobs=jobs, options=options, tell=tell)
        except InputError as error:
            raise EnvironmentProblemError(str(error)) from None
        reasons = {name: f"training ended: {state.error}" for name, state in states.items() if state.error}
    methods = methods_of(chosen, folder, reasons, others)

    def show(row: Row) -> None:
        what = f"{row['case']}, {row['task']}, {row['method']}"
        tell(f"failed   {what}: {row['error']}" if "error" in row else f"measured {what}: {row['psnr']:.2f} dB")

    rows = run(
        chosen, cases, methods, out, modality=wanted, affine=affine, device=device, inputs=save_inputs, progress=show
    )
    systems = system_facts(chosen, methods, folder, {name: _how(path) for name, path in others.items()})
    facts = _facts(
        chosen, rows, split is not None, sum(s.train_seconds or 0.0 for s in systems), time.perf_counter() - began
    )
    text = comparison_tables_text(rows, systems, facts)
    (out / "comparison.md").write_text(text + "\n", encoding="utf-8")
    report = write_comparison_report(
        out / "report.html",
        title=chosen.title,
        rows=rows,
        systems=systems,
        pictures=out / "pictures",
        facts=facts,
        curves=curves(chosen, folder),
    )
    typer.echo(text)
    typer.echo(f"report {report}", err=True)
    raise typer.Exit(ExitCode.CASES if any("error" in row for row in rows) else ExitCode.DONE)


def _plan_file(plan: str) -> Path:
    """A plan by name or path.

    Raises:
        InputError: if there is none; the message lists those that there are.
    """
    file = presets_root() / "comparison" / f"{plan}.yaml"
    if "/" not in plan and file.is_file():
        return file
    if Path(plan).is_file():
        return Path(plan)
    names = ", ".join(sorted(f.stem for f in file.parent.glob("*.yaml")))
    raise InputError(f"no comparison plan {plan!r}; there are: {names}, or a file of your own")


def _only(plan: Any, only: str | None) -> Any:
    from dataclasses import replace

    if only is None:
        return plan
    names = [name.strip() for name in only.split(",")]
    known = [method.name for method in plan.methods]
    unknown = [name for name in names if name not in known]
    if unknown:
        raise InputError(f"the plan has no method {unknown[0]!r}; it has: {', '.join(known)}")
    return replace(plan, methods=tuple(method for method in plan.methods if method.name in names))


def _outside(words: list[str]) -> dict[str, Path]:
    found = {}
    for word in words:
        name, _, folder = word.partition("=")
        if not name or not Path(folder).is_dir():
            raise typer.BadParameter(f"takes NAME=DIR with a folder that exists, got {word!r}", param_hint="--outside")
        found[name] = Path(folder)
    return found


def _how(folder: Path) -> str:
    """How results from outside came about: the first line of ``how.txt`` beside them."""
    file = folder / "how.txt"
    return file.read_text(encoding="utf-8").splitlines()[0] if file.is_file() else "program of others"


def _cases(data: Path, out: Path, split: str | None, *, everything: bool) -> tuple[list[dict[str, Any]], Path | None]:
    """What is measured, and the split that the trainings follow.

    The plan's split where the data are those that it names; else one drawn by subject and kept in ``out``.
    """
    from monai_sr.data import Split, find_pairs, find_truths, split_cases

    pairs = (data / "HR").is_dir() and (data / "LR").is_dir()
    cases: list[dict[str, Any]] = list(find_pairs(data) if pairs else find_truths(data)[0])
    if everything or pairs:
        return cases, None
    named = None if split is None else presets_root() / "splits" / f"{split}.json"
    if named is not None and not set(Split.read(named).files) <= {case["name"] for case in cases}:
        named = None
    roles, _ = split_cases(cases, out, named, 0.25, 0)
    measured: list[dict[str, Any]] = [*roles["validation"], *roles["test"]]
    if not measured:
        raise InputError(f"{data.name}: nobody is left to measure, all of {len(cases)} train; more subjects are needed")
    return measured, (out / "split.json").resolve()


def _facts(plan: Any, rows: list[Row], unseen: bool, training_seconds: float, seconds: float) -> dict[str, str]:
    import psutil
    import torch

    measured = [row for row in rows if "error" not in row]
    subjects = {row["subject"] for row in measured}
    cases = {row["case"] for row in measured}
    return {
        "Measured": f"{len(cases)} cases of {len(subjects)} subjects"
        f"{' that no system was trained on' if unseen else ''}, {len(rows)} rows",
        "Mask": "body mask of the truth; photographs: the whole picture",
        "Range": "CT 2000 HU; MR p99.8 - p0.5 inside the mask; photographs full scale, luma (ITU-R BT.601)",
        "Border": "none is cut away",
        "LR simulation": "edge-aligned; CT slab average (box), MR Gaussian, photographs pixel average, one spacing "
        "wide; noise in % of the range, Rician for MR magnitude, else Gaussian (docs/definitions.md)",
        "Crop": "whole volumes" if plan.crop is None else f"at most {plan.crop} voxels per axis around the body",
        "Budget": f"the same optimiser steps on the same patches in the same order; in all {training_seconds / 60:.0f} "
        "minutes of training",
        "Hardware": f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, "
        f"{psutil.virtual_memory().total / 2**30:.0f} GB",
        "Versions": f"monai_sr {monai_sr.__version__}, Python {platform.python_version()}, torch {torch.__version__}",
        "Precision": "networks as they were trained: bfloat16 where the hardware computes it natively",
        "Command": shlex.join(["monai-sr", *sys.argv[1:]]),
        "This run": f"{seconds / 60:.1f} minutes, without what earlier runs had measured",
    }
