"""Adaptation to one scan: what its fine axes show at full resolution teaches the model what its coarse axis lacks.

SMORE (Zhao 2021) and ECLARE (Remedios 2025) train a network on the one scan from nothing, for hours; here a copy of a
trained model is tuned for minutes. Every fine axis is degraded as the coarse one was, by the same factor and profile,
and restored. Slices that were set apart decide whether the copy is used: they are measured before and after.
"""

from __future__ import annotations

import copy
import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from ignite.engine import Events
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader

from monai_sr.data import SeededPatchDataset, StepSampler
from monai_sr.engines.lesson import HeldOut, Lesson, find_lesson
from monai_sr.engines.parts import prepare_network
from monai_sr.engines.srgan_trainer import Learner, SRGanTrainer, TrainingDiverged, amp_dtype
from monai_sr.inference import SRModel, select_device
from monai_sr.inference.model import NotFiniteError, channels_last
from monai_sr.io import InputError, Volume
from monai_sr.losses import LogL1Loss, WeightedLosses
from monai_sr.transforms import RandSimulatePatchd

__all__ = ["LEARNING_RATE", "Budget", "adapt", "adaptation_in_words", "better"]

LEARNING_RATE = 3e-4
"""Of Adam, constant; measured (docs/decisions/0017-adaptation-to-one-scan.md)."""

_BATCH_VOXELS = 170_000  # of a step, as in the training of the release models
_LARGEST_BATCH = 16
_EMA = 0.99
_MAX_GRAD_NORM = 0.05
_RESERVE = 1.2  # times what the first measurement took is kept for the second
_TELL_EVERY = 20  # steps
_MANY_STEPS = 2**20  # more than there is time for


@dataclass
class Budget:
    """When to stop.

    Args:
        minutes: for everything, both measurements included.
        max_steps: stop after so many even if there is time left: then the result is a function of the seed.
        clock: seconds since any moment; ``time.process_time`` where other programs share the machine.
    """

    minutes: float
    max_steps: int = _MANY_STEPS
    clock: Callable[[], float] = time.perf_counter

    def __post_init__(self) -> None:
        self.began = self.clock()

    @property
    def used(self) -> float:
        """Seconds."""
        return self.clock() - self.began

    def share(self, reserve: float = 0.0) -> float:
        """Share of the time, less a reserve in seconds, that is used; 1 or more if nothing is left."""
        left = 60.0 * self.minutes - reserve
        return self.used / left if left > 0 else 1.0


def better(before: Sequence[float], after: Sequence[float]) -> bool:
    """Better along every axis that was measured; values that are not numbers are not."""
    return all(b > a for a, b in zip(before, after, strict=True))


def adapt(
    model: SRModel,
    acquired: Volume,
    budget: Budget,
    *,
    options: Mapping[str, Any] | None = None,
    device: str = "auto",
    learning_rate: float = LEARNING_RATE,
    seed: int = 0,
    adopts: Callable[[Sequence[float], Sequence[float]], bool] = better,
    progress: Callable[[str, float], None] | None = None,
) -> SRModel:
    """Tune a copy of a model on a scan, and give it back if it restores the scan's held-out slices better.

    Args:
        model: what to start from; it is not changed.
        acquired: the scan.
        budget: minutes.
        options: of ``super_resolve``, as it will be called with the model; those that decide the grid, the profile and
            the tile count.
        device: as for ``super_resolve``.
        learning_rate: of Adam.
        seed: of the samples.
        adopts: PSNR before and after to whether the copy is used; another rule is for measuring what this one does.
        progress: called with the stage's name and its finished share.

    Returns:
        The tuned copy, or the model as it was; ``adaptation`` says which, and why.

    Raises:
        InputError: if the scan cannot teach: it is isotropic or too small, or the network is one of slices.
    """
    tell = progress or (lambda stage, share: None)
    if model.network.spatial_dims != 3:
        raise InputError(f"{acquired.name}: model {model.record.name} restores slices, not volumes; leave --adapt away")
    tell("adapt: measure", 0.0)
    lesson = find_lesson(acquired, model, options or {}, device)
    patch = lesson.patch(int(model.network.size_multiple))
    facts: dict[str, Any] = {"minutes": budget.minutes, "learning_rate": learning_rate, "seed": seed}
    facts |= {**lesson.facts(), "patch": patch, "steps": 0}
    if lesson.doubts:
        return _kept(model, facts, budget, "the network is not used on this scan")
    check = HeldOut(lesson, device)
    began = budget.used
    before = facts["psnr_before"] = check(model)
    if before is None:
        return _kept(model, facts, budget, "the network is not used on its held-out slices")
    reserve = _RESERVE * (budget.used - began)
    tuner = _Tuner(lesson, patch, select_device(device), learning_rate, seed)
    try:
        network, facts["steps"] = tuner(model, budget, reserve, tell)
        if facts["steps"] == 0:
            return _kept(model, facts, budget, "there was no time left to train")
        tell("adapt: measure", 0.5)
        tuned = replace(model, network=network)
        after = facts["psnr_after"] = check(tuned)
    except (TrainingDiverged, NotFiniteError):
        return _kept(model, facts, budget, "the training diverged")
    if after is None or not adopts(before, after):
        return _kept(model, facts, budget, "the scan's own held-out slices were not restored better")
    facts |= {"adopted": True, "seconds": round(budget.used, 1), "weights_sha256": _digest(network)}
    return replace(tuned, adaptation=facts)


