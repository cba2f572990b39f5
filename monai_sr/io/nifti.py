"""NIfTI files: read strictly, write so that nibabel, ITK and Slicer find every structure where it was."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import nibabel as nib
import numpy as np
from isal import igzip

from monai_sr.io.atomic import atomic_path
from monai_sr.io.files import NIFTI_SUFFIXES, nifti_stem, safe_name, shown
from monai_sr.io.modality import guess_modality
from monai_sr.io.nifti_forms import (
    MAX_SHEAR,
    AffineForm,
    choose_form,
    index_transform,
    read_forms,
    set_forms,
    set_moved_forms,
)
from monai_sr.io.nifti_stream import check_size, open_nifti, parse_header, read_voxels
from monai_sr.io.volume import InputError, Volume

__all__ = ["NiftiSource", "OutputType", "read_nifti", "write_nifti"]

OutputType = Literal["float32", "int16"]

# The mark of a derived image, in the 80 bytes that NIfTI has for a description.
MARK = b"monai_sr SR, research only"
# What still holds on another grid: the meaning of the values, their display range, and which axis was the slice axis.
_KEPT_FIELDS = ("intent_code", "intent_p1", "intent_p2", "intent_p3", "intent_name", "cal_min", "cal_max", "dim_info")
_NIFTI1_LIMIT = 32767


@dataclass(eq=False)
class NiftiSource:
    """What the writer needs to know of the NIfTI file that a volume came from.

    Args:
        path: the file.
        header: nibabel's header as stored, without extensions.
        form: the affine that was used; None: no code was set, and nibabel's fallback was.
        affine: ``(4, 4)`` the affine that was used, in mm.
        format: name of the format.
    """

    path: Path
    header: Any
    form: AffineForm | None
    affine: np.ndarray[Any, np.dtype[np.float64]]
    format: str = "nifti"

    @property
    def codes(self) -> tuple[int, int]:
        """Codes of sform and qform."""
        return int(self.header["sform_code"]), int(self.header["qform_code"])

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the voxels on disk."""
        dtype: np.dtype[Any] = self.header.get_data_dtype()
        return dtype

    @property
    def unit(self) -> int:
        """Unit of length as stored: 0 unknown, 1 meter, 2 mm, 3 micron."""
        return int(self.header["xyzt_units"]) & 7

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape on disk, with trailing axes of length one."""
        return tuple(int(n) for n in self.header.get_data_shape())


def read_nifti(path: Path, *, affine: AffineForm | None = None) -> Volume:
    """Read one volume, or refuse it by name.

    Args:
        path: ``.nii`` or ``.nii.gz`` file, NIfTI-1 or NIfTI-2.
        affine: which affine holds where the header states two different ones.

    Returns:
        Volume ``(X, Y, Z)`` with slope and intercept applied; what was assumed stands in ``notes``.

    Raises:
        InputError: for everything that could only be read by guessing; one sentence, beginning with the file's name.
    """
    with open_nifti(path) as stream:
        header = parse_header(stream, path)
        shape = _three_axes(header, path)
        _check_type(header, path)
        check_size(stream, header, shape, path)
        try:
            geometry, form, notes = choose_form(read_forms(header), shape, header, affine)
        except InputError as error:
            raise InputError(f"{shown(path)}: {error}") from error
        array = read_voxels(stream, header, shape, path)
    modality, reason = guess_modality(array)
    notes.append(f"modality {modality} by the values: {reason}; --modality overrides")
    if array.min() == array.max():
        notes.append(f"all voxels have the same value, {float(array.flat[0]):g}")
    return Volume(
        array=array,
        geometry=geometry,
        modality=modality,
        slice_axis=_slice_axis(header),
        name=safe_name(nifti_stem(path)),
        source=NiftiSource(path, header, form, geometry.affine),
        notes=tuple(notes),
    )


def write_nifti(volume: Volume, path: Path, *, overwrite: bool = False, dtype: OutputType = "float32") -> Path:
    """Write one volume; the file appears whole or not at all.

    A volume that came from a NIfTI file keeps that file's sform and qform, each moved by the same index transform, with
    codes and units. Any other gets one affine in both forms, code 1 (scanner), in mm.

    Args:
        volume: what to write.
        path: ends in ``.nii`` or ``.nii.gz``.
        overwrite: whether an existing file may be replaced.
        dtype: ``"int16"`` is stored with a slope and an intercept that fit the values.

    Returns:
        The path.

    Raises:
        InputError: if the path has another suffix or exists, the grid is sheared, or the values are not finite.
    """
    if not path.name.lower().endswith(NIFTI_SUFFIXES):
        raise InputError(f"{shown(path)} must end in .nii or .nii.gz")
    if volume.geometry.shear() > MAX_SHEAR:
        raise InputError(
            f"{volume.name}: its grid is sheared (gantry tilt?), which ITK and Slicer cannot read from NIfTI; "
            "write DICOM instead"
        )
    if not np.isfinite(volume.array).all():
        raise InputError(f"{volume.name}: values that are NaN or infinite are not written")
    header = _new_header(volume, dtype)
    image_type: Any = nib.Nifti2Image if isinstance(header, nib.Nifti2Header) else nib.Nifti1Image
    image = image_type(np.asarray(volume.array, dtype=np.float32), None, header)
    with atomic_path(path, overwrite=overwrite) as temporary, temporary.open("wb") as stream:
        if path.name.lower().endswith(".gz"):
            # ten times as fast as zlib at the same size; no name and no date: the same volume, the same bytes
            with igzip.IGzipFile(filename="", mode="wb", compresslevel=1, fileobj=stream, mtime=0) as packed:
                image.to_stream(packed)
        else:
            image.to_stream(stream)
    return path


def _three_axes(header: Any, path: Path) -> tuple[int, int, int]:
    shape = tuple(int(n) for n in header.get_data_shape())
    if any(n < 1 for n in shape):
        raise InputError(f"{shown(path)} has an axis without voxels: its shape is {shape}")
    if len(shape) < 3:
        raise InputError(
            f"{shown(path)} is a {len(shape)}-D image of shape {shape}; a volume with three axes is needed"
        )
    volumes = math.prod(shape[3:])
    if volumes > 1:
        raise InputError(
            f"{shown(path)} holds {volumes} volumes (shape {shape}); save the one you want as its own file, "
            "for example with nibabel: image.slicer[..., 0].to_filename('one.nii.gz')"
        )
    if min(shape[:3]) < 2:
        raise InputError(f"{shown(path)} has shape {shape[:3]}; a volume needs at least two voxels along each axis")
    return shape[0], shape[1], shape[2]


def _check_type(header: Any, path: Path) -> None:
    dtype = header.get_data_dtype()
    if dtype.kind not in "iuf":
        what = "complex" if dtype.kind == "c" else "colour (RGB)" if dtype.fields else str(dtype)
        raise InputError(f"{shown(path)} holds {what} values; only real numbers are read, convert it first")


def _slice_axis(header: Any) -> int | None:
    axis = header.get_dim_info()[2]
    return int(axis) if axis in (0, 1, 2) else None


def _new_header(volume: Volume, dtype: OutputType) -> Any:
    """A clean header: what is kept from the source is named here, everything else is dropped.

    Extensions, ``db_name`` and ``aux_file`` are dropped because converters put patient names and whole DICOM headers
    there; slice timing because it no longer fits the new slices.
    """
    header_type: Any = nib.Nifti1Header if max(volume.geometry.shape) <= _NIFTI1_LIMIT else nib.Nifti2Header
    header = header_type()
    header.set_data_dtype(np.dtype(dtype))
    header.set_data_shape(volume.geometry.shape)
    source = volume.source if isinstance(volume.source, NiftiSource) else None
    transform = index_transform(source.affine, volume.geometry.affine) if source is not None else None
    if source is None or transform is None:
        header.set_xyzt_units("mm")
        set_forms(header, volume.geometry, code=1)
    elif source.form is None:
        # No code was set: readers would not agree on the place of the new grid either. Code 2 says "aligned to
        # another file" (the source, as nibabel reads it), and claims nothing about the scanner.
        header.set_xyzt_units("mm")
        set_forms(header, volume.geometry, code=2)
    else:
        header["xyzt_units"] = source.header["xyzt_units"]
        set_moved_forms(header, source.header, transform)
    header["descrip"] = MARK
    if source is not None:
        for name in _KEPT_FIELDS:
            header[name] = source.header[name]
        header["descrip"] = _marked(bytes(source.header["descrip"]))
    return header


def _marked(description: bytes) -> bytes:
    old = description.rstrip(b"\x00 ")
    if not old or MARK in old:
        return old if MARK in old else MARK
    return old[: 80 - len(MARK) - 2] + b"; " + MARK
