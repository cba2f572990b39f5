"""``run.json``: what was done, in strict JSON that every reader takes."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from monai_sr.io import atomic_path

__all__ = ["plain", "write_run_record"]


def plain(value: Any) -> Any:
    """The same content in types that JSON has; numbers that JSON lacks (NaN, infinity) become None.

    Example:
        >>> plain({"shape": (2, 3), "residual": float("nan")})
        {'shape': [2, 3], 'residual': None}
    """
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    return str(value)


def write_run_record(record: Mapping[str, Any], path: Path, *, overwrite: bool = False) -> Path:
    """Write a record, whole or not at all."""
    text = json.dumps(plain(record), indent=2, ensure_ascii=False, allow_nan=False)
    with atomic_path(path, overwrite=overwrite) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")
    return path
