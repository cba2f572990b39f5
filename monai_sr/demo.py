"""``python -m monai_sr.demo``: the smallest proof that it works, on a real scan whose truth is known and on DICOM.

Both go through the function behind ``monai-sr upscale``; the numbers are taken from the file that it wrote.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import torch

from monai_sr.casework import Upscaling
from monai_sr.cli.console import HumanConsole
from monai_sr.cli.outcome import EnvironmentProblemError, ExitCode
from monai_sr.cli.upscale import run_upscale
from monai_sr.data.phantom import ellipsoids
from monai_sr.data.simulate import thicken
from monai_sr.grid import AxisGrid, apply_along, interpolation_matrix
from monai_sr.inference import super_resolve
from monai_sr.intensity import body_mask, intensity_range
from monai_sr.io import Volume, read_volume, write_volume
from monai_sr.io.dicom_phantom import write_phantom_series
from monai_sr.metrics import psnr
from monai_sr.report import text_table, write_preview

__all__ = ["brain_scan", "main"]

AXIS = 1  # front to back: 96 samples of 2 mm, a multiple of the factor; up there are only 24
FACTOR = 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Run both examples and print where everything lies."""
    parser = argparse.ArgumentParser(prog="python -m monai_sr.demo", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("demo_output"), help="output folder")
    parser.add_argument("--model", default="default", help="as for monai-sr upscale")
    options = parser.parse_args(arguments)
    try:
        codes = (_brain(options.out, options.model), _phantom(options.out, options.model))
    except EnvironmentProblemError as error:
        print(f"Error: {error}", file=sys.stderr)
        return int(ExitCode.ENVIRONMENT)
    print(
        f"\nEach case has a folder in {options.out}: the result, preview.png (before and after) and run.json.\n"
        f"{options.out / 'brain_comparison.png'} shows the brain beside its truth; the inputs lie in "
        f"{options.out / 'input'}.\nYour own scan: make demo INPUT=path, or monai-sr upscale INPUT -o OUT."
    )
    return int(max(codes))


def brain_scan() -> Volume:
    """The first volume of the 4-D brain scan that nibabel ships: 128 x 96 x 24 voxels of 2 x 2 x 2.2 mm, MR."""
    file = Path(nib.__file__).parent / "tests" / "data" / "example4d.nii.gz"
    with tempfile.TemporaryDirectory() as folder:
        first = Path(folder) / "brain.nii.gz"
        nib.nifti1.Nifti1Image.from_filename(file).slicer[..., 0].to_filename(first)
        return read_volume(first)


def _brain(out: Path, model: str) -> ExitCode:
    print(f"A real brain scan (MR, shipped with nibabel), made {FACTOR} times thicker along one axis and restored:")
    truth = brain_scan()
    thick = thicken(truth, axis=AXIS, factor=FACTOR)
    file = out / "input" / "brain.nii.gz"
    write_volume(thick, file, overwrite=True)
    code = _upscale(file, out, model, scale=_scale())
    if code != ExitCode.DONE:
        return code
    restored = read_volume(out / "brain" / "brain_sr.nii.gz")
    none = super_resolve(thick, scale=_scale(), model="none").volume
    cubic = thick.with_values(_cubic(thick, truth.geometry.shape[AXIS]), truth.geometry)
    mask = body_mask(truth.array, "MR")
    scale = intensity_range(truth.array, "MR", mask)
    methods = [("cubic interpolation", cubic), ("pipeline without network", none), (f"model {model}", restored)]
    rows = [[name, psnr(volume.array, truth.array, mask, scale)] for name, volume in methods]
    print("\n" + text_table(["PSNR in the body against the truth", "dB"], rows) + "\n")
    pictures = [("acquired", thick), ("cubic", cubic), (f"model {model}", restored), ("truth", truth)]
    title = f"brain, x{FACTOR} along axis {AXIS}"
    write_preview(pictures, "MR", out / "brain_comparison.png", title=title, overwrite=True)
    return code


def _phantom(out: Path, model: str) -> ExitCode:
    print(
        "A CT phantom as a DICOM series of 5 mm slices. The network was trained on people, not on phantoms,\n"
        "so it is to say so and stand aside:"
    )
    body = replace(ellipsoids((128, 112, 24), (1.5, 1.5, 5.0), oversampling=4), slice_axis=2, slice_thickness_mm=5.0)
    folder = out / "input" / "phantom_series"
    write_phantom_series(body, folder, overwrite=True)
    return _upscale(folder, out, model)


def _upscale(path: Path, out: Path, model: str, **options: object) -> ExitCode:
    return run_upscale([path], out, Upscaling(model, options=options), console=HumanConsole(), overwrite=True)


def _scale() -> tuple[float, float, float]:
    x, y, z = (float(FACTOR) if axis == AXIS else 1.0 for axis in range(3))
    return x, y, z


def _cubic(thick: Volume, n: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    matrix = interpolation_matrix(AxisGrid(thick.geometry.shape[AXIS], n))
    return apply_along(matrix, torch.from_numpy(thick.array), AXIS).numpy()


if __name__ == "__main__":
    sys.exit(main())
