"""A dictionary has no gradient: it is learned from the samples that the networks take, in one go."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any

from monai_sr.data import SeededPatchDataset
from monai_sr.engines.dictionary_fit import fit_dictionary
from monai_sr.engines.record import RunRecord
from monai_sr.networks import CoupledDictionary

__all__ = ["DictionaryTraining"]

_logger = logging.getLogger(__name__)


class DictionaryTraining:
    """Takes the place of the trainer in a config (``configs/model/dictionary.yaml``).

    Args:
        dataset: of the training.
        network: the dictionary.
        record: where to and what for; writes ``model.pt``, its record and ``run.json``.
        steps: of the networks' training, whose samples these are.
        batch_size: of the networks' training.
        fit: further arguments of :func:`monai_sr.engines.fit_dictionary`.
        seed: of the fit.
    """

    def __init__(
        self,
        dataset: SeededPatchDataset,
        network: CoupledDictionary,
        record: RunRecord,
        steps: int,
        batch_size: int,
        fit: Mapping[str, Any] | None = None,
        seed: int = 0,
    ) -> None:
        self.dataset, self.network, self.record = dataset, network, record
        self.steps, self.samples, self.seed = steps, range(steps * batch_size), seed
        self.fit = dict(fit or {})

    def run(self) -> None:
        """Learn and write."""
        began = time.perf_counter()
        fit_dictionary(_Lazily(self.dataset, self.samples), self.network, seed=self.seed, **self.fit)
        self.record.write_model(self.network, "dictionary", self.steps)
        self.record.write_run(
            steps_done=self.steps,
            steps=self.steps,
            seconds=time.perf_counter() - began,
            device="cpu",
            amp="None",
        )
        _logger.info("dictionary learned in %.0f s", time.perf_counter() - began)


class _Lazily:
    """The samples one after the other; each is simulated when its turn comes."""

    def __init__(self, dataset: SeededPatchDataset, indices: Sequence[int]) -> None:
        self.dataset, self.indices = dataset, indices

    def __iter__(self) -> Any:
        return (self.dataset[index] for index in self.indices)
