"""One door for reading and one for writing; each format's module is imported only when it is needed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from monai_sr.io.cases import find_cases
from monai_sr.io.files import shown
from monai_sr.io.series_rules import SeriesRules
from monai_sr.io.volume import InputError, Volume

if TYPE_CHECKING:
    from monai_sr.io.dicom_write import Derivation, DicomOptions
    from monai_sr.io.nifti import OutputType
    from monai_sr.io.nifti_forms import AffineForm

__all__ = ["Format", "read_volume", "write_volume"]

Format = Literal["nifti", "dicom"]


def read_volume(
    path: str | Path,
    *,
    affine: AffineForm | None = None,
    rules: SeriesRules | None = None,
    series: str | None = None,
) -> Volume:
    """Read the one scan that a path holds.

    Args:
        path: NIfTI file, DICOM file, DICOMDIR, or folder or zip archive that holds one scan (see ``find_cases`` for
            several). Localizers, reports and derived series beside it do not count.
        affine: which affine of a NIfTI file holds where it states two different ones.
        rules: what the DICOM reader accepts beyond a regular, right-angled stack of slices.
        series: which DICOM series, as ``find_cases`` takes it.

    Returns:
        The scan: values, grid in RAS+ mm, what the header says of modality and slices, and notes.

    Raises:
        FileNotFoundError: if there is no such path.
        InputError: if it is refused; one sentence that names the reason.
    """
    path = Path(path)
    cases = find_cases(path, affine=affine, rules=rules, series=() if series is None else (series,))
    cases = [case for case in cases if case.skip is None] or cases
    if len(cases) > 1:
        raise InputError(
            f"{shown(path)} holds {len(cases)} scans and one is needed: give one of them, choose with series=, or read "
            "all with find_cases"
        )
    return cases[0].read()


def write_volume(
    volume: Volume,
    path: str | Path,
    *,
    format: Format = "nifti",
    overwrite: bool = False,
    dtype: OutputType = "float32",
    derivation: Derivation | None = None,
    options: DicomOptions | None = None,
) -> list[Path]:
    """Write one scan, whole or not at all.

    Args:
        volume: what to write.
        path: a ``.nii`` or ``.nii.gz`` file, or the folder of the new DICOM series.
        format: ``"nifti"`` or ``"dicom"``.
        overwrite: whether an existing result may be replaced.
        dtype: NIfTI only: type of the voxels on disk.
        derivation: DICOM only, and needed there: how the values were made.
        options: DICOM only: UIDs, name, number, compression.

    Returns:
        The files written.

    Raises:
        InputError: if something exists at the path, or the format cannot hold the volume.
    """
    path = Path(path)
    if format == "nifti":
        from monai_sr.io.nifti import write_nifti

        return [write_nifti(volume, path, overwrite=overwrite, dtype=dtype)]
    if derivation is None:
        raise ValueError("a DICOM series must say how it was made: pass derivation=Derivation(...)")
    from monai_sr.io.dicom_write import DicomOptions, write_series

    return write_series(volume, path, derivation=derivation, options=options or DicomOptions(), overwrite=overwrite)
