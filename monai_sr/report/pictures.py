"""What is kept of a volume so that a report can be drawn later without it: a few sections, in its own values."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from monai_sr.io import Volume, atomic_path
from monai_sr.report.place import Place, Region, body_place
from monai_sr.report.planes import PlaneName, sections
from monai_sr.report.preview import LUNG_HU, SOFT_TISSUE_HU

__all__ = ["Picture", "PicturePlane", "load_picture", "picture_of", "picture_place", "picture_window", "save_picture"]

_LARGEST = 256  # voxels of the truth along an edge of a picture
_LEVELS = 4000  # grey values over the range of a picture: finer than its noise, coarse enough to compress
_AIR_HU = -950.0
_EDGE = 0.1  # share of the region at either end in which no slice is taken: little is to be seen there


@dataclass(frozen=True, eq=False)
class PicturePlane:
    """Parallel slices in one anatomical plane.

    Args:
        name: the plane.
        images: ``(slices, rows, columns)`` float32, in HU or the scanner's units; first row on top.
        box_mm: left, top, width and height of the picture; left and top from the edges of the whole field of view.
        labels: letters of the patient's side at the left, right, top and bottom edge.
        axes: array axis along the columns (across the picture) and along the rows (down).
    """

    name: PlaneName
    images: npt.NDArray[np.float32]
    box_mm: tuple[float, float, float, float]
    labels: tuple[str, str, str, str]
    axes: tuple[int, int]

    @property
    def middle(self) -> npt.NDArray[np.float32]:
        """``(rows, columns)``: the slice at the place that was chosen."""
        chosen: npt.NDArray[np.float32] = self.images[len(self.images) // 2]
        return chosen


@dataclass(frozen=True, eq=False)
class Picture:
    """A volume in sections.

    Args:
        modality: ``"CT"``, ``"MR"``, ``"photo"`` or empty where it is not known.
        spacing: of the voxels along each array axis, in mm.
        planes: those in which there is something to see; one for a photograph.
    """

    modality: str
    spacing: tuple[float, float, float]
    planes: tuple[PicturePlane, ...]

    def plane(self, name: str) -> PicturePlane | None:
        """The plane of that name, if there is one."""
        return next((plane for plane in self.planes if plane.name == name), None)


def picture_place(truth: Volume) -> tuple[Place, Region]:
    """Where to cut and what to show of a problem; once from the truth, then for every volume of that problem.

    Returns:
        The place, and the region around it, as fractions of the field along each array axis. At most 256 voxels of the
        truth are shown along an edge, so that the files stay small.
    """
    if truth.modality in ("CT", "MR"):
        place, region = body_place(truth, truth.modality)
    else:  # a photograph has no body: its middle
        place, region = (0.5, 0.5, 0.5), [(0.0, 1.0)] * 3
    shown = []
    for centre, (low, high), n in zip(place, region, truth.array.shape, strict=True):
        first, last = round(low * n), round(high * n)
        if last - first > _LARGEST:
            first = min(max(int(centre * n) - _LARGEST // 2, first), last - _LARGEST)
            last = first + _LARGEST
        shown.append((first / n, last / n))
    return place, shown


def picture_of(volume: Volume, *, place: Place, region: Sequence[tuple[float, float]], count: int = 1) -> Picture:
    """Cut a volume into sections.

    Args:
        volume: on any grid over the field of view that ``place`` and ``region`` were chosen in.
        place: of :func:`picture_place`; the middle slice of every plane goes through it.
        region: of :func:`picture_place`; here out to the edges of the volume's own voxels.
        count: slices per plane, an odd number.
    """
    own = []
    for (low, high), n in zip(region, volume.array.shape, strict=True):
        own.append((np.floor(low * n + 1e-6) / n, np.ceil(high * n - 1e-6) / n))
    stacks = list(zip(*(sections(volume, spot, own) for spot in _spots(place, region, count)), strict=True))
    flat = [axis for axis, n in enumerate(volume.array.shape) if n == 1]
    planes = []
    for stack in stacks:
        first = stack[0]
        if any(axis in first.axes for axis in flat):
            continue  # a line, not a picture
        images = np.stack([section.image for section in stack[: 1 if flat else None]])
        planes.append(PicturePlane(first.name, images, (*first.corner_mm, *first.size_mm), first.labels, first.axes))
    return Picture(volume.modality or "", volume.geometry.spacing, tuple(planes))


def _spots(place: Place, region: Sequence[tuple[float, float]], count: int) -> list[Place]:
    """Places along the diagonal of the region, the given one in the middle: one call cuts one slice of each plane."""
    half = max(count, 1) // 2
    along = []
    for centre, (low, high) in zip(place, region, strict=True):
        first, last = low + _EDGE * (high - low), high - _EDGE * (high - low)
        before = np.linspace(min(first, centre), centre, half + 1)[:-1]
        behind = np.linspace(centre, max(last, centre), half + 1)
        along.append(np.concatenate([before, behind]).tolist())
    return [(x, y, z) for x, y, z in zip(*along, strict=True)]


def save_picture(
    path: Path, volume: Volume, *, place: Place, region: Sequence[tuple[float, float]], count: int = 1
) -> None:
    """Write the sections of a volume; a file that lies there is replaced.

    Args:
        path: ``.npz`` file.
        volume: truth, acquired or restored.
        place: of :func:`picture_place`.
        region: of :func:`picture_place`.
        count: slices per plane, an odd number; more than one only where a slider is wanted.
    """
    picture = picture_of(volume, place=place, region=region, count=count)
    arrays: dict[str, npt.NDArray[np.generic]] = {}
    facts: list[dict[str, Any]] = []
    for k, plane in enumerate(picture.planes):
        values = plane.images.astype(np.float64)
        low, high = float(values.min()), float(values.max())
        usual = float(np.subtract(*np.percentile(values, (99.5, 0.5))))
        step = max(usual / _LEVELS, (high - low) / 65535, 1e-12)
        codes = np.rint((values - low) / step).astype(np.uint16)
        # neighbours are alike: their difference, split into its two bytes, compresses twice as well
        change = np.diff(codes, axis=-1, prepend=np.uint16(0))
        arrays[f"fine{k}"], arrays[f"coarse{k}"] = change.astype(np.uint8), (change >> 8).astype(np.uint8)
        facts.append({"name": plane.name, "box_mm": plane.box_mm, "labels": plane.labels, "axes": plane.axes})
        facts[-1] |= {"low": low, "step": step}
    header = json.dumps({"modality": picture.modality, "spacing": picture.spacing, "planes": facts})
    with atomic_path(path, overwrite=True) as temporary:
        np.savez_compressed(temporary, header=np.array(header), **arrays)  # type: ignore[arg-type]


def load_picture(path: Path) -> Picture:
    """Read what :func:`save_picture` wrote."""
    with np.load(path, allow_pickle=False) as file:
        header = json.loads(str(file["header"]))
        planes = []
        for k, facts in enumerate(header["planes"]):
            change = file[f"fine{k}"].astype(np.uint16) | (file[f"coarse{k}"].astype(np.uint16) << 8)
            codes = np.cumsum(change, axis=-1, dtype=np.uint16)
            images = (facts["low"] + facts["step"] * codes).astype(np.float32)
            planes.append(
                PicturePlane(
                    facts["name"], images, tuple(facts["box_mm"]), tuple(facts["labels"]), tuple(facts["axes"])
                )
            )
    return Picture(header["modality"], tuple(header["spacing"]), tuple(planes))


def picture_window(picture: Picture) -> tuple[float, float]:
    """Black and white for a picture and all others of the same problem.

    CT: lung where a quarter of what is not air around the body is lung, else soft tissue. Other: the 0.5th to the
    99.8th percentile.
    """
    values = np.concatenate([plane.images.ravel() for plane in picture.planes])
    if picture.modality == "CT":
        inside = values[values > _AIR_HU]
        lung = inside.size > 0 and float(np.mean(inside < -500.0)) > 0.25
        return LUNG_HU if lung else SOFT_TISSUE_HU
    low, high = (float(p) for p in np.percentile(values, (0.5, 99.8)))
    return (low, high) if high > low else (low - 1.0, low + 1.0)
