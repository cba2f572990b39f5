"""Each scan by a model that was tuned on it, and what is said of that."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

import typer

from monai_sr.casework import Upscaling
from monai_sr.casework.upscaling import Progress
from monai_sr.cli.console import Console, QuietConsole
from monai_sr.io import InputError, Volume

if TYPE_CHECKING:
    from monai_sr.inference import SRResult

__all__ = ["AdaptedUpscaling", "adapted"]


def adapted(upscaling: Upscaling, minutes: float, console: Console) -> AdaptedUpscaling:
    """The same choices, with a model that is first tuned on each scan.

    Raises:
        typer.BadParameter: if there is no model to tune, or not that for fidelity.
    """
    if upscaling.model == "none" or upscaling.options.get("fidelity", 1.0) != 1.0:
        raise typer.BadParameter(
            "--adapt tunes a model for fidelity; it goes with no --fidelity below 1 and no --model none"
        )
    same = {each.name: getattr(upscaling, each.name) for each in fields(upscaling)}
    return AdaptedUpscaling(**same, minutes=minutes, console=console)


@dataclass
class AdaptedUpscaling(Upscaling):
    """The choices of a run whose model is tuned on each scan.

    Args:
        minutes: of the tuning, per scan.
        console: is told of tuned weights; that they are not used is a warning of the result.
    """

    minutes: float = 1.0
    console: Console = field(default_factory=QuietConsole)

    @property
    def choices(self) -> dict[str, Any]:
        """What the user asked for, for ``run.json``."""
        return {**super().choices, "adapt": self.minutes}

    def resolve(
        self, volume: Volume, progress: Progress | None = None, notify: Callable[[str], None] | None = None
    ) -> SRResult:
        """Tune a copy of the model, then restore the scan by it, or by the model as it was.

        Raises:
            InputError: if the scan is refused, or cannot teach.
            EnvironmentProblemError: if the network is missing or damaged.
        """
        from monai_sr.engines.adaptation import Budget, adapt, adaptation_in_words
        from monai_sr.inference import super_resolve
        from monai_sr.io.photo import Photo

        if isinstance(volume.source, Photo):
            raise InputError(f"{volume.name}: --adapt is for scans and this is a photograph; leave it away")
        model = self.network(self.options.get("modality") or volume.modality)
        assert not isinstance(model, str)  # "none" is refused before the first case
        common: dict[str, Any] = {"device": self.device, "progress": progress}
        tuned = adapt(model, volume, Budget(self.minutes), options=self.options, **common)
        result = super_resolve(volume, model=tuned, notify=notify, **common, **self.options)
        message = adaptation_in_words(tuned)
        if tuned.network is model.network:
            result.report["warnings"].append(message)
        else:
            result.report["notes"].append(message)
            self.console.emit("note", case=volume.name, message=message)
        return result
