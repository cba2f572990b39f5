"""What becomes of lesions: are they kept, in contrast and size; are some invented; do removed structures come back.

    python benchmarks/lesions.py                       # the shipped model
    python benchmarks/lesions.py --model runs/x/model.pt --out runs/x/safety

Nodules, lesions, calcifications and points like microbleeds of known size and contrast are added to parts of scans that
no training saw, and real structures are erased from them. Both this twin and the untouched truth are degraded by
the one operator with the same noise, and restored. Prints Markdown tables; definitions: docs/safety.md.

Rows of a scan are kept in the output folder, and a run that was interrupted, or one beside it with other ``--cases``,
takes them up; after a change of this file or of the measures, begin with another folder. Some minutes on one core.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from common import machine
from scipy import ndimage
from unseen import NOISE, Restorer, Unseen, cases, describe, tasks, warned

from monai_sr.catalogue import find_model
from monai_sr.data import Lesion, draw_places, erase, insert_lesions, lesion_patch
from monai_sr.geometry import VolumeGeometry
from monai_sr.intensity import intensity_range
from monai_sr.metrics import (
    TISSUE_BANDS_HU,
    VISIBLE,
    body_core,
    contrast_map,
    contrast_scores,
    half_maximum_volume,
    local_contrast,
    unmatched_blobs,
)

Row = dict[str, Any]
Array = np.ndarray[Any, Any]

GAP_MM, SHELL_MM = 1.0, 4.0  # surroundings: from so far to so far outside the ball
PLACES = 6  # of each kind and size in a part
LEAST_PLACES = 8  # besides a lesion's own, of the same tissue
ERASED, STRUCTURE_MM, BALL_MM = 6, 4.0, 9.0  # structures erased per part, their size, the ball that takes them out
BLOB_MM = 3.0  # size of the structures that count as invented or lost


class Kind(NamedTuple):
    """Lesions of one kind: contrast in HU for CT, in per cent of the intensity range for MR."""

    name: str
    modality: str
    contrast: float
    diameters_mm: tuple[float, ...]
    tissue: str | None = None


KINDS = (
    Kind("solid nodule in lung", "CT", 800.0, (3.0, 5.0, 8.0), "lung"),
    Kind("ground-glass nodule", "CT", 250.0, (5.0, 8.0), "lung"),
    Kind("nodule in fat", "CT", 100.0, (3.0, 5.0, 8.0), "fat"),
    Kind("calcification", "CT", 400.0, (2.0, 3.0), "soft tissue"),
    Kind("hypodense lesion", "CT", -40.0, (5.0, 8.0), "soft tissue"),
    Kind("bright lesion", "MR", 30.0, (3.0, 5.0, 8.0)),
    Kind("faint bright lesion", "MR", 15.0, (3.0, 5.0)),
    Kind("dark lesion", "MR", -15.0, (3.0, 5.0)),
    Kind("point like a microbleed", "MR", -40.0, (2.0, 3.0)),
)
BLOB_CONTRAST = {"CT": 100.0, "MR": 15.0}


@dataclass(frozen=True, eq=False)
class Twins:
    """A part of a scan with and without lesions.

    Args:
        unseen: the part.
        changed: its truth with the lesions, and without the erased structures.
        lesions: with the kind of each.
        erased: balls of the size of the structures that were taken out.
        unit: what a contrast of 1 is in the volume's units: 1 HU, or 1 % of the range.
        places: by diameter, that shape at the place of every lesion.
        blob: the shape of structures that count as invented or lost.
        truth_map: contrast map of the untouched truth for that shape.
    """

    unseen: Unseen
    changed: Any
    lesions: list[tuple[Kind, Lesion]]
    erased: list[Lesion]
    unit: float
    places: dict[float, list[Place]]
    blob: tuple[Array, Array]
    truth_map: Array


class Place(NamedTuple):
    """A shape at a place: what it fills, and what surrounds it."""

    window: tuple[slice, slice, slice]
    weight: Array
    shell: Array

    def contrast(self, array: Array) -> float:
        """Local contrast there."""
        return local_contrast(array[self.window], self.weight, self.shell)


def _places(geometry: VolumeGeometry, lesions: Iterable[Lesion], diameter: float) -> list[Place]:
    """A shape of the given diameter at the place of every lesion."""
    found = []
    for lesion in lesions:
        patch = lesion_patch(geometry, Lesion(lesion.centre_mm, diameter, 1.0, lesion.edge_mm), margin_mm=SHELL_MM)
        found.append(Place(patch.window, patch.weight, _shell(patch.distance_mm, diameter)))
    return found


def twins(unseen: Unseen) -> Twins:
    """Draw the places, largest lesions first; structures to erase come before them."""
    truth, spacing = unseen.truth, unseen.truth.geometry.spacing
    modality = str(truth.modality)
    unit = 1.0 if modality == "CT" else intensity_range(truth.array, modality, unseen.body).width / 100
    edge = min(spacing)
    erased = _structures(unseen, BLOB_CONTRAST[modality] * unit, edge)
    taken = [(ball.centre_mm, BALL_MM / 2 + SHELL_MM) for ball in erased]
    lesions: list[tuple[Kind, Lesion]] = []
    inner = np.ones(truth.array.shape, bool)  # at every place the largest shape is asked for too
    for axis, step in enumerate(spacing):
        rim = int(np.ceil((max(d for kind in KINDS for d in kind.diameters_mm) / 2 + 3 * edge) / step))
        np.moveaxis(inner, axis, 0)[[*range(rim), *range(-rim, 0)]] = False
    wanted = [(kind, d) for kind in KINDS if kind.modality == modality for d in kind.diameters_mm]
    for number, (kind, diameter) in enumerate(sorted(wanted, key=lambda w: -w[1])):
        clearance = diameter / 2 + SHELL_MM
        for place in draw_places(
            _allowed(unseen, kind, unit, diameter) & inner,
            unseen.body,
            spacing,
            clearance_mm=clearance,
            count=PLACES,
            seed=number,
            taken=taken,
        ):
            taken.append((place, clearance))
            lesions.append((kind, Lesion(place, diameter, kind.contrast * unit, edge)))
    crowd = Counter(kind.tissue for kind, _ in lesions)  # in a tissue of few places nothing is known of their spread
    lesions = [(kind, lesion) for kind, lesion in lesions if crowd[kind.tissue] > LEAST_PLACES]
    balls = [Lesion(ball.centre_mm, BALL_MM, 0.0, edge) for ball in erased]
    added = [lesion for _, lesion in lesions]
    blob = _shape(truth.geometry, BLOB_MM, edge)
    return Twins(
        unseen=unseen,
        changed=insert_lesions(erase(truth, balls), added),
        lesions=lesions,
        erased=erased,
        unit=unit,
        places={d: _places(truth.geometry, added, d) for d in sorted({lesion.diameter_mm for lesion in added})},
        blob=blob,
        truth_map=contrast_map(truth.array, *blob),
    )


def _allowed(unseen: Unseen, kind: Kind, unit: float, diameter: float) -> Array:
    """CT: the kind's tissue. MR: the smoothest third of the body, bright enough for a dark lesion."""
    array = unseen.truth.array.astype(np.float64)
    if kind.tissue is not None:
        low, high = TISSUE_BANDS_HU[kind.tissue]
        smooth = ndimage.median_filter(array, 3)
        return ndimage.binary_erosion((smooth >= low) & (smooth < high)) & unseen.body
    size = [max(3, 2 * round(3.0 / s) + 1) for s in unseen.truth.geometry.spacing]
    mean, square = (ndimage.uniform_filter(values, size) for values in (array, array**2))
    spread = np.sqrt(np.maximum(square - mean**2, 0.0))
    core = body_core(unseen.body)
    within = [max(3, 2 * int(np.ceil((diameter / 2 + 2) / s)) + 1) for s in unseen.truth.geometry.spacing]
    deep_enough = ndimage.minimum_filter(array, within) + min(kind.contrast, 0.0) * unit >= 0
    return core & (spread <= np.percentile(spread[core], 35)) & (deep_enough | bool(array.min() < 0))


