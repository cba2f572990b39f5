"""How well the discriminator of a finished training still tells HR from SR, on patches that nobody was trained on."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Events
from torch.utils.data import default_collate

from monai_sr.data import SeededPatchDataset
from monai_sr.engines.parts import TrainingCases
from monai_sr.engines.srgan_trainer import SRGanTrainer
from monai_sr.keys import HR, LR
from monai_sr.metrics import discriminator_scores

__all__ = ["DiscriminatorCheck"]

_BATCH = 8


class DiscriminatorCheck:
    """Handler: accuracy, precision, recall and F1 on held-out real and generated patches, at the end of the training.

    They stand in ``output_dir/discriminator.json``. Without an adversary, or without subjects for validation, nothing
    happens.

    Args:
        output_dir: of the training.
        cases: whose role ``validation`` gives the patches.
        preparation: of a case, as in training.
        transform: of a sample, as in training.
        patches: of each kind.
        seed: of the patches.
    """

    def __init__(
        self,
        output_dir: str | Path,
        cases: TrainingCases,
        preparation: Sequence[Callable[..., Any]],
        transform: Sequence[Callable[..., Any]],
        patches: int = 200,
        seed: int = 0,
    ) -> None:
        self.file = Path(output_dir) / "discriminator.json"
        self.cases, self.preparation, self.transform = cases, preparation, transform
        self.patches, self.seed = patches, seed

    def attach(self, engine: SRGanTrainer) -> None:
        """Register with a trainer; one without an adversary is left alone."""
        if engine.adversary is not None and engine.state.rank == 0:  # of several processes
            engine.add_event_handler(Events.COMPLETED, self._check)

    @torch.no_grad()
    def _check(self, engine: SRGanTrainer) -> None:
        prepared = self.cases.prepared("validation", self.preparation)
        if not prepared or engine.adversary is None:
            return
        dataset = SeededPatchDataset(prepared, self.transform, self.seed)
        learner, device = engine.generator, engine.state.device
        generator = (learner.network if learner.ema is None else learner.ema.module).eval()
        discriminator = engine.adversary.learner.network.eval()
        logits: dict[str, list[torch.Tensor]] = {HR: [], "fake": []}
        for first in range(0, self.patches, _BATCH):
            samples = [dataset[i] for i in range(first, min(first + _BATCH, self.patches))]
            lr, hr = (default_collate([s[key] for s in samples]).to(device) for key in (LR, HR))
            logits[HR].append(discriminator(hr).float().cpu())
            logits["fake"].append(discriminator(generator(lr).float()).float().cpu())
        learner.network.train()
        scores = discriminator_scores(torch.cat(logits[HR]).numpy(), torch.cat(logits["fake"]).numpy())
        content = {
            **asdict(scores),
            "patches": self.patches,
            "decision": "a patch is called real where the mean sigmoid of its logits is above 0.5; positive is real",
        }
        self.file.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
