"""Learn the coupled dictionary of ``networks.baselines.dictionary`` from training samples."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import numpy.typing as npt
import torch
from sklearn.decomposition import PCA, MiniBatchDictionaryLearning

from monai_sr.keys import HR, LR
from monai_sr.networks.baselines.dictionary import CoupledDictionary

__all__ = ["fit_dictionary"]

FloatArray = npt.NDArray[np.float64]

_SPARSITY = 0.15  # weight of the L1 norm while learning, for joint vectors of root-mean-square norm 1
_RIDGE = 1e-3  # of the last step, as a fraction of the mean use of an atom


def fit_dictionary(
    samples: Iterable[Mapping[str, torch.Tensor]],
    network: CoupledDictionary,
    patches: int = 30_000,
    patches_per_sample: int = 200,
    epochs: int = 3,
    seed: int = 0,
) -> None:
    """Set the buffers of ``network``; the same samples and seed give the same dictionary.

    Features and detail of a patch are learned as one vector, each half weighted by its length (Yang 2010), so that they
    share their code. In use only the LR half is coded, by another algorithm, so at the end the HR atoms are fitted
    once more to the codes of use, by least squares (Zeyde 2010).

    Args:
        samples: with ``LR``: ``(5, X, Y[, Z])`` generator input, ``HR``: ``(1, X, Y[, Z])``; read until there are
            enough patches, so they may be endless.
        network: whose buffers are set in place.
        patches: to learn from; fewer if the samples end before.
        patches_per_sample: at most so many from one sample, drawn from those with content.
        epochs: passes over the patches.
        seed: of all that is drawn.

    Raises:
        ValueError: if the samples hold fewer patches with content than the dictionary has atoms.
    """
    rng = np.random.default_rng(seed)
    described, lacking = _collect(samples, network, patches, patches_per_sample, rng)
    atoms, components = network.lr_atoms.shape
    if len(described) < max(atoms, components):
        raise ValueError(
            f"a dictionary of {atoms} atoms needs at least as many patches with content, the samples hold "
            f"{len(described)}; give more samples or fewer atoms"
        )
    pca = PCA(components, svd_solver="covariance_eigh").fit(described)
    projection = np.asarray(pca.components_)  # without the mean: no detail in, no detail out
    reduced = described @ projection.T
    joint = np.hstack([_unit(reduced) / np.sqrt(components), _unit(lacking) / np.sqrt(lacking.shape[1])])
    learner = MiniBatchDictionaryLearning(
        n_components=atoms,
        alpha=_SPARSITY,
        max_iter=epochs,
        batch_size=256,
        fit_algorithm="cd",
        dict_init=_first_atoms(joint, atoms, rng),
        max_no_improvement=None,
        tol=0.0,
        random_state=seed,
    ).fit(_unit(joint))
    halves = np.asarray(learner.components_)[:, :components]
    norms = np.linalg.norm(halves, axis=1, keepdims=True)
    empty = norms[:, 0] < 1e-6  # an atom that is all detail cannot be found from the features
    halves[empty] = rng.normal(size=(int(empty.sum()), components))
    halves /= np.linalg.norm(halves, axis=1, keepdims=True)
    _set(network.projection, projection)
    _set(network.lr_atoms, halves)
    code = network.code(reduced)
    use = code.T @ code
    ridge = _RIDGE * np.trace(use) / atoms * np.eye(atoms)
    _set(network.hr_atoms, np.linalg.solve(use + ridge, code.T @ lacking))


def _collect(
    samples: Iterable[Mapping[str, torch.Tensor]],
    network: CoupledDictionary,
    patches: int,
    per_sample: int,
    rng: np.random.Generator,
) -> tuple[FloatArray, FloatArray]:
    """Features and missing detail of patches with content: ``(K, features)`` and ``(K, voxels)``."""
    described: list[torch.Tensor] = []
    lacking: list[torch.Tensor] = []
    found = 0
    for sample in samples:
        cubic, hr = sample[LR][1].float(), sample[HR][0].float()
        features = network.patches(network.features(cubic))
        missing = network.patches((hr - cubic)[None])
        places = features.shape[: network.spatial_dims]
        loud = network.has_content(features.flatten(network.spatial_dims)).flatten().nonzero()[:, 0].numpy()
        chosen = np.sort(rng.permutation(loud)[: min(per_sample, patches - found)])
        index = np.unravel_index(chosen, tuple(places))
        described.append(features[index].flatten(1))
        lacking.append(missing[index].flatten(1))
        found += len(chosen)
        if found >= patches:
            break
    if not found:
        return np.zeros((0, 1)), np.zeros((0, 1))
    return torch.cat(described).double().numpy(), torch.cat(lacking).double().numpy()


def _unit(vectors: FloatArray) -> FloatArray:
    """Scaled together to a root-mean-square norm of 1."""
    return np.asarray(vectors / np.sqrt(np.square(vectors).sum(axis=1).mean() + 1e-30))


def _first_atoms(joint: FloatArray, atoms: int, rng: np.random.Generator) -> FloatArray:
    """Normalised patches, the louder the likelier: patches span what patches are made of from the start."""
    norms = np.linalg.norm(joint, axis=1)
    drawn = rng.choice(len(joint), atoms, replace=False, p=norms / norms.sum())
    return np.asarray(joint[drawn] / norms[drawn, None])


def _set(buffer: torch.Tensor, values: FloatArray) -> None:
    buffer.copy_(torch.as_tensor(values, dtype=buffer.dtype))
