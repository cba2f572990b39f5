from __future__ import annotations

import re

import numpy as np
import pytest

from monai_sr import demo


def test_the_brain_is_the_first_volume_of_the_scan_that_nibabel_ships():
    import nibabel as nib
    from nibabel.testing import data_path

    source = nib.load(f"{data_path}/example4d.nii.gz")
    brain = demo.brain_scan()
    assert brain.geometry.shape == (128, 96, 24)
    np.testing.assert_array_equal(brain.array, np.asarray(source.dataobj)[..., 0])
    np.testing.assert_allclose(brain.geometry.affine, source.affine, atol=1e-6)
    assert brain.geometry.shape[demo.AXIS] % demo.FACTOR == 0


@pytest.mark.slow
@pytest.mark.parametrize("model", ["default"])
def test_the_demo_gains_over_cubic_and_says_where_things_lie(tmp_path, capsys, model):
    assert demo.main(["--out", str(tmp_path), "--model", model]) == 0
    said = capsys.readouterr().out
    cubic, none, restored = (float(x) for x in re.findall(r"(\d+\.\d\d)$", said, flags=re.MULTILINE))
    assert restored > cubic
    assert restored >= none - 0.005
    assert str(tmp_path) in said
    for name in ("brain/brain_sr.nii.gz", "brain/preview.png", "brain/run.json", "brain_comparison.png"):
        assert (tmp_path / name).is_file()
    assert len(list(tmp_path.glob("*/dicom/*.dcm"))) == 80
    assert demo.main(["--out", str(tmp_path), "--model", model]) == 0  # a second time, over its own results
