from __future__ import annotations

import json

import numpy as np
import pytest

from monai_sr import InputError, super_resolve
from monai_sr.data import phantom
from monai_sr.inference import SRResult
from monai_sr.report import derivation, in_words, output_format, write_results


@pytest.fixture(scope="module")
def result() -> SRResult:
    thick = phantom.ellipsoids((24, 20, 8), (1.5, 1.5, 4.0), modality="MR")
    return super_resolve(thick, model="none", scale=(1, 1, 2.5), device="cpu")


def test_what_was_done_in_words(result):
    assert in_words(result) == "x2.5 axis 2, 1.5 x 1.5 x 1.6 mm, without network"


def test_a_network_that_had_no_part_is_not_named_in_the_derived_series(result):
    asked = {**result.report, "model": {"name": "default", "sha256": "ab" * 32}}
    fallen_back = derivation(SRResult(result.volume, result.acquired, asked))
    assert fallen_back.model_name is None
    assert fallen_back.tag == "[resampled x2.5]"
    axes = [{**axis, "treatment": "network"} for axis in asked["axes"]]
    learned = SRResult(result.volume, result.acquired, {**asked, "axes": axes})
    used = derivation(learned)
    assert in_words(learned).endswith(", model default")
    assert (used.model_name, used.model_sha256) == ("default", "ab" * 32)
    assert used.tag == "[AI SR x2.5]"
    assert used.parameters != fallen_back.parameters


def test_the_format_is_decided_before_the_work(result):
    assert output_format(result.acquired, "same") == "nifti"
    with pytest.raises(InputError, match="only be derived from a DICOM series"):
        output_format(result.acquired, "dicom")


def test_the_folder_of_a_case(result, tmp_path):
    names = write_results(result, tmp_path, "case", facts={"seconds": {"read": 1.5}, "options": {"scale": [1, 1, 2.5]}})
    assert names == ["case_sr.nii.gz", "preview.png", "run.json"]
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(names)
    record = json.loads((tmp_path / "run.json").read_text())
    assert record["seconds"]["read"] == 1.5
    assert record["seconds"]["write"] > 0
    assert record["options"] == {"scale": [1, 1, 2.5]}
    assert record["outputs"] == ["case_sr.nii.gz", "preview.png"]
    np.testing.assert_allclose(record["target"]["affine_ras"], result.volume.geometry.affine)
