"""Every series and volume of the development data through ``monai-sr upscale``: written rightly, or refused by name.

    python benchmarks/cases.py --model none --out runs/cases

Each item is one call of the command line. A written volume is read back with SimpleITK, and the outer corners of its
field of view are held against those of the source, which SimpleITK reads too if it is NIfTI. Values are compared with
the acquired ones as docs/definitions.md says. Prints a Markdown table; the exit code is 1 if anything is wrong: a
traceback, a corner, a value.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from common import items, machine

from monai_sr.geometry import VolumeGeometry
from monai_sr.intensity import body_mask
from monai_sr.io import Volume, find_cases, read_volume
from monai_sr.metrics import body_bias, body_core, tissue_bias

CORNER_MM, BODY_HU, BAND_HU, BODY_MR_PERCENT = 1e-3, 1.0, 5.0, 0.5


@dataclass
class Outcome:
    """What became of one case: cells of the table, and what is wrong with it."""

    item: str
    case: str
    told: str
    before: str = ""
    after: str = ""
    corner_mm: float | None = None
    values: str = ""
    seconds: float | None = None
    faults: list[str] = field(default_factory=list)


def upscale(path: Path, out: Path, options: argparse.Namespace, affine: str | None) -> tuple[list[dict[str, Any]], str]:
    """Events of one call of the command line, and what is wrong with the call itself."""
    command = [sys.executable, "-m", "monai_sr", "upscale", str(path), "-o", str(out), "--json", "--device", "cpu"]
    command += ["--model", options.model, "--overwrite", *(["--affine", affine] if affine else [])]
    done = subprocess.run(command, capture_output=True, text=True, timeout=options.timeout, check=False)
    events = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    fault = ""
    if "Traceback" in done.stderr or "Traceback" in done.stdout:
        fault = "traceback"
    elif done.returncode not in (0, 2, 3):
        fault = f"exit code {done.returncode}"
    elif done.returncode == 2:
        events.append({"event": "refused", "case": "", "message": done.stderr.strip().splitlines()[-1]})
    return events, fault


def outcomes(name: str, path: Path, out: Path, options: argparse.Namespace) -> list[Outcome]:
    """All cases of an item; a NIfTI with two affines is tried again with the choice that the refusal asks for."""
    events, fault = upscale(path, out, options, None)
    found = [o for event in events if (o := _outcome(name, path, event, None)) is not None]
    if any("--affine" in o.told for o in found):
        again, fault_again = upscale(path, out, options, "sform")
        fault = fault or fault_again
        found += [o for e in again if (o := _outcome(f"{name} (--affine sform)", path, e, "sform")) is not None]
    if fault or not found:
        found.append(Outcome(name, "", "no outcome" if not found else "", faults=[fault or "no outcome"]))
    return found


def _outcome(name: str, path: Path, event: dict[str, Any], affine: str | None) -> Outcome | None:
    kind = event["event"]
    if kind == "refused":
        return Outcome(name, event["case"], f"refused: {event['message']}")
    if kind in ("failed", "stopped", "interrupted"):
        return Outcome(name, event.get("case", ""), f"FAILED: {event.get('message', kind)}", faults=["failed"])
    if kind == "done":
        try:
            return _written(name, path, event, affine)
        except Exception as error:  # a result that cannot be read back is a finding, and the other items go on
            return Outcome(name, event["case"], "written", faults=[f"cannot be read back: {error}"])
    return None


def _written(name: str, path: Path, event: dict[str, Any], affine: str | None) -> Outcome:
    """Hold what was written against the source."""
    folder = Path(event["folder"])
    case = next(c for c in find_cases(path, affine=affine) if c.name == event["case"])  # type: ignore[arg-type]
    acquired = case.read()
    nifti = sorted(folder.glob("*_sr.nii.gz"))
    written = nifti[0] if nifti else folder / "dicom"
    image = _sitk(written)
    source = _sitk_corners(_sitk(path)) if nifti and path.is_file() else acquired.geometry.corners()
    corner = _apart(_sitk_corners(image), source)
    # where a source states two affines its result does too, and the same choice is needed to read it
    restored = read_volume(written, affine=affine if nifti else None)  # type: ignore[arg-type]
    found = Outcome(name, event["case"], "written", corner_mm=corner, seconds=event["seconds"])
    found.before, found.after = _grid(acquired.geometry), _grid(restored.geometry)
    if event.get("warnings"):
        found.told += " (fallback)" if any("without the network" in w for w in event["warnings"]) else " (warning)"
    if corner > CORNER_MM:
        found.faults.append(f"corners {corner:.2g} mm apart")
    record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    _check_values(found, acquired, restored, record["modality"])
    return found


def _check_values(found: Outcome, acquired: Volume, restored: Volume, modality: str) -> None:
    if np.abs(acquired.geometry.directions - restored.geometry.directions).max() > 1e-3:
        found.faults.append("the written axes differ from those of the source")
        return
    mask, part = body_mask(acquired.array, modality), "body"
    core = body_core(mask)
    if core.sum() < 0.1 * mask.sum():  # a mask of crumbs: some test series hold noise for pixels, and so no body
        core, part = np.ones_like(mask), "whole field (no body found)"
    bias = body_bias(restored.array, acquired.array, core)
    if modality == "CT":
        bands = tissue_bias(restored.array, acquired.array, core)
        found.values = f"CT {part} {bias:+.2f} HU" + "".join(f", {band} {hu:+.1f}" for band, hu in bands.items())
        wrong = [f"{part} {bias:+.2f} HU"] if abs(bias) > BODY_HU else []
        found.faults += wrong + [f"{band} {hu:+.1f} HU" for band, hu in bands.items() if abs(hu) > BAND_HU]
    else:
        percent = 100 * bias / float(acquired.array[core].mean())
        found.values = f"MR {part} {percent:+.2f} %"
        found.faults += [f"{part} {percent:+.2f} %"] if abs(percent) > BODY_MR_PERCENT else []


def _sitk(path: Path) -> Any:  # SimpleITK has no types
    if path.is_file():
        return sitk.ReadImage(str(path))
    reader: Any = sitk.ImageSeriesReader()  # type: ignore[no-untyped-call]
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(path)))
    return reader.Execute()


def _sitk_corners(image: Any) -> np.ndarray:
    edges = [(-0.5, n - 0.5) for n in image.GetSize()]
    points = [image.TransformContinuousIndexToPhysicalPoint(p) for p in itertools.product(*edges)]
    return np.array(points) * [-1.0, -1.0, 1.0]  # LPS to RAS


def _apart(a: np.ndarray, b: np.ndarray) -> float:
    """Largest distance of a corner to the nearest corner of the other field of view, either way, in mm."""
    distance = np.linalg.norm(a[:, None] - b[None], axis=-1)
    return float(max(distance.min(0).max(), distance.min(1).max()))


def _grid(geometry: VolumeGeometry) -> str:
    shape = "x".join(map(str, geometry.shape))
    return f"{shape}, {' x '.join(f'{s:.3g}' for s in geometry.spacing)}"


def table(found: list[Outcome]) -> str:
    """The Markdown table and its count."""
    lines = [
        "| item | outcome | before (voxels, mm) | after | corners, mm | values | s |",
        "|---|---|---|---|---:|---|---:|",
    ]
    for o in found:
        corner = "" if o.corner_mm is None else f"{o.corner_mm:.1e}"
        seconds = "" if o.seconds is None else f"{o.seconds:.1f}"
        told = o.told + (f" **WRONG: {'; '.join(o.faults)}**" if o.faults else "")
        lines.append(f"| {o.item} | {told} | {o.before} | {o.after} | {corner} | {o.values} | {seconds} |")
    written = sum(o.told.startswith("written") for o in found)
    refused = sum(o.told.startswith("refused") for o in found)
    wrong = sum(bool(o.faults) for o in found)
    lines += ["", f"{len(found)} cases: {written} written, {refused} refused, {wrong} with a fault."]
    return "\n".join(lines)


def main() -> None:
    """Run all items, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="default")
    parser.add_argument("--out", type=Path, default=Path("runs/cases"))
    parser.add_argument("--only", nargs="*", help="only items whose name holds one of these")
    parser.add_argument("--timeout", type=float, default=1800.0, help="seconds per item")
    options = parser.parse_args()
    os.environ["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    found: list[Outcome] = []
    began = time.perf_counter()
    for number, (name, path) in enumerate(items()):
        if options.only and not any(part in name for part in options.only):
            continue
        out = options.out / f"{number:03d}"
        shutil.rmtree(out, ignore_errors=True)
        found += outcomes(name, path, out, options)
        print(
            f"{time.perf_counter() - began:7.1f} s  {name}: {found[-1].told} {found[-1].faults or ''}", file=sys.stderr
        )
        shutil.rmtree(out, ignore_errors=True)  # the results of all items together are several GB
    print(
        f"`monai-sr upscale` with `--model {options.model}` on every volume and series of the development data.\n"
        "Corners: largest distance between the outer corners of the written volume, as SimpleITK reads it, and\n"
        "those of the source. Values: restored minus acquired, as `definitions.md` says.\n"
    )
    print(table(found))
    print(f"\n{machine()}")
    sys.exit(any(o.faults for o in found))


if __name__ == "__main__":
    main()
