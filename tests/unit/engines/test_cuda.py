"""Training on a GPU: in every precision, and from one machine to another."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from monai_sr.engines import LossLog, SRGanTrainer

pytestmark = pytest.mark.gpu
MakeTrainer = Callable[..., SRGanTrainer]


@pytest.mark.parametrize("amp", [None, torch.bfloat16, torch.float16], ids=["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("gan", [False, True], ids=["l1", "gan"])
def test_every_precision_trains(make_trainer: MakeTrainer, tmp_path: Path, gan: bool, amp: torch.dtype | None) -> None:
    trainer = make_trainer(tmp_path, gan=gan, device="cuda", amp=amp)
    before = [p.detach().clone() for p in trainer.generator.network.parameters()]
    trainer.run()
    after = list(trainer.generator.network.parameters())
    assert all(torch.isfinite(p).all() for p in after)
    assert any(not torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_it_learns_as_on_the_cpu(make_trainer: MakeTrainer, tmp_path: Path) -> None:
    curves = []
    for device in ("cpu", "cuda"):
        log = LossLog(tmp_path / device, every=1)
        make_trainer(tmp_path / device, device=device, handlers=[log]).run()
        curves.append([row["l1"] for row in log.rows()])
    np.testing.assert_allclose(curves[1], curves[0], rtol=1e-3)


def test_what_a_gpu_began_a_cpu_finishes(make_trainer: MakeTrainer, tmp_path: Path) -> None:
    make_trainer(tmp_path, gan=True, steps=4, device="cuda").run()
    resumed = make_trainer(tmp_path, gan=True, steps=6)
    resumed.run()
    assert resumed.state.iteration == 6
    assert all(p.device.type == "cpu" for p in resumed.generator.network.parameters())
