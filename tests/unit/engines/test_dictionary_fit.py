"""Learning the coupled dictionary: better than cubic on another phantom, and the same again for the same seed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from monai_sr.data.phantom import ellipsoids
from monai_sr.degradation import SliceProfile, degrade
from monai_sr.engines.dictionary_fit import fit_dictionary
from monai_sr.grid import AxisGrid, apply_along, interpolation_matrix
from monai_sr.keys import HR, LR
from monai_sr.networks import CoupledDictionary


def sample(dims: int = 3, flip: bool = False) -> dict[str, torch.Tensor]:
    """A phantom and its cubic interpolation from half the resolution: of the last axis, in 2-D of both."""
    truth = torch.from_numpy(ellipsoids((28, 28, 28)).array) / 2000.0 + 0.5
    truth = truth.permute(1, 2, 0) if flip else truth
    truth = truth if dims == 3 else truth[:, :, 12]
    cubic, grid = truth, AxisGrid(14, 28)
    for axis in range(2, 3) if dims == 3 else range(2):
        acquired = degrade(cubic, grid, SliceProfile("gaussian"), axis)
        cubic = apply_along(interpolation_matrix(grid), acquired, axis)
    lr = torch.zeros(5, *truth.shape)
    lr[1] = cubic
    return {LR: lr, HR: truth[None].contiguous()}


def learned(dims: int = 3, seed: int = 0) -> CoupledDictionary:
    network = CoupledDictionary(dims, atoms=48, components=16)
    fit_dictionary([sample(dims)], network, patches=600, patches_per_sample=600, epochs=1, seed=seed)
    return network


@pytest.mark.parametrize("dims", [2, 3])
def test_it_is_closer_to_the_truth_than_the_cubic(dims: int) -> None:
    network = CoupledDictionary(dims, atoms=64, patch=3)  # in 2-D it has fewer features than principal components
    fit_dictionary([sample(dims)], network, patches=600, patches_per_sample=600, epochs=1)
    other = sample(dims, flip=True)
    restored = network(other[LR][None])[0]
    cubic = other[LR][1:2]
    assert (restored - other[HR]).square().mean() < 0.9 * (cubic - other[HR]).square().mean()


def test_the_same_seed_gives_the_same_dictionary() -> None:
    first, again, different = learned(), learned(), learned(seed=1)
    for name, buffer in first.state_dict().items():
        assert torch.equal(buffer, again.state_dict()[name])
    assert not torch.equal(first.lr_atoms, different.lr_atoms)


def test_atoms_of_the_features_have_unit_norm() -> None:
    torch.testing.assert_close(learned().lr_atoms.norm(dim=1), torch.ones(48))


def test_samples_are_read_until_there_are_enough_patches() -> None:
    read = 0

    def endless() -> Iterator[dict[str, torch.Tensor]]:
        nonlocal read
        while True:
            read += 1
            yield sample()

    network = CoupledDictionary(atoms=16, components=8)
    fit_dictionary(endless(), network, patches=250, patches_per_sample=100, epochs=1)
    assert read == 3


def test_too_few_patches_are_refused() -> None:
    with pytest.raises(ValueError, match="48 atoms needs at least as many patches with content, the samples hold 20"):
        fit_dictionary([sample()], CoupledDictionary(atoms=48, components=8), patches_per_sample=20)
    air = {LR: torch.zeros(5, 8, 8, 8), HR: torch.zeros(1, 8, 8, 8)}
    with pytest.raises(ValueError, match="the samples hold 0"):
        fit_dictionary([air], CoupledDictionary(atoms=8))
