from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import torch
from monai.transforms import RandFlipd
from torch.utils.data import DataLoader

from monai_sr.data import SeededPatchDataset, StepSampler


def drawn(sampler: StepSampler) -> list[int]:
    return list(sampler)


def test_resuming_continues_the_sequence() -> None:
    whole = drawn(StepSampler(6, 3))
    rest = StepSampler(6, 3)
    rest.start_step = 4
    assert drawn(rest) == whole[12:]
    assert whole == list(range(18))


def test_processes_share_every_step() -> None:
    alone = drawn(StepSampler(4, 6))
    parts = [drawn(StepSampler(4, 2, rank, 3)) for rank in range(3)]
    together = [i for step in range(4) for part in parts for i in part[2 * step : 2 * step + 2]]
    assert together == alone


def noise(case: dict[str, Any]) -> dict[str, Any]:
    return case


@pytest.fixture
def dataset() -> SeededPatchDataset:
    cases = [{"image": torch.full((1, 4, 4), float(i)) + torch.arange(4), "name": str(i)} for i in range(5)]
    return SeededPatchDataset(cases, [RandFlipd("image", prob=0.5, spatial_axis=1)], seed=4)


def test_a_sample_is_a_function_of_seed_and_index(dataset: SeededPatchDataset) -> None:
    forwards = [dataset[i]["image"].clone() for i in range(30)]
    backwards = [dataset[i]["image"].clone() for i in reversed(range(30))][::-1]
    assert all(torch.equal(a, b) for a, b in zip(forwards, backwards, strict=True))
    other = SeededPatchDataset(dataset.cases, dataset.transform, seed=5)
    assert not all(torch.equal(a, other[i]["image"]) for i, a in enumerate(forwards))
    assert len({float(x[0, 0, 0]) for x in forwards}) > 5  # cases and flips both vary


def test_transforms_find_the_number_of_the_sample() -> None:
    """A curriculum needs it; the case itself is not written to."""
    case = {"name": "a"}
    seen: list[int] = []

    def look(sample: dict[str, Any]) -> dict[str, Any]:
        seen.append(sample["index"])
        return sample

    samples = SeededPatchDataset([case], [look])
    loader = DataLoader(samples, 2, sampler=StepSampler(3, 2))
    drawn = [batch["index"].tolist() for batch in loader]
    assert drawn == [[0, 1], [2, 3], [4, 5]]
    assert seen == [0, 1, 2, 3, 4, 5]
    assert case == {"name": "a"}


def test_workers_change_nothing(dataset: SeededPatchDataset) -> None:
    loaders = [DataLoader(dataset, 2, sampler=StepSampler(6, 2), num_workers=n) for n in (0, 2)]
    alone, helped = ([batch["image"] for batch in loader] for loader in loaders)
    assert all(torch.equal(a, b) for a, b in zip(alone, helped, strict=True))


def test_groups_share_the_samples_evenly() -> None:
    cases = [{"group": g} for g in ("a", "a", "a", "b")]
    dataset = SeededPatchDataset(cases, [noise], seed=0, weight="group")
    counts = Counter(dataset[i]["group"] for i in range(2000))
    assert counts["b"] / 2000 == pytest.approx(0.5, abs=0.04)
    plain = SeededPatchDataset(cases, [noise], seed=0)
    assert Counter(plain[i]["group"] for i in range(2000))["b"] / 2000 == pytest.approx(0.25, abs=0.04)


def test_no_cases_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one volume, got none"):
        SeededPatchDataset([], [noise])
