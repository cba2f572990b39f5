"""The words of ``python -m monai_sr.deploy``; that they do what they say is tested where MONAI Deploy is installed."""

from __future__ import annotations

import inspect

import pytest

from monai_sr.cli.deploying import CONSOLE, OTHERS, app, deploy
from monai_sr.cli.upscale import upscale


def ended(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stopped:
        app(list(words), prog_name="deploy")
    streams = capsys.readouterr()
    return int(stopped.value.code or 0), streams.out, streams.err


def test_it_has_the_options_of_upscale_from_the_same_definitions() -> None:
    taken = set(inspect.signature(deploy).parameters) - {"context"}
    assert taken == set(inspect.signature(upscale).parameters) - {*OTHERS, *CONSOLE}


def test_help_names_both_kinds_of_options(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = ended(capsys, "--help")
    assert code == 0
    for word in ("--series", "--allow-tilt", "--resample-irregular", "--new-uids", "--dicom-compress", "--dicom-maps"):
        assert word in out
    for word in ("--series-description", "--input STUDY", "--log-level", "HOLOSCAN_INPUT_PATH", "not for diagnosis"):
        assert word in " ".join(out.split())


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--series-description", "{name}"), "has no {name}"),
        (("--dicom-compress", "zip"), "'none', 'jpegls', 'rle'"),
        (("--spacing", "1", "--scale", "1,1,2"), "not both"),
        (("--device", "gpu"), "gpu"),
    ],
)
def test_mistakes_are_told_before_the_application_starts(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...], reason: str
) -> None:
    code, _, err = ended(capsys, "-i", ".", "-o", "out", *words)
    assert code == 2 and reason in err
