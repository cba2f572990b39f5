"""What is said of a discriminator after its training, on patches of subjects that nobody was trained on."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from monai_sr.engines import DiscriminatorCheck, SRGanTrainer
from monai_sr.transforms import RandSimulatePatchd


class Cases:
    """In place of ``TrainingCases``: who validates, already prepared."""

    def __init__(self, validation: list[dict[str, Any]]) -> None:
        self.validation = validation

    def prepared(self, role: str, transform: object) -> list[dict[str, Any]]:
        assert role == "validation"
        return self.validation


class Judge(torch.nn.Module):
    """Calls real what the first ``real`` calls show it, fake what comes in between."""

    def __init__(self, right: bool) -> None:
        super().__init__()
        self.right, self.calls = right, 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        shown_hr = self.calls % 2 == 1
        return torch.full((len(x), 1), 5.0 if shown_hr == self.right else -5.0)


def check(folder: Path, cases: list[dict[str, Any]], patches: int = 10) -> DiscriminatorCheck:
    return DiscriminatorCheck(folder, Cases(cases), [], [RandSimulatePatchd(16)], patches=patches)  # type: ignore[arg-type]


def read(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "discriminator.json").read_text(encoding="utf-8"))
    return content


def test_a_training_with_a_discriminator_ends_with_its_scores(
    make_trainer: Callable[..., SRGanTrainer], phantom_cases: list[dict[str, Any]], tmp_path: Path
) -> None:
    trainer = make_trainer(tmp_path, gan=True, handlers=[check(tmp_path, phantom_cases)])
    before: list[bool] = []
    trainer.run()
    before.append(trainer.generator.network.training)
    scores = read(tmp_path)
    assert scores["patches"] == 10
    assert all(0.0 <= scores[name] <= 1.0 for name in ("accuracy", "recall"))
    assert before == [True]  # a training that goes on must find its network as it left it


@pytest.mark.parametrize(("right", "accuracy"), [(True, 1.0), (False, 0.0)])
def test_hr_is_the_positive_class(
    make_trainer: Callable[..., SRGanTrainer],
    phantom_cases: list[dict[str, Any]],
    tmp_path: Path,
    right: bool,
    accuracy: float,
) -> None:
    handler = check(tmp_path, phantom_cases)
    trainer = make_trainer(tmp_path, gan=True)
    assert trainer.adversary is not None
    trainer.adversary.learner.network = judge = Judge(right)
    handler._check(trainer)
    scores = read(tmp_path)
    assert (scores["accuracy"], scores["recall"]) == (accuracy, accuracy)
    assert judge.calls == 4  # ten patches of each kind, at most eight at a time


def test_nothing_is_written_without_a_discriminator_or_without_subjects(
    make_trainer: Callable[..., SRGanTrainer], phantom_cases: list[dict[str, Any]], tmp_path: Path
) -> None:
    make_trainer(tmp_path / "l1", handlers=[check(tmp_path / "l1", phantom_cases)]).run()
    make_trainer(tmp_path / "gan", gan=True, handlers=[check(tmp_path / "gan", [])]).run()
    assert not list(tmp_path.rglob("discriminator.json"))
