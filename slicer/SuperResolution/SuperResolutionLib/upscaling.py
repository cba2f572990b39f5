"""``monai-sr upscale`` as a process, from command to result; imports neither Slicer nor monai_sr."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["UpscaleError", "Wish", "environment", "run"]


class UpscaleError(RuntimeError):
    """What to tell the user, in one sentence."""


@dataclass(frozen=True)
class Wish:
    """What is asked for.

    Args:
        program: the ``monai-sr`` program of an installation outside of Slicer.
        modality: ``"ct"`` or ``"mr"``; a volume in Slicer does not say.
        spacing: as on the command line: ``auto``, mm, or three of them.
        model: name or path.
    """

    program: str
    modality: str
    spacing: str = "auto"
    model: str = "default"

    def command(self, volume: Path, out: Path) -> list[str]:
        """The command line for a NIfTI file."""
        options = ["--modality", self.modality, "--spacing", self.spacing, "--model", self.model]
        return [self.program, "upscale", str(volume), "-o", str(out), "--json", *options]


def environment(variables: Mapping[str, str]) -> dict[str, str]:
    """Variables for a Python outside of Slicer: those that would send it to Slicer's own modules are left out."""
    return {key: value for key, value in variables.items() if not key.startswith("PYTHON")}


def run(
    wish: Wish,
    volume: Path,
    out: Path,
    *,
    progress: Callable[[str, float], None] = lambda stage, share: None,
    remark: Callable[[str], None] = lambda sentence: None,
    variables: Mapping[str, str] | None = None,
) -> Path:
    """Upscale one NIfTI file and wait for it.

    Args:
        wish: what is asked for.
        volume: the file.
        out: an empty folder.
        progress: called with the stage and its finished share.
        remark: called with every warning.
        variables: of the process; default: those of this one, without Slicer's Python.

    Returns:
        The NIfTI file of the result.

    Raises:
        UpscaleError: if the program is not there, or refuses the volume.
    """
    command = wish.command(volume, out)
    try:
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment(os.environ if variables is None else variables),
        )
    except OSError as error:
        raise UpscaleError(f"{wish.program} cannot be started ({error.strerror}); name the monai-sr program") from None
    assert process.stdout is not None
    events, complaint = [], ""
    for line in process.stdout:
        if line.startswith("{"):
            events.append(_told(json.loads(line), progress, remark))
        else:
            complaint = line.strip() or complaint
    process.wait()
    return _result(events, complaint)


def _told(
    event: Mapping[str, object], progress: Callable[[str, float], None], remark: Callable[[str], None]
) -> Mapping[str, object]:
    if event["event"] == "stage":
        progress(str(event["stage"]), float(str(event["fraction"])))
    elif event["event"] == "warning":
        remark(str(event["message"]))
    return event


def _result(events: Sequence[Mapping[str, object]], complaint: str) -> Path:
    for event in events:
        if event["event"] == "done":
            outputs = event["outputs"]
            assert isinstance(outputs, list)
            return next(Path(str(file)) for file in outputs if str(file).endswith("_sr.nii.gz"))
        if event["event"] in ("refused", "failed"):
            raise UpscaleError(str(event["message"]))
    raise UpscaleError(complaint or "monai-sr ended without a result")
