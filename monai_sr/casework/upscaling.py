"""What is done to every case of a run: read, resolve, write, as three steps that may overlap between cases."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from monai_sr.casework.failure import EnvironmentProblemError
from monai_sr.casework.photo_options import photo_options
from monai_sr.io import Case, InputError, SeriesRules, Volume

if TYPE_CHECKING:
    from monai_sr.inference import SRModel, SRResult
    from monai_sr.io.dicom_options import DicomOptions
    from monai_sr.report.results import OutputFormat

__all__ = ["Progress", "Upscaling"]

Progress = Callable[[str, float], None]


@dataclass
class Upscaling:
    """The choices of a run, the same for all its cases, and the networks loaded for it.

    Args:
        model: name, path, ``"default"`` (by modality) or ``"none"``.
        device: as ``super_resolve`` takes it.
        affine: which affine of a NIfTI file holds where it states two.
        format: file format of the results.
        report: whether every case gets ``report.html``.
        options: keyword arguments of ``super_resolve`` that decide grid, profile and tile.
        dicom: how derived series are written.
        patient: whether the JSON beside a NIfTI file from DICOM says whose scan it is.
        rules: what the DICOM reader accepts beyond a regular, right-angled stack of slices.
        loaded: networks by file; those that are missing are entered when they are needed.
    """

    model: str = "default"
    device: str = "auto"
    affine: Literal["sform", "qform"] | None = None
    format: OutputFormat = "same"
    report: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    dicom: DicomOptions | None = None
    patient: bool = False
    rules: SeriesRules = field(default_factory=SeriesRules)
    loaded: dict[Path, SRModel] = field(default_factory=dict)

    @property
    def choices(self) -> dict[str, Any]:
        """What the user asked for, for ``run.json``."""
        chosen = {"model": self.model, "device": self.device, "affine": self.affine, "format": self.format}
        chosen |= {**asdict(self.rules), **self.options}
        return {**chosen, **({} if self.dicom is None else {"dicom": asdict(self.dicom)})}

    def network(self, modality: str | None) -> SRModel | str:
        """The network for a modality, loaded once; ``"none"`` where none is wanted.

        Raises:
            EnvironmentProblemError: if it is missing or damaged.
        """
        from monai_sr.catalogue import ModelError, find_model
        from monai_sr.inference import load_model

        if self.model == "none":
            return self.model
        try:
            record = find_model(self.model, modality)
            if record.file not in self.loaded:
                self.loaded[record.file] = load_model(record)
        except ModelError as error:
            raise EnvironmentProblemError(str(error)) from None
        return self.loaded[record.file]

    def read(self, case: Case) -> Volume:
        """Read a case, and refuse a format of the result that it cannot have before any work.

        Raises:
            InputError: if it is refused.
        """
        from monai_sr.report import output_format

        volume = replace(case, rules=self.rules).read()
        parametric = self.dicom is not None and self.dicom.maps
        output_format(volume, self.format, nifti_maps=bool(self.options.get("maps")) and not parametric)
        if self.options.get("modality") is None:
            return volume
        # the user has decided, so what the reader guessed from the values would only mislead
        return replace(volume, notes=tuple(note for note in volume.notes if not note.startswith("modality ")))

    def resolve(
        self, volume: Volume, progress: Progress | None = None, notify: Callable[[str], None] | None = None
    ) -> SRResult:
        """Super-resolve a scan or a photograph; ``notify`` is told the memory that it will take.

        Raises:
            InputError: if it is refused.
            EnvironmentProblemError: if its network is missing or damaged.
        """
        from monai_sr.inference import super_resolve, super_resolve_photo
        from monai_sr.io.photo import Photo

        common: dict[str, Any] = {"device": self.device, "progress": progress, "notify": notify}
        if isinstance(volume.source, Photo):
            photo = replace(volume.source, name=volume.name)
            own = photo_options(volume.name, self.options, self.affine)
            return super_resolve_photo(photo, model=self.network("photo"), **common, **own)[1]
        modality = self.options.get("modality") or volume.modality
        model = self.network(modality)
        self._refuse_without_gan_stage(volume.name, modality, model)
        return super_resolve(volume, model=model, **common, **self.options)

    def _refuse_without_gan_stage(self, case: str, modality: str | None, model: SRModel | str) -> None:
        from monai_sr.catalogue import models, perceptual_partner

        fidelity = self.options.get("fidelity", 1.0)
        if fidelity == 1.0 or isinstance(model, str) or perceptual_partner(model.record) is not None:
            return
        names = [record.name for record in models() if perceptual_partner(record) is not None]
        raise InputError(
            f"{case}: the model for {modality}, {model.record.name}, has no GAN stage, so --fidelity {fidelity:g} "
            f"is not possible; leave it out, or name a model that has one: {', '.join(names) or 'there is none'}"
        )

    def write(
        self,
        result: SRResult,
        folder: Path,
        case: str,
        *,
        read_seconds: float,
        facts: Mapping[str, Any] | None = None,
    ) -> list[str]:
        """Write all of a case into an empty folder, with more facts for ``run.json``; the names of what was written."""
        from monai_sr.report import write_results

        facts = {"options": self.choices, "seconds": {"read": read_seconds}, **(facts or {})}
        return write_results(
            result,
            folder,
            case,
            format=self.format,
            facts=facts,
            report=self.report,
            dicom=self.dicom,
            patient=self.patient,
        )
