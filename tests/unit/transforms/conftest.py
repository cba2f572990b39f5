from __future__ import annotations

import pytest
import torch
from monai.data import MetaTensor

from monai_sr.io import Volume


def as_tensor(volume: Volume) -> MetaTensor:
    """What ``LoadVolumed`` makes of a file with this content."""
    return MetaTensor(
        torch.from_numpy(volume.array.copy())[None],
        affine=torch.from_numpy(volume.geometry.affine.copy()),
        meta={
            "modality": volume.modality,
            "spacing": volume.geometry.spacing,
            "slice_axis": volume.slice_axis,
            "slice_thickness_mm": volume.slice_thickness_mm,
            "name": volume.name,
        },
    )


@pytest.fixture(scope="session", name="as_tensor")
def as_tensor_fixture() -> object:
    return as_tensor
