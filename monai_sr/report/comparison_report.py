"""``report.html`` of a comparison: tables, figures and pictures of all systems in one file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt

from monai_sr.report.comparison import Comparison, number
from monai_sr.report.comparison_figures import (
    frc_figure,
    gain_figure,
    loss_figure,
    profile_figure,
    sharpness_figure,
    sweep_figure,
)
from monai_sr.report.comparison_tables import (
    discriminator_table,
    failures,
    overview,
    signed,
    system_table,
    task_table,
)
from monai_sr.report.page import write_page
from monai_sr.report.panels import Layer, difference_limit, place_in, slider, zoom_box, zoomed
from monai_sr.report.pictures import Picture, PicturePlane, load_picture, picture_window
from monai_sr.report.system_facts import SystemFacts
from monai_sr.report.web_images import difference_uri, gray_uri

__all__ = ["write_comparison_report"]

Row = Mapping[str, Any]

_PROBLEMS = 4  # with a slider and panels
_WORST_SHOWN = 6  # with panels
_WORST_LISTED = 3  # per method
_SLIDER_BYTES = 8_000_000  # for all sliders together: the file stays one that can be sent
_UNITS = {"CT": "HU", "MR": "units", "photo": "of full scale"}


def write_comparison_report(
    path: Path,
    *,
    title: str,
    rows: Sequence[Row],
    systems: Sequence[SystemFacts],
    pictures: Path,
    facts: Mapping[str, str],
    curves: Mapping[str, Sequence[Mapping[str, float]]],
) -> Path:
    """Write the page; a report that lies there is replaced.

    Args:
        path: HTML file.
        title: one line; no patient data.
        rows: of the evaluation, one per case, task and method. Any measure may be missing; a row with ``error``
            is shown with its sentence.
        systems: facts of the systems, in the order in which they are to appear.
        pictures: folder of the files that ``picture``, ``truth_picture`` and ``acquired_picture`` of the rows name.
        facts: name and value of what holds for all rows: data range, mask, border, simulation, hardware, command, time.
        curves: per system the lines of its ``losses.jsonl``.
    """
    comparison = Comparison(rows, systems)
    album = _Album(comparison, pictures)
    return write_page(
        "comparison.html.j2",
        path,
        overwrite=True,
        title=title,
        headline=_headline(comparison),
        facts=list(facts.items()),
        numbers={method: k for k, method in enumerate(comparison.methods)},
        methods=_methods(comparison, comparison.methods),
        overview=overview(comparison),
        systems=system_table(systems),
        tasks=[_task(comparison, task) for task in comparison.tasks],
        problems=album.problems(),
        sweeps=[(sweep.title, sweep_figure(comparison, sweep)) for sweep in comparison.sweeps()],
        worst=[_worst(comparison, method) for method in comparison.contenders() if _ranked(comparison, method)],
        worst_problems=album.worst(),
        discriminators=discriminator_table(systems),
        losses=[
            (comparison.label(name), figure)
            for name, lines in curves.items()
            if (figure := loss_figure(comparison.label(name), lines)) is not None
        ],
        failures=failures(comparison),
    )


def _methods(comparison: Comparison, methods: Sequence[str]) -> list[dict[str, Any]]:
    """Entries of a legend."""
    return [{"number": comparison.methods.index(m), "label": comparison.label(m)} for m in methods]


def _headline(comparison: Comparison) -> list[tuple[str, str]]:
    """The few numbers that a reader sees first."""
    subjects = {str(row.get("subject") or row.get("case")) for row in comparison.rows}
    entries = [
        (str(len(comparison.methods)), "methods"),
        (str(len({str(row.get("case")) for row in comparison.rows})), f"volumes of {len(subjects)} subjects"),
        (str(len(comparison.tasks)), "tasks"),
    ]
    best = comparison.best()
    if best is not None:
        for over, words in (("cubic", "over cubic"), ("best", "over the best back-projection")):
            gain = comparison.gain(best, comparison.rows, over)
            if gain is not None:
                entries.append((f"{signed(gain.mean)} dB", f"{comparison.label(best)}: mean PSNR {words}"))
    failed = sum("error" in row for row in comparison.rows)
    entries.append((str(failed), f"of {len(comparison.rows)} restorations failed or refused"))
    return entries


def _task(comparison: Comparison, task: str) -> dict[str, Any]:
    rows = comparison.of(task)
    shown = [m for m in comparison.methods if any(r.get("method") == m and "error" not in r for r in rows)]
    modalities = list(dict.fromkeys(str(r["modality"]) for r in rows if r.get("modality") and "error" not in r))
    figures = [
        ("Per volume, mean and 95 % interval.", gain_figure(comparison, task)),
        ("Faithful is up, sharp is right.", sharpness_figure(comparison, task)),
        ("Fourier ring correlation, mean over volumes.", frc_figure(comparison, task)),
    ]
    return {
        "name": task,
        "table": task_table(comparison, task),
        "methods": _methods(comparison, shown),
        "figures": [(caption, figure) for caption, figure in figures if figure is not None],
        "parts": [task_table(comparison, task, m) for m in modalities] if len(modalities) > 1 else [],
    }


def _ranked(comparison: Comparison, method: str) -> list[tuple[Row, float]]:
    """Rows of a method by their gain over cubic, the lowest first."""
    return sorted(comparison.gains(method, comparison.rows, "cubic"), key=lambda pair: pair[1])


def _worst(comparison: Comparison, method: str) -> dict[str, Any]:
    ranked = _ranked(comparison, method)
    over_best = {id(row): gain for row, gain in comparison.gains(method, comparison.rows, "best")}
    return {
        "method": method,
        "label": comparison.label(method),
        "below": sum(gain < 0 for _, gain in ranked),
        "count": len(ranked),
        "cases": [
            {
                "case": str(row.get("case")),
                "task": str(row.get("task")),
                "gain": signed(gain),
                "over_best": signed(over_best[id(row)]) if id(row) in over_best else "",
            }
            for row, gain in ranked[:_WORST_LISTED]
        ],
    }


class _Album:
    """The pictures of the rows; a file that is missing or broken is a picture less, not an error.

    Args:
        comparison: what the pictures belong to.
        folder: where the files lie.
    """

    def __init__(self, comparison: Comparison, folder: Path) -> None:
        self._comparison = comparison
        self._folder = folder
        self._problems: dict[tuple[str, str], list[Row]] = {}
        for row in comparison.rows:
            if row.get("picture") and "error" not in row:
                self._problems.setdefault((str(row.get("case", "?")), str(row.get("task", "?"))), []).append(row)

    def problems(self) -> list[dict[str, Any]]:
        """What is shown of a few problems, of every modality and of several tasks."""
        shown: list[dict[str, Any]] = []
        budget = _SLIDER_BYTES
        chosen = self._chosen()
        for k, rows in enumerate(chosen):
            layers = self._layers(rows)
            entry = self._panels(rows, layers, with_profile=True)
            if entry is None:
                continue
            truth = next(layer for layer in layers if layer.name == "truth")
            right = self._right(rows)
            entry["slider"] = slider(
                [truth, *(layer for layer in layers if layer is not truth)],
                picture_window(truth.picture),
                left="acquired" if any(layer.name == "acquired" for layer in layers) else "truth",
                right=right,
                budget=budget // (len(chosen) - k),
            )
            budget -= entry["slider"].pop("bytes")
            shown.append(entry)
        return shown

    def worst(self) -> list[dict[str, Any]]:
        """For every method the problem on which it does worst, of those with pictures: it, cubic and the truth."""
        shown: list[dict[str, Any]] = []
        for method in self._comparison.contenders():
            for row, gain in _ranked(self._comparison, method):
                rows = self._problems.get((str(row.get("case", "?")), str(row.get("task", "?"))), [])
                if not any(r is row for r in rows):
                    continue
                names = {"cubic", method}
                entry = self._panels(
                    rows, self._layers([r for r in rows if r.get("method") in names]), with_profile=False
                )
                if entry is not None:
                    entry["title"] = f"{self._comparison.label(method)}, {signed(gain)} dB against cubic"
                    shown.append(entry)
                break
            if len(shown) == _WORST_SHOWN:
                break
        return shown

    def _chosen(self) -> list[list[Row]]:
        """Problems of median gain of the best method: one per modality, then others of tasks not yet shown."""
        best = self._comparison.best()
        gains: dict[tuple[str, str], float] = {}
        if best is not None:
            for row, gain in self._comparison.gains(best, self._comparison.rows, "cubic"):
                gains[str(row.get("case", "?")), str(row.get("task", "?"))] = gain
        left = [key for key, rows in self._problems.items() if any(r.get("truth_picture") for r in rows)]
        middle = median([gains[key] for key in left if key in gains] or [0.0])
        left.sort(key=lambda key: abs(gains.get(key, -1e9) - middle))
        chosen: list[tuple[str, str]] = []
        while left and len(chosen) < _PROBLEMS:
            modalities = {self._modality(key) for key in chosen}
            cases, tasks = {key[0] for key in chosen}, {key[1] for key in chosen}

            def novelty(
                key: tuple[str, str],
                modalities: set[str] = modalities,
                cases: set[str] = cases,
                tasks: set[str] = tasks,
            ) -> tuple[bool, bool, bool]:
                return self._modality(key) not in modalities, key[1] not in tasks, key[0] not in cases

            key = max(left, key=novelty)  # of equal ones the first: the one nearest to the median
            chosen.append(key)
            left.remove(key)
        return [self._problems[key] for key in chosen]

    def _modality(self, key: tuple[str, str]) -> str:
        return str(self._problems[key][0].get("modality", ""))

    def _right(self, rows: Sequence[Row]) -> str:
        """What stands on the right of the line at first: the best learned method, else the best of all."""
        best = self._comparison.best()
        levels = {str(row["method"]): number(row.get("psnr")) or 0.0 for row in rows}
        return best if best in levels else max(levels, key=lambda name: levels[name])

    def _layers(self, rows: Sequence[Row]) -> list[Layer]:
        """Truth, acquired and every method in its order, as far as there are files."""
        found: list[Layer] = []
        for key, label in (("truth", "truth (HR)"), ("acquired", "acquired (LR)")):
            name = next((row[f"{key}_picture"] for row in rows if row.get(f"{key}_picture")), None)
            picture = self._load(name)
            if picture is not None:
                found.append(Layer(key, label, picture))
        order = self._comparison.methods
        for row in sorted(rows, key=lambda r: order.index(str(r["method"]))):
            picture = self._load(row["picture"])
            if picture is not None:
                psnr, ssim = number(row.get("psnr")), number(row.get("ssim"))
                note = ("" if psnr is None else f"{psnr:.2f} dB") + ("" if ssim is None else f", SSIM {ssim:.3f}")
                label = self._comparison.label(str(row["method"]))
                found.append(Layer(str(row["method"]), label, picture, note))
        return found

    def _load(self, name: object) -> Picture | None:
        if not name:
            return None
        try:
            return load_picture(self._folder / Path(str(name)).name)
        except (OSError, ValueError, KeyError):
            return None

    def _panels(self, rows: Sequence[Row], layers: Sequence[Layer], *, with_profile: bool) -> dict[str, Any] | None:
        """Section, zoom and difference of every layer in the plane in which most was restored."""
        truth = next((layer.picture for layer in layers if layer.name == "truth"), None)
        if truth is None or not truth.planes or len(layers) < 2:
            return None
        row = rows[0]
        axes = [int(axis) for axis in row.get("axes") or []]
        frame = max(truth.planes, key=lambda p: (sum(axis in p.axes for axis in axes), p.box_mm[2] * p.box_mm[3]))
        planes = {layer.name: plane for layer in layers if (plane := layer.picture.plane(frame.name)) is not None}
        plain = next((planes[name] for name in ("cubic", "ibp1", "linear") if name in planes), None)
        box = zoom_box(frame, plain)
        low, high = picture_window(truth)
        differences = {
            name: plane.middle - frame.middle
            for name, plane in planes.items()
            if name not in ("truth", "acquired") and plane.middle.shape == frame.middle.shape
        }
        limit = difference_limit(list(differences.values()))
        cards = []
        for layer in layers:
            plane = planes.get(layer.name)
            if plane is None:
                continue
            words = f"{layer.label}, {frame.name} section"
            card = {
                "label": layer.label,
                "note": layer.note or _grid(layer.picture),
                "whole": place_in(frame.box_mm, plane.box_mm, gray_uri(plane.middle, low, high), words),
                "zoom": zoomed(plane, box, low, high, f"{words}, the marked part"),
                "difference": None,
                "instead": "the reference" if layer.name == "truth" else "another grid: no difference",
            }
            if layer.name in differences:
                uri = difference_uri(differences[layer.name], limit)
                card["difference"] = place_in(frame.box_mm, plane.box_mm, uri, f"{layer.label} minus truth")
            cards.append(card)
        modality = str(row.get("modality") or truth.modality)
        unit = _UNITS.get(modality, "units")
        return {
            "case": str(row.get("case", "?")),
            "task": str(row.get("task", "?")),
            "modality": modality,
            "plane": frame.name,
            "mark": place_in(frame.box_mm, box, "", "").style,
            "limit": limit,
            "unit": unit,
            "cards": cards,
            "profile": self._profile(frame, planes, layers, axes, box, unit) if with_profile else None,
        }

    def _profile(
        self,
        frame: PicturePlane,
        planes: Mapping[str, PicturePlane],
        layers: Sequence[Layer],
        axes: Sequence[int],
        box: tuple[float, float, float, float],
        unit: str,
    ) -> Any:
        """Values along a restored axis through the steepest edge of the zoomed part."""
        along = 1 if frame.axes[0] in axes or frame.axes[1] not in axes else 0  # array axis of the image
        image = frame.middle
        rows, columns = image.shape
        left, top, width, height = frame.box_mm
        steep = np.abs(np.gradient(image.astype(np.float64), axis=along))
        y = (np.arange(rows) + 0.5) * height / rows + top
        x = (np.arange(columns) + 0.5) * width / columns + left
        inside = (abs(y - box[1] - box[3] / 2) <= box[3] / 2)[:, None] & (abs(x - box[0] - box[2] / 2) <= box[2] / 2)
        if not inside.any() or image.shape[along] < 8:
            return None
        row, column = np.unravel_index(int(np.argmax(np.where(inside, steep, -1.0))), image.shape)
        spot = (float(x[column]), float(y[row]))
        reach = 0.8 * max(box[2], box[3])

        def line(plane: PicturePlane) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float32]]:
            own_left, own_top, own_width, own_height = plane.box_mm
            n_rows, n_columns = plane.middle.shape
            at = (
                min(max(int((spot[1] - own_top) / own_height * n_rows), 0), n_rows - 1),
                min(max(int((spot[0] - own_left) / own_width * n_columns), 0), n_columns - 1),
            )
            if along == 1:
                place, values = own_left + (np.arange(n_columns) + 0.5) * own_width / n_columns, plane.middle[at[0]]
            else:
                place, values = own_top + (np.arange(n_rows) + 0.5) * own_height / n_rows, plane.middle[:, at[1]]
            near = abs(place - spot[1 - along]) <= reach
            return place[near], values[near]

        drawn = [
            (self._comparison.methods.index(layer.name), layer.label, *line(planes[layer.name]))
            for layer in layers
            if layer.name in planes and layer.name not in ("truth", "acquired")
        ]
        acquired = line(planes["acquired"]) if "acquired" in planes else None
        return profile_figure(line(frame), acquired, drawn, unit=f"value, {unit}")


def _grid(picture: Picture) -> str:
    return " x ".join(f"{s:.3g}" for s in picture.spacing) + " mm"
