"""The display window of a source series, which holds for what is derived from it: values keep their scale."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pydicom.dataset import Dataset

from monai_sr.io.dicom_headers import first_item, strings

__all__ = ["Window", "window_of"]


@dataclass(frozen=True)
class Window:
    """Centres and widths in the units of the values, one pair or several, with names where the source has them."""

    centres: tuple[float, ...]
    widths: tuple[float, ...]
    explanations: tuple[str, ...] = ()
    function: str | None = None


def window_of(header: Dataset, frame: int | None) -> Window | None:
    """The window of an image or of one frame.

    Args:
        header: of the instance.
        frame: of a multi-frame instance, from 0; None for a single-frame instance.

    Returns:
        None where there is none, or none that can be used (counts that differ, widths below 1, no numbers).
    """
    place = header
    if frame is not None:
        own = (header.get("PerFrameFunctionalGroupsSequence") or [])[frame]
        shared = first_item(header, "SharedFunctionalGroupsSequence")
        place = first_item(own, "FrameVOILUTSequence") or first_item(shared, "FrameVOILUTSequence") or header
    try:
        centres, widths = (_listed(place, keyword) for keyword in ("WindowCenter", "WindowWidth"))
    except Exception:  # no numbers
        return None
    if not centres or len(centres) != len(widths) or min(widths) < 1 or not np.isfinite([*centres, *widths]).all():
        return None
    explained = strings(place, "WindowCenterWidthExplanation")
    return Window(
        centres=centres,
        widths=widths,
        explanations=explained if len(explained) == len(centres) else (),
        function=next(iter(strings(place, "VOILUTFunction")), None),
    )


def _listed(dataset: Dataset, keyword: str) -> tuple[float, ...]:
    value = dataset.get(keyword)
    if value is None or value == "":
        return ()
    return tuple(float(v) for v in (value if hasattr(value, "__iter__") and not isinstance(value, str) else [value]))
