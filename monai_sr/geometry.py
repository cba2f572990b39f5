"""Where voxels lie in the world: spacing in mm, affine, field of view.

World coordinates are RAS+ in mm, as in NIfTI. DICOM's LPS is converted at the door (``io``) by :data:`LPS_TO_RAS`.
An affine maps the index of a voxel *centre* to the world, so index -0.5 is the outer edge of the first voxel.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["LPS_TO_RAS", "GeometryError", "VolumeGeometry"]

FloatArray = npt.NDArray[np.float64]

LPS_TO_RAS: FloatArray = np.diag([-1.0, -1.0, 1.0, 1.0])


class GeometryError(ValueError):
    """The geometry of a volume cannot be used; the message names rule, value and remedy."""


@dataclass(frozen=True, eq=False)
class VolumeGeometry:
    """The grid of a volume.

    Args:
        shape: number of voxels ``(X, Y, Z)`` along the array axes.
        affine: ``(4, 4)`` matrix, voxel index ``(i, j, k, 1)`` to RAS+ world coordinates in mm.

    Raises:
        GeometryError: if a size is not positive, or the affine is not finite, singular or not a ``(4, 4)`` matrix.

    Example:
        >>> import numpy as np
        >>> thick = VolumeGeometry((64, 64, 10), np.diag([1.0, 1.0, 5.0, 1.0]))
        >>> thin = thick.resized((64, 64, 50))
        >>> thin.spacing
        (1.0, 1.0, 1.0)
        >>> float(thin.affine[2, 3])  # centre of the first thin slice: the outer edge, -2.5 mm, plus half a voxel
        -2.0
    """

    shape: tuple[int, int, int]
    affine: FloatArray

    def __post_init__(self) -> None:
        affine = np.array(self.affine, dtype=np.float64)
        if len(self.shape) != 3 or any(int(n) < 1 for n in self.shape):
            raise GeometryError(f"a volume needs three axes of at least one voxel, got shape {tuple(self.shape)}")
        if affine.shape != (4, 4) or not np.isfinite(affine).all():
            raise GeometryError(f"the affine must be a finite 4 x 4 matrix, got {affine.tolist()}")
        spacing = np.linalg.norm(affine[:3, :3], axis=0)
        if (spacing <= 0).any() or abs(np.linalg.det(affine[:3, :3] / np.where(spacing > 0, spacing, 1))) < 1e-4:
            raise GeometryError(f"the affine is singular: spacing {tuple(spacing)} mm; repair the header first")
        affine.setflags(write=False)
        object.__setattr__(self, "shape", tuple(int(n) for n in self.shape))
        object.__setattr__(self, "affine", affine)

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Distance between voxel centres along each array axis, in mm."""
        x, y, z = np.linalg.norm(self.affine[:3, :3], axis=0)
        return float(x), float(y), float(z)

    @property
    def field_of_view(self) -> tuple[float, float, float]:
        """Distance between the outer edges along each array axis, in mm."""
        x, y, z = (n * s for n, s in zip(self.shape, self.spacing, strict=True))
        return x, y, z

    @property
    def directions(self) -> FloatArray:
        """``(3, 3)``: column ``a`` is the unit vector of array axis ``a`` in RAS+."""
        units: FloatArray = self.affine[:3, :3] / np.asarray(self.spacing)
        return units

    def shear(self) -> float:
        """Largest absolute cosine between two array axes; 0 for an orthogonal grid."""
        cosines = self.directions.T @ self.directions
        return float(np.abs(cosines - np.eye(3)).max())

    def world(self, index: npt.ArrayLike) -> FloatArray:
        """World coordinates ``(..., 3)`` in mm of voxel indices ``(..., 3)``; whole numbers are voxel centres."""
        turned: FloatArray = np.asarray(index, dtype=np.float64) @ self.affine[:3, :3].T
        return turned + self.affine[:3, 3]

    def corners(self) -> FloatArray:
        """``(8, 3)`` world coordinates in mm of the outer corners of the field of view."""
        edges = [(-0.5, n - 0.5) for n in self.shape]
        return self.world(np.array(list(itertools.product(*edges))))

    def resampled(
        self, shape: tuple[int, int, int], step: tuple[float, float, float], start: tuple[float, float, float]
    ) -> VolumeGeometry:
        """A grid with the same axes and other voxels.

        Args:
            shape: new number of voxels.
            step: new spacing in old voxels, per axis.
            start: index, in old voxels, of the new outer edge measured from the old outer edge.
        """
        index = np.eye(4)
        index[:3, :3] = np.diag(step)
        # new index j sits at old index (start - 0.5) + (j + 0.5) * step
        index[:3, 3] = [a - 0.5 + 0.5 * s for a, s in zip(start, step, strict=True)]
        return VolumeGeometry(shape, self.affine @ index)

    def resized(self, shape: tuple[int, int, int]) -> VolumeGeometry:
        """The same field of view, outer edge to outer edge, in another number of voxels."""
        sx, sy, sz = (old / new for old, new in zip(self.shape, shape, strict=True))
        return self.resampled(shape, (sx, sy, sz), (0.0, 0.0, 0.0))
