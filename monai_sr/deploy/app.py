"""The application: a study or NIfTI files in, derived series or NIfTI files out."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from monai.deploy.conditions import CountCondition
from monai.deploy.core import Application
from monai.deploy.operators.dicom_series_selector_operator import DICOMSeriesSelectorOperator

from monai_sr.casework import Upscaling
from monai_sr.deploy.loading import NiftiVolumeLoaderOperator, SeriesToVolumeOperator, StudyLoaderOperator
from monai_sr.deploy.resolving import SuperResolutionOperator
from monai_sr.deploy.writing import DICOMImageSeriesWriterOperator, NiftiVolumeWriterOperator
from monai_sr.io import InputError
from monai_sr.io.files import file_kind, walk_files

__all__ = ["SELECTION_RULES", "SuperResolutionApp"]

SELECTION_RULES = Path(__file__).with_name("selection.json")
"""Which series of a study are taken: CT and MR. What of those is no volume, such as a localizer, is refused by name."""


class SuperResolutionApp(Application):
    """Upscale every CT and MR series and every NIfTI file of the input folder.

    ``-i`` input folder, ``-o`` output folder, ``-m`` model (``model.ts`` or the folder of a bundle; without it, the
    shipped one), or the variables ``HOLOSCAN_INPUT_PATH``, ``HOLOSCAN_OUTPUT_PATH``, ``HOLOSCAN_MODEL_PATH``.

    Args:
        argv: command line, the program first; default: that of the process.
        rules: selection rules of ``DICOMSeriesSelectorOperator``, as JSON.
        upscaling: what is done to each case, as by ``monai-sr upscale``; its model and format are decided here.
        series: which of the selected series are meant, as ``monai-sr upscale --series`` takes them; then NIfTI files
            are left out.
    """

    def __init__(
        self,
        *args: Any,
        argv: Sequence[str] | None = None,
        rules: str | None = None,
        upscaling: Upscaling | None = None,
        series: Sequence[str] = (),
        **kwargs: Any,
    ) -> None:
        self._rules = SELECTION_RULES.read_text(encoding="utf-8") if rules is None else rules
        json.loads(self._rules)  # a mistake in the file is found before anything is read
        self._upscaling = upscaling or Upscaling()
        self._series = tuple(series)
        self._argv = None if argv is None else list(argv)
        self.working: list[Any] = []
        super().__init__(*args, **kwargs)

    def compose(self) -> None:
        """Connect the operators.

        Raises:
            InputError: if the input folder holds neither DICOM nor NIfTI, or no DICOM where a series is meant.
            ModelError: if the model is not there or damaged.
        """
        context = Application.init_app_context(self.argv if self._argv is None else self._argv)
        source, out = Path(context.input_path), Path(context.output_path)
        kinds = set(map(file_kind, walk_files(source, on_error=_passed_over) if source.is_dir() else [source]))
        if not kinds & {"dicom", "nifti"}:
            raise InputError(f"{source.name} holds no DICOM image and no NIfTI file")
        if self._series:
            if "dicom" not in kinds:
                raise InputError(f"{source.name} holds no DICOM series; --series chooses among those")
            kinds.discard("nifti")
        model = _model(context)
        if "dicom" in kinds:
            self._dicom(source, out, model)
        if "nifti" in kinds:
            self._nifti(source, out, model)

    @property
    def refused(self) -> list[str]:
        """One sentence per series or file that was refused."""
        return [sentence for operator in self.working for sentence in operator.refused]

    @property
    def written(self) -> list[Path]:
        """Folders of the cases that were written."""
        return [folder for operator in self.working for folder in getattr(operator, "written", [])]

    def _dicom(self, source: Path, out: Path, model: str | Path) -> None:
        loader = StudyLoaderOperator(self, CountCondition(self, 1), name="study_loader", input_folder=source)
        selector = DICOMSeriesSelectorOperator(self, name="series_selector", rules=self._rules, all_matched=True)
        rules = self._upscaling.rules
        reader = SeriesToVolumeOperator(self, name="series_to_volume", rules=rules, series=self._series)
        resolver = SuperResolutionOperator(self, name="super_resolution", **self._resolving(model))
        writer = DICOMImageSeriesWriterOperator(self, name="series_writer", **self._writing(out))
        self.working += [reader, resolver, writer]
        self.add_flow(loader, selector, {("dicom_study_list", "dicom_study_list")})
        self.add_flow(selector, reader, {("study_selected_series_list", "study_selected_series_list")})
        self.add_flow(reader, resolver, {("image", "image")})
        self.add_flow(resolver, writer, {("sr_image", "image")})
        self.add_flow(selector, writer, {("study_selected_series_list", "study_selected_series_list")})

    def _nifti(self, source: Path, out: Path, model: str | Path) -> None:
        loader = NiftiVolumeLoaderOperator(self, CountCondition(self, 1), name="nifti_loader", input_path=source)
        resolver = SuperResolutionOperator(self, name="nifti_super_resolution", **self._resolving(model))
        writer = NiftiVolumeWriterOperator(self, name="nifti_writer", **self._writing(out))
        self.working += [loader, resolver, writer]
        self.add_flow(loader, resolver, {("image", "image")})
        self.add_flow(resolver, writer, {("sr_image", "image")})

    def _resolving(self, model: str | Path) -> dict[str, Any]:
        return {"model": model, "device": self._upscaling.device, "options": dict(self._upscaling.options)}

    def _writing(self, out: Path) -> dict[str, Any]:
        chosen = {name: value for name, value in self._upscaling.choices.items() if name not in ("model", "format")}
        return {
            "output_folder": out,
            "dicom": self._upscaling.dicom,
            "report": self._upscaling.report,
            "facts": {"options": chosen},
        }


def _passed_over(error: OSError) -> None:
    """A folder that cannot be listed is told by the operator that reads."""


def _model(context: Any) -> str | Path:
    """What was asked for; the shipped model where nothing was, and the SDK's default folder is not there."""
    asked = "model" in context.args or "HOLOSCAN_MODEL_PATH" in os.environ
    path = Path(context.model_path)
    return path if asked or path.exists() else "default"
