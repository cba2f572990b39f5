"""Coupled dictionaries (Yang 2010, Zeyde 2010; on MR Rueda, Malpica & Romero 2013): detail from a sparse code."""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt
import torch
from sklearn.linear_model import orthogonal_mp_gram
from torch import nn
from torch.nn import functional as F

__all__ = ["CoupledDictionary"]

FloatArray = npt.NDArray[np.float64]

_FILTER_REACH = 2  # voxels to either side of the high-pass filters
_QUIET = 1e-3  # patches whose features have a smaller root mean square, in units of the range, hold no detail


class CoupledDictionary(nn.Module):
    """Super-resolution by two dictionaries with one code.

    A patch of the interpolated volume is described by its first and second differences along every axis (Yang 2010),
    brought to their principal components (Zeyde 2010). Orthogonal matching pursuit writes it as a few atoms of the LR
    dictionary; the same combination of HR atoms is what the interpolation lacks. Overlapping patches are averaged. The
    code has no unit, so contrast in equals contrast out.

    The forward pass runs on the CPU and has no gradient: ``engines.fit_dictionary`` sets the buffers. Before that the
    output is the interpolation.

    Args:
        spatial_dims: 2 or 3.
        atoms: of each dictionary.
        patch: edge of a patch in voxels.
        stride: voxels between patches; at most ``patch``.
        nonzeros: atoms that a patch is made of.
        components: principal components of the features, at most as many as there are features.

    Attributes:
        size_multiple: spatial sizes must be multiples of it: patches lie on the same places in every tile.
        receptive_field: voxels to either side that can influence an output voxel.

    Example:
        >>> import torch
        >>> CoupledDictionary(atoms=8)(torch.zeros(1, 5, 8, 8, 8)).shape
        torch.Size([1, 1, 8, 8, 8])
    """

    projection: torch.Tensor
    lr_atoms: torch.Tensor
    hr_atoms: torch.Tensor
    consistency = False

    def __init__(
        self,
        spatial_dims: int = 3,
        atoms: int = 256,
        patch: int = 4,
        stride: int = 2,
        nonzeros: int = 3,
        components: int = 60,
    ) -> None:
        super().__init__()
        if not 1 <= stride <= patch:
            raise ValueError(
                f"the stride must be from 1 to the patch size {patch}, or voxels are left out; got {stride}"
            )
        self.spatial_dims, self.patch, self.stride, self.nonzeros = spatial_dims, patch, stride, nonzeros
        self.factors: tuple[int, ...] = ()
        self.size_multiple = stride
        self.receptive_field = patch - 1 + _FILTER_REACH
        self._margin = stride * -(-(patch - stride) // stride)  # so that edge voxels lie in as many patches as others
        voxels = patch**spatial_dims
        components = min(components, 2 * spatial_dims * voxels)
        self.register_buffer("projection", torch.zeros(components, 2 * spatial_dims * voxels))
        self.register_buffer("lr_atoms", torch.zeros(atoms, components))
        self.register_buffer("hr_atoms", torch.zeros(atoms, voxels))

    def features(self, image: torch.Tensor) -> torch.Tensor:
        """First and second differences along every axis, two voxels wide to be blind to noise of one voxel.

        Args:
            image: ``(X, Y[, Z])``.

        Returns:
            ``(2 spatial_dims, X, Y[, Z])``.
        """
        padded = F.pad(image[None, None], [_FILTER_REACH] * (2 * image.dim()), mode="replicate")[0, 0]
        found = []
        for axis, n in enumerate(image.shape):
            around = padded
            for other, m in enumerate(image.shape):
                if other != axis:
                    around = around.narrow(other, _FILTER_REACH, m)
            a, b, c, d, e = (around.narrow(axis, shift, n) for shift in range(2 * _FILTER_REACH + 1))
            found += [(d - b) / 2.0, (a - 2.0 * c + e) / 4.0]
        return torch.stack(found)

    def patches(self, channels: torch.Tensor) -> torch.Tensor:
        """Overlapping patches on multiples of the stride, as a view.

        Args:
            channels: ``(C, X, Y[, Z])``.

        Returns:
            ``(nx, ny[, nz], C, patch, patch[, patch])``.
        """
        for axis in range(1, channels.dim()):
            channels = channels.unfold(axis, self.patch, self.stride)
        return channels.movedim(0, self.spatial_dims)

    @torch.no_grad()
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``(B, 5, X, Y[, Z])`` to ``(B, 1, X, Y[, Z])``.

        Raises:
            ValueError: if a spatial size is not a multiple of ``size_multiple``.
        """
        for n in x.shape[2:]:
            if n % self.size_multiple != 0:
                raise ValueError(f"spatial sizes must be multiples of {self.size_multiple}, got {x.shape[2:]}")
        if not self.lr_atoms.any():
            return x[:, 1:2].clone()
        with torch.autocast("cpu", enabled=False):  # a code found in bfloat16 is another code
            return torch.stack([cubic[None] + self._detail(cubic.float().cpu()).to(x) for cubic in x[:, 1]])

    def _detail(self, image: torch.Tensor) -> torch.Tensor:
        """``(X, Y[, Z])``: mean of what the patches say that the interpolated ``image`` lacks."""
        m, p, s, dims = self._margin, self.patch, self.stride, self.spatial_dims
        channels = self.features(F.pad(image[None, None], [m] * (2 * dims), mode="replicate")[0, 0])
        total = torch.zeros(channels.shape[1:])
        count = torch.zeros(channels.shape[1:])
        for first, layer in enumerate(self.patches(channels)):  # layer by layer: all patches would not fit in memory
            places = layer.shape[: dims - 1]
            detail = self._detail_of(layer.reshape(places.numel(), -1)).reshape(*places, -1)
            for voxel, offset in enumerate(itertools.product(range(p), repeat=dims)):
                rest = zip(offset[1:], places, strict=True)
                window = tuple(slice(o, o + s * n, s) for o, n in rest)
                total[first * s + offset[0]][window] += detail[..., voxel]
                count[first * s + offset[0]][window] += 1.0
        inner = tuple(slice(m, m + n) for n in image.shape)
        return total[inner] / count[inner]

    def _detail_of(self, described: torch.Tensor) -> torch.Tensor:
        """``(K, features of a patch)`` to ``(K, voxels of a patch)``; patches without detail are not looked at."""
        detail = torch.zeros(len(described), self.hr_atoms.shape[1])
        loud = self.has_content(described)
        if loud.any():
            reduced = described[loud].double() @ self.projection.cpu().double().T
            code = self.code(reduced.numpy())
            detail[loud] = torch.from_numpy(code).float() @ self.hr_atoms.cpu().float()
        return detail

    @staticmethod
    def has_content(described: torch.Tensor) -> torch.Tensor:
        """Which patches ``(..., features of a patch)`` are not flat, as in air."""
        return described.square().mean(dim=-1) > _QUIET**2

    def code(self, reduced: FloatArray) -> FloatArray:
        """``(K, components)`` to the sparse ``(K, atoms)``, by orthogonal matching pursuit."""
        atoms = self.lr_atoms.cpu().double().numpy()
        code = orthogonal_mp_gram(atoms @ atoms.T, atoms @ reduced.T, n_nonzero_coefs=self.nonzeros)
        return np.asarray(code, dtype=np.float64).reshape(len(atoms), -1).T
