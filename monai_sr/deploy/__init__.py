"""Operators for MONAI Deploy and an application made of them; needs the extra ``[deploy]``.

Thin: they convert, call the package's functions and convert back. Stock operators are used where they do no harm; where
they change values, spacing or the set of slices, there is one here instead (``docs/how-to/deploy.md``).
"""

from importlib.util import find_spec

if find_spec("holoscan") is None:
    raise ModuleNotFoundError('MONAI Deploy is not installed: pip install torch==2.13.0 "monai_sr[deploy]" (Linux)')

from monai_sr.deploy.app import SuperResolutionApp
from monai_sr.deploy.images import VolumeImage
from monai_sr.deploy.loading import NiftiVolumeLoaderOperator, SeriesToVolumeOperator, StudyLoaderOperator
from monai_sr.deploy.resolving import SuperResolutionOperator
from monai_sr.deploy.writing import DICOMImageSeriesWriterOperator, NiftiVolumeWriterOperator

__all__ = [
    "DICOMImageSeriesWriterOperator",
    "NiftiVolumeLoaderOperator",
    "NiftiVolumeWriterOperator",
    "SeriesToVolumeOperator",
    "StudyLoaderOperator",
    "SuperResolutionApp",
    "SuperResolutionOperator",
    "VolumeImage",
]