def _structures(unseen: Unseen, threshold: float, edge: float) -> list[Lesion]:
    """The compact real structures of the highest contrast with room around them, half of them bright, half dark."""
    geometry = unseen.truth.geometry
    contrast = contrast_map(unseen.truth.array, *_shape(geometry, STRUCTURE_MM, edge))
    core = ndimage.distance_transform_edt(np.pad(unseen.body, 1), sampling=geometry.spacing)[1:-1, 1:-1, 1:-1]
    room = core >= BALL_MM / 2 + SHELL_MM + max(geometry.spacing)
    none = np.zeros_like(contrast)
    found = unmatched_blobs(contrast, none, room, threshold, _radius(geometry, STRUCTURE_MM))
    chosen: list[Lesion] = []
    for voxel in sorted(found, key=lambda v: -abs(contrast[tuple(v)])):
        sign = float(np.sign(contrast[tuple(voxel)]))
        if sum(other.contrast == sign for other in chosen) == ERASED // 2:
            continue
        centre = [(i + 0.5) * s for i, s in zip(voxel, geometry.spacing, strict=True)]
        apart = 2 * (BALL_MM / 2 + SHELL_MM)
        if all(np.linalg.norm(np.subtract(centre, other.centre_mm)) >= apart for other in chosen):
            chosen.append(Lesion((centre[0], centre[1], centre[2]), STRUCTURE_MM, sign, edge))
    return chosen


