"""The two affines of a NIfTI header: which one holds, and how both follow a volume to another grid."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from nibabel.spatialimages import HeaderDataError

from monai_sr.geometry import GeometryError, VolumeGeometry
from monai_sr.io.volume import InputError

__all__ = ["AffineForm", "Forms", "choose_form", "index_transform", "read_forms", "set_forms", "set_moved_forms"]

AffineForm = Literal["sform", "qform"]
FloatArray = npt.NDArray[np.float64]
Shape = tuple[int, int, int]

# Corners of the field of view further apart than this are two different places.
SAME_PLACE_MM = 1e-3
# ITK, and so Slicer and SimpleITK, refuses direction cosines that are off by more than 1.0e-4 (measured, ITK 5.4);
# the rest is left to the rounding of a header in 32 bit.
MAX_SHEAR = 9e-5
SPACING_LIMITS_MM = (1e-3, 100.0)
MM_PER_UNIT = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}
UNIT_NAMES = {0: "unknown", 1: "meter", 2: "mm", 3: "micron"}


@dataclass(frozen=True, eq=False)
class Forms:
    """What a header says of the grid.

    Args:
        sform: ``(4, 4)`` index to RAS+ mm, None when its code is 0.
        qform: likewise, None when its code is 0 or it cannot be computed.
        sform_code: 0 to 5 as in the header.
        qform_code: likewise.
        unit: spatial unit as stored: 0 unknown, 1 meter, 2 mm, 3 micron.
        pixdim_mm: voxel size as stored, per array axis.
        broken_qform: why the qform cannot be computed, empty when it can.
    """

    sform: FloatArray | None
    qform: FloatArray | None
    sform_code: int
    qform_code: int
    unit: int
    pixdim_mm: tuple[float, float, float]
    broken_qform: str = ""

    def affine(self, form: AffineForm) -> FloatArray | None:
        """The affine of one form in mm."""
        return self.sform if form == "sform" else self.qform


def read_forms(header: Any) -> Forms:
    """Both affines in mm, as far as their codes are set.

    Args:
        header: nibabel's NIfTI header.
    """
    unit = int(header["xyzt_units"]) & 7
    unit = unit if unit in MM_PER_UNIT else 0
    to_mm = np.diag([MM_PER_UNIT[unit]] * 3 + [1.0])
    sform_code, qform_code = int(header["sform_code"]), int(header["qform_code"])
    sform = to_mm @ header.get_sform() if sform_code > 0 else None
    qform, broken = None, ""
    x, y, z = (float(size) * MM_PER_UNIT[unit] for size in header["pixdim"][1:4])
    if qform_code > 0:
        if not all(np.isfinite(size) and size > 0 for size in (x, y, z)):
            broken = f"its voxel size is ({x:g}, {y:g}, {z:g}) mm"
        else:
            try:
                qform = to_mm @ header.get_qform()
            except (ValueError, HeaderDataError):
                broken = "its quaternion is no rotation"
    return Forms(sform, qform, sform_code, qform_code, unit, (x, y, z), broken)


def choose_form(
    forms: Forms, shape: Shape, header: Any, asked: AffineForm | None
) -> tuple[VolumeGeometry, AffineForm | None, list[str]]:
    """The grid of a volume, or a refusal when the header leaves it open.

    Args:
        forms: both affines.
        shape: voxels ``(X, Y, Z)``.
        header: nibabel's NIfTI header, for the affine that holds when no code is set.
        asked: the user's choice between two forms that differ; where one form only is set, that one holds.

    Returns:
        Geometry, the form it was taken from (None: neither code is set) and notes.

    Raises:
        InputError: without file name; the caller puts it in front.
    """
    notes: list[str] = []
    if forms.sform_code <= 0 and forms.qform_code <= 0:
        return _without_codes(forms, shape, header)
    form: AffineForm = "sform" if forms.sform_code > 0 and (asked != "qform" or forms.qform_code <= 0) else "qform"
    if asked not in (None, form):
        notes.append(f"the {form} was used: the {asked} of this file is not set")
    if form == "qform" and forms.broken_qform:
        raise InputError(f"the qform cannot be used: {forms.broken_qform}; repair the header first")
    affine = forms.affine(form)
    assert affine is not None  # its code is set and it is not broken
    geometry = _checked(shape, affine, form)
    contradiction = _contradiction(forms, shape, header)
    if contradiction and asked is None:
        choice = "--affine sform or --affine qform" if forms.qform_code > 0 else "--affine sform if the sform is right"
        raise InputError(f"{contradiction}; choose {choice}")
    if contradiction:
        notes.append(f"{contradiction}; the {form} was used, as asked")
    if forms.unit != 2:
        notes.append(_unit_note(forms.unit))
    return geometry, form, notes


def index_transform(old: FloatArray, new: FloatArray) -> FloatArray | None:
    """``T`` with ``new = old @ T``, when the grids share their axes.

    Returns:
        ``(4, 4)``, a positive diagonal and a translation; None when the axes differ, so that the forms of the old grid
        cannot follow.
    """
    transform = np.linalg.solve(old, new)
    scales = np.diag(transform)[:3]
    clean = np.diag([*scales, 1.0])
    if (scales <= 0).any() or np.abs(transform[:3, :3] - clean[:3, :3]).max() > 1e-6 * scales.max():
        return None
    clean[:3, 3] = transform[:3, 3]
    return clean


def set_moved_forms(header: Any, source: Any, transform: FloatArray) -> None:
    """Give a new header both forms of the source, moved by one index transform, with their codes.

    The rotation of the qform does not change, so its quaternion is copied as it is stored: computing it anew from a
    matrix loses up to 0.1 mm at the corners near half turns, where 32 bits cannot hold the quaternion.

    Args:
        header: header to change; its unit must be the source's.
        source: nibabel's header of the source.
        transform: new index to old index.
    """
    for name in ("qform_code", "sform_code", "quatern_b", "quatern_c", "quatern_d"):
        header[name] = source[name]
    header["pixdim"][0] = source["pixdim"][0]
    header["pixdim"][1:4] = source["pixdim"][1:4] * np.diag(transform)[:3]
    if int(source["sform_code"]) > 0:
        moved = source.get_sform() @ transform
        header["srow_x"], header["srow_y"], header["srow_z"] = moved[:3]
        if int(source["qform_code"]) <= 0:
            # ITK takes the voxel size from pixdim even where only the sform is set (measured).
            header["pixdim"][1:4] = np.linalg.norm(moved[:3, :3], axis=0)
    if int(source["qform_code"]) > 0:
        moved = source.get_qform() @ transform
        header["qoffset_x"], header["qoffset_y"], header["qoffset_z"] = moved[:3, 3]


def set_forms(header: Any, geometry: VolumeGeometry, code: int) -> None:
    """Give a new header, in mm, one affine in both forms.

    Near half turns the 32-bit quaternion cannot hold a rotation to 1e-3 mm; there the sform stands alone, since two
    forms that differ are worse than one.
    """
    header.set_sform(geometry.affine, code=code)
    header.set_qform(geometry.affine, code=code)  # sets pixdim, too
    stored = VolumeGeometry(geometry.shape, header.get_qform())
    if np.abs(stored.corners() - geometry.corners()).max() > 0.5 * SAME_PLACE_MM:
        header["qform_code"] = 0
        for name in ("quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y", "qoffset_z"):
            header[name] = 0


def _without_codes(forms: Forms, shape: Shape, header: Any) -> tuple[VolumeGeometry, None, list[str]]:
    if not all(np.isfinite(size) and size > 0 for size in forms.pixdim_mm):
        x, y, z = forms.pixdim_mm
        raise InputError(f"no affine is set and the voxel size is ({x:g}, {y:g}, {z:g}) mm; repair the header first")
    fallback = np.diag([MM_PER_UNIT[forms.unit]] * 3 + [1.0]) @ header.get_base_affine()
    notes = [
        "neither sform nor qform is set: voxel size from pixdim, origin in the centre, first axis to the left",
        "the orientation of this file is unknown: left and right may be swapped",
    ]
    if forms.unit != 2:
        notes.append(_unit_note(forms.unit))
    return _checked(shape, fallback, "pixdim"), None, notes


def _checked(shape: Shape, affine: FloatArray, form: str) -> VolumeGeometry:
    try:
        geometry = VolumeGeometry(shape, affine)
    except GeometryError as error:
        what = "holds NaN or infinite numbers" if not np.isfinite(affine).all() else "is singular"
        raise InputError(f"the {form} {what}; repair the header first") from error
    low, high = SPACING_LIMITS_MM
    if min(geometry.spacing) < low or max(geometry.spacing) > high:
        x, y, z = geometry.spacing
        raise InputError(
            f"the voxel size must lie between {low:g} and {high:g} mm, the {form} says ({x:g}, {y:g}, {z:g}) mm; "
            "check pixdim and xyzt_units"
        )
    if geometry.shear() > MAX_SHEAR:
        raise InputError(
            f"the {form} is sheared (cosine {geometry.shear():.2g} between two axes), which ITK and Slicer cannot "
            "read; gantry tilt makes such grids; resample to an orthogonal one first"
        )
    return geometry


def _contradiction(forms: Forms, shape: Shape, header: Any) -> str:
    """What the header says twice and differently, with the number; empty when it agrees with itself."""
    if forms.sform is None:
        return ""
    if forms.qform_code > 0:
        if forms.broken_qform:
            return f"sform and qform are both set and the qform cannot be used ({forms.broken_qform})"
        assert forms.qform is not None
        distance = _corner_distance(shape, forms.sform, forms.qform)
        if distance <= SAME_PLACE_MM:
            return ""
        rounding = _is_rounding(forms, shape, header, distance)
        why = ", no more than the rounding of the qform explains" if rounding else ""
        return f"sform and qform are both set and differ by {distance:.2g} mm at the corners{why}"
    # Only the sform is set. ITK and Slicer still take the voxel size from pixdim (measured), nibabel from the sform.
    spacing = np.linalg.norm(forms.sform[:3, :3], axis=0)
    if np.abs((spacing - np.array(forms.pixdim_mm)) * np.array(shape)).max() <= SAME_PLACE_MM:
        return ""
    says = ", ".join(f"{size:.7g}" for size in forms.pixdim_mm)
    has = ", ".join(f"{size:.7g}" for size in spacing)
    return f"pixdim says a voxel size of ({says}) mm and the sform ({has}) mm"


def _corner_distance(shape: Shape, one: FloatArray, other: FloatArray) -> float:
    """Largest distance in mm between the outer corners under two affines; infinite when one is not finite."""
    edges = np.array(list(itertools.product(*[(-0.5, n - 0.5) for n in shape], (1.0,))))
    with np.errstate(invalid="ignore", over="ignore"):
        distance = float(np.linalg.norm(edges @ (one - other)[:3].T, axis=1).max())
    return distance if np.isfinite(distance) else float("inf")


def _is_rounding(forms: Forms, shape: Shape, header: Any, distance: float) -> bool:
    """Whether the sform, stored as a quaternion in 32 bit, would differ from itself by as much."""
    if forms.sform is None or not np.isfinite(distance):
        return False
    trial = header.copy()
    try:
        trial.set_qform(trial.get_sform(), code=1)
        stored = np.diag([MM_PER_UNIT[forms.unit]] * 3 + [1.0]) @ trial.get_qform()
    except (ValueError, HeaderDataError, np.linalg.LinAlgError):
        return False
    return distance <= 2 * _corner_distance(shape, forms.sform, stored)


def _unit_note(unit: int) -> str:
    if unit == 0:
        return "the header names no unit of length: mm assumed"
    return f"the header is in {UNIT_NAMES[unit]}: converted to mm for the work, and written back in {UNIT_NAMES[unit]}"
