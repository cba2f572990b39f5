"""Which options a photograph takes: those that need a spacing, or a scan, it does not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monai_sr.io import InputError

__all__ = ["photo_options"]


def photo_options(name: str, options: Mapping[str, Any], affine: str | None = None) -> dict[str, Any]:
    """Keyword arguments of ``super_resolve_photo``.

    Args:
        name: of the case, for messages.
        options: keyword arguments of ``super_resolve``, as the command line understood them.
        affine: of ``--affine``.

    Raises:
        InputError: if an option was given that means nothing for a photograph.
    """
    unknown = {
        "--spacing": options.get("spacing", "auto") != "auto",
        "--slice-thickness": options.get("slice_thickness") is not None,
    }
    for option, given in unknown.items():
        if given:
            raise InputError(
                f"{name}: {option} is in mm, and the spacing of a photograph is not known; leave it away and give two "
                "factors, --scale 4,4"
            )
    for option, given in {"--modality": options.get("modality") is not None, "--affine": affine is not None}.items():
        if given:
            raise InputError(f"{name}: {option} is for scans and this is a photograph; leave it away")
    of_volumes = {"--fidelity": ("fidelity", 1.0), "--ensemble": ("ensemble", 1), "--maps": ("maps", False)}
    for option, (key, usual) in of_volumes.items():
        if options.get(key, usual) != usual:
            raise InputError(f"{name}: {option} is for scans and this is a photograph; leave it away")
    left = ("modality", "spacing", "slice_thickness", "scale", "fidelity", "ensemble", "maps")
    return {"scale": options.get("scale"), **{key: value for key, value in options.items() if key not in left}}
