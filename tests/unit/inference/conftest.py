"""Models without training: one that adds nothing, one that changes every voxel in a way that depends on its place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from monai_sr.catalogue import ModelRecord
from monai_sr.data.phantom import ellipsoids
from monai_sr.data.simulate import thicken
from monai_sr.inference import SRModel
from monai_sr.io import Volume
from monai_sr.networks import UNetGenerator

WIDE: dict[str, Any] = {"modalities": ["CT", "MR"], "factor": [1, 6], "width": [0, 4], "noise": [0, 1]}


def generator(spread: float, seed: int = 0) -> UNetGenerator:
    """A small U-Net of the default design; ``spread`` is the deviation of its last layer's weights, 0 as it is born."""
    torch.manual_seed(seed)
    network = UNetGenerator(channels=(8, 16), blocks=(1, 1)).eval()
    if spread:
        torch.nn.init.normal_(network.head_out.conv.weight, std=spread)
    return network


@pytest.fixture
def make_model() -> Callable[..., SRModel]:
    def make(spread: float = 0.0, **trained: Any) -> SRModel:
        record = ModelRecord("toy", Path("toy.pt"), "0" * 64, {}, "l1", {**WIDE, **trained})
        return SRModel(generator(spread), record)

    return make


@pytest.fixture(scope="session")
def thick_mr() -> Volume:
    """An MR phantom, 1 x 1 x 3 mm, with a little noise; scanner scale 0 to 900."""
    body = ellipsoids((40, 36, 48), modality="MR")
    return replace(thicken(body, axis=2, factor=3.0, noise=0.003), name="phantom")


@pytest.fixture(scope="session")
def thick_ct() -> Volume:
    """A CT phantom in HU, 1 x 1 x 4 mm, with 10 HU of noise."""
    body = ellipsoids((60, 56, 64), modality="CT")
    noise = np.random.default_rng(0).normal(0, 10, body.array.shape).astype(np.float32)
    return replace(thicken(body.with_values(body.array + noise), axis=2, factor=4.0), name="phantom")
