"""What lies outside the training is named, each reason by itself."""

from __future__ import annotations

from typing import Any

import pytest

from monai_sr.inference.trained_range import outside_trained_range

TRAINED = {
    "modalities": ["MR"],
    "profiles": ["box", "gaussian"],
    "contrast": {"MR": {"median": [0.2, 0.6]}},
    "body_parts": {"MR": ["BRAIN", "HEAD"]},
    "factor": [1.2, 6.0],
    "width": [0.75, 1.3],
    "noise": [0.0, 0.05],
}
INSIDE: dict[str, Any] = {
    "modality": "MR",
    "profile": "gaussian",
    "factor": 3.0,
    "width": 1.0,
    "noise": 0.01,
    "contrast": {"median": 0.4, "spread": 0.5},
    "body_part": None,
}


def test_a_scan_like_those_of_the_training_is_inside() -> None:
    assert outside_trained_range(TRAINED, **INSIDE) == []
    assert outside_trained_range(TRAINED, **{**INSIDE, "body_part": "head"}) == []


def test_the_limits_belong_to_the_range() -> None:
    for edge in ({"factor": 6.0}, {"factor": 1.2}, {"noise": 0.05}, {"noise": 0.0}, {"width": 1.3}):
        assert outside_trained_range(TRAINED, **{**INSIDE, **edge}) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"modality": "CT"}, "modality CT"),
        ({"profile": "kspace"}, "slice profile kspace"),
        ({"factor": 1.15}, "factor 1.15"),
        ({"width": 0.5}, "slice profile width"),
        ({"noise": 0.08}, "noise level"),
        ({"contrast": {"median": 0.9, "spread": 0.5}}, "contrast"),
        ({"body_part": "KNEE"}, "body part"),
    ],
)
def test_each_reason_is_named(change: dict[str, Any], words: str) -> None:
    reasons = outside_trained_range(TRAINED, **{**INSIDE, **change})
    assert len(reasons) == 1
    assert words in reasons[0]


def test_a_body_part_is_never_repeated_from_the_header() -> None:
    reasons = outside_trained_range(TRAINED, **{**INSIDE, "body_part": "SMITH^JOHN"})
    assert "SMITH" not in reasons[0].upper()


def test_several_reasons_are_all_named() -> None:
    assert len(outside_trained_range(TRAINED, **{**INSIDE, "noise": 0.2, "factor": 7.0})) == 2
