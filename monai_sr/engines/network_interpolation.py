"""Network interpolation (Wang 2018): the weights between a faithful and a perceptual network."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from ignite.engine import Events

from monai_sr.catalogue import write_record
from monai_sr.engines.record import export_weights, save_state
from monai_sr.engines.srgan_trainer import SRGanTrainer
from monai_sr.networks import interpolate_weights

__all__ = ["NetworkInterpolation"]


class NetworkInterpolation:
    """Handler: keeps the weights at which the adversary joins in, and those between them and the end.

    ``output_dir`` gets ``model_psnr.pt`` (before the first adversarial step) and ``model_interpolated.pt``, each with
    its record, beside the ``model.pt`` of the end.

    Args:
        output_dir: of the training.
        share: of the weights of the end.
    """

    def __init__(self, output_dir: str | Path, share: float = 0.8) -> None:
        self.folder = Path(output_dir)
        self.share = share

    def attach(self, engine: SRGanTrainer) -> None:
        """Register with a trainer, behind its ``RunRecord``."""
        if engine.state.rank == 0:  # of several processes
            engine.add_event_handler(Events.ITERATION_COMPLETED, self._keep)
            engine.add_event_handler(Events.COMPLETED, self._interpolate)

    def _keep(self, engine: SRGanTrainer) -> None:
        if engine.adversary is not None and engine.state.iteration == engine.adversary.start_step:
            learner = engine.generator
            export_weights(learner.network if learner.ema is None else learner.ema.module, self._file("psnr"))

    def _interpolate(self, engine: SRGanTrainer) -> None:
        if not self._file("psnr").is_file():
            return
        ends = [torch.load(f, weights_only=True) for f in (self._file("psnr"), self.folder / "model.pt")]
        save_state(interpolate_weights(ends[0], ends[1], self.share), self._file("interpolated"))
        entry = json.loads((self.folder / "model.json").read_text(encoding="utf-8"))
        for kind, stage in (("psnr", "l1"), ("interpolated", "gan")):
            write_record(self._file(kind), {**entry, "name": f"model_{kind}", "stage": stage})

    def _file(self, kind: str) -> Path:
        return self.folder / f"model_{kind}.pt"
