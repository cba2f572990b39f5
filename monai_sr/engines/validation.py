"""Validation while training: whole volumes through the one upscaling function, against what needs no training."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from ignite.engine import Events

from monai_sr.engines.evaluate import evaluate
from monai_sr.engines.scoreboard import case_table, scores
from monai_sr.engines.srgan_trainer import SRGanTrainer
from monai_sr.engines.tasks import Task
from monai_sr.keys import HR, LR, SR

__all__ = ["PatchScores", "Validation", "WholeVolumeScores"]

_logger = logging.getLogger(__name__)


class Validation:
    """Handler: scores every few epochs and at the end.

    They stand in ``engine.state.metrics`` (TensorBoard), in ``output_dir/validation.jsonl`` and in the log.

    Args:
        scores: trainer to named numbers, e.g. :class:`WholeVolumeScores`; none, if there is nobody to validate on.
        output_dir: of the training.
        every: epochs.
    """

    def __init__(
        self, scores: Callable[[SRGanTrainer], Mapping[str, float]], output_dir: str | Path, every: int = 10
    ) -> None:
        self.scores = scores
        self.file = Path(output_dir) / "validation.jsonl"
        self.every = every

    def attach(self, engine: SRGanTrainer) -> None:
        """Register with a trainer, behind its ``RunRecord``."""
        if engine.state.rank == 0:  # of several processes
            engine.add_event_handler(Events.EPOCH_COMPLETED, self._validate)

    def _validate(self, engine: SRGanTrainer) -> None:
        state = engine.state
        if state.epoch % self.every and state.epoch != state.max_epochs:
            return
        with torch.random.fork_rng():  # what the training draws next must not depend on this
            found = dict(self.scores(engine))
        if not found:
            return
        state.metrics.update(found)
        row = {"step": int(state.iteration), "epoch": int(state.epoch), **found}
        with self.file.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(row) + "\n")
        _logger.info("validation at step %d: %s", row["step"], ", ".join(f"{k} {v:.3g}" for k, v in found.items()))


class WholeVolumeScores:
    """The model of this moment on whole validation volumes, through ``super_resolve`` as a user would call it.

    The scores are gains in PSNR inside the body over the best, per case, of cubic interpolation and back-projection,
    and over our own pipeline without the network.

    Args:
        cases: with a truth under ``HR``, and for real pairs the acquired volume under ``LR``.
        output_dir: of the training; holds ``model.pt``.
        tasks: what truths without a partner are put through.
        crop: at most so many voxels per axis around the body, for speed; None: all.
        modality: as in training.
        affine: as in training.
        device: where to run.
    """

    def __init__(
        self,
        cases: Sequence[Mapping[str, Any]],
        output_dir: str | Path,
        tasks: Sequence[Task],
        crop: int | None = 96,
        modality: Literal["CT", "MR"] | None = None,
        affine: Literal["sform", "qform"] | None = None,
        device: torch.device | str = "auto",
    ) -> None:
        self.cases = cases
        self.folder = Path(output_dir)
        self.tasks = tasks
        self.crop = crop
        self.modality = modality
        self.affine = affine
        self.device = str(device)

    def __call__(self, engine: SRGanTrainer) -> dict[str, float]:
        """Gains in dB; nothing without cases."""
        rows = evaluate(
            self.cases,
            model=self.folder / "model.pt",
            tasks=self.tasks,
            out=self.folder / "validation",
            crop=self.crop,
            modality=self.modality,
            affine=self.affine,
            device=self.device,
            measures="psnr",
        )
        found = scores(case_table(rows))
        named = {
            "gain_db": found["mean_gain"],
            "worst_gain_db": found["worst_gain"],
            "gain_over_none_db": found["mean_gain_over_none"],
        }
        return {name: float(value) for name, value in named.items() if value is not None}


class PatchScores:
    """PSNR of input and output on prepared pairs, for what is no volume: 2-D images in [0, 1].

    Args:
        cases: prepared pairs with ``LR`` and ``HR``.
    """

    def __init__(self, cases: Sequence[Mapping[str, Any]]) -> None:
        self.cases = cases

    @torch.no_grad()
    def __call__(self, engine: SRGanTrainer) -> dict[str, float]:
        """Mean PSNR in dB before and after."""
        learner = engine.generator
        network = (learner.network if learner.ema is None else learner.ema.module).eval()
        levels: dict[str, list[float]] = {LR: [], SR: []}
        for case in self.cases:
            lr, hr = (torch.as_tensor(case[key])[None].to(engine.state.device) for key in (LR, HR))
            for key, x in ((LR, lr[:, :1]), (SR, network(lr).float())):
                levels[key].append(float(-10.0 * torch.log10(torch.mean((x - hr) ** 2))))
        network.train()
        if not self.cases:
            return {}
        before, after = (sum(levels[key]) / len(self.cases) for key in (LR, SR))
        return {"psnr_input_db": before, "psnr_db": after, "gain_db": after - before}
