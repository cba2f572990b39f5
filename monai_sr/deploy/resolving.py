"""``super_resolve`` as an operator."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from monai.deploy.core import Fragment, Operator, OperatorSpec

from monai_sr.catalogue import ModelError, find_model
from monai_sr.deploy.images import VolumeImage, as_volume, each, many, one_or_list
from monai_sr.inference import SRModel, load_model, super_resolve

__all__ = ["SuperResolutionOperator", "model_in"]

_logger = logging.getLogger(__name__)


class SuperResolutionOperator(Operator):
    """Upscale images: float values in, float values on the finer grid out, with the affine of that grid.

    Named input:
        image: an ``Image`` of any operator with its affine, or a list of them.

    Named output:
        sr_image: a :class:`VolumeImage`, or a list of them; its ``result`` has the report and the maps.

    Args:
        fragment: the application.
        model: name, ``model.ts``, ``model.pt``, folder of a bundle, or a folder that holds one of these, as MONAI
            Deploy lays models into an image; ``"default"``: the shipped model for the modality; ``"none"``: no network.
        device: as ``super_resolve`` takes it.
        options: further arguments of ``super_resolve``, such as ``spacing``.

    Raises:
        ModelError: if the model is not there or damaged; at once, not after the reading.

    Attributes:
        refused: one sentence per image that was refused.
    """

    def __init__(
        self,
        fragment: Fragment,
        *args: Any,
        model: str | Path = "default",
        device: str = "auto",
        options: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        self.model = model if str(model) in ("default", "none") else model_in(model)
        self.device = device
        self.options = dict(options or {})
        self.refused: list[str] = []
        self._loaded: dict[Path, SRModel] = {}
        if self.model != "none":
            self._network(None)
        super().__init__(fragment, *args, **kwargs)

    def setup(self, spec: OperatorSpec) -> None:
        """Declare the ports."""
        spec.input("image")
        spec.output("sr_image")

    def compute(self, op_input: Any, op_output: Any, context: Any) -> None:
        """Upscale what arrives.

        Raises:
            InputError: if every image is refused.
        """
        images = each(many(op_input.receive("image")), self.resolve, self.refused)
        op_output.emit(one_or_list(images), "sr_image")

    def resolve(self, image: Any) -> VolumeImage:
        """One image."""
        volume = as_volume(image)
        model = "none" if self.model == "none" else self._network(self.options.get("modality") or volume.modality)
        result = super_resolve(volume, model=model, device=self.device, **self.options)
        for warning in result.report["warnings"]:
            _logger.warning("%s: %s", volume.name, warning)
        return VolumeImage(result.volume, result)

    def _network(self, modality: str | None) -> SRModel:
        record = find_model(self.model, modality)
        if record.file not in self._loaded:
            self._loaded[record.file] = load_model(record)
        return self._loaded[record.file]


def model_in(path: str | Path) -> str | Path:
    """What :func:`monai_sr.catalogue.find_model` takes, of a path as MONAI Deploy gives it.

    In an application package a model lies one folder deeper, ``models/<name>/model.ts``.

    Raises:
        ModelError: if there is no model, or more than one.
    """
    path = Path(path)
    if not path.is_dir():
        return path if path.exists() else str(path)
    if _is_model(path):
        return path
    found: list[Path] = []
    for depth in ("*", "*/*"):
        found = found or [entry for entry in sorted(path.glob(depth)) if entry.suffix == ".ts" or _is_model(entry)]
    if len(found) != 1:
        names = ", ".join(entry.name for entry in found) or "none"
        raise ModelError(f"{path.name} must hold one model (model.ts, or a bundle's folder), found {names}")
    return found[0]


def _is_model(folder: Path) -> bool:
    return (folder / "configs" / "metadata.json").is_file() or (folder / "model.pt").is_file()
