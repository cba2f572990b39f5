from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from ignite.engine import Events

from monai_sr.engines import SRGanTrainer, TrainingDiverged, amp_dtype
from monai_sr.engines.srgan_trainer import r1_penalty
from monai_sr.keys import HR, LR, SR
from monai_sr.losses import AdversarialLoss, FeatureLoss, RelativisticAverageLoss


class Witness(torch.nn.Module):
    """Discriminator that remembers what it is shown and in which precision; its logit is the mean of what it saw."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))
        self.seen: list[torch.Tensor] = []
        self.precisions: set[torch.dtype] = set()

    def features(self, x: torch.Tensor) -> list[torch.Tensor]:
        self.seen.append(x.detach().clone())
        y = self.weight.reshape(1, 1).expand(1, x.shape[-1]) @ x.reshape(x.shape[-1], -1)  # autocast lowers a product
        self.precisions |= {x.dtype, y.dtype}
        return [self.weight * x]

    def judge(self, features: list[torch.Tensor]) -> torch.Tensor:
        return features[-1].mean(dim=(1, 2, 3, 4), keepdim=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.judge(self.features(x))


class Heard:
    """A game that remembers the logits it is given, by their names."""

    def __init__(self, compares: bool = False) -> None:
        self.compares = compares
        self.calls: list[dict[str, torch.Tensor | None]] = []

    def generator(self, fake: torch.Tensor, real: torch.Tensor | None = None) -> torch.Tensor:
        self.calls.append({"side": None, "fake": fake.detach(), "real": None if real is None else real.detach()})
        return fake.mean()

    def discriminator(self, real: torch.Tensor, fake: torch.Tensor) -> torch.Tensor:
        self.calls.append({"fake": fake.detach(), "real": real.detach()})
        return fake.mean() - real.mean()


def with_witness(trainer: SRGanTrainer, game: Any) -> Witness:
    assert trainer.adversary is not None
    witness = Witness()
    trainer.adversary.learner.network = witness
    trainer.adversary.learner.optimizer = torch.optim.SGD(witness.parameters(), lr=0.1)
    trainer.adversary.learner.scheduler = None
    trainer.adversary.loss = game
    return witness


def one_step(trainer: SRGanTrainer, batch: dict[str, torch.Tensor]) -> dict[str, Any]:
    trainer.state.iteration = 1
    return trainer._iteration(trainer, batch)


@pytest.fixture
def batch() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return {LR: torch.rand(1, 7, 16, 16, 16), HR: torch.rand(1, 1, 16, 16, 16)}


@pytest.mark.parametrize("compares", [False, True])
def test_the_discriminator_is_shown_hr_as_real_and_sr_as_fake(
    make_trainer: Callable[..., SRGanTrainer], tmp_path: Path, batch: dict[str, torch.Tensor], compares: bool
) -> None:
    trainer = make_trainer(tmp_path, gan=True)
    game = Heard(compares)
    with_witness(trainer, game)
    output = one_step(trainer, batch)
    assert [name for call in game.calls for name in call if name == "side"] == ["side"]  # the generator's turn is first
    fools, tells = game.calls
    sr, hr = output[SR].mean(), batch[HR].mean()  # the witness's logits, before its weight moves
    assert abs(float(sr - hr)) > 1e-3 and abs(float(batch[LR][:, :1].mean() - hr)) > 1e-3
    assert fools["fake"] == pytest.approx(float(sr), abs=1e-6)
    assert (fools["real"] == pytest.approx(float(hr), abs=1e-6)) if compares else (fools["real"] is None)
    assert tells["fake"] == pytest.approx(float(sr), abs=1e-6)
    assert tells["real"] == pytest.approx(float(hr), abs=1e-6)


def test_the_discriminator_comes_to_score_hr_above_sr(
    make_trainer: Callable[..., SRGanTrainer], tmp_path: Path
) -> None:
    """Which of the two is the real one, without looking inside: what it learns says so."""
    trainer = make_trainer(tmp_path, gan=True)
    assert trainer.adversary is not None
    trainer.adversary.learner.scheduler = None
    hr = torch.rand(2, 1, 16, 16, 16)
    sr = torch.nn.functional.avg_pool3d(hr, 3, 1, 1)
    for _ in range(60):
        told = trainer._learn_to_tell(hr, sr)
    assert told["d_real"] > told["d_fake"] + 0.05


@pytest.mark.parametrize("loss", [AdversarialLoss("bce"), RelativisticAverageLoss()])
def test_the_generators_step_leaves_no_gradient_in_the_discriminator(
    make_trainer: Callable[..., SRGanTrainer], tmp_path: Path, batch: dict[str, torch.Tensor], loss: Any
) -> None:
    trainer = make_trainer(tmp_path, gan=True)
    assert trainer.adversary is not None
    trainer.adversary.loss = loss
    trainer.adversary.content, trainer.adversary.content_weight = FeatureLoss(), 0.5
    network = trainer.adversary.learner.network
    terms = trainer._fool(trainer.generator.network(batch[LR]), batch[HR])
    assert [(name, weight) for name, weight, _ in terms] == [("adversarial", 0.1), ("content", 0.5)]
    sum(weight * value for _, weight, value in terms).backward()
    assert all(p.grad is None for p in network.parameters())
    assert all(p.requires_grad for p in network.parameters())
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in trainer.generator.network.parameters())


def test_content_and_adversary_are_added_with_their_weights(
    make_trainer: Callable[..., SRGanTrainer], tmp_path: Path, batch: dict[str, torch.Tensor]
) -> None:
    trainer = make_trainer(tmp_path, gan=True)
    assert trainer.adversary is not None
    shown: list[tuple[list[torch.Tensor], list[torch.Tensor]]] = []

    def content(sr: Sequence[torch.Tensor], hr: Sequence[torch.Tensor]) -> torch.Tensor:
        shown.append(([f.detach() for f in sr], list(hr)))
        return (sr[0] - hr[0]).abs().mean()

    with_witness(trainer, AdversarialLoss("least_squares"))
    trainer.adversary.content, trainer.adversary.content_weight = content, 0.25
    output = one_step(trainer, batch)
    losses = output["losses"]
    assert torch.allclose(shown[0][0][0], output[SR]) and torch.equal(shown[0][1][0], batch[HR])
    assert not shown[0][1][0].requires_grad
    assert losses["content"] == pytest.approx(losses["l1"], rel=1e-5)  # the witness's features are the volume itself
    assert losses["adversarial"] == pytest.approx(float((output[SR].mean() - 1) ** 2), rel=1e-5)
    expected = losses["l1"] + 0.1 * losses["adversarial"] + 0.25 * losses["content"]
    assert losses["generator"] == pytest.approx(expected, rel=1e-6)


def named_terms(trainer: SRGanTrainer) -> list[set[str]]:
    named: list[set[str]] = []
    trainer.add_event_handler(Events.ITERATION_COMPLETED, lambda e: named.append(set(e.state.output["losses"])))
    trainer.run()
    return named


def test_the_generator_waits_for_the_start_step(make_trainer: Callable[..., SRGanTrainer], tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path, gan=True)
    assert trainer.adversary is not None
    trainer.adversary.start_step = 4
    named = named_terms(trainer)
    assert ["adversarial" in names for names in named] == [False] * 4 + [True] * 2
    assert all({"l1", "generator", "grad_norm", "discriminator", "d_real", "d_fake"} <= names for names in named)


@pytest.mark.parametrize(("lead", "waits"), [(0, 4), (1, 3), (3, 1), (100, 0)])
def test_the_discriminator_begins_its_lead_before_the_start_step(
    make_trainer: Callable[..., SRGanTrainer], tmp_path: Path, lead: int, waits: int
) -> None:
    trainer = make_trainer(tmp_path, gan=True)
    assert trainer.adversary is not None
    trainer.adversary.start_step, trainer.adversary.lead_steps = 4, lead
    network = trainer.adversary.learner.network
    first = network.state_dict()
    before = {name: value.clone() for name, value in first.items()}
    unmoved: list[bool] = []
    trainer.add_event_handler(
        Events.ITERATION_COMPLETED,
        lambda: unmoved.append(all(torch.equal(value, before[name]) for name, value in network.state_dict().items())),
    )
    named = named_terms(trainer)
    learns = {"discriminator", "d_real", "d_fake"}
    assert [learns <= names for names in named] == [False] * waits + [True] * (6 - waits)
    assert not any(learns & names for names in named[:waits])
    assert unmoved == [True] * waits + [False] * (6 - waits)
    assert ["adversarial" in names for names in named] == [False] * 4 + [True] * 2


def test_on_a_cpu_the_discriminator_judges_in_float32(
    make_trainer: Callable[..., SRGanTrainer], tmp_path: Path, batch: dict[str, torch.Tensor]
) -> None:
    trainer = make_trainer(tmp_path, gan=True, amp=torch.bfloat16)
    witness = with_witness(trainer, RelativisticAverageLoss())
    generated = []
    trainer.generator.network.head_in.register_forward_hook(lambda m, i, o: generated.append(o.dtype))  # type: ignore[operator]
    one_step(trainer, batch)
    assert set(generated) == {torch.bfloat16}
    assert len(witness.seen) == 4  # SR and HR, for the generator and for itself
    assert witness.precisions == {torch.float32}


@pytest.mark.parametrize("which", ["generator", "discriminator"])
def test_a_loss_that_is_not_finite_ends_the_training_before_any_weight_moves(
    make_trainer: Callable[..., SRGanTrainer],
    tmp_path: Path,
    batch: dict[str, torch.Tensor],
    which: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trainer = make_trainer(tmp_path, gan=True)
    assert trainer.adversary is not None
    learner = trainer.generator if which == "generator" else trainer.adversary.learner
    before = {k: v.clone() for k, v in learner.network.state_dict().items() if "_u" not in k and "_v" not in k}
    if which == "generator":
        batch[HR][0, 0, 0, 0, 0] = float("nan")
        match = "the l1 loss is nan at iteration 1"
    else:
        monkeypatch.setattr(AdversarialLoss, "discriminator", lambda self, real, fake: float("inf") * real.mean())
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


def test_r1_is_half_the_squared_slope_at_real_images() -> None:
    """Of a linear discriminator the slope is its weights, whatever the image; and it can be learned from."""
    discriminator = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(8, 1))
    penalty = r1_penalty(discriminator, torch.rand(3, 1, 2, 2, 2))
    weight = discriminator[1].weight
    torch.testing.assert_close(penalty, 0.5 * weight.square().sum())
    penalty.backward()
    assert weight.grad is not None
    torch.testing.assert_close(weight.grad, weight.detach())


def test_r1_is_taken_every_so_many_steps(make_trainer: Callable[..., SRGanTrainer], tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path, steps=6, gan=True)
    assert trainer.adversary is not None
    trainer.adversary.r1, trainer.adversary.r1_every = 1.0, 3
    assert ["r1" in names for names in named_terms(trainer)] == [False, False, True] * 2
