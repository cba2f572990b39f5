"""What a DICOM series leaves behind for writing a derived series: its headers, not its pixels."""

from __future__ import annotations

from dataclasses import dataclass, field

from pydicom.dataset import Dataset

from monai_sr.geometry import VolumeGeometry

__all__ = ["DicomSource", "SliceReference"]


@dataclass(frozen=True)
class SliceReference:
    """Which image a slice came from.

    Args:
        header: index of its instance in :attr:`DicomSource.headers`.
        frame: frame of a multi-frame instance, from 0; None for a single-frame instance.
        slope: rescale slope of the slice.
        intercept: rescale intercept of the slice.
    """

    header: int
    frame: int | None
    slope: float
    intercept: float


@dataclass(eq=False)
class DicomSource:
    """Reference of a volume to the series it was read from.

    Args:
        headers: one per instance, in slice order, without pixels, private elements, overlays and icons.
        slices: one per slice, in slice order.
        geometry: grid of the series.
        thickness_mm: acquired slice thickness, None where unknown.
        rescaled: whether the headers had a rescale at all.
        lossy: LossyImageCompressionRatio and -Method when a slice was compressed with loss and its header does not say
            so; None otherwise.
        part: which of several volumes of the series it is, in words such as ``"echo time 30 ms"``; empty where the
            series holds one.
        format: always ``"dicom"``.
    """

    headers: tuple[Dataset, ...]
    slices: tuple[SliceReference, ...]
    geometry: VolumeGeometry
    thickness_mm: float | None
    rescaled: bool
    lossy: tuple[float, str] | None = None
    part: str = ""
    format: str = field(default="dicom", init=False)
