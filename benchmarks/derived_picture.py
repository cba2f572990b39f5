"""A picture of a derived series beside its original, and of its residual map: one plane of one frame of reference.

    monai-sr upscale ACQUIRED -o OUT --dicom-maps
    python benchmarks/derived_picture.py ACQUIRED OUT/<case> -o picture.png --plane coronal

Both series are read by SimpleITK and the Parametric Map by highdicom, each by its own headers, and cut by one plane
in patient coordinates, without registration or interpolation: what lies on top of each other here does so in a viewer.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import highdicom as hd
import numpy as np
import numpy.typing as npt
import pydicom
import SimpleITK as sitk
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

STEP_MM = 0.5
# Where right and down of the picture go in LPS, and the axis that they leave; the patient's right is on the left.
PLANES = {
    "axial": ((1, 0, 0), (0, 1, 0), 2),
    "coronal": ((1, 0, 0), (0, 0, -1), 1),
    "sagittal": ((0, 1, 0), (0, 0, -1), 0),
}

Header = pydicom.Dataset


def series(folder: Path) -> tuple[sitk.Image, Header]:
    """A folder with one series."""
    reader = sitk.ImageSeriesReader()
    files = reader.GetGDCMSeriesFileNames(str(folder))
    reader.SetFileNames(files)
    return reader.Execute(), pydicom.dcmread(files[0], stop_before_pixels=True)


def parametric_map(file: Path) -> tuple[sitk.Image, Header]:
    """A Parametric Map, which SimpleITK does not read."""
    dataset = pydicom.dcmread(file)
    volume = hd.Image.from_dataset(dataset).get_volume()
    image = sitk.GetImageFromArray(np.ascontiguousarray(volume.array.transpose(2, 1, 0), dtype=np.float32))
    affine = volume.affine
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetDirection((affine[:3, :3] / spacing).ravel().tolist())
    image.SetOrigin(affine[:3, 3].tolist())
    return image, dataset


def bounds(image: sitk.Image) -> npt.NDArray[np.float64]:
    """Smallest and largest coordinates of the field of view, ``(2, 3)`` in mm, LPS."""
    size = np.array(image.GetSize())
    edges = [[(-0.5, n - 0.5)[(corner >> axis) & 1] for axis, n in enumerate(size)] for corner in range(8)]
    corners = np.array([image.TransformContinuousIndexToPhysicalPoint([float(e) for e in edge]) for edge in edges])
    return np.array([corners.min(axis=0), corners.max(axis=0)])


def cut(image: sitk.Image, plane: str, at: float, box: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Values on a plane, ``(rows, columns)``; every voxel as it is."""
    right, down, axis = (np.array(v) for v in PLANES[plane])
    corner = np.where(right + down < 0, box[1], box[0]).astype(float)
    corner[axis] = at
    size = [int(abs(direction @ (box[1] - box[0])) / STEP_MM) for direction in (right, down)]
    resampler = sitk.ResampleImageFilter()
    resampler.SetSize([*size, 1])
    resampler.SetOutputSpacing([STEP_MM, STEP_MM, 1.0])
    resampler.SetOutputDirection(np.stack([right, down, np.cross(right, down)], axis=1).ravel().astype(float).tolist())
    resampler.SetOutputOrigin((corner + (right + down) * STEP_MM / 2).tolist())
    resampler.SetInterpolator(sitk.sitkNearestNeighbor)
    return sitk.GetArrayFromImage(resampler.Execute(sitk.Cast(image, sitk.sitkFloat32)))[0]


def main() -> None:
    """Draw and save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("acquired", type=Path, help="folder of the original series")
    parser.add_argument("case", type=Path, help="OUT/<case> of monai-sr upscale --dicom-maps")
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--plane", choices=sorted(PLANES), default="coronal")
    parser.add_argument("--at", type=float, help="LPS coordinate of the plane in mm; default: the middle")
    options = parser.parse_args()
    (residual_file,) = options.case.glob("*_residual.dcm")
    loaded = [series(options.acquired), series(options.case / "dicom"), parametric_map(residual_file)]
    for keyword in ("StudyInstanceUID", "FrameOfReferenceUID"):
        assert len({header[keyword].value for _, header in loaded}) == 1, f"{keyword} differs"
    box = bounds(loaded[0][0])
    at = float(box[:, PLANES[options.plane][2]].mean()) if options.at is None else options.at
    pictures = [cut(image, options.plane, at, box) for image, _ in loaded]
    low, high = np.percentile(pictures[0], [1, 99.5])
    print(f"grey: {low:.0f} to {high:.0f}")
    limit = float(np.percentile(np.abs(pictures[2]), 99))
    figure = Figure(figsize=(9.6, 3.9), dpi=80, layout="constrained", facecolor="black")
    FigureCanvasAgg(figure)
    places = figure.subplots(1, 3)
    for place, picture, (image, header), signed in zip(places, pictures, loaded, (False, False, True), strict=True):
        least, most = (-limit, limit) if signed else (low, high)
        place.imshow(picture, cmap="RdBu_r" if signed else "gray", vmin=least, vmax=most, interpolation="none")
        spacing = " x ".join(f"{value:.3g}" for value in image.GetSpacing())
        note = f"{spacing} mm" + (f", blue -{limit:.2g} to red +{limit:.2g}" if signed else "")
        place.set_title(f"{header.SeriesNumber}: {header.SeriesDescription}\n{note}", fontsize=8, color="white")
        place.set_axis_off()
        print(header.SeriesNumber, header.SeriesDescription, note)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(options.out)
    print(f"{options.plane} plane at {at:.1f} mm: {options.out}, {options.out.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
