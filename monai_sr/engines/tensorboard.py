"""Scalars and images for TensorBoard."""

from __future__ import annotations

from pathlib import Path

import torch
from ignite.engine import Events
from torch.utils.tensorboard import SummaryWriter

from monai_sr.engines.srgan_trainer import SRGanTrainer
from monai_sr.keys import HR, LR, SR

__all__ = ["TensorBoard", "image_panel"]


def image_panel(lr: torch.Tensor, sr: torch.Tensor, hr: torch.Tensor) -> torch.Tensor:
    """Start, result, truth and four times the error of the first sample, side by side.

    The plane holds the restored (last) axis; of a 2-D sample it is the image.

    Args:
        lr: ``(B, C, X, Y, Z)``, of which the first channel is the start; ``(B, C, X, Y)`` in 2-D.
        sr: ``(B, 1, X, Y, Z)``.
        hr: ``(B, 1, X, Y, Z)``.

    Returns:
        ``(1, height, width)``, 0 to 1.
    """
    planes = [x[0, 0].detach().float().cpu() for x in (lr, sr, hr)]
    planes = [x[x.shape[0] // 2] if x.ndim == 3 else x for x in planes]
    error = 0.5 + 4.0 * (planes[1] - planes[2])
    return torch.cat([*planes, error], dim=1).clamp(0.0, 1.0)[None]


class TensorBoard:
    """Handler: all named losses every ``every`` steps, validation scores and a panel of images every epoch.

    Args:
        output_dir: events go to ``output_dir/tensorboard``; look with ``tensorboard --logdir``.
        every: steps between scalars.
    """

    def __init__(self, output_dir: str | Path, every: int = 50) -> None:
        self.folder = Path(output_dir) / "tensorboard"
        self.every = every
        self._writer: SummaryWriter | None = None

    def attach(self, engine: SRGanTrainer) -> None:
        """Register with a trainer, behind its ``Checkpointer``; of several processes only the first writes."""
        if engine.state.rank == 0:
            engine.add_event_handler(Events.STARTED, self._open)
            engine.add_event_handler(Events.ITERATION_COMPLETED(every=self.every), self._scalars)
            engine.add_event_handler(Events.EPOCH_COMPLETED, self._images)
            engine.add_event_handler(Events.COMPLETED, self._close)

    def _open(self, engine: SRGanTrainer) -> None:
        # purge_step hides what a resumed training draws again
        self._writer = SummaryWriter(str(self.folder), purge_step=engine.state.iteration + 1)

    def _scalars(self, engine: SRGanTrainer) -> None:
        if self._writer is not None:
            for name, value in engine.state.output["losses"].items():
                self._writer.add_scalar(f"train/{name}", value, engine.state.iteration)

    def _images(self, engine: SRGanTrainer) -> None:
        if self._writer is not None:
            for name, value in engine.state.metrics.items():
                self._writer.add_scalar(f"validation/{name}", value, engine.state.iteration)
            panel = image_panel(*(engine.state.output[key] for key in (LR, SR, HR)))
            self._writer.add_image("start, result, truth, error x 4", panel, engine.state.iteration)
            self._writer.flush()

    def _close(self, engine: SRGanTrainer) -> None:
        if self._writer is not None:
            self._writer.close()
