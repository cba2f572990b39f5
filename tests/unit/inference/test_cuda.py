"""A scan on a GPU: the same result as on the CPU, also where the GPU's memory is short."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch

from monai_sr import super_resolve
from monai_sr.inference import SRModel
from monai_sr.intensity import intensity_range
from monai_sr.io import Volume

pytestmark = pytest.mark.gpu
MakeModel = Callable[..., SRModel]


@pytest.fixture
def full() -> Iterator[None]:
    """The process may take 40 MB of the GPU, its context apart."""
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(40e6 / torch.cuda.get_device_properties(0).total_memory)
    yield
    torch.cuda.set_per_process_memory_fraction(1.0)
    torch.cuda.empty_cache()


@pytest.mark.parametrize(("precision", "of_the_range"), [("float32", 1e-4), ("auto", 1e-2)])
def test_a_gpu_gives_what_the_cpu_gives(
    thick_mr: Volume, make_model: MakeModel, precision: Any, of_the_range: float
) -> None:
    width = intensity_range(thick_mr.array, "MR").width
    found = {
        device: super_resolve(thick_mr, model=make_model(0.1), device=device, precision=precision).volume.array
        for device in ("cpu", "cuda")
    }
    none = super_resolve(thick_mr, model="none").volume.array
    assert np.abs(found["cuda"] - none).max() > 0.01 * width
    np.testing.assert_allclose(found["cuda"], found["cpu"], atol=of_the_range * width)


def test_the_shipped_model_gives_what_it_gives_on_the_cpu(thick_mr: Volume) -> None:
    width = intensity_range(thick_mr.array, "MR").width
    gpu, cpu = (super_resolve(thick_mr, device=device).volume.array for device in ("cuda", "cpu"))
    assert np.sqrt(np.mean((gpu - cpu) ** 2)) < 1e-3 * width


def test_a_gpu_that_is_full_takes_smaller_tiles(thick_mr: Volume, make_model: MakeModel, full: None) -> None:
    """Chosen by hand too large for 40 MB."""
    expected = super_resolve(thick_mr, model=make_model(0.1), device="cpu", precision="float32").volume.array
    result = super_resolve(thick_mr, model=make_model(0.1), device="cuda", tile=512, precision="float32")
    assert result.report["retreats"]
    width = intensity_range(thick_mr.array, "MR").width
    np.testing.assert_allclose(result.volume.array, expected, atol=1e-3 * width)
