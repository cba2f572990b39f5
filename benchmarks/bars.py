"""The bars of a release: the model and its GAN stage on every setting that the release is judged by.

    python benchmarks/bars.py                       # the shipped model
    python benchmarks/bars.py --model runs/x/model.pt --gan runs/y/model.pt --out runs/x/bars

Validation subjects that were never trained on, through- and in-plane, x2 to x5, clean and with noise, with a slice
profile that the header states wrongly, and the real pair of a head phantom. Prints Markdown, keeps ``rows.jsonl`` and
takes up the rows that are there. Definitions: docs/definitions.md.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from common import data_folder, files_of, machine

from monai_sr.catalogue import find_model, perceptual_partner
from monai_sr.engines.evaluate import evaluate
from monai_sr.engines.methods import NetworkMethod
from monai_sr.engines.tasks import Task
from monai_sr.inference import load_model
from monai_sr.keys import HR, LR

Row = dict[str, Any]
Entry = dict[str, Row]
"""Rows of one problem by method; the model is called ``model``, its GAN stage ``gan``."""

REFERENCES = ("cubic", "ibp1", "ibp3", "ibp5")
KINDS = ("through-plane", "in-plane")
PAIR = ("ct_headphantom_1mm_UB.nii.gz", "ct_headphantom_5mm_UB.nii.gz")


@dataclass(frozen=True)
class Setting:
    """A row of the bars: tasks, and the gains in dB that are asked for."""

    name: str
    tasks: tuple[Task, ...]
    model_db: float
    gan_db: float
    gan_over_cubic: bool = False  # the GAN stage's bar is meant over cubic, not over the best reference


def _tasks(factors: Sequence[float], noises: Sequence[float]) -> tuple[Task, ...]:
    return tuple(Task(kind, factor, noise) for kind in KINDS for factor in factors for noise in noises)  # type: ignore[arg-type]


SETTINGS = (
    Setting("x2, clean", _tasks([2.0], [0.0]), 1.0, 0.0),
    Setting("x3, x4, x5, clean", _tasks([3.0, 4.0, 5.0], [0.0]), 1.2, 0.5, gan_over_cubic=True),
    Setting("x2 to x5, 1 to 3 % noise", _tasks([2.0, 3.0, 4.0, 5.0], [0.01, 0.03]), 1.5, 0.5),
    Setting(
        "profile wrong by 0.7 or 1.3",
        tuple(Task("through-plane", factor, 0.0, None, width) for factor in (2.0, 4.0) for width in (0.7, 1.3)),
        0.0,
        0.0,
        gan_over_cubic=True,
    ),
)


def entries_of(rows: Sequence[Row]) -> list[Entry]:
    """Rows of the same problem together; refusals are left out, and said on stderr."""
    found: dict[tuple[str, str], Entry] = {}
    for row in rows:
        if "error" in row:
            print(f"{row['case']}, {row['task']}, {row['method']}: {row['error']}", file=sys.stderr)
            continue
        found.setdefault((row["case"], row["task"]), {})[row["method"]] = row
    return [entry for entry in found.values() if "model" in entry and "cubic" in entry]


def methods_for(modality: str, options: argparse.Namespace) -> list[NetworkMethod]:
    """The model for a modality under the name ``model``, and its GAN stage, if there is one, under ``gan``."""
    record = find_model(options.model, modality)
    partner = find_model(options.gan, modality) if options.gan else perceptual_partner(record)
    stages = {"model": record, "gan": partner}
    return [
        NetworkMethod(name, load_model(stage), ensemble=options.ensemble)
        for name, stage in stages.items()
        if stage is not None
    ]


def gain(entry: Entry, who: str, *, over: Sequence[str] = REFERENCES, key: str = "psnr") -> float:
    """Of a method over the best of others on the same problem."""
    return float(entry[who][key] - max(entry[name][key] for name in over))


def spread(values: Sequence[float], form: str = "{:+.2f}") -> str:
    """Mean and standard deviation."""
    if not values:
        return ""
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    return f"{form.format(statistics.fmean(values))} ± {deviation:.2f}"


def _verdict(value: float, asked: float) -> str:
    return "reached" if value >= asked else f"missed by {asked - value:.2f} dB"


def bars(groups: Sequence[tuple[Setting, list[Entry]]]) -> str:
    """One line per bar: asked, found, verdict."""
    lines = ["| setting | who | asked, dB | mean ± sd | n | worst | |", "|---|---|---:|---:|---:|---:|---|"]
    for setting, entries in groups:
        for who, asked in (("model", setting.model_db), ("gan", setting.gan_db)):
            over_cubic = who == "gan" and setting.gan_over_cubic
            gains = [gain(e, who, over=("cubic",) if over_cubic else REFERENCES) for e in entries if who in e]
            if not gains:
                continue
            against = "cubic" if over_cubic else "best reference"
            lines.append(
                f"| {setting.name} | {_called(who)} over {against} | {asked:+.1f} | {spread(gains)} | {len(gains)} | "
                f"{min(gains):+.2f} | {_verdict(statistics.fmean(gains), asked)} |"
            )
    every = [entry for _, entries in groups for entry in entries]
    worst = min(every, key=lambda e: gain(e, "model", over=("cubic",)))
    value = gain(worst, "model", over=("cubic",))
    where = f"{worst['model']['case']}, {worst['model']['task']}"
    lines.append(
        f"| worst single case | {_called('model')} over cubic | +0.0 | {value:+.2f} | {len(every)} | | "
        f"{_verdict(value, 0.0)} ({where}) |"
    )
    below = [gain(e, "model", key="ssim") for e in every if gain(e, "model", key="ssim") < 0]
    lines.append(
        f"| SSIM, everywhere | {_called('model')} over best reference | +0.0 | "
        f"{spread([gain(e, 'model', key='ssim') for e in every], '{:+.4f}')} | {len(every)} | "
        f"{min(gain(e, 'model', key='ssim') for e in every):+.4f} | "
        f"{'reached' if not below else f'missed in {len(below)} of {len(every)} cases'} |"
    )
    lines += _edge_bar([e for setting, group in groups if setting is SETTINGS[0] for e in group if "gan" in e])
    return "\n".join(lines)


def _edge_bar(entries: Sequence[Entry]) -> list[str]:
    """The GAN stage is there to be sharper: its edges are at most as wide as those of the fidelity model."""
    if not entries:
        return []
    wider = [e["gan"]["edge_width_mm"] - e["model"]["edge_width_mm"] for e in entries]
    mean = statistics.fmean(wider)
    told = "reached" if mean <= 0 else f"missed by {mean:.3f} mm"
    return [
        f"| edge width, x2, clean | {_called('gan')} minus fidelity model, mm | at most 0 | "
        f"{spread(wider, '{:+.3f}')} | {len(entries)} | {max(wider):+.3f} | {told} |"
    ]


def _called(who: str) -> str:
    return {"model": "fidelity model", "gan": "GAN stage"}[who]


def parts(groups: Sequence[tuple[Setting, list[Entry]]]) -> str:
    """Where the gains come from: by modality, kind, factor and noise."""
    entries = [entry for setting, group in groups for entry in group if not setting.name.startswith("profile")]
    keys: list[tuple[str, Callable[[Row], Any]]] = [
        ("modality", lambda r: r["modality"]),
        ("kind", lambda r: r["kind"]),
        ("factor", lambda r: f"x{r['factor']:g}"),
        ("noise", lambda r: f"{100 * r['noise']:g} %"),
    ]
    lines = [
        "| part | n | fidelity model over best reference, dB | worst | over none | GAN stage over best reference |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for key, value_of in keys:
        for value in dict.fromkeys(value_of(e["model"]) for e in entries):
            part = [e for e in entries if value_of(e["model"]) == value]
            gains = [gain(e, "model") for e in part]
            lines.append(
                f"| {key} {value} | {len(part)} | {spread(gains)} | {min(gains):+.2f} | "
                f"{spread([gain(e, 'model', over=('none',)) for e in part])} | "
                f"{spread([gain(e, 'gan') for e in part if 'gan' in e])} |"
            )
    return "\n".join(lines)


def consistency(groups: Sequence[tuple[Setting, list[Entry]]]) -> str:
    """How far what was restored, degraded again, departs from what was acquired: |A(SR) - LR| in % of the range.

    Clean: at most that of cubic. Noisy: at most the larger of cubic's and 1.1 times the noise; far below the noise it
    would have been copied.
    """
    lines = [
        "| input | who | n | residual, % | allowed at most, % | over it | of the noise |",
        "|---|---|---:|---:|---:|---:|---|",
    ]
    entries = [e for setting, group in groups for e in group if not setting.name.startswith("profile")]
    for noise in dict.fromkeys(e["model"]["noise"] for e in entries):
        part = [e for e in entries if e["model"]["noise"] == noise]
        for who in ("model", "gan"):
            judged = [e for e in part if who in e]
            if not judged:
                continue
            found = [e[who]["residual_percent"] for e in judged]
            allowed = [max(e["cubic"]["residual_percent"], 110.0 * noise) for e in judged]
            over = sum(value > limit for value, limit in zip(found, allowed, strict=True))
            share = f"{min(found) / noise / 100:.2f} to {max(found) / noise / 100:.2f}" if noise else ""
            lines.append(
                f"| {100 * noise:g} % noise | {_called(who)} | {len(judged)} | {spread(found, '{:.2f}')} | "
                f"{spread(allowed, '{:.2f}')} | {over} | {share} |"
            )
    return "\n".join(lines)


def pair_table(rows: Sequence[Row], scale_hu: float = 2000.0) -> str:
    """The real pair: root mean square error in HU of every method."""
    lines = ["| method | RMSE, HU | PSNR, dB | SSIM | remark |", "|---|---:|---:|---:|---|"]
    for row in rows:
        rmse = scale_hu * 10 ** (-row["psnr"] / 20)
        remark = row["warnings"][0] if row["warnings"] else ""
        lines.append(f"| {row['method']} | {rmse:.1f} | {row['psnr']:.2f} | {row['ssim']:.4f} | {remark} |")
    return "\n".join(lines)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="default", help="name or path")
    parser.add_argument("--gan", help="name or path of the GAN stage; default: the model's own in its bundle")
    parser.add_argument("--ensemble", type=int, default=1, choices=(1, 4, 8), help="as of monai-sr upscale")
    parser.add_argument("--out", type=Path, default=Path("runs/bars"))
    parser.add_argument("--crop", type=int, default=120, help="voxels per axis around the body")
    parser.add_argument("--cases", nargs="*", help="only volumes whose file name holds one of these")
    parser.add_argument("--settings", nargs="*", help="only settings whose name holds one of these")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    files = [f for f in files_of("validation") if not options.cases or any(c in f.name for c in options.cases)]
    chosen = [s for s in SETTINGS if not options.settings or any(part in s.name for part in options.settings)]
    began = time.perf_counter()

    def show(row: Row) -> None:
        told = row.get("error") or f"{row['psnr']:.2f} dB"
        passed = time.perf_counter() - began
        print(f"{passed:7.1f} s  {row['case']}, {row['task']}, {row['method']}: {told}", file=sys.stderr)

    groups: list[tuple[Setting, list[Entry]]] = [(setting, []) for setting in chosen]
    shown = []
    for file in files:
        methods = methods_for("CT" if file.name.startswith("ct") else "MR", options)
        shown += [f"{m.model.record.name} ({m.model.record.sha256[:16]})" for m in methods if m.model is not None]
        for setting, entries in groups:
            rows = evaluate(
                [file],
                model=None,
                tasks=setting.tasks,
                references=(*REFERENCES, "none"),
                methods=methods,
                out=options.out,
                crop=options.crop,
                affine="sform",
                device=options.device,
                measures="all" if setting is SETTINGS[0] else "ssim",
                progress=show,
            )
            entries += entries_of(rows)
    pair = evaluate(
        [{HR: str(data_folder() / "train" / PAIR[0]), LR: str(data_folder() / "train" / PAIR[1]), "name": "phantom"}],
        model=None,
        references=("linear", *REFERENCES, "none"),
        methods=methods_for("CT", options),
        out=options.out,
        device=options.device,
        progress=show,
    )
    members = f"; --ensemble {options.ensemble}" if options.ensemble > 1 else ""
    minutes = (time.perf_counter() - began) / 60
    text = "\n\n".join(
        [
            f"Models: {', '.join(dict.fromkeys(shown))}{members}. {len(files)} validation volumes of "
            "`configs/splits/development.json`, at most "
            f"{options.crop} voxels per axis around the body, in the body mask. CT slab average (box), MR Gaussian; "
            "noise in % of the range. The best reference is the best of cubic and back-projection (1, 3, 5 steps) of "
            "that case.",
            bars(groups),
            parts(groups),
            "Data consistency:",
            consistency(groups),
            "Real pair: one scan of a head phantom, reconstructed with slices of 5 mm and of 1 mm (not anatomy).",
            pair_table(pair),
            f"{machine()}; {minutes:.1f} minutes",
        ]
    )
    (options.out / "bars.md").write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
