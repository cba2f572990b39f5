"""Two processes with batch 1 take the steps of one process with batch 2, and write one set of files."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
import torch
from ignite.engine import Events
from torch import distributed, multiprocessing
from torch.utils.data import DataLoader

from monai_sr.data import StepSampler
from monai_sr.engines import (
    Adversary,
    Checkpointer,
    Learner,
    LossLog,
    SRGanTrainer,
    TrainingDiverged,
    average_gradients,
    start_processes,
    stop_processes,
)
from monai_sr.keys import HR, LR
from monai_sr.losses import AdversarialLoss, RelativisticAverageLoss, WeightedLosses
from monai_sr.networks import SRPatchDiscriminator, UNetGenerator


def _train(rank: int, world_size: int, batch: int) -> torch.Tensor:
    torch.manual_seed(0)
    network = torch.nn.Linear(3, 1)
    learner = Learner(network, torch.optim.Adam(network.parameters(), lr=0.1), max_grad_norm=0.05)
    scaler = torch.amp.GradScaler("cpu", enabled=False)
    data = torch.arange(60, dtype=torch.float32).reshape(20, 3).sin()
    indices = list(StepSampler(5, batch, rank, world_size))
    for step in range(5):
        x = data[indices[step * batch : (step + 1) * batch]]
        learner.step((network(x) - x.sum(dim=1, keepdim=True)).abs().mean(), scaler)
    return torch.cat([p.detach().reshape(-1) for p in network.parameters()])


def _process(rank: int, port: int, folder: str) -> None:
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "RANK": str(rank), "WORLD_SIZE": "2"}
    torch.set_num_threads(1)
    start_processes()
    assert distributed.get_world_size() == 2
    torch.save(_train(rank, 2, 1), Path(folder, f"{rank}.pt"))
    stop_processes()


@pytest.mark.slow
@pytest.mark.skipif(not distributed.is_available(), reason="this torch has no distributed package")
def test_two_processes_equal_one_with_twice_the_batch(tmp_path: Path) -> None:
    multiprocessing.spawn(_process, args=(_free_port(), str(tmp_path)), nprocs=2)
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1))
    assert torch.equal(first, second)
    torch.testing.assert_close(first, _train(0, 1, 2), rtol=1e-5, atol=1e-6)


STEPS = 20


def _gan(folder: Path, loss: str, rank: int, world_size: int, batch: int, until: int) -> list[dict[str, float]]:
    """A training of 20 steps, or its beginning, on samples that are a function of their index; its losses."""
    torch.manual_seed(0)
    generator = UNetGenerator(channels=(4, 8), blocks=(1, 1))
    network = SRPatchDiscriminator(channels=4, num_layers=2)
    adversary = None
    if loss != "l1":
        game = RelativisticAverageLoss() if loss == "relativistic" else AdversarialLoss("hinge")
        adversary = Adversary(Learner(network, torch.optim.Adam(network.parameters(), lr=1e-4)), game, weight=0.1)
    images = torch.rand(STEPS * 2, 8, 16, 16, 16, generator=torch.Generator().manual_seed(1))
    sampler = StepSampler(STEPS, batch, rank, world_size)
    samples = [{LR: image[:7], HR: image[7:]} for image in images]
    seen: list[dict[str, float]] = []
    trainer = SRGanTrainer(
        device=torch.device("cpu"),
        max_epochs=until // 5,
        train_data_loader=DataLoader(samples, batch_size=batch, sampler=sampler),
        epoch_length=5,
        generator=Learner(generator, torch.optim.Adam(generator.parameters(), lr=1e-4), max_grad_norm=0.05),
        loss=WeightedLosses({"l1": torch.nn.L1Loss()}),
        adversary=adversary,
        train_handlers=[Checkpointer(folder, sampler), LossLog(folder, every=5)],
    )
    trainer.add_event_handler(Events.ITERATION_COMPLETED, lambda e: seen.append(e.state.output["losses"]))
    trainer.run()
    return seen


def _gan_process(rank: int, port: int, folder: str, loss: str) -> None:
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "RANK": str(rank), "WORLD_SIZE": "2"}
    torch.set_num_threads(1)
    start_processes()
    # each in a folder of its own, so that it is seen who writes
    torch.save(_gan(Path(folder, str(rank)), loss, rank, 2, 1, until=10), Path(folder, f"{rank}.pt"))
    stop_processes()


@pytest.mark.slow
@pytest.mark.skipif(not distributed.is_available(), reason="this torch has no distributed package")
@pytest.mark.parametrize("loss", ["l1", "hinge", "relativistic"])
def test_a_training_of_two_processes_has_the_losses_of_one_and_goes_on_in_one(tmp_path: Path, loss: str) -> None:
    multiprocessing.spawn(_gan_process, args=(_free_port(), str(tmp_path), loss), nprocs=2)
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1))
    assert first == second  # means over both, so the same number on each
    assert not (tmp_path / "1").exists()
    assert (tmp_path / "0" / "losses.jsonl").is_file()
    one = _gan(tmp_path / "one", loss, 0, 1, 2, until=STEPS)
    both = first + _gan(tmp_path / "0", loss, 0, 1, 2, until=STEPS)
    assert len(both) == len(one) == STEPS
    assert set(one[0]) >= ({"l1"} if loss == "l1" else {"l1", "adversarial", "discriminator"})
    for mine, theirs in zip(both, one, strict=True):
        if loss == "relativistic":  # no gradient holds the level of its logits: rounding alone moves it
            mine, theirs = ({**row, "d_fake": row["d_real"] - row["d_fake"], "d_real": 0.0} for row in (mine, theirs))
        assert mine == pytest.approx(theirs, rel=1e-5, abs=1e-6)


def _diverging_process(rank: int, port: int, folder: str) -> None:
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "RANK": str(rank), "WORLD_SIZE": "2"}
    torch.set_num_threads(1)
    start_processes()
    poison = torch.full((1, 16, 16, 16), float("nan"))
    samples = [{LR: torch.rand(7, 16, 16, 16), HR: poison if i == 5 else torch.rand(1, 16, 16, 16)} for i in range(8)]
    network = UNetGenerator(channels=(4, 8), blocks=(1, 1))
    trainer = SRGanTrainer(
        device=torch.device("cpu"),
        max_epochs=1,
        train_data_loader=DataLoader(samples, batch_size=1, sampler=StepSampler(4, 1, rank, 2)),
        epoch_length=4,
        generator=Learner(network, torch.optim.Adam(network.parameters(), lr=1e-4)),
        loss=WeightedLosses({"l1": torch.nn.L1Loss()}),
    )
    try:
        trainer.run()
    except TrainingDiverged as error:
        Path(folder, f"{rank}.txt").write_text(str(error))
    stop_processes()


@pytest.mark.slow
@pytest.mark.skipif(not distributed.is_available(), reason="this torch has no distributed package")
def test_if_one_process_diverges_all_end(tmp_path: Path) -> None:
    """The other would wait for its gradients until the group's time is up, half an hour."""
    processes = multiprocessing.spawn(_diverging_process, args=(_free_port(), str(tmp_path)), nprocs=2, join=False)
    try:
        assert any(processes.join(timeout=60) for _ in range(4)), "a process still waits"
    finally:
        for process in processes.processes:
            process.kill()
    said = sorted((tmp_path / f"{rank}.txt").read_text() for rank in (0, 1))
    assert said[0].startswith("a loss of another process is not finite at iteration 3")
    assert said[1].startswith("the l1 loss is nan at iteration 3")


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def test_alone_gradients_stay_as_they_are() -> None:
    parameter = torch.nn.Parameter(torch.ones(2))
    parameter.grad = torch.tensor([1.0, 2.0])
    average_gradients([parameter])
    assert parameter.grad.tolist() == [1.0, 2.0]
