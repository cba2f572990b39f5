"""Lesions of known size and contrast, put into a scan or taken out of it, to see what a restoration does to them.

A lesion is a homogeneous ball blurred by an isotropic Gaussian, the point spread of the scanner, and averaged over each
voxel. Its signal is therefore known: contrast times the volume of the ball, wherever it lies between the voxels. Places
and sizes are in mm along the array axes from the outer corner of the field of view, so that one lesion is the same
object on a fine and on a coarse grid.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from monai_sr.geometry import VolumeGeometry
from monai_sr.io import Volume

__all__ = ["Lesion", "Patch", "erase", "insert_lesions", "lesion_patch"]

FloatArray = npt.NDArray[np.float64]
Triple = tuple[float, float, float]

_FWHM = float(np.sqrt(8.0 * np.log(2.0)))  # of a Gaussian, in standard deviations
_REACH = 5.0  # standard deviations beyond the ball, where the blur has fallen below 1e-6
_STEP = 0.5  # of a standard deviation, between the points over which a voxel is averaged
_SHELL_MM = 3.0  # thickness of the surroundings from which the fill of an erased place is fitted


@dataclass(frozen=True)
class Lesion:
    """A blurred ball.

    Args:
        centre_mm: along each array axis, from the outer corner of the field of view.
        diameter_mm: of the ball before the blur.
        contrast: what the ball adds to the tissue, in HU or the scanner's units; negative for a dark lesion.
        edge_mm: full width at half maximum of the Gaussian blur, > 0; that of the scanner, about one fine voxel.
    """

    centre_mm: Triple
    diameter_mm: float
    contrast: float
    edge_mm: float = 1.0

    def __post_init__(self) -> None:
        if not (self.diameter_mm > 0 and self.edge_mm > 0):
            raise ValueError(
                f"a lesion needs a diameter and an edge > 0 mm, got {self.diameter_mm:g} and {self.edge_mm:g}; "
                "an edge of about one voxel is what a scanner makes"
            )

    @property
    def volume_mm3(self) -> float:
        """Of the ball, which the blur does not change."""
        return float(np.pi / 6.0 * self.diameter_mm**3)


@dataclass(frozen=True, eq=False)
class Patch:
    """The part of a grid that a lesion reaches.

    Args:
        window: slices of the volume's array.
        weight: ``(x, y, z)`` share of every voxel that the lesion fills, 0 to 1; times the voxel's volume it sums to
            the volume of the ball.
        distance_mm: ``(x, y, z)`` from the centre of every voxel to that of the lesion.
    """

    window: tuple[slice, slice, slice]
    weight: FloatArray
    distance_mm: FloatArray


def lesion_patch(geometry: VolumeGeometry, lesion: Lesion, margin_mm: float = 0.0) -> Patch:
    """The lesion on a grid, without its contrast.

    Voxels are averaged over points at most half a standard deviation of the blur apart: each is right to 0.5 % of the
    contrast, and their sum to 0.01 %.

    Args:
        geometry: of the grid.
        lesion: must lie inside the field of view with all of its blur.
        margin_mm: surroundings of the ball that are wanted too; cut off where the field of view ends.

    Raises:
        ValueError: if the lesion reaches beyond the field of view.
    """
    sigma = lesion.edge_mm / _FWHM
    reach = 0.5 * lesion.diameter_mm + _REACH * sigma
    wanted = max(reach, 0.5 * lesion.diameter_mm + margin_mm)
    window, squares, offsets = [], [], []
    for centre, spacing, n in zip(lesion.centre_mm, geometry.spacing, geometry.shape, strict=True):
        if not reach <= centre <= n * spacing - reach:
            raise ValueError(
                f"a lesion of {lesion.diameter_mm:g} mm at {centre:g} mm reaches beyond the field of view of "
                f"{n * spacing:g} mm; keep its centre {reach:.3g} mm away from the edges"
            )
        first, last = max(int((centre - wanted) // spacing), 0), min(int((centre + wanted) // spacing) + 1, n)
        points = max(int(np.ceil(spacing / (_STEP * sigma))), 1)
        at = (np.arange(first * points, last * points) + 0.5) * (spacing / points) - centre
        window.append(slice(first, last))
        squares.append(np.square(at))
        offsets.append(np.square((np.arange(first, last) + 0.5) * spacing - centre))
    distance = _outer_root(squares)
    shape = [s.stop - s.start for s in window]
    points_each = [len(at) // n for at, n in zip(squares, shape, strict=True)]
    blocks = _blurred_ball(distance, 0.5 * lesion.diameter_mm, sigma).reshape(
        shape[0], points_each[0], shape[1], points_each[1], shape[2], points_each[2]
    )
    return Patch((window[0], window[1], window[2]), blocks.mean(axis=(1, 3, 5)), _outer_root(offsets))


def insert_lesions(volume: Volume, lesions: Iterable[Lesion]) -> Volume:
    """The scan with lesions added to its tissue; texture and noise of the tissue stay.

    Args:
        volume: in HU or the scanner's units.
        lesions: where they overlap they add up.

    Raises:
        ValueError: if a lesion reaches beyond the field of view, or if a dark one would take an MR magnitude volume (no
            negative values) below the scanner's zero.
    """
    array = volume.array.astype(np.float64)
    magnitude = volume.modality == "MR" and float(volume.array.min()) >= 0.0
    for lesion in lesions:
        patch = lesion_patch(volume.geometry, lesion)
        part = array[patch.window]
        part += lesion.contrast * patch.weight
        # the last bit of a sum may fall below a zero that it should reach
        if magnitude and float(part.min()) < -1e-6 * abs(lesion.contrast):
            raise ValueError(
                f"a contrast of {lesion.contrast:g} takes a magnitude volume down to {float(part.min()):g}, below the "
                "scanner's zero; choose a weaker contrast or a brighter place"
            )
    return volume.with_values(array.astype(np.float32))


def erase(volume: Volume, places: Iterable[Lesion]) -> Volume:
    """The scan with what lies inside the given balls replaced by what surrounds them.

    The fill is the plane (constant and slope along each axis) that fits a shell of 3 mm around the ball best, faded in
    as a lesion's edge is: no trace of the structure is left where the ball covers it, nor is texture invented. A voxel
    that the ball fills in part keeps the rest of what it held, so thick slices need a ball with room to spare.

    Args:
        volume: in HU or the scanner's units.
        places: balls that hold the structures; their contrast does not count.

    Raises:
        ValueError: if a ball reaches beyond the field of view.
    """
    array = volume.array.astype(np.float64)
    for place in places:
        patch = lesion_patch(volume.geometry, place)
        part = array[patch.window]
        part += patch.weight * (_surroundings(array, volume.geometry, place, patch) - part)
    return volume.with_values(array.astype(np.float32))


def _outer_root(squares: list[FloatArray]) -> FloatArray:
    """Distances from the squares of their three components."""
    return np.asarray(np.sqrt(squares[0][:, None, None] + squares[1][None, :, None] + squares[2][None, None, :]))


def _blurred_ball(distance: FloatArray, radius: float, sigma: float) -> FloatArray:
    """A ball of value 1, convolved with a Gaussian, at distances from its centre (exact).

    The integral of ``r' (exp(-(r - r')^2 / 2 s^2) - exp(-(r + r')^2 / 2 s^2)) / (r s sqrt(2 pi))`` over ``r'`` from 0
    to the radius.
    """
    r = np.maximum(distance, 1e-3 * sigma)  # the formula is 0 / 0 at the centre, and flat around it
    near, far = (r - radius) / sigma, (r + radius) / sigma
    inside = special.ndtr(far) - special.ndtr(near)
    rim = sigma / (r * np.sqrt(2.0 * np.pi)) * (np.exp(-0.5 * near**2) - np.exp(-0.5 * far**2))
    return np.asarray(inside - rim)


def _surroundings(array: FloatArray, geometry: VolumeGeometry, place: Lesion, patch: Patch) -> FloatArray:
    """The plane through the shell around a ball, on the voxels of the ball."""
    inner = 0.5 * place.diameter_mm + place.edge_mm
    window, offsets = [], []
    for centre, spacing, n in zip(place.centre_mm, geometry.spacing, geometry.shape, strict=True):
        reach = max(inner + _SHELL_MM, inner + spacing)  # at least one slice on either side, however thick
        first, last = max(int((centre - reach) // spacing), 0), min(int((centre + reach) // spacing) + 1, n)
        window.append(slice(first, last))
        offsets.append((np.arange(first, last) + 0.5) * spacing - centre)
    grid = np.stack(np.broadcast_arrays(1.0, *np.meshgrid(*offsets, indexing="ij")), axis=-1)
    distance = np.linalg.norm(grid[..., 1:], axis=-1)
    shell = (distance > inner) & (distance <= inner + max(_SHELL_MM, max(geometry.spacing)))
    plane, *_ = np.linalg.lstsq(grid[shell], array[tuple(window)][shell], rcond=None)
    own = tuple(slice(p.start - w.start, p.stop - w.start) for p, w in zip(patch.window, window, strict=True))
    return np.asarray((grid @ plane)[own])
