"""Pictures of one problem beside each other: sections, zoom and differences; and what the slider shows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from monai_sr.report.pictures import Picture, PicturePlane
from monai_sr.report.web_images import gray_uri

__all__ = ["Box", "Layer", "Placed", "difference_limit", "place_in", "slider", "zoom_box", "zoomed"]

Box = tuple[float, float, float, float]

_ZOOM = 0.3  # edge of the zoomed part, of the picture's shorter side


@dataclass(frozen=True)
class Placed:
    """A picture inside a frame.

    Args:
        uri: of the image.
        style: where it lies in the frame, in per cent of it.
        text: what it shows, for those who cannot see it.
        ratio: width over height of the frame.
    """

    uri: str
    style: str
    text: str
    ratio: float


@dataclass(frozen=True)
class Layer:
    """A volume of a problem.

    Args:
        name: as in the rows; ``acquired`` and ``truth`` too.
        label: for people.
        picture: its sections.
        note: one number or phrase that stands with it.
    """

    name: str
    label: str
    picture: Picture
    note: str = ""


def place_in(frame: Box, box: Box, uri: str, text: str) -> Placed:
    """A picture that covers ``box``, in a frame that shows ``frame``; both left, top, width, height in mm."""
    left, top = ((box[k] - frame[k]) / frame[k + 2] for k in (0, 1))
    width, height = (box[k] / frame[k] for k in (2, 3))
    style = f"left:{100 * left:.3f}%;top:{100 * top:.3f}%;width:{100 * width:.3f}%;height:{100 * height:.3f}%"
    return Placed(uri, style, text, frame[2] / frame[3])


def zoom_box(truth: PicturePlane, other: PicturePlane | None) -> Box:
    """The part in which most is to be restored: where a plain method differs most from the truth."""
    image = truth.middle.astype(np.float64)
    if other is not None and other.middle.shape == image.shape:
        interest = np.abs(other.middle - image)
    else:
        interest = ndimage.gaussian_gradient_magnitude(image, 1.0)
    left, top, width, height = truth.box_mm
    rows, columns = image.shape
    edge = max(_ZOOM * min(width, height), min(12 * width / columns, width, height))
    size = (max(round(edge / height * rows), 1), max(round(edge / width * columns), 1))
    total = ndimage.uniform_filter(np.minimum(interest, np.percentile(interest, 99)), size, mode="constant")
    row, column = np.unravel_index(int(np.argmax(total)), total.shape)
    first = min(max(int(row) - size[0] // 2, 0), rows - size[0])
    start = min(max(int(column) - size[1] // 2, 0), columns - size[1])
    dx, dy = width / columns, height / rows
    return (left + start * dx, top + first * dy, size[1] * dx, size[0] * dy)


def zoomed(plane: PicturePlane, box: Box, low: float, high: float, text: str) -> Placed:
    """The part of a picture that lies in ``box``, out to the edges of its own pixels."""
    image = plane.middle
    left, top, width, height = plane.box_mm
    dx, dy = width / image.shape[1], height / image.shape[0]
    x = _pixels(box[0] - left, box[2], dx, image.shape[1])
    y = _pixels(box[1] - top, box[3], dy, image.shape[0])
    own = (left + x.start * dx, top + y.start * dy, (x.stop - x.start) * dx, (y.stop - y.start) * dy)
    return place_in(box, own, gray_uri(image[y, x], low, high, quality=92), text)


def _pixels(start: float, length: float, size: float, n: int) -> slice:
    first = min(max(int(np.floor(start / size + 1e-6)), 0), n - 1)
    return slice(first, max(min(int(np.ceil((start + length) / size - 1e-6)), n), first + 1))


def difference_limit(differences: Sequence[npt.NDArray[np.floating]]) -> float:
    """End of one colour scale for all: the 98th percentile of the largest of the differences, a round number."""
    largest = max((float(np.percentile(np.abs(d), 98.0)) for d in differences if d.size), default=0.0)
    if largest <= 0:
        return 1.0
    unit = 10.0 ** np.floor(np.log10(largest))
    return float(unit * np.ceil(2 * largest / unit) / 2)


def slider(
    layers: Sequence[Layer], window: tuple[float, float], *, left: str, right: str, budget: int
) -> dict[str, Any]:
    """Slices of all layers in all planes, as the page's script takes them.

    Args:
        layers: the first decides what part of the field is shown.
        window: black and white.
        left: name of the layer that is shown on the left of the line at first.
        right: name of the layer on the right of it.
        budget: of bytes; slices are left out, evenly, until all fits.

    Returns:
        Planes and layers in plain JSON types; ``bytes`` is what the images take.
    """
    low, high = window
    frames = layers[0].picture.planes
    counts = [min(len(p.images) for layer in layers if (p := layer.picture.plane(f.name))) for f in frames]
    one = 0
    middles: dict[tuple[int, int], str] = {}
    for k, layer in enumerate(layers):
        for j, frame in enumerate(frames):
            plane = layer.picture.plane(frame.name)
            if plane is not None:
                middles[k, j] = gray_uri(plane.middle, low, high)
                one += len(middles[k, j])
    keep = max(1, min(max(counts, default=1), budget // max(one, 1)))
    chosen = [_evenly(len(frame.images), min(keep, count)) for frame, count in zip(frames, counts, strict=True)]
    taken = 0
    shown = []
    for k, layer in enumerate(layers):
        planes: list[dict[str, Any] | None] = []
        for j, frame in enumerate(frames):
            plane = layer.picture.plane(frame.name)
            if plane is None:
                planes.append(None)
                continue
            half = len(plane.images) // 2
            at = [half] if len(plane.images) != len(frame.images) else chosen[j]
            uris = [middles[k, j] if i == half else gray_uri(plane.images[i], low, high) for i in at]
            taken += sum(map(len, uris))
            planes.append({"style": place_in(frame.box_mm, plane.box_mm, "", "").style, "uris": uris})
        shown.append({"name": layer.name, "label": layer.label, "note": layer.note, "planes": planes})
    heads = [
        {
            "name": frame.name,
            "ratio": round(frame.box_mm[2] / frame.box_mm[3], 5),
            "width": round(frame.box_mm[2], 3),
            "labels": frame.labels,
            "slices": len(at),
            "middle": at.index(len(frame.images) // 2),
        }
        for frame, at in zip(frames, chosen, strict=True)
    ]
    return {"planes": heads, "layers": shown, "left": left, "right": right, "bytes": taken}


def _evenly(n: int, keep: int) -> list[int]:
    """Indices of ``keep`` of ``n`` slices, the middle one among them."""
    half, side = n // 2, max(keep - 1, 0) // 2
    before: Iterable[float] = np.linspace(0, half, side + 1)[:-1] if side else []
    behind: Iterable[float] = np.linspace(half, n - 1, side + 1)[1:] if side else []
    return sorted({*(round(float(i)) for i in before), half, *(round(float(i)) for i in behind)})
