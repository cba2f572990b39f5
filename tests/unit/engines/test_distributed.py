"""Two processes with batch 1 take the steps of one process with batch 2."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
import torch
from torch import distributed, multiprocessing

from monai_sr.data import StepSampler
from monai_sr.engines import Learner, average_gradients, start_processes, stop_processes


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
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    multiprocessing.spawn(_process, args=(port, str(tmp_path)), nprocs=2)
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1))
    assert torch.equal(first, second)
    torch.testing.assert_close(first, _train(0, 1, 2), rtol=1e-5, atol=1e-6)


def test_alone_gradients_stay_as_they_are() -> None:
    parameter = torch.nn.Parameter(torch.ones(2))
    parameter.grad = torch.tensor([1.0, 2.0])
    average_gradients([parameter])
    assert parameter.grad.tolist() == [1.0, 2.0]