def _radius(geometry: VolumeGeometry, diameter: float) -> tuple[int, int, int]:
    x, y, z = (max(1, round(diameter / 2 / s)) for s in geometry.spacing)
    return x, y, z


def _shape(geometry: VolumeGeometry, diameter: float, edge: float) -> tuple[Array, Array]:
    """A lesion centred in a box of odd lengths, and its surroundings."""
    reach = diameter / 2 + SHELL_MM + edge
    n = [2 * int(np.ceil(reach / s)) + 1 for s in geometry.spacing]
    box = VolumeGeometry((n[0], n[1], n[2]), np.diag([*geometry.spacing, 1.0]))
    x, y, z = (m * s / 2 for m, s in zip(n, geometry.spacing, strict=True))
    lesion = Lesion((x, y, z), diameter, 1.0, edge)
    patch = lesion_patch(box, lesion, margin_mm=reach)
    return patch.weight, _shell(patch.distance_mm, diameter)


def _shell(distance: Array, diameter: float) -> Array:
    shell = (distance > diameter / 2 + GAP_MM) & (distance <= diameter / 2 + SHELL_MM)
    return np.asarray(shell)


def measure(pair: Twins, untouched: Array, changed: Array) -> Row:
    """Everything that one method made of the twins, both restored; or the truths themselves."""
    geometry, unseen = pair.unseen.truth.geometry, pair.unseen
    lesions = []
    for diameter, places in pair.places.items():
        null = np.array([place.contrast(untouched) for place in places])
        for number, (place, (kind, lesion)) in enumerate(zip(places, pair.lesions, strict=True)):
            if lesion.diameter_mm != diameter:
                continue
            own = place.contrast(changed)
            # places of the same tissue, this one left out
            others = [n != number and other.tissue == kind.tissue for n, (other, _) in enumerate(pair.lesions)]
            alone = np.sign(lesion.contrast) * (changed - untouched)[place.window]
            lesions.append(
                {
                    "kind": kind.name,
                    "diameter_mm": diameter,
                    "number": number,
                    "score": float(contrast_scores([own], null[others], lesion.contrast)[0]),
                    "contrast": float(own - null[number]) / pair.unit,
                    "volume_mm3": half_maximum_volume(alone, geometry.spacing),
                }
            )
    own_map = contrast_map(untouched, *pair.blob)
    limit, radius = BLOB_CONTRAST[str(unseen.truth.modality)] * pair.unit, _radius(geometry, BLOB_MM)
    core = body_core(unseen.body)
    litres = float(core.sum() * np.prod(geometry.spacing) / 1e6)
    erased = _places(geometry, pair.erased, STRUCTURE_MM)
    return {
        "lesions": lesions,
        "invented_per_litre": len(unmatched_blobs(own_map, pair.truth_map, core, limit, radius)) / litres,
        "lost_per_litre": len(unmatched_blobs(pair.truth_map, own_map, core, limit, radius)) / litres,
        "erased": [
            {name: place.contrast(array) / pair.unit for name, array in (("before", untouched), ("after", changed))}
            for place in erased
        ],
    }


