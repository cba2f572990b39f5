"""What a user may decide about a derived series is checked before any work."""

from __future__ import annotations

import pytest

from monai_sr.io.dicom_options import DicomOptions, encoded, series_description
from monai_sr.io.volume import InputError

PARTS = {"tag": "[AI SR x3]", "factor": "x3", "scale": "x3 axis 2", "model": "fast", "version": "0.1.0"}


@pytest.mark.parametrize(
    ("template", "source", "expected"),
    [
        ("{source} {tag}", "T1 axial", "T1 axial [AI SR x3]"),
        ("{source} {tag}", "", "[AI SR x3]"),
        ("{tag} {source}", "y" * 64, "[AI SR x3] " + "y" * 53),
        ("{model} {version} {scale}", "T1", "fast 0.1.0 x3 axis 2"),
        ("{{{factor}}}", "T1", "{x3}"),
        ("z" * 70, "T1", "z" * 64),
        ("  {source}   SR ", " T1 ", "T1 SR"),
    ],
)
def test_template(template: str, source: str, expected: str) -> None:
    assert series_description(template, source, PARTS) == expected


def test_a_model_path_holds_no_second_value() -> None:
    assert series_description("{model}", "", {"model": "runs\\mine"}) == "runs/mine"


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("{patient}", r"no \{patient\}; it knows \{source\}"),
        ("{source!r}", r"no \{source\}"),
        ("{source:>99999999}", r"no \{source\}"),
        ("{source.__class__}", "no "),
        ("{", "is no template"),
        ("{}", "no {}"),
        ("a\\b", "no backslash"),
        ("a\nb", "no control character"),
        ("  ", "not empty"),
    ],
)
def test_templates_that_are_refused(template: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        DicomOptions(series_description=template)


@pytest.mark.parametrize("number", [-1, 2**31])
def test_series_numbers_that_do_not_fit(number: int) -> None:
    with pytest.raises(InputError, match="lies between 0 and 2147483647"):
        DicomOptions(series_number=number)


def test_unknown_compression() -> None:
    with pytest.raises(InputError, match="choose none, jpegls, rle"):
        DicomOptions(compress="jpeg")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "character_set", "fits"),
    [
        ("plain", (), True),
        ("é", (), False),
        ("é", ("ISO_IR 100",), True),
        ("λ", ("ISO_IR 100",), False),
        ("λ", ("ISO_IR 126",), True),
        ("λ", ("ISO_IR 192",), True),
        ("胸", ("", "ISO 2022 IR 87"), True),
        ("é", ("", "ISO 2022 IR 87"), False),
        ("é", ("no such set",), False),
        ("ﾄｳﾌﾞ SR", ("ISO_IR 13",), True),
    ],
)
def test_character_sets(text: str, character_set: tuple[str, ...], fits: bool) -> None:
    assert (encoded(text, character_set) is not None) is fits
