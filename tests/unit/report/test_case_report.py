from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from monai_sr import Volume, VolumeGeometry, super_resolve
from monai_sr.data import phantom
from monai_sr.inference import SRResult
from monai_sr.inference.unexplained import unexplained
from monai_sr.report.case_report import _cubic, write_case_report

HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def result() -> SRResult:
    thick = phantom.ellipsoids((40, 36, 12), (1.5, 1.5, 4.0), modality="MR")
    return super_resolve(thick, model="none", scale=(1, 1, 2.5), device="cpu")


def test_the_page_shows_the_case(result, tmp_path):
    path = write_case_report(tmp_path / "report.html", result, title="case: x2.5 axis 2")
    text = path.read_text(encoding="utf-8")
    for words in ("axial", "coronal", "sagittal", "restored, no network", "Research only. Not for diagnosis.", "MiB"):
        assert words in text
    assert text.count("data:image/webp") > 3 * 3 * 9
    assert 'src="http' not in text
    assert path.stat().st_size < 2_000_000


def test_names_warnings_and_notes_are_words(result, tmp_path):
    report = {**result.report, "case": HOSTILE, "warnings": [HOSTILE], "notes": [HOSTILE]}
    path = write_case_report(tmp_path / "r.html", replace(result, report=report), title=HOSTILE)
    text = path.read_text(encoding="utf-8")
    assert "<img src=x" not in text
    assert text.count("&lt;img src=x") == 5  # in title and headline, among facts, warnings and notes


def test_what_is_left_is_what_the_run_measured(result):
    # no air: the pipeline cuts its result below the lowest acquired value, after it has measured
    noise = np.random.default_rng(0).normal(500.0, 100.0, result.acquired.array.shape)
    smooth = ndimage.gaussian_filter(noise, 1.0).astype(np.float32)
    found = super_resolve(result.acquired.with_values(smooth), model="none", scale=(1, 1, 2.5), device="cpu")
    missed = unexplained(found.acquired, found.volume, found.report["axes"])
    assert missed is not None
    said = found.report["axes"][0]["residual_rms"]
    assert float(np.sqrt(np.mean(missed.array**2))) == pytest.approx(said, rel=0.1)


def test_the_baseline_is_on_the_grid_of_the_result_even_at_exact_spacing(tmp_path):
    """A ramp is what cubic interpolation gives back exactly, so a shifted baseline would be seen."""
    ramp = phantom.ramp((20, 20, 20), (1.0, 1.0, 3.0), axis=2)
    found = super_resolve(ramp, model="none", spacing=(1.0, 1.0, 1.3), exact_spacing=True, device="cpu")
    baseline = _cubic(found)
    assert baseline.array.shape == found.volume.array.shape
    inner = slice(12, -12)
    np.testing.assert_allclose(baseline.array[..., inner], found.volume.array[..., inner], atol=2.0)
    write_case_report(tmp_path / "r.html", found, title="ramp")


def test_an_axis_that_became_coarser_leaves_nothing_to_compare(tmp_path):
    body = phantom.ellipsoids((40, 36, 12), (1.0, 1.0, 4.0), modality="MR")
    found = super_resolve(body, model="none", spacing=(2.0, 1.0, 2.0), allow_downsample=True, device="cpu")
    assert unexplained(found.acquired, found.volume, found.report["axes"]) is None
    text = write_case_report(tmp_path / "r.html", found, title="coarser").read_text(encoding="utf-8")
    assert "an axis became coarser" in text


def test_a_photograph_has_one_plane(tmp_path):
    rng = np.random.default_rng(0)
    photo = Volume(rng.random((30, 24, 1), np.float32), VolumeGeometry((30, 24, 1), np.eye(4)), modality="photo")
    found = super_resolve(photo, model="none", scale=(2, 2, 1), device="cpu")
    text = write_case_report(tmp_path / "r.html", found, title="photo").read_text(encoding="utf-8")
    assert "<h3>axial</h3>" in text
    assert "coronal" not in text.split("<main", 1)[1].split("<script>", 1)[0]


def test_a_page_that_is_there_stays(result, tmp_path):
    (tmp_path / "r.html").write_text("mine")
    with pytest.raises(ValueError, match="exists"):
        write_case_report(tmp_path / "r.html", result, title="case")
