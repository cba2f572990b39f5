"""MONAI dictionary transforms around the parts of this package."""

from monai_sr.transforms.contrast import RandContrast, contrast_seen
from monai_sr.transforms.image import LoadGreyImaged, LoadPhotod
from monai_sr.transforms.intensity import NormalizeScand
from monai_sr.transforms.load import LoadVolumed
from monai_sr.transforms.pair import RandPairedPatchd, RestorePaird
from monai_sr.transforms.prepare import DescribeScand
from monai_sr.transforms.simulate import RandSimulatePatchd
from monai_sr.transforms.simulate_slice import RandSimulateSliced

__all__ = [
    "DescribeScand",
    "LoadGreyImaged",
    "LoadPhotod",
    "LoadVolumed",
    "NormalizeScand",
    "RandContrast",
    "RandPairedPatchd",
    "RandSimulatePatchd",
    "RandSimulateSliced",
    "RestorePaird",
    "contrast_seen",
]
