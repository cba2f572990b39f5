from __future__ import annotations

import math
from typing import Literal

import pytest
import torch
from monai.losses import PatchAdversarialLoss
from torch.nn.functional import binary_cross_entropy

from monai_sr.losses import AdversarialLoss, FeatureLoss, RelativisticAverageLoss, WeightedLosses


def test_terms_are_named_unweighted_and_summed_weighted() -> None:
    loss = WeightedLosses({"l1": torch.nn.L1Loss(), "mse": torch.nn.MSELoss()}, {"mse": 0.5})
    total, named = loss(torch.full((1, 1, 4, 4), 2.0), torch.zeros(1, 1, 4, 4))
    assert {name: float(v) for name, v in named.items()} == {"l1": 2.0, "mse": 4.0}
    assert float(total) == 2.0 + 0.5 * 4.0


def test_a_weight_without_a_term_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"no loss term: \['l2'\]; terms are \['l1'\]"):
        WeightedLosses({"l1": torch.nn.L1Loss()}, {"l2": 1.0})


def logits(seed: int, mean: float = 0.0) -> torch.Tensor:
    return mean + torch.randn(2, 1, 3, 3, generator=torch.Generator().manual_seed(seed))


REAL, FAKE = logits(0, 0.5), logits(1, -0.5)


def test_bce_is_sigmoid_then_bce() -> None:
    loss, ones, zeros = AdversarialLoss("bce"), torch.ones_like(REAL), torch.zeros_like(FAKE)
    of_real, of_fake = binary_cross_entropy(torch.sigmoid(REAL), ones), binary_cross_entropy(torch.sigmoid(FAKE), zeros)
    torch.testing.assert_close(loss.discriminator(REAL, FAKE), (of_real + of_fake) / 2)
    # the generator wants to be taken for real (Goodfellow's non-saturating form)
    torch.testing.assert_close(loss.generator(FAKE), binary_cross_entropy(torch.sigmoid(FAKE), ones))


def test_bce_does_not_saturate() -> None:
    """Sigmoid and log one after the other give no gradient here."""
    fake = torch.tensor([-200.0], requires_grad=True)
    AdversarialLoss("bce").generator(fake).backward()
    assert fake.grad is not None and float(fake.grad) == pytest.approx(-1.0)


def test_least_squares_is_monais_and_the_papers() -> None:
    monai, loss = PatchAdversarialLoss(criterion="least_squares", no_activation_leastsq=True), AdversarialLoss()
    expected = 0.5 * (monai(REAL, True, True) + monai(FAKE, False, True))  # type: ignore[operator]
    torch.testing.assert_close(loss.discriminator(REAL, FAKE), expected)
    torch.testing.assert_close(loss.generator(FAKE), monai(FAKE, True, False))
    torch.testing.assert_close(expected, 0.5 * ((REAL - 1).square().mean() + FAKE.square().mean()))  # Mao 2017, eq. 2
    assert float(loss.generator(torch.ones(1, 1))) == 0.0


def test_hinge_is_the_papers() -> None:
    """Lim 2017: what is right by a margin of 1 costs the discriminator nothing; the generator's side is linear."""
    loss = AdversarialLoss("hinge")
    real, fake = torch.tensor([2.0, 0.25]), torch.tensor([-3.0, 0.5])
    assert float(loss.discriminator(real, fake)) == pytest.approx(0.5 * ((0.0 + 0.75) / 2 + (0.0 + 1.5) / 2))
    assert float(loss.generator(fake)) == pytest.approx(1.25)


@pytest.mark.parametrize("criterion", ["bce", "least_squares", "hinge"])
def test_both_sides_pull_the_right_way(criterion: Literal["bce", "least_squares", "hinge"]) -> None:
    real, fake = (torch.full((1, 1), 0.5, requires_grad=True) for _ in range(2))  # undecided
    loss = AdversarialLoss(criterion)
    to_real, to_fake = torch.autograd.grad(loss.discriminator(real, fake), [real, fake])
    assert float(to_real) < 0 < float(to_fake)
    assert float(torch.autograd.grad(loss.generator(fake), fake)[0]) < 0
    assert not loss.compares


def test_an_unknown_game_is_refused() -> None:
    with pytest.raises(ValueError, match="criterion must be bce, least_squares or hinge, got 'wgan'"):
        AdversarialLoss("wgan")  # type: ignore[arg-type]


def test_relativistic_average_is_the_papers() -> None:
    """ESRGAN (Wang 2018), equations 1 and 2, with sigmoid and log written out."""
    real, fake = REAL.double(), FAKE.double()
    more, less = torch.sigmoid(real - fake.mean()), torch.sigmoid(fake - real.mean())
    discriminator = -more.log().mean() - (1 - less).log().mean()
    generator = -(1 - more).log().mean() - less.log().mean()
    loss = RelativisticAverageLoss()
    assert loss.compares
    torch.testing.assert_close(loss.discriminator(real, fake), discriminator / 2)  # a mean here, a sum in the paper
    torch.testing.assert_close(loss.generator(fake, real), generator / 2)
    assert float(discriminator) != pytest.approx(float(generator), rel=0.1)


def test_only_the_difference_counts() -> None:
    loss = RelativisticAverageLoss()
    torch.testing.assert_close(loss.generator(FAKE + 5, REAL + 5), loss.generator(FAKE, REAL))
    torch.testing.assert_close(loss.discriminator(REAL + 5, FAKE + 5), loss.discriminator(REAL, FAKE))


def test_a_relativistic_generator_needs_both() -> None:
    with pytest.raises(ValueError, match="needs the logits of HR too"):
        RelativisticAverageLoss().generator(FAKE)


def test_at_the_start_of_the_game_a_logit_tells_nothing() -> None:
    for loss in (AdversarialLoss("bce"), RelativisticAverageLoss()):
        zero = torch.zeros(2, 1)
        for value in (loss.generator(zero, zero), loss.discriminator(zero, zero)):
            assert float(value) == pytest.approx(math.log(2.0))


def test_features_are_compared_layer_by_layer_relative_to_their_size() -> None:
    sr = [torch.full((1, 2, 4), 3.0), torch.tensor([[[0.1, -0.1]]])]
    hr = [torch.full((1, 2, 4), 2.0), torch.tensor([[[-0.1, -0.3]]])]
    assert float(FeatureLoss()(sr, hr)) == pytest.approx((1.0 / 2.0 + 0.2 / 0.2) / 2, rel=1e-4)
    louder = [[100.0 * x for x in maps] for maps in (sr, hr)]
    torch.testing.assert_close(FeatureLoss()(*louder), FeatureLoss()(sr, hr), rtol=1e-4, atol=0)
    assert float(FeatureLoss()(hr, hr)) == 0.0


def test_features_teach_the_generator_alone() -> None:
    sr, hr = torch.rand(1, 2, 4, requires_grad=True), torch.rand(1, 2, 4, requires_grad=True)
    FeatureLoss()([sr], [hr]).backward()
    assert sr.grad is not None and hr.grad is None
    with pytest.raises(ValueError):
        FeatureLoss()([sr, sr], [hr])
