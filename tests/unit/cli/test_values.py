from __future__ import annotations

import pytest
import typer

from monai_sr.cli.values import parse_device, parse_scale, parse_spacing


def test_what_is_understood():
    assert parse_spacing("AUTO") == "auto"
    assert parse_spacing("1") == 1.0
    assert parse_spacing(" 1, 2 ,3.5") == (1.0, 2.0, 3.5)
    assert parse_scale(None) is None
    assert parse_scale("1,1,6") == (1.0, 1.0, 6.0)
    assert [parse_device(d) for d in ("auto", "CPU", "cuda", "cuda:12", "mps")] == [
        "auto",
        "cpu",
        "cuda",
        "cuda:12",
        "mps",
    ]


@pytest.mark.parametrize(
    "text", ["", "fine", "1,2", "1,2,3,4", "0", "-1", "nan", "inf", "1e400", "1;1;1", "1,,1", "$(1)"]
)
def test_spacings_that_are_none(text):
    with pytest.raises(typer.BadParameter, match="--spacing takes"):
        parse_spacing(text)


@pytest.mark.parametrize("text", ["4", "1,1,1,1", "auto", "1,1,nan", "1,0"])
def test_scales_that_are_none(text):
    with pytest.raises(typer.BadParameter, match="--scale takes"):
        parse_scale(text)


@pytest.mark.parametrize("text", ["gpu", "cuda:", "cuda:-1", "cuda:x", "tpu", "", "cpu:0:1"])
def test_devices_that_are_none(text):
    with pytest.raises(typer.BadParameter, match="--device takes"):
        parse_device(text)
