from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from monai_sr.data.phantom import ellipsoids
from monai_sr.io import Modality, Volume
from monai_sr.transforms import NormalizeScand

AsTensor = Callable[[Volume], MetaTensor]


@pytest.mark.parametrize("modality", ["CT", "MR"])
def test_the_inverse_is_exact(as_tensor: AsTensor, modality: Modality) -> None:
    volume = ellipsoids((32, 32, 24), modality=modality)
    transform = NormalizeScand("label")
    normalised = transform({"label": as_tensor(volume)})
    assert not torch.equal(normalised["label"], torch.from_numpy(volume.array)[None])
    back = transform.inverse(normalised)["label"]
    np.testing.assert_allclose(back[0].numpy(), volume.array, rtol=0, atol=2e-4)
    assert back.applied_operations == []


def test_ct_is_scaled_in_hu_whatever_else_is_in_the_scan(as_tensor: AsTensor) -> None:
    volume = ellipsoids((32, 32, 24))
    scaled = NormalizeScand("label")({"label": as_tensor(volume)})["label"]
    np.testing.assert_allclose(scaled[0].numpy(), (volume.array + 1000.0) / 2000.0, atol=1e-6)


def test_mr_is_robust_to_a_hot_voxel_and_to_background(as_tensor: AsTensor) -> None:
    volume = ellipsoids((32, 32, 24), modality="MR")
    hot = volume.array.copy()
    hot[16, 16, 12] = 1e6
    wide = np.pad(volume.array, 16)
    ranges = []
    for array in (volume.array, hot, wide):
        tensor = as_tensor(volume)
        changed = MetaTensor(torch.from_numpy(array)[None], meta=tensor.meta)
        ranges.append(NormalizeScand("label")({"label": changed})["label"].meta["intensity_range"])
    assert ranges[1] == pytest.approx(ranges[0], rel=0.01, abs=5)
    assert ranges[2] == pytest.approx(ranges[0], rel=0.01, abs=5)


def test_a_pair_shares_the_range_of_its_reference(as_tensor: AsTensor) -> None:
    hr = ellipsoids((32, 32, 24), modality="MR")
    lr = hr.with_values(hr.array * 0.5)
    data = NormalizeScand(["image", "label"], reference="image")({"image": as_tensor(lr), "label": as_tensor(hr)})
    assert data["image"].meta["intensity_range"] == data["label"].meta["intensity_range"]
    torch.testing.assert_close(
        data["label"] * 1.0 - data["image"] * 2.0, torch.zeros_like(data["label"]) + float(data["label"].min() * -1.0)
    )


def test_clipping_is_by_choice(as_tensor: AsTensor) -> None:
    volume = ellipsoids((32, 32, 24), modality="MR")
    volume.array[16, 16, 12] = 1e6
    kept, clipped = (NormalizeScand("label", clip=clip)({"label": as_tensor(volume)}) for clip in (None, (-0.5, 4.0)))
    assert float(kept["label"].max()) > 100.0
    assert float(clipped["label"].max()) == 4.0


def test_an_unknown_modality_is_refused(as_tensor: AsTensor) -> None:
    tensor = as_tensor(ellipsoids((32, 32, 24)))
    tensor.meta["modality"] = None
    with pytest.raises(ValueError, match="must be CT, MR or photo"):
        NormalizeScand("label")({"label": tensor})