def adaptation_in_words(model: SRModel) -> str:
    """What :func:`adapt` did, in a sentence."""
    facts = model.adaptation or {}
    told = f"adaptation: {facts['steps']} steps in {facts['seconds']:.0f} s"
    if facts.get("psnr_after"):
        pairs = zip(facts["psnr_before"], facts["psnr_after"], strict=True)
        levels = ", ".join(f"{before:.2f} to {after:.2f} dB" for before, after in pairs)
        told += f", held-out slices {levels}"
    return told if facts["adopted"] else f"{told}; {facts['reason']}, so the model is used as it was shipped"


def _kept(model: SRModel, facts: dict[str, Any], budget: Budget, reason: str) -> SRModel:
    """The model as it was, with the reason."""
    return replace(model, adaptation={**facts, "adopted": False, "reason": reason, "seconds": round(budget.used, 1)})


def _digest(network: nn.Module) -> str:
    """Of the weights, by which two results can be told apart."""
    found = hashlib.sha256()
    for name, value in sorted(network.state_dict().items()):
        found.update(name.encode())
        found.update(value.detach().cpu().contiguous().numpy().tobytes())
    return found.hexdigest()


@dataclass
class _Tuner:
    """The training: the trainer, the samples and the loss of the release models, from their weights."""

    lesson: Lesson
    patch: int
    device: torch.device
    learning_rate: float
    seed: int

    def __call__(
        self, model: SRModel, budget: Budget, reserve: float, tell: Callable[[str, float], None]
    ) -> tuple[nn.Module, int]:
        """The averaged weights, and after how many steps; before the first the budget may be spent."""
        network = prepare_network(copy.deepcopy(model.network), self.device)
        average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(_EMA))
        trainer = self._trainer(network, average)

        def look_at_clock(engine: SRGanTrainer) -> None:
            spent = max(budget.share(reserve), engine.state.iteration / budget.max_steps)
            if engine.state.iteration % _TELL_EVERY == 0:
                tell("adapt: train", min(spent, 1.0))
            if spent >= 1.0:
                engine.terminate()

        trainer.add_event_handler(Events.STARTED | Events.ITERATION_COMPLETED, look_at_clock)
        with torch.random.fork_rng():
            trainer.run()
        return channels_last(average.module.eval()), int(trainer.state.iteration)

    def _trainer(self, network: nn.Module, average: AveragedModel) -> SRGanTrainer:
        case = self.lesson.case()
        noise = self.lesson.missing_noise(case["noise_after"](self.lesson.teachers[0], self.lesson.factor))
        simulate = RandSimulatePatchd(
            self.patch, self.lesson.sampler(noise), coarse_fraction=0.0, restored_fraction=0.0
        )
        batch = min(max(round(_BATCH_VOXELS / self.patch**3), 1), _LARGEST_BATCH)
        optimizer = torch.optim.Adam(network.parameters(), lr=self.learning_rate, betas=(0.9, 0.99))
        return SRGanTrainer(
            device=self.device,
            max_epochs=1,
            epoch_length=_MANY_STEPS,
            train_data_loader=DataLoader(
                SeededPatchDataset([case], simulate, self.seed), batch, sampler=StepSampler(_MANY_STEPS, batch)
            ),
            generator=Learner(network, optimizer, max_grad_norm=_MAX_GRAD_NORM, ema=average),
            loss=WeightedLosses({"log_l1": LogL1Loss()}),
            amp=amp_dtype(self.device),
            seed=self.seed,
        )
