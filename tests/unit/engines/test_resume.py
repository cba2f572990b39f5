"""An interrupted training ends with the same bits as one that ran through."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from ignite.engine import Events

from monai_sr.engines import SRGanTrainer


class Interrupt:
    """Handler: Ctrl-C behind a step, wherever in the epoch."""

    def __init__(self, step: int) -> None:
        self.step = step

    def attach(self, engine: SRGanTrainer) -> None:
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._strike)

    def _strike(self, engine: SRGanTrainer) -> None:
        if engine.state.iteration == self.step:
            raise KeyboardInterrupt


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, f"{path}/{key}")
    elif isinstance(value, list | tuple):
        for key, item in enumerate(value):
            yield from leaves(item, f"{path}/{key}")
    else:
        yield path, value


def state(trainer: SRGanTrainer) -> dict[str, Any]:
    parts = {name: part.state_dict() for name, part in trainer.checkpoint_parts().items()}
    return dict(leaves(parts))


@pytest.mark.parametrize("gan", [False, True], ids=["l1", "gan"])
@pytest.mark.parametrize("step", [3, 4], ids=["inside an epoch", "between epochs"])
def test_resumed_equals_uninterrupted(
    make_trainer: Callable[..., SRGanTrainer], tmp_path: Path, gan: bool, step: int
) -> None:
    whole = make_trainer(tmp_path / "whole", gan=gan)
    whole.run()
    with pytest.raises(KeyboardInterrupt):
        make_trainer(tmp_path / "cut", gan=gan, handlers=[Interrupt(step)]).run()
    resumed = make_trainer(tmp_path / "cut", gan=gan)
    for part in (resumed.generator.network, resumed.adversary.learner.network if resumed.adversary else None):
        if part is not None:  # whatever the new process starts from, the checkpoint decides
            for parameter in part.parameters():
                parameter.data.add_(1.0)
    resumed.run()

    expected, found = state(whole), state(resumed)
    assert expected.keys() == found.keys()
    different = [
        name
        for name, value in expected.items()
        if not (torch.equal(value, found[name]) if isinstance(value, torch.Tensor) else value == found[name])
    ]
    assert different == []
    kinds = {"generator_network", "generator_optimizer", "generator_scheduler", "generator_ema"}
    if gan:
        kinds |= {"discriminator_network", "discriminator_optimizer", "discriminator_scheduler"}
    assert {name.split("/")[1] for name in expected} == kinds
    assert whole.state.iteration == resumed.state.iteration == 6


def test_training_changes_every_part(make_trainer: Callable[..., SRGanTrainer], tmp_path: Path) -> None:
    """Else equality after resuming would say nothing."""
    before, trained = make_trainer(tmp_path / "a", gan=True), make_trainer(tmp_path / "b", gan=True)
    trained.run()
    old, new = state(before), state(trained)
    for part in ("generator_network", "generator_ema", "discriminator_network"):
        names = [n for n in old if n.startswith(f"/{part}/") and old[n].is_floating_point()]
        assert any(not torch.equal(old[n], new[n]) for n in names), part


def test_a_finished_training_started_again_stays_as_it_is(
    make_trainer: Callable[..., SRGanTrainer], tmp_path: Path
) -> None:
    first = make_trainer(tmp_path)
    first.run()
    again = make_trainer(tmp_path)
    again.run()
    assert again.state.iteration == 6
    assert all(torch.equal(a, b) for a, b in zip(
        first.generator.network.state_dict().values(), again.generator.network.state_dict().values(), strict=True
    ))  # fmt: skip
