from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from ignite.engine import Events

from monai_sr.engines import SRGanTrainer, TrainingDiverged, amp_dtype
from monai_sr.keys import HR, LR, SR


class Witness(torch.nn.Module):
    """Discriminator that remembers what it is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))
        self.seen: list[torch.Tensor] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.seen.append(x.detach().clone())
        return self.weight * x.mean(dim=(1, 2, 3, 4), keepdim=True)


def one_step(trainer: SRGanTrainer, batch: dict[str, torch.Tensor]) -> dict[str, Any]:
    trainer.state.iteration = 1
    return trainer._iteration(trainer, batch)


@pytest.fixture
def batch() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return {LR: torch.rand(1, 5, 16, 16, 16), HR: torch.rand(1, 1, 16, 16, 16)}


def test_the_discriminator_is_shown_hr_as_real_and_sr_as_fake(
    make_trainer: Callable[..., SRGanTrainer], tmp_path: Path, batch: dict[str, torch.Tensor]
) -> None:
    trainer = make_trainer(tmp_path, gan=True)
    assert trainer.adversary is not None
    witness, calls = Witness(), []
    trainer.adversary.learner.network = witness
    trainer.adversary.learner.optimizer = torch.optim.SGD(witness.parameters(), lr=0.1)
    trainer.adversary.learner.scheduler = None

    def loss(logits: torch.Tensor, target_is_real: bool, for_discriminator: bool) -> torch.Tensor:
        calls.append((witness.seen[len(calls)], target_is_real, for_discriminator))
        return logits.mean()

    # the discriminator's loss is called after both passes: pair calls with passes in order
    trainer.adversary.loss = loss
    output = one_step(trainer, batch)
    assert [(real, for_d) for _, real, for_d in calls] == [(True, False), (True, True), (False, True)]
    for (shown, _, _), expected in zip(calls, (output[SR], batch[HR], output[SR]), strict=True):
        assert torch.equal(shown, expected)
    assert not torch.equal(output[SR], batch[HR])
    assert not any(torch.equal(shown, batch[LR][:, :1]) for shown in witness.seen[1:2])


def test_the_generators_step_leaves_no_gradient_in_the_discriminator(
    make_trainer: Callable[..., SRGanTrainer], tmp_path: Path, batch: dict[str, torch.Tensor]
) -> None:
    trainer = make_trainer(tmp_path, gan=True)
    assert trainer.adversary is not None
    network = trainer.adversary.learner.network
    loss = trainer._fool(trainer.generator.network(batch[LR]))
    loss.backward()
    assert all(p.grad is None for p in network.parameters())
    assert all(p.requires_grad for p in network.parameters())
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in trainer.generator.network.parameters())


def test_the_adversary_waits_for_its_start_step(make_trainer: Callable[..., SRGanTrainer], tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path, gan=True)
    assert trainer.adversary is not None
    trainer.adversary.start_step = 4
    named: list[set[str]] = []
    trainer.add_event_handler(Events.ITERATION_COMPLETED, lambda e: named.append(set(e.state.output["losses"])))
    trainer.run()
    assert ["adversarial" in names for names in named] == [False] * 4 + [True] * 2
    assert all({"l1", "generator", "grad_norm", "discriminator", "d_real", "d_fake"} <= names for names in named)


@pytest.mark.parametrize("which", ["generator", "discriminator"])
def test_a_loss_that_is_not_finite_ends_the_training_before_any_weight_moves(
    make_trainer: Callable[..., SRGanTrainer], tmp_path: Path, batch: dict[str, torch.Tensor], which: str
) -> None:
    trainer = make_trainer(tmp_path, gan=True)
    assert trainer.adversary is not None
    learner = trainer.generator if which == "generator" else trainer.adversary.learner
    before = {k: v.clone() for k, v in learner.network.state_dict().items() if "_u" not in k and "_v" not in k}
    if which == "generator":
        batch[HR][0, 0, 0, 0, 0] = float("nan")
        match = "the l1 loss is nan at iteration 1"
    else:
        trainer.adversary.loss = lambda logits, target_is_real, for_discriminator: (
            logits.mean() * (float("inf") if for_discriminator else 1.0)
        )
        match = r"the discriminator loss is -?(inf|nan) at iteration 1"
    with pytest.raises(TrainingDiverged, match=match):
        one_step(trainer, batch)
    after = learner.network.state_dict()
    # spectral norm's power iteration moves its buffers in every pass; weights must not
    assert all(torch.equal(v, after[k]) for k, v in before.items() if "parametrizations" not in k or "original" in k)


def test_gradients_are_clipped(
    make_trainer: Callable[..., SRGanTrainer], tmp_path: Path, batch: dict[str, torch.Tensor]
) -> None:
    trainer = make_trainer(tmp_path)
    trainer.generator.max_grad_norm = 1e-3
    norm = one_step(trainer, batch)["losses"]["grad_norm"]
    assert norm > 1e-3
    left = torch.stack([p.grad.norm() for p in trainer.generator.network.parameters() if p.grad is not None]).norm()
    assert float(left) == pytest.approx(1e-3, rel=1e-3)


def test_what_a_network_draws_is_a_function_of_seed_and_step(
    make_trainer: Callable[..., SRGanTrainer], tmp_path: Path, batch: dict[str, torch.Tensor]
) -> None:
    drawn = []
    for seed in (0, 0, 1):
        trainer = make_trainer(tmp_path / str(len(drawn)), seed=seed)
        torch.manual_seed(len(drawn))
        one_step(trainer, batch)
        drawn.append(float(torch.rand(1)))
    assert drawn[0] == drawn[1] != drawn[2]


def test_amp_trains_in_bfloat16_and_keeps_float32_weights(
    make_trainer: Callable[..., SRGanTrainer], tmp_path: Path
) -> None:
    trainer = make_trainer(tmp_path, amp=torch.bfloat16)
    seen = []
    trainer.generator.network.head_in.register_forward_hook(lambda m, i, o: seen.append(o.dtype))  # type: ignore[operator]
    trainer.run()
    assert set(seen) == {torch.bfloat16}
    assert {p.dtype for p in trainer.generator.network.parameters()} == {torch.float32}
    assert amp_dtype(torch.device("cpu")) in (None, torch.bfloat16)


def test_it_learns(make_trainer: Callable[..., SRGanTrainer], tmp_path: Path) -> None:
    """From the identity on, the same samples again and again: their L1 must fall."""
    trainer = make_trainer(tmp_path, steps=80, steps_per_epoch=80)
    fixed = next(iter(trainer.data_loader))
    losses = []
    for step in range(1, 81):
        trainer.state.iteration = step
        losses.append(trainer._iteration(trainer, fixed)["losses"]["l1"])
    start = float((fixed[LR][:, :1] - fixed[HR]).abs().mean())
    assert losses[0] == pytest.approx(start, rel=1e-5)
    assert losses[-1] < 0.9 * start