# ---- tables


def _mean(values: list[float], form: str = "{:.2f}") -> str:
    return form.format(float(np.mean(values))) if values else "-"


class Table:
    """Rows of one setting and group of lesions, held against the truth's."""

    def __init__(self, rows: list[Row], methods: list[str]) -> None:
        self.rows, self.methods = rows, methods
        self.truth = {row["case"]: row for row in rows if row["method"] == "truth"}

    def of(
        self, method: str, modality: str, task: str, keep: Callable[[Row], bool] = lambda _: True
    ) -> dict[str, list[float]]:
        """Per-lesion values of a method."""
        found: dict[str, list[float]] = defaultdict(list)
        for row in self.rows:
            if (row["method"], row["modality"], row["task"]) != (method, modality, task):
                continue
            truth = self.truth[row["case"]]
            for own, real in zip(row["lesions"], truth["lesions"], strict=True):
                if not keep(own):
                    continue
                found["kept"].append(own["contrast"] / real["contrast"])
                found["volume"].append(own["volume_mm3"] / real["volume_mm3"] - 1)
                if real["score"] >= VISIBLE:
                    found["seen"].append(float(own["score"] >= VISIBLE))
            found["invented"].append(row["invented_per_litre"])
            found["lost"].append(row["lost_per_litre"])
            for own, real in zip(row["erased"], truth["erased"], strict=True):
                found["back"].append((own["after"] - real["after"]) / (real["before"] - real["after"]))
        return dict(found)

    def table(
        self,
        lines: list[tuple[str, str, str, Callable[[Row], bool]]],
        cell: Callable[[dict[str, list[float]]], str],
        first: str,
    ) -> str:
        """A Markdown table: a line per group, a column per method."""
        out = [f"| {first} | " + " | ".join(self.methods) + " |", "|---|" + "---:|" * len(self.methods)]
        for label, modality, task, keep in lines:
            cells = [cell(self.of(method, modality, task, keep)) for method in self.methods]
            if any(c != "-" for c in cells):
                out.append(f"| {label} | " + " | ".join(cells) + " |")
        return "\n".join(out)


def seen(v: dict[str, list[float]]) -> str:
    """How many of the lesions that are visible in the truth are visible."""
    return f"{int(sum(v['seen']))}/{len(v['seen'])}" if v.get("seen") else "-"


def kept(v: dict[str, list[float]]) -> str:
    """Mean and tenth percentile of the share of contrast."""
    return f"{np.mean(v['kept']):.2f} ({np.percentile(v['kept'], 10):.2f})" if v.get("kept") else "-"


def volume(v: dict[str, list[float]]) -> str:
    """Median change of the volume at half maximum: a maximum beside the lesion makes a mean worthless."""
    return f"{100 * np.median(v['volume']):+.0f} %" if v.get("volume") else "-"


def blobs(v: dict[str, list[float]]) -> str:
    """Invented and lost structures per litre."""
    return f"{_mean(v['invented'], '{:.0f}')} / {_mean(v['lost'], '{:.0f}')}" if v.get("invented") else "-"


def back(v: dict[str, list[float]]) -> str:
    """Mean and largest share of the contrast of erased structures that is back."""
    if not v.get("back"):
        return "-"
    return f"{100 * np.mean(v['back']):+.0f} % ({100 * max(v['back'], key=abs):+.0f} %)"


