"""What the folder of a case holds: the volume or photograph in its format, ``preview.png``, ``run.json``, a page."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

import monai_sr
from monai_sr.inference import SRResult
from monai_sr.inference.stages import StageClock
from monai_sr.inference.tilt import tilt_of
from monai_sr.io import InputError, Volume, write_volume
from monai_sr.io.photo import Photo, write_photo
from monai_sr.report.png import RESEARCH_ONLY
from monai_sr.report.preview import write_preview
from monai_sr.report.run_record import write_run_record

if TYPE_CHECKING:
    from monai_sr.io.dicom_write import Derivation, DicomOptions

__all__ = ["OutputFormat", "derivation", "in_words", "output_format", "write_results"]

OutputFormat = Literal["same", "nifti", "dicom"]

# What the voxels of a map are, in at most 64 characters.
MEANINGS = {
    "deviation": "Standard deviation of restorations of the mirrored scan",
    "expected_error": "Expected error (RMS), from the deviation, as calibrated",
    "added": "Absolute difference between the model and its GAN stage",
    "residual": "Acquired minus result seen through the slice profile",
}


def output_format(
    source: Volume, wanted: OutputFormat, *, nifti_maps: bool = False
) -> Literal["nifti", "dicom", "photo"]:
    """The format to write; ask before the work, not after it.

    Args:
        source: the scan or photograph as it was read.
        wanted: by the user.
        nifti_maps: whether maps are to be written too, as NIfTI.

    Raises:
        InputError: if DICOM is wanted of a scan that did not come from DICOM, NIfTI of a tilted one, or a scan's format
            of a photograph.
    """
    if isinstance(source.source, Photo):
        if wanted != "same":
            raise InputError(
                f"{source.name}: a photograph is written as PNG or TIFF, not as {wanted}; leave --format {wanted} away"
            )
        return "photo"
    derived = _from_dicom(source)
    if wanted == "dicom" and not derived:
        raise InputError(
            f"{source.name}: a DICOM series can only be derived from a DICOM series; write --format nifti instead"
        )
    chosen: Literal["nifti", "dicom"] = ("dicom" if derived else "nifti") if wanted == "same" else wanted
    tilt = tilt_of(source)
    if (nifti_maps or chosen == "nifti") and tilt is not None:
        what = "--maps are written as NIfTI" if chosen == "dicom" else "NIfTI was asked for"
        raise InputError(
            f"{source.name}: {what}, and the slices are stacked {tilt.degrees:.2f} degrees off their normal "
            "(gantry tilt): ITK and 3D Slicer refuse a sheared NIfTI; write DICOM, and maps with --dicom-maps"
        )
    return chosen


def write_results(
    result: SRResult,
    folder: Path,
    case: str,
    *,
    format: OutputFormat = "same",
    facts: Mapping[str, Any] | None = None,
    report: bool = False,
    dicom: DicomOptions | None = None,
    patient: bool = False,
) -> list[str]:
    """Write all of a case into an empty folder.

    Args:
        result: of ``super_resolve``, or for a photograph that of ``super_resolve_photo``.
        folder: an existing folder; nothing in it is replaced.
        case: name of the case: ``<case>_sr.nii.gz``, ``<case>_sr.png`` or ``.tif``, or the series in ``dicom/``.
        format: file format of the volume.
        facts: more for ``run.json``; its ``seconds`` are added to those of the report.
        report: whether to write ``report.html`` too, a page to look at.
        dicom: how a derived series is written.
        patient: whether ``<case>_sr.json``, beside a NIfTI file that came from DICOM, says whose scan it is.

    Returns:
        Names of the results in ``folder``.
    """
    clock = StageClock()
    with clock.watched(), clock.stage("write"):
        outputs, maps = _write(result, folder, case, format, report, dicom, patient)
    facts = dict(facts or {})
    seconds = {**result.report["seconds"], **facts.pop("seconds", {}), **clock.seconds}
    peaks = {
        **result.report.get("peak_memory_bytes_by_stage", {}),
        **facts.pop("peak_memory_bytes_by_stage", {}),
        **clock.peak_bytes,
    }
    record = {
        **result.report,
        **facts,
        "intended_use": RESEARCH_ONLY,
        "outputs": outputs,
        **({"maps": maps} if maps else {}),
        "seconds": {stage: round(value, 3) for stage, value in seconds.items()},
        "peak_memory_bytes_by_stage": peaks,
    }
    return [*outputs, write_run_record(record, folder / "run.json").name]


def _write(
    result: SRResult,
    folder: Path,
    case: str,
    format: OutputFormat,
    report: bool,
    dicom: DicomOptions | None,
    patient: bool,
) -> tuple[list[str], dict[str, dict[str, str]]]:
    """All of a case but its ``run.json``; names of the files, and what the maps among them show."""
    photo = result.volume.source
    written = output_format(result.acquired, format)
    images: list[Path] = []
    if written == "photo" and isinstance(photo, Photo):
        volume = write_photo(photo, folder / f"{case}_sr{photo.suffix}")
    elif written == "dicom":
        volume = folder / "dicom"
        images = write_volume(result.volume, volume, format="dicom", derivation=derivation(result), options=dicom)
    else:
        volume = folder / f"{case}_sr.nii.gz"
        write_volume(result.volume, volume)
    rows = [("acquired", result.acquired), ("super-resolved" if _learned(result) else "interpolated", result.volume)]
    title = f"{case}: {in_words(result)}"
    preview = write_preview(rows, result.report["modality"], folder / "preview.png", title=title)
    outputs = [volume.name, preview.name]
    maps = _write_maps(result, folder, case, images if dicom is not None and dicom.maps else [])
    if written == "nifti" and _from_dicom(result.volume):
        from monai_sr.io.dicom_sidecar import write_sidecar

        sidecar = write_sidecar(
            result.volume, folder / f"{case}_sr.json", derivation=derivation(result), patient=patient, maps=maps
        )
        outputs.append(sidecar.name)
    outputs += [facts["file"] for facts in maps.values()]
    if report:
        from monai_sr.report.case_report import write_case_report  # what it loads is needed for nothing else

        outputs.append(write_case_report(folder / "report.html", result, title=title).name)
    return outputs, maps


def _write_maps(result: SRResult, folder: Path, case: str, images: Sequence[Path]) -> dict[str, dict[str, str]]:
    """Maps as NIfTI, or as Parametric Maps about the images of a derived series; what each of them shows."""
    written = {}
    for order, (name, values) in enumerate(result.maps.items(), start=1):
        if images:
            from monai_sr.io.dicom_map import write_parametric_map

            file = folder / f"{case}_{name}.dcm"
            write_parametric_map(
                values,
                file,
                name=name,
                meaning=MEANINGS[name],
                images=images,
                derivation=derivation(result),
                order=order,
            )
        else:  # no image of the patient, so it needs none of the source's header
            file = folder / f"{case}_{name}.nii.gz"
            write_volume(replace(values, source=None), file)
        unit = "HU" if values.modality == "CT" else "arbitrary"
        written[name] = {"file": file.name, "meaning": MEANINGS[name], "unit": unit}
    return written


def _from_dicom(volume: Volume) -> bool:
    return volume.source is not None and volume.source.format == "dicom"


def in_words(result: SRResult) -> str:
    """``x4 axis 2, 1 x 1 x 1 mm, model ct_mr_fast_l1``; without network where it had no part."""
    method = (
        f"model {result.report['model']['name']}{_adapted_in_words(result)}" if _learned(result) else "without network"
    )
    if result.volume.modality == "photo":
        return f"{_factors(result)}, {result.volume.array.shape[0]} x {result.volume.array.shape[1]} pixels, {method}"
    spacing = " x ".join(f"{s:.3g}" for s in result.volume.geometry.spacing)
    return f"{_factors(result)}, {spacing} mm, {method}"


def derivation(result: SRResult) -> Derivation:
    """How the values came about, for the header of a derived series."""
    from monai_sr.io.dicom_write import Derivation

    model, learned = result.report["model"], _learned(result)
    acquired = np.asfortranarray(result.acquired.array)
    decisive: list[Any] = [hashlib.sha256(acquired.tobytes(order="A")).hexdigest()]
    decisive += [
        [a["axis"], a["treatment"], a.get("profile"), a.get("profile_width_mm")] for a in result.report["axes"]
    ]
    chosen = {"fidelity": model.get("fidelity", 1.0), "ensemble": result.report.get("ensemble", 1)}
    if chosen != {"fidelity": 1.0, "ensemble": 1}:  # other values make another series
        decisive.append(chosen)
    if adapted := _adapted(result):
        decisive.append(adapted)
    return Derivation(
        scale=_factors(result),
        version=monai_sr.__version__,
        model_name=f"{model['name']}{_adapted_in_words(result)}" if learned else None,
        model_sha256=model["sha256"] if learned else None,
        parameters=repr(decisive),
    )


def _learned(result: SRResult) -> bool:
    """Whether the network had a part in it: outside its trained range it has none, whatever model was asked for."""
    return any(axis["treatment"] == "network" for axis in result.report["axes"])


def _adapted(result: SRResult) -> str | None:
    """Digest of the weights that were tuned on this scan; None if it was restored by those that were shipped."""
    found = result.report["model"].get("adaptation", {}).get("weights_sha256")
    return None if found is None else str(found)


def _adapted_in_words(result: SRResult) -> str:
    return " adapted to the scan" if _adapted(result) else ""


def _factors(result: SRResult) -> str:
    pairs = zip(result.acquired.geometry.spacing, result.volume.geometry.spacing, strict=True)
    factors = [(old / new, axis) for axis, (old, new) in enumerate(pairs)]
    return " ".join(f"x{factor:.3g} axis {axis}" for factor, axis in factors if abs(factor - 1.0) > 0.005)
