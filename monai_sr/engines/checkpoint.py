"""Checkpoints from which a training continues as if it had never stopped."""

from __future__ import annotations

import logging
import os
import re
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Events

from monai_sr.data import StepSampler
from monai_sr.engines.config import ConfigRefused
from monai_sr.engines.srgan_trainer import SRGanTrainer

__all__ = ["Checkpointer", "latest_checkpoint"]

_NAME = re.compile(r"checkpoint_(\d+)\.pt")
_logger = logging.getLogger(__name__)


def _checkpoints(folder: Path) -> list[Path]:
    """Newest first."""
    found = [(int(match.group(1)), p) for p in folder.glob("checkpoint_*.pt") if (match := _NAME.fullmatch(p.name))]
    return [path for _, path in sorted(found, reverse=True)]


def latest_checkpoint(folder: Path) -> tuple[Path, dict[str, Any]] | None:
    """The newest checkpoint that can be read; a damaged one is named in the log and the one before it taken."""
    for path in _checkpoints(folder):
        try:
            return path, torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:  # a torn zip raises many types
            _logger.warning("%s cannot be read (%s); trying the one before", path.name, type(error).__name__)
    return None


class Checkpointer:
    """Handler: save after every epoch, and resume when a training starts in a folder that has a checkpoint.

    A file holds the state of both networks, optimisers, schedules and the EMA, and the step as a plain number, so it
    loads with ``weights_only=True``. It is written beside its final name and renamed: a crash leaves the one before.

    Args:
        folder: where checkpoints lie.
        sampler: told from which step on to draw.
        resume: continue from the newest checkpoint.
        keep: files kept.
    """

    def __init__(self, folder: str | Path, sampler: StepSampler, resume: bool = True, keep: int = 2) -> None:
        self.folder = Path(folder)
        self.sampler = sampler
        self.resume = resume
        self.keep = keep

    def attach(self, engine: SRGanTrainer) -> None:
        """Register with a trainer."""
        engine.add_event_handler(Events.STARTED, self.load)
        if engine.state.rank == 0:  # of several processes
            engine.add_event_handler(Events.EPOCH_COMPLETED, self.save)

    def load(self, engine: SRGanTrainer) -> None:
        """Restore the newest checkpoint.

        Raises:
            ConfigRefused: if it belongs to another set of parts, or resuming is off and one lies there.
        """
        found = latest_checkpoint(self.folder)
        if found is None:
            return
        path, state = found
        if not self.resume:
            raise ConfigRefused(f"{self.folder} holds {path.name} and resume is off; choose another output_dir")
        parts = engine.checkpoint_parts()
        if set(parts) != set(state["parts"]):
            differing = ", ".join(sorted(set(parts) ^ set(state["parts"])))
            raise ConfigRefused(f"{path} is of a training with other parts ({differing}); choose another output_dir")
        for name, part in parts.items():
            try:
                part.load_state_dict(state["parts"][name])
            except (RuntimeError, ValueError) as error:
                reason = str(error).splitlines()[0]
                raise ConfigRefused(f"{path} does not fit {name}: {reason}; choose another output_dir") from error
        engine.state.iteration = state["step"]
        engine.state.epoch = state["epoch"]
        self.sampler.start_step = state["step"]
        _logger.info("resuming from %s at step %d", path, state["step"])

    def save(self, engine: SRGanTrainer) -> None:
        """Write the state of this moment, then remove all but the newest files."""
        self.folder.mkdir(parents=True, exist_ok=True)
        state = {
            "step": int(engine.state.iteration),
            "epoch": int(engine.state.epoch),
            "parts": {name: part.state_dict() for name, part in engine.checkpoint_parts().items()},
        }
        path = self.folder / f"checkpoint_{state['step']:07d}.pt"
        temporary = path.with_suffix(".pt.tmp")
        with temporary.open("wb") as stream:
            torch.save(state, stream)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
        for old in _checkpoints(self.folder)[self.keep :]:
            old.unlink(missing_ok=True)
