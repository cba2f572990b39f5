"""From files to images: a study with all its slices, a series read strictly, NIfTI files with their affine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from monai.deploy.core import Fragment, Operator, OperatorSpec
from monai.deploy.core.domain.dicom_study import DICOMStudy
from monai.deploy.operators.dicom_data_loader_operator import DICOMDataLoaderOperator

from monai_sr.deploy.images import VolumeImage, each, one_or_list
from monai_sr.io import InputError, SeriesRules, find_cases
from monai_sr.io.dicom_read import SeriesRef, series_in_memory
from monai_sr.io.dicom_study import choose

__all__ = ["NiftiVolumeLoaderOperator", "SeriesToVolumeOperator", "StudyLoaderOperator", "selected"]


class StudyLoaderOperator(DICOMDataLoaderOperator):
    """The stock ``DICOMDataLoaderOperator``, but every slice of the folder arrives.

    The stock operator keeps one image per slice position, that with the highest AcquisitionNumber: a scan with several
    time points, echoes or diffusion directions comes out as one volume mixed from them, and nothing says so.

    Named output:
        dicom_study_list: list of ``DICOMStudy``.
    """

    def _load_data(self, files: Sequence[str]) -> list[DICOMStudy]:
        """One file at a time, so that the stock operator finds no two images at one position."""
        studies: dict[str, DICOMStudy] = {}
        for file in files:
            for study in super()._load_data([file]):
                known = studies.setdefault(study.StudyInstanceUID, study)
                if known is study:
                    continue
                for series in study.get_all_series():
                    _add(known, series)
        return list(studies.values())


def _add(study: DICOMStudy, series: Any) -> None:
    for known in study.get_all_series():
        if known.SeriesInstanceUID == series.SeriesInstanceUID:
            for instance in series.get_sop_instances():
                known.add_sop_instance(instance.get_native_sop_instance())
            return
    study.add_series(series)


def selected(study_selected_series_list: Sequence[Any]) -> list[Any]:
    """All ``DICOMSeries`` of what a ``DICOMSeriesSelectorOperator`` emits, each once."""
    found = {}
    for study in study_selected_series_list or ():
        for selection in study.selected_series:
            found[selection.series.SeriesInstanceUID] = selection.series
    return list(found.values())


class SeriesToVolumeOperator(Operator):
    """Read the selected series strictly: HU or scanner units as float32, the affine that ITK and Slicer find too.

    Missing slices, duplicates, localizers, tilted gantries and mixed orientations are refused by name, as everywhere in
    this package. Takes the place of ``DICOMSeriesToVolumeOperator``.

    Named input:
        study_selected_series_list: list of ``StudySelectedSeries``.

    Named output:
        image: a :class:`VolumeImage`, or a list of them where several series were selected and accepted.

    Args:
        fragment: the application.
        rules: what is accepted beyond a regular, right-angled stack of slices.
        series: those among the selected ones that are meant, as ``monai-sr upscale --series`` takes them; default: all.

    Attributes:
        refused: one sentence per series that was refused.
    """

    def __init__(
        self,
        fragment: Fragment,
        *args: Any,
        rules: SeriesRules | None = None,
        series: Sequence[str] = (),
        **kwargs: Any,
    ) -> None:
        self.rules = rules
        self.series = tuple(series)
        self.refused: list[str] = []
        super().__init__(fragment, *args, **kwargs)

    def setup(self, spec: OperatorSpec) -> None:
        """Declare the ports."""
        spec.input("study_selected_series_list")
        spec.output("image")

    def compute(self, op_input: Any, op_output: Any, context: Any) -> None:
        """Read what was selected.

        Raises:
            InputError: if every series is refused, or a wish in ``series`` names none.
        """
        found = list(map(_in_memory, selected(op_input.receive("study_selected_series_list"))))
        meant = choose(found, self.series, "the study") if self.series else [(series, None) for series in found]
        op_output.emit(one_or_list(each(meant, lambda one: self.read(*one), self.refused)), "image")

    def convert(self, series: Any) -> VolumeImage:
        """One ``DICOMSeries`` as an image."""
        return self.read(_in_memory(series))

    def read(self, series: SeriesRef, number: int | None = None) -> VolumeImage:
        """One series, or one volume of it by its number from 1, as an image."""
        volume = series.read(self.rules, number)
        return VolumeImage(volume if number is None else replace(volume, name=f"{series.name}_{number}"))


def _in_memory(series: Any) -> SeriesRef:
    return series_in_memory([instance.get_native_sop_instance() for instance in series.get_sop_instances()])


class NiftiVolumeLoaderOperator(Operator):
    """Read NIfTI files with the affine and the header that the writer needs; ``NiftiDataLoader`` drops the affine.

    Named output:
        image: a :class:`VolumeImage`, or a list of them where the folder holds several files.

    Args:
        fragment: the application.
        input_path: a file, or a folder searched at any depth.

    Attributes:
        refused: one sentence per file that was refused.
    """

    def __init__(self, fragment: Fragment, *args: Any, input_path: str | Path, **kwargs: Any) -> None:
        self.input_path = Path(input_path)
        self.refused: list[str] = []
        super().__init__(fragment, *args, **kwargs)

    def setup(self, spec: OperatorSpec) -> None:
        """Declare the port."""
        spec.output("image")

    def compute(self, op_input: Any, op_output: Any, context: Any) -> None:
        """Read what is there.

        Raises:
            InputError: if there is no NIfTI file, or every file is refused.
        """
        cases = [case for case in find_cases(self.input_path) if case.kind == "nifti"]
        if not cases:
            raise InputError(f"{self.input_path.name} holds no NIfTI file (.nii, .nii.gz)")
        images = each(cases, lambda case: VolumeImage(case.read()), self.refused)
        op_output.emit(one_or_list(images), "image")
