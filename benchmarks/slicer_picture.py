"""A picture of two DICOM series as 3D Slicer has them: one plane in patient coordinates, cut as its slice views cut.

    make test-slicer    # makes the environment that this runs in
    .venv-slicer/bin/python benchmarks/slicer_picture.py ACQUIRED/ OUT/<case>/dicom -o picture.png --plane axial --at 20

Each series is loaded by itself by Slicer's reader; nothing is registered or shifted, so what lies on top of each other
here does so in Slicer.
"""

from __future__ import annotations

import argparse
import importlib.util
import logging
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

matplotlib.use("agg")
from matplotlib import pyplot

STEP_MM = 0.5
# Rows of the matrix: where right and down of the picture go in RAS. The patient's right is on the left.
PLANES = {
    "axial": ((-1, 0, 0), (0, -1, 0), 2),
    "coronal": ((-1, 0, 0), (0, 0, -1), 1),
    "sagittal": ((0, -1, 0), (0, 0, -1), 0),
}


def load(folder: Path) -> Any:
    """The one volume of a folder, by the road that the tests take."""
    import slicer

    file = Path(__file__).resolve().parents[1] / "tests" / "outside" / "slicer_reader.py"
    spec = importlib.util.spec_from_file_location("slicer_reader", file)
    assert spec is not None and spec.loader is not None
    reader = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(reader)
    files = sorted(str(path) for path in folder.iterdir())
    scene = slicer.vtkMRMLScene()
    (node,) = reader._scalar_volume_plugin().load_dcm_volumes(scene, files)
    return scene, node


def bounds(node: Any) -> np.ndarray:
    """Smallest and largest RAS coordinates of the volume, ``(2, 3)`` in mm."""
    box = [0.0] * 6
    node.GetRASBounds(box)
    return np.array(box).reshape(3, 2).T


def cut(node: Any, plane: str, at: float, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Values on a plane, ``(rows, columns)``, linear between voxels as in Slicer's slice views."""
    from vtkmodules.util.numpy_support import vtk_to_numpy
    from vtkmodules.vtkCommonMath import vtkMatrix4x4
    from vtkmodules.vtkImagingCore import vtkImageReslice

    right, down, axis = PLANES[plane]
    frame = np.eye(4)
    frame[:3, 0], frame[:3, 1] = right, down
    frame[:3, 2] = np.eye(3)[axis]
    corner = np.where((np.array(right) + np.array(down)) < 0, high, low)
    corner[axis] = at
    frame[:3, 3] = corner
    to_index = vtkMatrix4x4()
    node.GetRASToIJKMatrix(to_index)
    matrix = np.array([[to_index.GetElement(i, j) for j in range(4)] for i in range(4)]) @ frame
    axes = vtkMatrix4x4()
    axes.DeepCopy(matrix.ravel().tolist())
    size = [int(abs(np.dot(direction, high - low)) / STEP_MM) + 1 for direction in (right, down)]
    reslice = vtkImageReslice()
    reslice.SetInputData(node.GetImageData())
    reslice.SetResliceAxes(axes)
    reslice.SetOutputDimensionality(2)
    reslice.SetOutputSpacing(STEP_MM, STEP_MM, 1)
    reslice.SetOutputOrigin(0, 0, 0)
    reslice.SetOutputExtent(0, size[0] - 1, 0, size[1] - 1, 0, 0)
    reslice.SetInterpolationModeToLinear()
    reslice.Update()
    values = vtk_to_numpy(reslice.GetOutput().GetPointData().GetScalars())
    return values.reshape(size[1], size[0])


def main() -> None:
    """Draw and save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("acquired", type=Path)
    parser.add_argument("derived", type=Path)
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--plane", choices=sorted(PLANES), default="axial")
    parser.add_argument("--at", type=float, help="RAS coordinate of the plane in mm; default: the middle")
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    loaded = [load(folder) for folder in (options.acquired, options.derived)]
    nodes = [node for _, node in loaded]
    low, high = bounds(nodes[0])
    axis = PLANES[options.plane][2]
    at = options.at if options.at is not None else float((low + high)[axis] / 2)
    pictures = [cut(node, options.plane, at, low, high) for node in nodes]
    window = np.percentile(pictures[0], [1, 99.5])
    figure, places = pyplot.subplots(1, 2, figsize=(10, 5.4), constrained_layout=True)
    for place, node, picture in zip(places, nodes, pictures, strict=True):
        place.imshow(picture, cmap="gray", vmin=window[0], vmax=window[1], interpolation="none")
        spacing = " x ".join(f"{value:.3g}" for value in node.GetSpacing())
        place.set_title(f"{node.GetName()}\n{spacing} mm", fontsize=10)
        place.axis("off")
        print(node.GetName(), "spacing", node.GetSpacing(), "origin", node.GetOrigin(), "RAS", bounds(node).tolist())
    figure.savefig(options.out, dpi=90)


if __name__ == "__main__":
    main()
