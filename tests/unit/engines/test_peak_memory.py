"""Peak memory: what a piece of work takes is seen, and what was there before is not counted."""

from __future__ import annotations

import time

import numpy as np
import pytest
import torch

from monai_sr.engines.peak_memory import PeakMemory

_MB = 10**6


def test_an_allocation_is_seen_although_it_is_given_back() -> None:
    with PeakMemory() as memory:
        block = np.ones(200 * _MB, dtype=np.uint8)  # written to, or the system would not hand it out
        time.sleep(0.1)
        del block
    assert 180 * _MB < memory.bytes < 300 * _MB


def test_what_was_there_before_is_not_counted() -> None:
    before = np.ones(200 * _MB, dtype=np.uint8)
    with PeakMemory() as memory:
        time.sleep(0.05)
    assert memory.bytes < 50 * _MB
    assert before[-1] == 1


def test_an_error_inside_is_not_swallowed_and_ends_the_watch() -> None:
    memory = PeakMemory()
    with pytest.raises(ValueError, match="inside"), memory:
        raise ValueError("inside")
    assert not memory._watch.is_alive()


@pytest.mark.gpu
def test_on_cuda_it_is_what_torch_allocates() -> None:
    with PeakMemory(on_cuda=True) as memory:
        block = torch.ones(200 * _MB, dtype=torch.uint8, device="cuda")
        del block
    assert 200 * _MB <= memory.bytes < 220 * _MB
