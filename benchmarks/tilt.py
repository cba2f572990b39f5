"""What a gantry tilt costs: the head phantom as an upright and as a tilted 5 mm scan, restored in three ways.

    python benchmarks/tilt.py

The 1 mm phantom is averaged to 5 mm along the slice normal, and for the tilted scan every slice is shifted in its plane
by its height times the tangent of 18.5 degrees, as a table moves under a tilted gantry. The truth is the 1 mm phantom,
shifted alike. RMSE in HU where the truth is above -500 HU, without the margins that the shift left empty.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from common import data_folder, machine
from scipy.ndimage import shift

from monai_sr import Volume, read_volume, super_resolve
from monai_sr.geometry import VolumeGeometry
from monai_sr.grid import AxisGrid, apply_along, interpolation_matrix

TILT_DEGREES, FACTOR, MARGIN = 18.5, 5, 30


def leaning(slices: np.ndarray, heights_mm: np.ndarray, pixel_mm: float) -> np.ndarray:
    """Slices ``(X, Y, Z)`` shifted along Y by their height times the tangent of the tilt."""
    voxels = heights_mm * math.tan(math.radians(TILT_DEGREES)) / pixel_mm
    moved = [shift(slices[..., k], (0, -v), order=3, mode="nearest") for k, v in enumerate(voxels)]
    return np.stack(moved, axis=-1).astype(np.float32)


def scan(array: np.ndarray, pixel_mm: float, tilted: bool) -> Volume:
    """A CT of 5 mm slices."""
    affine = np.diag([pixel_mm, pixel_mm, float(FACTOR), 1.0])
    affine[1, 2] = FACTOR * math.tan(math.radians(TILT_DEGREES)) if tilted else 0.0
    geometry = VolumeGeometry(array.shape, affine)
    return Volume(array.astype(np.float32), geometry, "CT", slice_axis=2, slice_thickness_mm=float(FACTOR))


def error(restored: np.ndarray, truth: np.ndarray) -> float:
    """RMSE in HU."""
    inner = (slice(MARGIN, -MARGIN), slice(MARGIN, -MARGIN), slice(2 * FACTOR, -2 * FACTOR))
    body = truth[inner] > -500
    return float(np.sqrt(np.mean((restored - truth)[inner][body] ** 2)))


def main() -> None:
    """Print the table."""
    thin = read_volume(data_folder() / "train" / "ct_headphantom_1mm_UB.nii.gz")
    pixel = thin.geometry.spacing[1]
    truth = thin.array[100:412, 60:460, 20:120]
    thick = truth.reshape(*truth.shape[:2], -1, FACTOR).mean(axis=-1)
    heights = np.arange(truth.shape[2]) - (truth.shape[2] - 1) / 2
    tilted_truth = leaning(truth, heights, pixel)
    tilted = leaning(thick, heights.reshape(-1, FACTOR).mean(axis=-1), pixel)
    count = tilted.shape[2]
    matrix = interpolation_matrix(AxisGrid(count, count * FACTOR, float(FACTOR), 0.0))
    cubic = apply_along(matrix, torch.from_numpy(tilted), 2).numpy()

    def restored(volume: Volume) -> np.ndarray:
        return super_resolve(volume, scale=(1, 1, FACTOR), model="none", device="cpu").volume.array

    unaware = Volume(tilted, scan(tilted, pixel, tilted=False).geometry, "CT", slice_axis=2, slice_thickness_mm=5.0)
    rows = [
        ("tilted, cubic interpolation along the table", error(cubic, tilted_truth)),
        ("tilted, A along the table (as if upright)", error(restored(unaware), tilted_truth)),
        ("tilted, straightened, restored, leant back (ours)", error(restored(scan(tilted, pixel, True)), tilted_truth)),
        ("the same scan upright", error(restored(scan(thick, pixel, False)), truth)),
    ]
    print("| x5, without network | RMSE, HU |\n|---|---:|")
    for name, value in rows:
        print(f"| {name} | {value:.1f} |")
    print(f"\n{machine()}")


if __name__ == "__main__":
    main()
