from __future__ import annotations

from typing import Literal

import pytest
import torch
from torch import nn

from monai_sr.engines import amp_dtype
from monai_sr.networks import SRGANDiscriminator, SRPatchDiscriminator


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


# ---- SRGAN's


@pytest.mark.parametrize("shape", [(3, 1, 32, 32), (2, 1, 48, 32), (2, 1, 16, 24, 16)])
def test_one_logit_for_a_patch_of_any_size(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    network = SRGANDiscriminator(spatial_dims=len(shape) - 2, channels=4, pairs=3, dense=8).eval()
    x = torch.rand(shape)
    logits = network(x)
    assert logits.shape == (shape[0], 1)
    maps = network.features(x)
    assert len(maps) == 6
    assert torch.equal(network.judge(maps), logits)
    for k, features in enumerate(maps):  # every second one halves, every pair doubles the width
        assert features.shape[1] == 4 * 2 ** (k // 2)
        assert features.shape[2] == shape[2] // 2 ** ((k + 1) // 2)


def test_a_patch_is_judged_by_itself() -> None:
    torch.manual_seed(0)
    network = SRGANDiscriminator(spatial_dims=2, channels=4, pairs=2, dense=8).eval()
    a, b = torch.rand(2, 1, 1, 32, 32)
    torch.testing.assert_close(network(torch.cat([a, b])), torch.cat([network(a), network(b)]))
    assert not torch.allclose(network(a), network(b), atol=1e-5)


def test_no_norm_behind_the_first_convolution_only() -> None:
    layers = SRGANDiscriminator(spatial_dims=2, channels=4, pairs=4).layers
    normalised = [nn.BatchNorm2d in kinds(layer) for layer in layers]
    assert normalised == [False] + 7 * [True]
    assert [m.stride for layer in layers for m in layer.modules() if isinstance(m, nn.Conv2d)] == 4 * [(1, 1), (2, 2)]
    slopes = [m.negative_slope for layer in layers for m in layer.modules() if isinstance(m, nn.LeakyReLU)]
    assert slopes == [0.2] * 8


def test_its_logits_are_float32_and_not_squeezed() -> None:
    network = SRGANDiscriminator(spatial_dims=2, channels=4, pairs=2, dense=8).eval()
    features = [m.bfloat16() for m in network.features(torch.rand(2, 1, 32, 32))]
    assert network.judge(features).dtype == torch.float32
    last = network.dense[-1]
    nn.init.zeros_(last.weight)
    nn.init.constant_(last.bias, -7.0)
    assert network(torch.rand(2, 1, 32, 32)).tolist() == [[-7.0], [-7.0]]  # no sigmoid


def test_with_the_papers_arguments_it_is_the_papers() -> None:
    network = SRGANDiscriminator(spatial_dims=2, channels=64, pairs=4, dense=1024)
    convolutions = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
    assert [c.out_channels for c in convolutions] == [64, 64, 128, 128, 256, 256, 512, 512]
    assert {c.kernel_size for c in convolutions} == {(3, 3)}
    assert [m.out_features for m in network.modules() if isinstance(m, nn.Linear)] == [1024, 1]
    assert network.features(torch.rand(2, 1, 96, 96))[-1].shape == (2, 512, 6, 6)


# ---- both


@pytest.mark.parametrize("make", [SRPatchDiscriminator, SRGANDiscriminator])
def test_features_and_judgement_make_the_whole(make: type[nn.Module]) -> None:
    """The trainer takes them apart; the content loss sees every layer before the logits."""
    torch.manual_seed(0)
    network = make(spatial_dims=2, channels=4).eval()
    x = torch.randn(2, 1, 48, 48)
    features = network.features(x)  # type: ignore[operator]
    assert torch.equal(network.judge(features), network(x))  # type: ignore[operator]
    assert len(features) > 2
    assert all(len(f) == 2 and f.dim() == 4 for f in features)
    sizes = [f.shape[-1] for f in features]
    assert sizes == sorted(sizes, reverse=True) and sizes[-1] < sizes[0]


@pytest.mark.parametrize("make", [SRPatchDiscriminator, SRGANDiscriminator])
def test_logits_are_float32_in_mixed_precision(make: type[nn.Module]) -> None:
    network = make(channels=4).eval()
    with torch.autocast("cpu", torch.bfloat16):
        assert network(torch.rand(1, 1, 32, 32, 32)).dtype == torch.float32


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_patches_too_small_for_a_logit_are_refused_with_the_size(layers: int) -> None:
    """Torch speaks of the kernel of a layer that no user has named."""
    network = SRPatchDiscriminator(spatial_dims=2, channels=4, num_layers=layers)
    smallest = 3 * 2**layers
    assert network(torch.zeros(1, 1, smallest, smallest)).shape == (1, 1, 1, 1)
    with pytest.raises(ValueError, match=f"at least {smallest} voxels .* got {smallest} x {smallest - 1}"):
        network(torch.zeros(1, 1, smallest, smallest - 1))
    with pytest.raises(RuntimeError, match="Kernel size"):
        network.smallest = 0
        network(torch.zeros(1, 1, smallest, smallest - 1))