def report(rows: list[Row], methods: list[str]) -> str:
    """All tables."""
    table = Table(rows, methods)
    settings = list(dict.fromkeys((row["modality"], row["task"]) for row in rows if row["task"]))
    settings.sort(key=lambda s: s[0])
    summary = [(f"{m}, {t.removeprefix('through-plane ')}", m, t, lambda _: True) for m, t in settings]
    parts = [
        f"### Visible of those visible in the truth\n\n{table.table(summary, seen, 'setting')}",
        f"### Contrast kept: mean (tenth percentile)\n\n{table.table(summary, kept, 'setting')}",
        f"### Volume at half maximum, against the truth's: median\n\n{table.table(summary, volume, 'setting')}",
        f"### Structures invented / lost per litre\n\n{table.table(summary, blobs, 'setting')}",
        f"### Erased structures: contrast that is back, mean (worst)\n\n{table.table(summary, back, 'setting')}",
    ]
    for task in dict.fromkeys(t for _, t in settings):
        lines = []
        for kind in KINDS:
            for d in kind.diameters_mm:
                unit = "HU" if kind.modality == "CT" else "%"

                def keep(lesion: Row, name: str = kind.name, size: float = d) -> bool:
                    return (lesion["kind"], lesion["diameter_mm"]) == (name, size)

                lines.append((f"{kind.name} {kind.contrast:+g} {unit}, {d:g} mm", kind.modality, task, keep))
        whole = lambda v: f"{seen(v)}; {_mean(v['kept'])}; {volume(v)}" if v.get("kept") else "-"  # noqa: E731
        parts.append(f"### {task}: visible; contrast kept; volume\n\n{table.table(lines, whole, 'lesion')}")
    return "\n\n".join(parts)


def header(options: argparse.Namespace, rows: list[Row], told: list[str]) -> str:
    """What every number rests on."""
    record = None if options.model == "none" else find_model(options.model)
    model = "no model" if record is None else f"model `{record.name}`, sha256 `{record.sha256[:16]}`"
    truths = [row for row in rows if row["method"] == "truth"]
    lesions, erased = (sum(len(row[key]) for row in truths) for key in ("lesions", "erased"))
    return f"""{lesions} lesions and {erased} erased structures in {len(told)} parts of scans, {model}.

- **Scans**: validation subjects of `configs/splits/development.json`, and chest CTs that no split holds; one axis is
  degraded:
{chr(10).join(told)}
- **LR simulation**: CT slab average, MR Gaussian, of one spacing; noise in % of the range as in `definitions.md`,
  the same with and without lesions.
- **Visible**: local contrast at least {VISIBLE:g} standard deviations of that at places without a lesion."""


def kept_rows(unseen: Unseen, restore: Restorer, noises: Sequence[float], folder: Path, began: float) -> list[Row]:
    """Rows of a scan, measured, or read where a run with the same methods and truth has left them."""
    facts = {"case": unseen.truth.name, "modality": unseen.truth.modality}
    levels = "" if tuple(noises) == NOISE else "_" + "_".join(f"{noise:g}" for noise in noises)
    file = folder / f"{restore.digest(unseen.truth.array)}{levels}.json"
    if file.exists():
        return list(json.loads(file.read_text(encoding="utf-8")))
    pair = twins(unseen)
    rows = [{**facts, "task": "", "method": "truth", **measure(pair, unseen.truth.array, pair.changed.array)}]
    for task in tasks(noises):
        problems = [unseen.problem(truth, task) for truth in (unseen.truth, pair.changed)]
        for method in restore.methods:
            volumes = [restore(problem, method) for problem in problems]
            rows.append({**facts, "task": task.name, "method": method.name, **measure(pair, volumes[0], volumes[1])})
        print(f"{time.perf_counter() - began:7.1f} s  {unseen.truth.name}, {task.name}", file=sys.stderr, flush=True)
    rows[0]["warnings"] = sorted(w for w in restore.warnings if w.startswith(unseen.truth.name))
    folder.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(rows) + "\n", encoding="utf-8")
    return rows


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="default", help="name, path, or none")
    parser.add_argument("--out", type=Path, default=Path("runs/safety"))
    parser.add_argument("--cases", nargs="*", help="only scans whose name holds one of these")
    parser.add_argument("--noise", type=float, nargs="*", default=list(NOISE), help="levels, as fractions of the range")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    restore = Restorer(options.model, options.out / "restored", options.device)
    began = time.perf_counter()
    rows: list[Row] = []
    told: list[str] = []
    for unseen in cases(options.cases):
        rows += kept_rows(unseen, restore, options.noise, options.out / "rows", began)
        told.append(describe(unseen))
    text = f"{header(options, rows, told)}\n\n{report(rows, restore.names)}\n\n{warned(rows)}{machine()}"
    (options.out / "lesions.json").write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    (options.out / "lesions.md").write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
