"""Between a faithful and a perceptual network: the weights on the line."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from monai_sr.networks import interpolate_weights


def test_a_linear_network_between_two_gives_the_answer_between_theirs() -> None:
    ends = [torch.nn.Linear(3, 2), torch.nn.Linear(3, 2)]
    between = torch.nn.Linear(3, 2)
    between.load_state_dict(interpolate_weights(ends[0].state_dict(), ends[1].state_dict(), 0.8))
    x = torch.rand(5, 3)
    assert torch.allclose(between(x), 0.2 * ends[0](x) + 0.8 * ends[1](x), atol=1e-6)


def test_the_ends_of_the_line_are_the_two_networks() -> None:
    first, second = {"w": torch.rand(4)}, {"w": torch.rand(4)}
    assert torch.equal(interpolate_weights(first, second, 0.0)["w"], first["w"])
    assert torch.allclose(interpolate_weights(first, second, 1.0)["w"], second["w"])


def test_counters_are_not_mixed() -> None:
    ends = [torch.nn.BatchNorm1d(2), torch.nn.BatchNorm1d(2)]
    for norm, batches in zip(ends, (3, 7), strict=True):
        for _ in range(batches):
            norm(torch.rand(4, 2))
    mixed = interpolate_weights(ends[0].state_dict(), ends[1].state_dict(), 0.5)
    assert (mixed["num_batches_tracked"].dtype, int(mixed["num_batches_tracked"])) == (torch.int64, 7)
    assert torch.allclose(mixed["running_mean"], (ends[0].running_mean + ends[1].running_mean) / 2)  # type: ignore[operator]


@pytest.mark.parametrize(
    ("first", "second", "share", "sentence"),
    [
        ({"a": torch.zeros(1)}, {"b": torch.zeros(1)}, 0.5, "differ in names or shapes"),
        ({"a": torch.zeros(1)}, {"a": torch.zeros(2)}, 0.5, "differ in names or shapes"),
        ({"a": torch.zeros(1)}, {"a": torch.zeros(1)}, 1.2, "within 0 and 1, got 1.2"),
    ],
)
def test_what_cannot_be_mixed_is_refused(first: Any, second: Any, share: float, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        interpolate_weights(first, second, share)
