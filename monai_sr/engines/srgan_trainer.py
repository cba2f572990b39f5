"""Training for paired super-resolution, without or with a discriminator.

MONAI's ``AdversarialTrainer`` (1.6.1) shows the *inputs* to the discriminator as real; on the target grid inputs and
outputs have the same shape, so nothing would hint at it. Hence our own step: real is HR, fake is SR.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from monai.engines import Trainer
from monai.inferers import Inferer, SimpleInferer
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torch.optim.swa_utils import AveragedModel

from monai_sr.engines.distributed import average_gradients, average_values, in_any_process
from monai_sr.inference.precision import native_bfloat16
from monai_sr.keys import HR, LR, SR
from monai_sr.losses import WeightedLosses

__all__ = ["AdversarialGame", "Adversary", "Learner", "SRGanTrainer", "TrainingDiverged", "amp_dtype", "r1_penalty"]


class TrainingDiverged(RuntimeError):
    """A loss is no longer finite. The last checkpoint is from before."""


def amp_dtype(device: torch.device) -> torch.dtype | None:
    """Precision for mixed-precision training where the hardware computes it natively, else None (float32).

    CUDA: bfloat16 from Ampere on, float16 before. CPU: bfloat16 with AVX512-BF16 or AMX, where it is faster
    than float32, and elsewhere slower.
    """
    if native_bfloat16(device):
        return torch.bfloat16
    return torch.float16 if device.type == "cuda" else None


@dataclass
class Learner:
    """A network with all that changes its weights.

    Args:
        network: on its device.
        optimizer: of the network's parameters.
        scheduler: stepped once per iteration.
        max_grad_norm: gradients are clipped to this norm. Without normalisation layers an unclipped run lost everything
            it had learned; None switches it off.
        ema: exponential moving average of the weights, updated once per iteration.
    """

    network: nn.Module
    optimizer: Optimizer
    scheduler: LRScheduler | None = None
    max_grad_norm: float | None = None
    ema: AveragedModel | None = None

    def step(self, loss: torch.Tensor, scaler: torch.amp.GradScaler) -> float:
        """One update; returns the gradient norm before clipping."""
        self.optimizer.zero_grad(set_to_none=True)
        scaler.scale(loss).backward()
        average_gradients(self.network.parameters())
        scaler.unscale_(self.optimizer)
        limit = float("inf") if self.max_grad_norm is None else self.max_grad_norm
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), limit)
        scaler.step(self.optimizer)
        scaler.update()
        if self.scheduler is not None:
            self.scheduler.step()
        if self.ema is not None:
            self.ema.update_parameters(self.network)
        return float(norm)

    def state(self) -> dict[str, Any]:
        """Everything with a ``state_dict``, by name, for a checkpoint."""
        parts = {
            "network": self.network,
            "optimizer": self.optimizer,
            "scheduler": self.scheduler,
            "ema": self.ema,
        }
        return {name: part for name, part in parts.items() if part is not None}


class AdversarialGame(Protocol):
    """A loss of ``monai_sr.losses`` with both sides of the game."""

    compares: bool
    """Whether the generator's side needs the logits of HR as well."""

    def generator(self, fake: torch.Tensor, real: torch.Tensor | None = None) -> torch.Tensor:
        """The generator's loss."""

    def discriminator(self, real: torch.Tensor, fake: torch.Tensor) -> torch.Tensor:
        """The discriminator's loss."""


