"""The learning rate of the release models."""

from __future__ import annotations

import pytest
import torch
from torch.optim.lr_scheduler import LambdaLR

from monai_sr.engines import warm_hold_decay


def rates(steps: int, upto: int, state: dict | None = None) -> tuple[list[float], LambdaLR]:
    optimizer = torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))], lr=2.0)
    scheduler = warm_hold_decay(optimizer, steps, warmup=10, decay=0.3)
    if state is not None:
        scheduler.load_state_dict(state)
    found = []
    for _ in range(scheduler.last_epoch, upto):
        found.append(float(optimizer.param_groups[0]["lr"]) if state is None else float(scheduler.get_last_lr()[0]))
        optimizer.step()
        scheduler.step()
    return found, scheduler


def test_it_rises_holds_and_falls_to_nothing() -> None:
    found, scheduler = rates(100, 100)
    assert found[:10] == pytest.approx([0.2 * (i + 1) for i in range(10)])
    assert found[10:70] == pytest.approx([2.0] * 60)
    assert found[85] == pytest.approx(1.0)
    assert scheduler.get_last_lr()[0] == 0.0


def test_a_longer_training_goes_on_as_if_it_had_been_meant_to_be_long() -> None:
    """Stopped before it fell, and resumed with more steps: the checkpoint does not hold on to the old end."""
    _, stopped = rates(100, 60)
    resumed, _ = rates(200, 140, stopped.state_dict())
    assert resumed[1:] == pytest.approx([2.0] * (len(resumed) - 1))
