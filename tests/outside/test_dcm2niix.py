"""dcm2niix, the converter of most neuroimaging pipelines, finds values and place as meant, in every orientation.

What is derived from the real series is judged in ``tests/unit/io/test_dicom_write_real.py``.
"""

from __future__ import annotations

import shutil
import subprocess

import nibabel as nib
import numpy as np
import pydicom
import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("dcm2niix") is None, reason="dcm2niix is not installed (Debian: dcm2niix)"),
]
EXPECTED = "Warning: Unable to determine manufacturer"  # it says so of the phantom that they are derived from, too


def test_a_derived_series_converts_to_what_was_meant(results, orientation, tmp_path):
    meant, files = results[orientation, "dicom"]
    command = ["dcm2niix", "-b", "n", "-z", "n", "-m", "n", "-f", "out", "-o", tmp_path, files[0].parent]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    (file,) = tmp_path.glob("*.nii")  # one volume; slices that were not equally spaced would give a second, "_Eq"
    assert file.name == "out.nii", done.stdout
    warnings = [line for line in done.stdout.splitlines() if line.startswith("Warning")]
    assert [line for line in warnings if not line.startswith(EXPECTED)] == []
    theirs = nib.as_closest_canonical(nib.load(file))
    ours = nib.as_closest_canonical(nib.Nifti1Image(meant.array, meant.geometry.affine))
    assert theirs.shape == ours.shape
    corners = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)]) * (np.array(ours.shape) - 1)
    places = [nib.affines.apply_affine(image.affine, corners) for image in (theirs, ours)]
    np.testing.assert_allclose(*places, atol=1e-3)
    slopes = [float(pydicom.dcmread(f, stop_before_pixels=True).get("RescaleSlope", 1)) for f in files]
    # half a stored step; dcm2niix keeps slope and intercept in 32 bits
    step = 0.5 * max(slopes) + 1e-3 + 1e-6 * float(np.abs(meant.array).max())
    np.testing.assert_allclose(theirs.get_fdata(), ours.get_fdata(), rtol=0, atol=step)