@dataclass
class Adversary:
    """The discriminator's side of the game.

    Args:
        learner: the discriminator; with ``features`` and ``judge`` beside its logits.
        loss: of both sides, e.g. ``monai_sr.losses.AdversarialLoss``.
        weight: of the generator's adversarial term.
        start_step: the generator ignores the discriminator before this iteration: until then it is trained on the
            reconstruction losses alone, as all papers begin.
        lead_steps: the discriminator learns so many iterations before the generator listens; None: from the beginning.
        content: loss on the discriminator's feature maps of SR and HR, e.g. ``monai_sr.losses.FeatureLoss``; or None.
        content_weight: of that term.
        r1: weight gamma of the penalty ``gamma / 2 E |grad D(HR)|^2`` (Mescheder 2018): a discriminator that
            sees little data does not become steep; 0: none.
        r1_every: it is computed every so many iterations and counts so many times as much (lazily, Karras 2020).
    """

    learner: Learner
    loss: AdversarialGame
    weight: float = 0.005
    start_step: int = 0
    lead_steps: int | None = None
    content: Callable[[Sequence[torch.Tensor], Sequence[torch.Tensor]], torch.Tensor] | None = None
    content_weight: float = 0.0
    r1: float = 0.0
    r1_every: int = 16

    def plays(self, iteration: int) -> bool:
        """Whether the generator listens in this iteration."""
        return iteration > self.start_step

    def learns(self, iteration: int) -> bool:
        """Whether the discriminator learns in this iteration."""
        return self.lead_steps is None or iteration > self.start_step - self.lead_steps


def r1_penalty(discriminator: nn.Module, hr: torch.Tensor) -> torch.Tensor:
    """Half of the mean squared gradient of a discriminator's mean logit at real images (Mescheder 2018), float32.

    Args:
        discriminator: ``(B, 1, X, Y, Z)`` or ``(B, 1, X, Y)`` to logits of any shape.
        hr: the real images.
    """
    real = hr.detach().float().requires_grad_()
    with torch.autocast(hr.device.type, enabled=False):
        logits = discriminator(real).flatten(1).mean(dim=1)
        (slope,) = torch.autograd.grad(logits.sum(), real, create_graph=True)
    return 0.5 * slope.square().flatten(1).sum(dim=1).mean()


