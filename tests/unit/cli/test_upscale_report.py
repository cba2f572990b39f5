from __future__ import annotations

import json
import re

import pydicom

from monai_sr.data import phantom
from monai_sr.io.dicom_phantom import write_phantom_series

NONE = ("--model", "none", "--device", "cpu")


def test_the_page_lies_in_the_folder_of_the_case_and_is_replaced_with_it(run, thick_mr, tmp_path):
    ended = run("upscale", thick_mr, "-o", tmp_path, "--report", *NONE)
    assert ended.code == 0, ended.err
    case = tmp_path / "thick"
    assert sorted(p.name for p in case.iterdir()) == ["preview.png", "report.html", "run.json", "thick_sr.nii.gz"]
    assert json.loads((case / "run.json").read_text())["outputs"] == ["thick_sr.nii.gz", "preview.png", "report.html"]
    page = (case / "report.html").read_text(encoding="utf-8")
    assert "thick: x2.67 axis 2" in page
    assert "interpolation and data consistency" in page
    assert not re.search(r'(src|href)="(?!data:|#)', page)
    # without the option the old page goes with the old results
    assert run("upscale", thick_mr, "-o", tmp_path, "--overwrite", *NONE).code == 0
    assert sorted(p.name for p in case.iterdir()) == ["preview.png", "run.json", "thick_sr.nii.gz"]


def test_the_page_of_a_series_holds_no_patient_data(run, tmp_path):
    series = tmp_path / "Doe_John"
    write_phantom_series(phantom.ellipsoids((24, 24, 8), (1.5, 1.5, 4.0)), series)
    for file in series.iterdir():
        data = pydicom.dcmread(file)
        data.PatientName, data.PatientID, data.InstitutionName = "Doe^John", "4711-XY", "Sankt Elsewhere"
        data.save_as(file)
    assert run("upscale", series, "-o", tmp_path / "out", "--report", *NONE).code == 0
    (page,) = (tmp_path / "out").glob("*/report.html")
    text = page.read_text(encoding="utf-8")
    for secret in ("Doe", "John", "4711", "Elsewhere", str(tmp_path)):
        assert secret not in text
