"""From images to files: a derived DICOM series in the study of its source, or NIfTI with the affine of the values."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from monai.deploy.core import Fragment, Operator, OperatorSpec
from monai.deploy.operators.dicom_utils import ModelInfo

import monai_sr
from monai_sr.deploy.images import VolumeImage, as_volume, each, many
from monai_sr.deploy.loading import selected
from monai_sr.geometry import VolumeGeometry
from monai_sr.io import InputError, Volume, atomic_folder, write_volume
from monai_sr.io.dicom_read import read_series
from monai_sr.io.dicom_write import Derivation, DicomOptions
from monai_sr.report import write_results

__all__ = ["DICOMImageSeriesWriterOperator", "NiftiVolumeWriterOperator"]

_logger = logging.getLogger(__name__)


class _Writer(Operator):
    """What both writers share: one folder per image, whole or not at all, nothing replaced."""

    format: Literal["dicom", "nifti"]

    def __init__(
        self,
        fragment: Fragment,
        *args: Any,
        output_folder: str | Path,
        dicom: DicomOptions | None = None,
        report: bool = False,
        facts: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        self.output_folder = Path(output_folder)
        self.dicom, self.report, self.facts = dicom, report, facts
        self.refused: list[str] = []
        self.written: list[Path] = []
        super().__init__(fragment, *args, **kwargs)

    def _write_result(self, image: VolumeImage) -> Path:
        """A result of ``super_resolve`` with preview and run.json, as ``monai-sr upscale`` writes it."""
        assert image.result is not None
        folder = self.output_folder / image.volume.name
        with atomic_folder(folder) as staging:
            write_results(
                image.result,
                staging,
                image.volume.name,
                format=self.format,
                facts=self.facts,
                report=self.report,
                dicom=self.dicom,
            )
        return folder

    def _done(self, folder: Path) -> Path:
        self.written.append(folder)
        _logger.info("wrote %s", folder)
        return folder


class DICOMImageSeriesWriterOperator(_Writer):
    """Write images as derived CT or MR series: same study, same frame of reference, HU and spacing right.

    A result of :class:`SuperResolutionOperator` is written as ``<case>/dicom/*.dcm`` with ``preview.png`` and
    ``run.json``. The image of any other operator becomes ``<case>/dicom/*.dcm``, derived from the selected series.

    Named input:
        image: an ``Image`` with its affine, or a list of them.
        study_selected_series_list: what the images were made from.

    Args:
        fragment: the application.
        output_folder: where to.
        dicom: UIDs, name, number, compression and maps of the series.
        report: whether ``report.html`` is written too.
        facts: more for ``run.json``.
        model_info: of the model behind the images of other operators; needed for those.

    Attributes:
        refused: one sentence per image that was refused.
        written: folders of the cases.
    """

    format = "dicom"

    def __init__(
        self,
        fragment: Fragment,
        *args: Any,
        model_info: ModelInfo | None = None,
        **kwargs: Any,
    ) -> None:
        self.model_info = model_info
        super().__init__(fragment, *args, **kwargs)

    def setup(self, spec: OperatorSpec) -> None:
        """Declare the ports."""
        spec.input("image")
        spec.input("study_selected_series_list")

    def compute(self, op_input: Any, op_output: Any, context: Any) -> None:
        """Write what arrives.

        Raises:
            InputError: if every image is refused.
        """
        images = many(op_input.receive("image"))
        series = selected(op_input.receive("study_selected_series_list"))
        each(images, lambda image: self.write(image, series), self.refused)

    def write(self, image: Any, series: Sequence[Any]) -> Path:
        """One image; returns the folder of its case."""
        if isinstance(image, VolumeImage) and image.result is not None:
            return self._done(self._write_result(image))
        if self.model_info is None:
            raise InputError(
                "this image comes from another operator, and a derived series must say how it was made; "
                "give the writer model_info=ModelInfo(creator, name, version, uid)"
            )
        source = _source(image, series)
        found = as_volume(image)
        _check_field_of_view(found.geometry, source)
        folder = self.output_folder / source.name
        with atomic_folder(folder) as staging:
            write_volume(
                source.with_values(found.array, found.geometry),
                staging / "dicom",
                format="dicom",
                derivation=_derivation(self.model_info, source.geometry, found.geometry),
                options=self.dicom,
            )
        return self._done(folder)


class NiftiVolumeWriterOperator(_Writer):
    """Write images as NIfTI with the affine of their values, and the header fields that still hold.

    A result of :class:`SuperResolutionOperator` is written as ``<case>/<case>_sr.nii.gz`` with ``preview.png`` and
    ``run.json``; the image of any other operator as ``<case>/<case>_sr.nii.gz``.

    Named input:
        image: an ``Image`` with its affine, or a list of them.

    Args:
        fragment: the application.
        output_folder: where to.
        report: whether ``report.html`` is written too.
        facts: more for ``run.json``.

    Attributes:
        refused: one sentence per image that was refused.
        written: folders of the cases.
    """

    format = "nifti"

    def setup(self, spec: OperatorSpec) -> None:
        """Declare the port."""
        spec.input("image")

    def compute(self, op_input: Any, op_output: Any, context: Any) -> None:
        """Write what arrives.

        Raises:
            InputError: if every image is refused.
        """
        each(many(op_input.receive("image")), self.write, self.refused)

    def write(self, image: Any) -> Path:
        """One image; returns the folder of its case."""
        if isinstance(image, VolumeImage) and image.result is not None:
            return self._done(self._write_result(image))
        volume = as_volume(image)
        folder = self.output_folder / volume.name
        with atomic_folder(folder) as staging:
            write_volume(volume, staging / f"{volume.name}_sr.nii.gz")
        return self._done(folder)


def _source(image: Any, series: Sequence[Any]) -> Volume:
    """The selected series that an image was made from, read anew."""
    if isinstance(image, VolumeImage) and image.volume.source is not None:
        return image.volume
    uid = (image.metadata() or {}).get("SeriesInstanceUID")
    fitting = [one for one in series if uid is None or str(one.SeriesInstanceUID) == str(uid)]
    if len(fitting) != 1:
        raise InputError(
            f"{len(fitting)} of {len(series)} selected series fit this image; give its metadata the SeriesInstanceUID "
            "of the one that it was made from"
        )
    return read_series([instance.get_native_sop_instance() for instance in fitting[0].get_sop_instances()])


def _check_field_of_view(found: VolumeGeometry, source: Volume) -> None:
    """Refuse a grid that reaches out of the source: then its affine is not that of its values.

    The stock ``DICOMSeriesToVolumeOperator`` exchanges row and column spacing, and the stock bundle operator keeps the
    input's affine for an output with more slices; both show here.
    """
    index = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)]) * (np.array(found.shape) - 1)
    places = np.linalg.inv(source.geometry.affine) @ np.c_[found.world(index), np.ones(8)].T
    beyond = np.maximum(-1 - places[:3].T, places[:3].T - np.array(source.geometry.shape)).max()
    if beyond > 0:
        raise InputError(
            f"the image reaches {beyond + 1:.1f} voxels out of the series that it was made from, so the affine in its "
            "metadata is not that of its values; correct it where the image is made"
        )


def _derivation(model: ModelInfo, before: VolumeGeometry, after: VolumeGeometry) -> Derivation:
    pairs = zip(before.spacing, after.spacing, strict=True)
    factors = [f"x{old / new:.3g} axis {axis}" for axis, (old, new) in enumerate(pairs) if abs(old / new - 1) > 0.005]
    return Derivation(
        scale=" ".join(factors) or "x1",
        version=monai_sr.__version__,
        model_name=" ".join(part for part in (model.creator, model.name, model.version) if part) or "unnamed",
    )
