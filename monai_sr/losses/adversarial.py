"""The two sides of the adversarial game, each a function of logits for HR and SR."""

from __future__ import annotations

from typing import Any, Literal

import torch
from monai.losses import PatchAdversarialLoss
from torch import distributed, nn
from torch.nn import functional

__all__ = ["AdversarialLoss", "RelativisticAverageLoss"]


class AdversarialLoss(nn.Module):
    """Real and fake are judged apart: sigmoid and BCE (Goodfellow 2014), least squares (Mao 2017) or hinge (Lim 2017).

    Least squares is MONAI's ``PatchAdversarialLoss``. Its ``"bce"`` applies sigmoid and ``BCELoss`` one after the
    other, which CUDA's autocast refuses and which saturates, and its ``"hinge"`` squeezes the logits through a tanh
    (1.6.1); here both are the papers' formulas.

    Args:
        criterion: which game.

    Example:
        >>> import torch
        >>> loss = AdversarialLoss("bce")
        >>> round(float(loss.discriminator(real=torch.zeros(1, 1), fake=torch.zeros(1, 1))), 4)
        0.6931
    """

    compares = False
    """Whether the generator's side needs the logits of HR as well."""

    def __init__(self, criterion: Literal["bce", "least_squares", "hinge"] = "least_squares") -> None:
        super().__init__()
        if criterion not in ("bce", "least_squares", "hinge"):
            raise ValueError(f"criterion must be bce, least_squares or hinge, got {criterion!r}")
        self.criterion = criterion
        self.least_squares = PatchAdversarialLoss(criterion="least_squares", no_activation_leastsq=True)

    def _loss(self, logits: torch.Tensor, real: bool, for_discriminator: bool) -> torch.Tensor:
        if self.criterion == "bce":
            return functional.binary_cross_entropy_with_logits(logits, torch.full_like(logits, float(real)))
        if self.criterion == "hinge":
            signed = logits if real else -logits
            return functional.relu(1.0 - signed).mean() if for_discriminator else -signed.mean()
        loss = self.least_squares(logits, target_is_real=real, for_discriminator=for_discriminator)
        assert isinstance(loss, torch.Tensor)  # one tensor of logits in, one loss out
        return loss

    def generator(self, fake: torch.Tensor, real: torch.Tensor | None = None) -> torch.Tensor:
        """The generator's goal: that its output is taken for real."""
        return self._loss(fake, real=True, for_discriminator=False)

    def discriminator(self, real: torch.Tensor, fake: torch.Tensor) -> torch.Tensor:
        """Mean of the losses on HR (real) and SR (fake)."""
        return 0.5 * (self._loss(real, True, True) + self._loss(fake, False, True))


class RelativisticAverageLoss(nn.Module):
    """Is HR more real than SR on average, and SR less than HR (Jolicoeur-Martineau 2018), as in ESRGAN (Wang 2018).

    The averages are over the logits of the whole batch, also where several processes have a part of it each, all of the
    same size.

    Example:
        >>> import torch
        >>> loss = RelativisticAverageLoss()
        >>> round(float(loss.generator(fake=torch.zeros(1, 1), real=torch.zeros(1, 1))), 4)
        0.6931
    """

    compares = True

    def generator(self, fake: torch.Tensor, real: torch.Tensor | None = None) -> torch.Tensor:
        """The generator's goal: SR more real than HR."""
        if real is None:
            raise ValueError("a relativistic loss needs the logits of HR too")
        return self._loss(above=fake, below=real)

    def discriminator(self, real: torch.Tensor, fake: torch.Tensor) -> torch.Tensor:
        """HR more real than SR."""
        return self._loss(above=real, below=fake)

    @staticmethod
    def _loss(above: torch.Tensor, below: torch.Tensor) -> torch.Tensor:
        bce = functional.binary_cross_entropy_with_logits
        more, less = above - _mean_of_all(below), below - _mean_of_all(above)
        return 0.5 * (bce(more, torch.ones_like(more)) + bce(less, torch.zeros_like(less)))


def _mean_of_all(logits: torch.Tensor) -> torch.Tensor:
    """Mean over the processes too, through which gradients flow back to the logits of all of them."""
    mean = logits.mean()
    if not (distributed.is_available() and distributed.is_initialized() and distributed.get_world_size() > 1):
        return mean
    mean_of_all: torch.Tensor = _MeanOverProcesses.apply(mean)  # type: ignore[no-untyped-call]
    return mean_of_all


class _MeanOverProcesses(torch.autograd.Function):
    """Its own adjoint: every process's loss sees the mean, so each gets its share of all their gradients."""

    @staticmethod
    def forward(ctx: Any, value: torch.Tensor) -> torch.Tensor:
        total = value.clone()
        distributed.all_reduce(total)
        return total / distributed.get_world_size()

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        return _MeanOverProcesses.forward(ctx, gradient)
