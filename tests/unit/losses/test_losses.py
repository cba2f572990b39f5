from __future__ import annotations

import math

import pytest
import torch

from monai_sr.losses import SigmoidBCELoss, WeightedLosses


def test_terms_are_named_unweighted_and_summed_weighted() -> None:
    loss = WeightedLosses({"l1": torch.nn.L1Loss(), "mse": torch.nn.MSELoss()}, {"mse": 0.5})
    total, named = loss(torch.full((1, 1, 4, 4), 2.0), torch.zeros(1, 1, 4, 4))
    assert {name: float(v) for name, v in named.items()} == {"l1": 2.0, "mse": 4.0}
    assert float(total) == 2.0 + 0.5 * 4.0


def test_a_weight_without_a_term_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"no loss term: \['l2'\]; terms are \['l1'\]"):
        WeightedLosses({"l1": torch.nn.L1Loss()}, {"l2": 1.0})


@pytest.mark.parametrize("real", [True, False])
def test_sigmoid_bce_is_sigmoid_then_bce(real: bool) -> None:
    logits = torch.randn(2, 1, 3, 3, generator=torch.Generator().manual_seed(0))
    target = torch.full_like(logits, float(real))
    expected = torch.nn.functional.binary_cross_entropy(torch.sigmoid(logits), target)
    found = SigmoidBCELoss()(logits, target_is_real=real, for_discriminator=True)
    torch.testing.assert_close(found, expected)


def test_the_generator_wants_to_be_taken_for_real() -> None:
    loss = SigmoidBCELoss()
    logits = torch.tensor([3.0])
    assert float(loss(logits, True, False)) == pytest.approx(math.log1p(math.exp(-3.0)))
    assert float(loss(logits, False, False)) == float(loss(logits, True, False))


def test_sigmoid_bce_does_not_saturate() -> None:
    logits = torch.tensor([-200.0], requires_grad=True)
    SigmoidBCELoss()(logits, True, False).backward()
    assert logits.grad is not None and float(logits.grad) == pytest.approx(-1.0)
