from __future__ import annotations

from typing import Literal

import pytest
import torch
from torch import nn

from monai_sr.engines import amp_dtype
from monai_sr.networks import SRPatchDiscriminator


def kinds(network: nn.Module) -> set[type[nn.Module]]:
    return {type(m) for m in network.modules()}


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("norm", ["spectral", "instance", "batch"])
def test_logits_of_patches(dims: int, norm: Literal["spectral", "instance", "batch"]) -> None:
    network = SRPatchDiscriminator(spatial_dims=dims, channels=4, num_layers=2, norm=norm)
    x = torch.randn(2, 1, *[32] * dims)
    logits = network(x)
    assert logits.shape[:2] == (2, 1) and 1 < logits.shape[2] < 32
    assert float(logits.detach().min()) < 0.0  # no sigmoid, no activation at the end
    assert len(network.features(x)) == 3


def test_each_norm_is_what_it_says() -> None:
    instance, batch = (SRPatchDiscriminator(channels=4, num_layers=2, norm=n) for n in ("instance", "batch"))
    assert nn.InstanceNorm3d in kinds(instance) and nn.BatchNorm3d not in kinds(instance)
    assert nn.BatchNorm3d in kinds(batch) and nn.LeakyReLU in kinds(batch)
    spectral = SRPatchDiscriminator(channels=4, num_layers=2, norm="spectral")
    assert not kinds(spectral) & {nn.InstanceNorm3d, nn.BatchNorm3d}


def test_spectral_norm_bounds_every_convolution() -> None:
    torch.manual_seed(0)
    network = SRPatchDiscriminator(spatial_dims=2, channels=4, num_layers=2, norm="spectral").train()
    convolutions = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
    for convolution in convolutions:
        convolution.parametrizations.weight.original.data *= 50.0  # type: ignore[union-attr, operator]
    for _ in range(50):  # power iteration
        network(torch.rand(1, 1, 32, 32))
    network.eval()
    for convolution in convolutions:
        assert float(torch.linalg.matrix_norm(convolution.weight.flatten(1), ord=2)) == pytest.approx(1.0, abs=0.02)


@pytest.mark.skipif(amp_dtype(torch.device("cpu")) is None, reason="this CPU computes no bfloat16")
def test_mixed_precision_gradients_never_read_stale_memory() -> None:
    """torch 2.13 left the last layer's bfloat16 gradient NaN in one run of eight, by what lay in memory."""
    for _ in range(60):
        stale = [
            torch.full((n,), torch.nan, dtype=t) for n in (10, 1000, 100000) for t in (torch.float, torch.bfloat16)
        ]
        del stale
        torch.manual_seed(0)
        network = SRPatchDiscriminator(channels=16, num_layers=2)
        with torch.autocast("cpu", torch.bfloat16):
            logits = network(torch.rand(2, 1, 16, 16, 16))
        assert logits.dtype == torch.float32
        logits.square().mean().backward()
        assert all(bool(torch.isfinite(p.grad).all()) for p in network.parameters() if p.grad is not None)
