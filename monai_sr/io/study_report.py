"""What a study holds and what would become of each of its series, without reading a pixel or writing a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from monai_sr.io.dicom_headers import quiet
from monai_sr.io.dicom_read import PlannedVolume, SeriesRef
from monai_sr.io.dicom_study import find_study
from monai_sr.io.files import file_kind, shown
from monai_sr.io.series_rules import SeriesRules
from monai_sr.io.volume import InputError

__all__ = ["SeriesReport", "Verdict", "inspect_study"]

Verdict = Literal["take", "choose", "skip", "refuse"]


@dataclass(frozen=True)
class SeriesReport:
    """A series and what would become of it.

    Args:
        series: what was found.
        verdict: ``"take"``; ``"choose"``: it holds several volumes, and one has to be named; ``"skip"``: not meant by
            who gives a whole study; ``"refuse"``: it cannot be read rightly.
        reason: for the last two why.
        volumes: its volumes, from headers alone; empty where it is skipped for what it is.
    """

    series: SeriesRef
    verdict: Verdict
    reason: str | None
    volumes: tuple[PlannedVolume, ...]

    def as_json(self) -> dict[str, Any]:
        """Plain types. It holds UIDs and the series description, and nothing else that could lead to a person."""
        facts = self.series.facts
        return {
            "name": self.series.name,
            "verdict": self.verdict,
            "reason": self.reason,
            "series_instance_uid": facts.uid or None,
            "study": facts.study or None,
            "modality": facts.modality or None,
            "series_number": facts.number,
            "series_description": facts.description or None,
            "kind": facts.kind,
            "files": len(self.series.files),
            "volumes": [_volume(volume) for volume in self.volumes],
        }


@quiet()
def inspect_study(path: Path, rules: SeriesRules | None = None) -> list[SeriesReport]:
    """Every DICOM series of a folder, a DICOMDIR, a file or a zip archive.

    Pixels are not decoded: damaged ones are found by reading only. A compression without a decoder is found here.

    Args:
        path: where to look.
        rules: what is accepted beyond a regular, right-angled stack of slices.

    Raises:
        InputError: if there is no DICOM series, or the archive cannot be unpacked.
    """
    if path.is_file() and file_kind(path) == "zip":
        from monai_sr.io.zipped import Unpacked

        unpacked = Unpacked(path)
        found = [_report(series, rules) for series in find_study(unpacked.folder)]
    else:
        found = [_report(series, rules) for series in find_study(path)]
    if not found:
        raise InputError(f"{shown(path)} holds no DICOM series; NIfTI files and photographs need no inspection")
    return found


def _report(series: SeriesRef, rules: SeriesRules | None) -> SeriesReport:
    skip = series.facts.skip
    if skip is not None and series.facts.kind != "derived":
        return SeriesReport(series, "skip", skip, ())
    volumes = tuple(series.plan(rules))
    if skip is not None:
        return SeriesReport(series, "skip", skip, volumes)
    problem = next((volume.problem for volume in volumes if volume.problem), None)
    if len(volumes) > 1:
        return SeriesReport(series, "choose", None, volumes)
    return SeriesReport(series, "refuse" if problem else "take", problem, volumes)


def _volume(volume: PlannedVolume) -> dict[str, Any]:
    geometry = volume.geometry
    return {
        "label": volume.label or None,
        "shape": None if geometry is None else list(geometry.shape),
        "spacing_mm": None if geometry is None else [round(s, 6) for s in geometry.spacing],
        "affine_ras": None if geometry is None else geometry.affine.tolist(),
        "problem": volume.problem,
        "notes": list(volume.notes),
    }