class SRGanTrainer(Trainer):
    """One readable step: the generator learns from named losses, then the discriminator from HR and SR.

    Without an adversary it is the L1 stage; the GAN stage starts from its weights.

    ``engine.state.output`` holds ``losses`` (name to float: every generator term, ``generator`` total, ``grad_norm``,
    and with an adversary ``adversarial``, ``content``, ``discriminator``, ``d_real`` and ``d_fake``, the mean logits),
    and LR, HR, SR of the batch by the names of ``monai_sr.keys``.

    Args:
        device: where to run.
        max_epochs: epochs of ``epoch_length`` iterations; the unit of checkpoints and validation.
        train_data_loader: batches with LR and HR.
        epoch_length: iterations per epoch.
        generator: the generator.
        loss: named reconstruction losses.
        adversary: discriminator and its loss, or None.
        amp: dtype of autocast, see :func:`amp_dtype`; None is float32.
        inferer: how the generator is called; default: directly.
        seed: what a network draws (dropout) is a function of it and the step, also after resuming.
        train_handlers: ignite handlers.

    Raises:
        TrainingDiverged: in ``run``, if a loss is not finite.
    """

    def __init__(
        self,
        device: torch.device,
        max_epochs: int,
        train_data_loader: Iterable[Mapping[str, torch.Tensor]],
        epoch_length: int,
        generator: Learner,
        loss: WeightedLosses,
        adversary: Adversary | None = None,
        amp: torch.dtype | None = None,
        inferer: Inferer | None = None,
        seed: int = 0,
        train_handlers: Sequence[Any] | None = None,
    ) -> None:
        self.generator = generator
        self.inferer = inferer or SimpleInferer()
        self.seed = seed
        self.reconstruction = loss
        self.adversary = adversary
        self.amp_dtype = amp
        # float16 alone underflows without scaling; disabled, the scaler passes everything through
        self.grad_scaler = torch.amp.GradScaler(device.type, enabled=amp == torch.float16)
        super().__init__(
            device=device,
            max_epochs=max_epochs,
            data_loader=train_data_loader,
            epoch_length=epoch_length,
            handlers=train_handlers,
            decollate=False,
        )

    def checkpoint_parts(self) -> dict[str, Any]:
        """All parts whose state makes a resumed training equal to an uninterrupted one."""
        parts = {f"generator_{name}": part for name, part in self.generator.state().items()}
        if self.adversary is not None:
            parts |= {f"discriminator_{name}": part for name, part in self.adversary.learner.state().items()}
        if self.grad_scaler.is_enabled():
            parts["grad_scaler"] = self.grad_scaler
        return parts

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.state.device.type, self.amp_dtype, enabled=self.amp_dtype is not None)

    def _judging(self) -> torch.autocast:
        """Precision of the discriminator: on a CPU float32.

        In torch 2.13 the bfloat16 gradient of a 3-D convolution whose output has some 27 voxels or fewer, as the last
        layers of a discriminator have, reads memory that nobody wrote, and is NaN now and then.
        """
        on = self.amp_dtype is not None and self.state.device.type != "cpu"
        return torch.autocast(self.state.device.type, self.amp_dtype or torch.bfloat16, enabled=on)

    def _iteration(self, engine: Any, batchdata: Mapping[str, torch.Tensor]) -> dict[str, Any]:
        torch.manual_seed((self.seed * 1_000_003 + engine.state.iteration) % 2**32)  # the CPU reads 32 bits of a seed
        lr, hr = (batchdata[key].to(self.state.device, non_blocking=True) for key in (LR, HR))
        self.generator.network.train()
        with self._autocast():
            sr = self.inferer(lr, self.generator.network)
            total, named = self.reconstruction(sr.float(), hr)
            if self.adversary is not None and self.adversary.plays(engine.state.iteration):
                for name, weight, value in self._fool(sr, hr):
                    named[name] = value
                    total = total + weight * value
        self._guard({**named, "generator": total})
        norm = self.generator.step(total, self.grad_scaler)
        losses = {name: float(value.detach()) for name, value in named.items()}
        losses |= {"generator": float(total.detach()), "grad_norm": norm}
        if self.adversary is not None and self.adversary.learns(engine.state.iteration):
            losses |= self._learn_to_tell(hr, sr.detach())
        losses = average_values(losses, self.state.device)
        return {"losses": losses, LR: lr, HR: hr, SR: sr.detach()}

    def _fool(self, sr: torch.Tensor, hr: torch.Tensor) -> list[tuple[str, float, torch.Tensor]]:
        """The generator's terms from the discriminator, whose weights take no gradient from them."""
        assert self.adversary is not None
        game, network = self.adversary.loss, self.adversary.learner.network
        network.requires_grad_(False)
        with self._judging():
            fake, real = network.features(sr.float()), []  # type: ignore[operator]
            if game.compares or self.adversary.content is not None:
                with torch.no_grad():
                    real = network.features(hr)  # type: ignore[operator]
            logits = network.judge(real) if game.compares else None  # type: ignore[operator]
            judged = network.judge(fake)  # type: ignore[operator]
        terms = [("adversarial", self.adversary.weight, game.generator(judged, logits))]
        if self.adversary.content is not None:
            terms.append(("content", self.adversary.content_weight, self.adversary.content(fake, real)))
        network.requires_grad_(True)
        return terms

    def _learn_to_tell(self, hr: torch.Tensor, sr: torch.Tensor) -> dict[str, float]:
        """The discriminator's step: HR is real, SR is fake."""
        assert self.adversary is not None
        learner = self.adversary.learner
        learner.network.train()
        with self._judging():
            real, fake = learner.network(hr), learner.network(sr.float())
            loss = self.adversary.loss.discriminator(real, fake)
        self._guard({"discriminator": loss})
        penalty = None
        if self.adversary.r1 > 0 and self.state.iteration % self.adversary.r1_every == 0:
            penalty = r1_penalty(learner.network, hr)
            loss = loss + self.adversary.r1 * self.adversary.r1_every * penalty
        learner.step(loss, self.grad_scaler)
        return {
            **({} if penalty is None else {"r1": float(penalty.detach())}),
            "discriminator": float(loss.detach()),
            "d_real": float(real.detach().float().mean()),
            "d_fake": float(fake.detach().float().mean()),
        }

    def _guard(self, terms: Mapping[str, torch.Tensor]) -> None:
        wrong = [f"the {name} loss is {float(v.detach())}" for name, v in terms.items() if not torch.isfinite(v)]
        if in_any_process(bool(wrong), self.state.device):
            raise TrainingDiverged(
                f"{wrong[0] if wrong else 'a loss of another process is not finite'} at iteration "
                f"{self.state.iteration}; the last checkpoint is from before: resume from it with a smaller learning "
                "rate, or set amp to null"
            )
