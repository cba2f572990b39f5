"""Random training samples that are a function of seed and sample index."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from monai.transforms import Compose
from torch.utils.data import Dataset

__all__ = ["SeededPatchDataset"]


class SeededPatchDataset(Dataset[dict[str, Any]]):
    """Endless random patches from prepared volumes; sample ``i`` is the same in every process and every run.

    The transforms find the number of the sample under ``index``.

    Args:
        cases: prepared volumes, e.g. a ``monai.data.CacheDataset``.
        transform: random transforms; their state is set anew for every sample.
        seed: seed of the whole training.
        weight: key of ``cases`` entries by which volumes share the samples: entries with the same value (subject,
            modality) together count once. None: every volume counts once.
    """

    def __init__(
        self,
        cases: Sequence[Mapping[str, Any]],
        transform: Callable[..., Any] | Sequence[Callable[..., Any]],
        seed: int = 0,
        weight: str | None = None,
    ) -> None:
        if len(cases) == 0:
            raise ValueError("training needs at least one volume, got none")
        self.cases = cases
        self.transform = transform if isinstance(transform, Compose) else Compose(transform)
        self.seed = seed
        self.probability = np.full(len(cases), 1.0 / len(cases))
        if weight is not None:
            groups = [cases[i][weight] for i in range(len(cases))]
            share = np.array([1.0 / groups.count(group) for group in groups])
            self.probability = share / share.sum()

    def __len__(self) -> int:
        """A sampler decides how many samples are drawn; this is only a bound."""
        return 2**31 - 1

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Draw sample ``index``."""
        rng = np.random.default_rng([self.seed, index])
        case = self.cases[int(rng.choice(len(self.cases), p=self.probability))]
        self.transform.set_random_state(seed=int(rng.integers(2**31)))
        sample: dict[str, Any] = self.transform({**case, "index": index})
        return sample
