"""What a reader of a comparison must know of each system in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

__all__ = ["SystemFacts", "SystemKind"]

SystemKind = Literal["interpolation", "train-free", "dictionary", "learned", "outside"]


@dataclass(frozen=True)
class SystemFacts:
    """One system of a comparison.

    Args:
        name: as in the rows under ``method``.
        label: for people.
        kind: of what family it is.
        note: what makes it that system, and in what it deviates from its paper.
        parameters: of the network.
        steps: of the training.
        train_seconds: wall time of the training.
        budget: what all trainings of the comparison were given.
        discriminator: accuracy, precision, recall and F1 of a GAN's discriminator, by name, and its threshold.
    """

    name: str
    label: str
    kind: SystemKind
    note: str = ""
    parameters: int | None = None
    steps: int | None = None
    train_seconds: float | None = None
    budget: str | None = None
    discriminator: Mapping[str, float | str] | None = None
