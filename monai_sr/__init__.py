"""Super-resolution for CT and MRI volumes. Research only, not for diagnosis.

The names below are loaded on first use, so that ``import monai_sr`` is fast and loads neither torch nor MONAI.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from monai_sr.geometry import VolumeGeometry
    from monai_sr.inference import SRResult, super_resolve
    from monai_sr.io import InputError, Volume, find_cases, read_volume, write_volume

__all__ = [
    "InputError",
    "SRResult",
    "Volume",
    "VolumeGeometry",
    "__version__",
    "find_cases",
    "read_volume",
    "super_resolve",
    "write_volume",
]

__version__ = "0.1.0"

_HOME = {
    "InputError": "monai_sr.io",
    "SRResult": "monai_sr.inference",
    "Volume": "monai_sr.io",
    "VolumeGeometry": "monai_sr.geometry",
    "find_cases": "monai_sr.io",
    "read_volume": "monai_sr.io",
    "super_resolve": "monai_sr.inference",
    "write_volume": "monai_sr.io",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'monai_sr' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
