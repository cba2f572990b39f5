"""Option values that are more than one word: spacings, scales, devices."""

from __future__ import annotations

import math
import re

import typer

__all__ = ["parse_device", "parse_scale", "parse_spacing"]

Triple = tuple[float, float, float]


def parse_spacing(text: str) -> str | float | Triple:
    """``auto``, ``MM`` or ``X,Y,Z``, in mm.

    Example:
        >>> parse_spacing("auto"), parse_spacing("0.8"), parse_spacing("1,1,2.5")
        ('auto', 0.8, (1.0, 1.0, 2.5))
    """
    if text.strip().lower() == "auto":
        return "auto"
    values = _positive_numbers(text, "--spacing", "auto, one number or three like 1,1,2.5 (mm)", counts=(1, 3))
    return values[0] if len(values) == 1 else (values[0], values[1], values[2])


def parse_scale(text: str | None) -> tuple[float, ...] | None:
    """``X,Y,Z``: factor per array axis of a scan; ``X,Y``: of a photograph.

    Example:
        >>> parse_scale("1,1,4"), parse_scale("4,4")
        ((1.0, 1.0, 4.0), (4.0, 4.0))
    """
    if text is None:
        return None
    form = "three numbers like 1,1,4, or two like 4,4 for photographs"
    return tuple(_positive_numbers(text, "--scale", form, counts=(2, 3)))


def parse_device(text: str) -> str:
    """``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``mps``."""
    device = text.strip().lower()
    if not re.fullmatch(r"auto|cpu|mps|cuda(:\d{1,3})?", device):
        raise typer.BadParameter(f"--device takes auto, cpu, cuda, cuda:N or mps, got {text!r}")
    return device


def _positive_numbers(text: str, option: str, form: str, counts: tuple[int, ...]) -> list[float]:
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        values = []
    if len(values) not in counts or not all(math.isfinite(v) and v > 0 for v in values):
        raise typer.BadParameter(f"{option} takes {form}, each above 0, got {text!r}")
    return values
