"""The coupled dictionary as a generator: contract, tiles, and a code that scikit-learn's own pursuit confirms."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import OrthogonalMatchingPursuit

from monai_sr.inference import HaloInferer
from monai_sr.networks import CoupledDictionary, SRGenerator


def filled(**arguments: Any) -> CoupledDictionary:
    """A dictionary of random atoms."""
    network = CoupledDictionary(**{"atoms": 12, "components": 6, **arguments})
    generator = torch.Generator().manual_seed(0)
    for buffer in network.buffers():
        buffer.copy_(0.1 * torch.randn(buffer.shape, generator=generator))
    network.lr_atoms /= network.lr_atoms.norm(dim=1, keepdim=True)
    return network


def image(*shape: int) -> torch.Tensor:
    return torch.rand(1, 5, *shape, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("dims", [2, 3])
def test_unlearned_it_is_the_interpolation(dims: int) -> None:
    network, x = CoupledDictionary(dims, atoms=8), image(*[8] * dims)
    assert isinstance(network, SRGenerator)
    assert torch.equal(network(x), x[:, 1:2])


@pytest.mark.parametrize(("patch", "stride"), [(2, 1), (3, 2), (4, 2), (4, 4)])
@pytest.mark.parametrize("shape", [(18, 23), (9, 14, 6)], ids=["2-D", "3-D"])
def test_the_result_does_not_depend_on_the_tile(shape: tuple[int, ...], patch: int, stride: int) -> None:
    network, x = filled(spatial_dims=len(shape), patch=patch, stride=stride), image(*shape)
    whole = HaloInferer()(x, network)
    assert (whole - x[:, 1:2]).abs().max() > 0.01  # it does something
    for tile in (4, 6):
        torch.testing.assert_close(HaloInferer(tile)(x, network), whole, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("patch", "stride"), [(3, 1), (4, 2)])
def test_the_stated_receptive_field_holds_and_is_not_wasteful(patch: int, stride: int) -> None:
    network, x = filled(patch=patch, stride=stride, nonzeros=1), image(40, 4, 4)
    before, reach = network(x), 0
    for place in range(18, 22):
        changed = x.clone()
        changed[:, 1, place] += 10.0
        moved = torch.nonzero((network(changed) - before).abs().amax(dim=(0, 1, 3, 4)) > 1e-6).flatten()
        reach = max(reach, place - int(moved.min()), int(moved.max()) - place)
    assert reach == network.receptive_field


def test_contrast_in_equals_contrast_out_and_brightness_does_not_matter() -> None:
    network, x = filled(), image(8, 8, 8)
    detail = network(x) - x[:, 1:2]
    y = 3.0 * x + 0.5
    torch.testing.assert_close(network(y) - y[:, 1:2], 3.0 * detail, rtol=0, atol=1e-4)


def test_air_stays_as_it_is() -> None:
    x = torch.full((1, 5, 8, 8, 8), 0.2)
    x[:, 1] += 1e-4 * torch.rand(8, 8, 8)
    assert torch.equal(filled()(x), x[:, 1:2])


def test_only_the_interpolation_is_looked_at_and_each_volume_alone() -> None:
    network, x = filled(), image(8, 8, 8)
    other = x.clone()
    other[:, [0, 2, 3, 4]] = 7.0
    both = network(torch.cat([other, 2.0 * x]))
    torch.testing.assert_close(both[:1], network(x))
    torch.testing.assert_close(both[1:], network(2.0 * x))


def test_the_code_is_orthogonal_matching_pursuit() -> None:
    network = filled(nonzeros=3)
    reduced = np.random.default_rng(0).normal(size=(5, 6))
    pursuit = OrthogonalMatchingPursuit(n_nonzero_coefs=3, fit_intercept=False, precompute=False)
    pursuit.fit(network.lr_atoms.double().numpy().T, reduced.T)
    code = network.code(reduced)
    np.testing.assert_allclose(code, pursuit.coef_, atol=1e-6)
    assert (np.count_nonzero(code, axis=1) == 3).all()


def test_a_plain_state_dict_holds_all() -> None:
    network, x = filled(), image(8, 8, 8)
    copy = CoupledDictionary(atoms=12, components=6)
    copy.load_state_dict(network.state_dict())
    assert torch.equal(copy(x), network(x))


def test_what_it_cannot_do_is_refused() -> None:
    with pytest.raises(ValueError, match="must be multiples of 2"):
        filled()(image(8, 8, 7))
    with pytest.raises(ValueError, match="voxels are left out; got 5"):
        CoupledDictionary(patch=4, stride=5)


def test_mixed_precision_changes_nothing() -> None:
    """A comparison runs its networks in bfloat16 where it can; sparse codes are found in float32 all the same."""
    network, x = filled(), image(8, 8, 8)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = network(x)
    assert torch.equal(mixed, network(x))
