"""Facts for ``run.json``: geometry, model, versions, memory."""

from __future__ import annotations

import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

from monai_sr.catalogue import ModelRecord, perceptual_partner
from monai_sr.geometry import VolumeGeometry

__all__ = ["geometry_facts", "model_facts", "peak_memory_bytes", "versions"]

_PACKAGES = ("monai_sr", "monai", "torch", "numpy", "scipy", "nibabel", "pydicom")


def geometry_facts(geometry: VolumeGeometry) -> dict[str, Any]:
    """Shape, spacing, field of view in mm and the RAS+ affine."""
    return {
        "shape": list(geometry.shape),
        "spacing_mm": [round(s, 6) for s in geometry.spacing],
        "field_of_view_mm": [round(s, 4) for s in geometry.field_of_view],
        "affine_ras": geometry.affine.tolist(),
    }


def model_facts(record: ModelRecord | None, fidelity: float = 1.0) -> dict[str, Any]:
    """Name and digest of the model; ``none`` has no digest. Below fidelity 1 its GAN stage has a share in it."""
    if record is None:
        return {"name": "none", "sha256": None}
    found: dict[str, Any] = {"name": record.name, "sha256": record.sha256, "stage": record.stage}
    partner = None if fidelity == 1.0 else perceptual_partner(record)
    if partner is not None:
        found |= {"fidelity": fidelity, "gan": {"name": partner.name, "sha256": partner.sha256}}
    return found


def versions(*more: str) -> dict[str, str]:
    """Versions of Python and of the packages that shape the result, and of ``more``."""
    found = {"python": platform.python_version()}
    for package in (*_PACKAGES, *more):
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # a checkout that was not installed
            found[package] = "not installed"
    return found


def peak_memory_bytes(device: torch.device) -> int | None:
    """Largest resident memory of this process so far, or largest allocation on a CUDA device."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    try:
        import resource
    except ImportError:  # Windows
        import psutil

        return int(psutil.Process().memory_info().peak_wset)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak if sys.platform == "darwin" else peak * 1024)  # macOS counts bytes, Linux kibibytes
