"""Volume in, volume out: the one upscaling function and what it needs."""

from monai_sr.inference.model import DeviceError, SRModel, load_model, select_device
from monai_sr.inference.photo import super_resolve_photo
from monai_sr.inference.pipeline import SRResult, super_resolve
from monai_sr.inference.plan import plan_grid
from monai_sr.inference.window import HaloInferer

__all__ = [
    "DeviceError",
    "HaloInferer",
    "SRModel",
    "SRResult",
    "load_model",
    "plan_grid",
    "select_device",
    "super_resolve",
    "super_resolve_photo",
]
