"""``report.html`` of one upscaled case: before and after, what was added, what is left unexplained."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from monai_sr.degradation import degrade
from monai_sr.grid import apply_along, interpolation_matrix
from monai_sr.inference import SRResult
from monai_sr.inference.unexplained import treated_axes, unexplained
from monai_sr.io import Volume
from monai_sr.report.page import write_page
from monai_sr.report.panels import Layer, difference_limit, place_in, slider, zoom_box, zoomed
from monai_sr.report.pictures import Picture, PicturePlane, picture_of, picture_place
from monai_sr.report.place import Place, Region, body_place
from monai_sr.report.preview import display_window
from monai_sr.report.web_images import difference_uri, gray_uri

__all__ = ["write_case_report"]

_SLICES = 9
_SLIDER_BYTES = 8_000_000
_CUT = "of the values as written; per axis below: before those under the lowest acquired value were cut"
_UNITS = {"CT": "HU", "photo": "of full scale"}


def write_case_report(path: Path, result: SRResult, *, title: str) -> Path:
    """Write the page of one case, whole or not at all.

    Instead of a truth, which nobody has, it shows what the result adds to cubic interpolation, and what of the acquired
    scan it fails to explain: ``acquired - A(result)``.

    Args:
        path: HTML file; nothing may lie there.
        result: of ``super_resolve``.
        title: one line; no patient data.
    """
    report, acquired = result.report, result.acquired
    place, region = _place(acquired)
    learned = any(axis["treatment"] == "network" for axis in report["axes"])
    cubic = _cubic(result)
    missed = result.maps.get("residual") or unexplained(acquired, result.volume, report["axes"])

    def cut(volume: Volume, count: int = _SLICES) -> Picture:
        return picture_of(volume, place=place, region=region, count=count)

    layers = [
        Layer("acquired", "acquired", cut(acquired), _spacing(acquired)),
        Layer("cubic", "cubic interpolation", cut(cubic), _spacing(cubic)),
        Layer("result", "super-resolved" if learned else "restored, no network", cut(result.volume), _spacing(cubic)),
    ]
    low, high, window = display_window(acquired, acquired.modality or "MR")
    residual = None if missed is None else cut(missed, 1)
    content = slider(layers, (low, high), left="acquired", right="result", budget=_SLIDER_BYTES)
    del content["bytes"]
    unit = _UNITS.get(str(acquired.modality), "units")
    facts = _facts(report)
    if missed is not None:
        rms = float(np.sqrt(np.mean(np.square(missed.array, dtype=np.float64))))
        facts.append(("left unexplained", f"{rms:.4g} {unit} rms {_CUT}"))
    return write_page(
        "case.html.j2",
        path,
        title=title,
        slider=content,
        window=window,
        warnings=[str(text) for text in report.get("warnings", [])],
        notes=[str(text) for text in report.get("notes", [])],
        facts=facts,
        axes=_table(report["axes"]),
        seconds=[(stage, f"{value:.2f} s") for stage, value in report.get("seconds", {}).items()],
        unit=unit,
        **_panels(layers, residual, low, high),
    )


def _place(acquired: Volume) -> tuple[Place, Region]:
    """Through the middle of the body; all of it is shown, for there is one case and not a hundred."""
    if acquired.modality in ("CT", "MR"):
        return body_place(acquired, acquired.modality)
    return picture_place(acquired)


def _cubic(result: SRResult) -> Volume:
    """The acquired scan on the target grid, interpolated; axes that became coarser were averaged, as in the result."""
    x = torch.from_numpy(np.ascontiguousarray(result.acquired.array))
    for axis, grid, profile in treated_axes(result.acquired, result.volume, result.report["axes"]):
        if grid.factor < 1:
            x = degrade(x, grid.reversed(), profile, axis)
        else:
            x = apply_along(interpolation_matrix(grid), x, axis)
    return result.volume.with_values(x.numpy())


def _panels(layers: list[Layer], residual: Picture | None, low: float, high: float) -> dict[str, Any]:
    """Per plane the three volumes with a zoom, the residual under the acquired one, the added under the result."""
    acquired, cubic, result = (layer.picture for layer in layers)
    added = {plane.name: plane.middle - _same(cubic, plane).middle for plane in result.planes}
    added_limit = difference_limit(list(added.values()))
    left = {} if residual is None else {plane.name: plane.middle for plane in residual.planes}
    left_limit = difference_limit(list(left.values()))
    shown = []
    for frame in acquired.planes:
        own = _same(result, frame)
        box = zoom_box(own, _same(cubic, frame))
        cards = []
        for layer in layers:
            plane = _same(layer.picture, frame)
            words = f"{layer.label}, {frame.name} section"
            card: dict[str, Any] = {
                "label": layer.label,
                "note": layer.note,
                "whole": place_in(frame.box_mm, plane.box_mm, gray_uri(plane.middle, low, high), words),
                "zoom": zoomed(plane, box, low, high, f"{words}, the marked part"),
                "difference": None,
                "below": "",
                "instead": "the baseline" if layer.name == "cubic" else "an axis became coarser: nothing to compare",
            }
            if layer.name == "acquired" and frame.name in left:
                uri = difference_uri(left[frame.name], left_limit)
                card["below"] = "left unexplained: acquired \N{MINUS SIGN} A(result)"
                card["difference"] = place_in(frame.box_mm, plane.box_mm, uri, card["below"])
            elif layer.name == "result":
                uri = difference_uri(added[frame.name], added_limit)
                card["below"] = "added: result \N{MINUS SIGN} cubic"
                card["difference"] = place_in(frame.box_mm, plane.box_mm, uri, card["below"])
            cards.append(card)
        shown.append({"name": frame.name, "cards": cards, "mark": place_in(frame.box_mm, box, "", "").style})
    limits = {"added_limit": added_limit, "left_limit": left_limit if left else None}
    return {"planes": shown, **limits}


def _same(picture: Picture, plane: PicturePlane) -> PicturePlane:
    """The plane of that name: all pictures of a case have the same ones."""
    found = picture.plane(plane.name)
    assert found is not None
    return found


def _spacing(volume: Volume) -> str:
    if volume.modality == "photo":
        return f"{volume.array.shape[0]} x {volume.array.shape[1]} pixels"
    return " x ".join(f"{s:.3g}" for s in volume.geometry.spacing) + " mm"


def _facts(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What ``run.json`` says, for people."""
    facts = [("case", str(report.get("case", ""))), ("modality", str(report.get("modality", "")))]
    for key in ("acquired", "target"):
        grid = report.get(key, {})
        shape, spacing = grid.get("shape", []), grid.get("spacing_mm", [])
        facts.append((key, f"{' x '.join(map(str, shape))} voxels of {' x '.join(f'{s:.4g}' for s in spacing)} mm"))
    model = report.get("model", {})
    digest = model.get("sha256")
    facts.append(("model", str(model.get("name")) + (f", sha256 {str(digest)[:16]}" if digest else "")))
    facts.append(("device", f"{report.get('device')}, {report.get('threads')} threads"))
    memory = report.get("peak_memory_bytes")
    if memory:
        facts.append(("peak memory", f"{memory / 2**20:.0f} MiB"))
    versions = report.get("versions", {})
    facts.append(("versions", ", ".join(f"{name} {number}" for name, number in versions.items())))
    return facts


def _table(axes: list[dict[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """Every fact of every axis, a column per axis: names, and values beside them."""
    names = list(dict.fromkeys(name for axis in axes for name in axis))
    lines = [[_word(axis.get(name)) for axis in axes] for name in names]
    return [name.replace("_", " ") for name in names], lines


def _word(value: object) -> str:
    if value is None:
        return "\N{EN DASH}"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
