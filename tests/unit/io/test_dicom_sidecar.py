"""The JSON beside a NIfTI file: what the series said, and nothing that leads to a patient."""

from __future__ import annotations

import json
from pathlib import Path

import highdicom as hd
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from monai_sr.data import phantom
from monai_sr.io.dicom_phantom import write_phantom_series
from monai_sr.io.dicom_read import read_series
from monai_sr.io.dicom_sidecar import describe_series, write_sidecar
from monai_sr.io.dicom_write import Derivation
from monai_sr.io.volume import InputError

DERIVATION = Derivation("x3 axis 2", "0.1.0", "fast", "ab" * 32)
SECRETS = {
    "PatientName": "Secret^Sam",
    "PatientID": "SECRET-1",
    "PatientBirthDate": "19710203",
    "PatientSex": "F",
    "PatientAge": "055Y",
    "StudyDescription": "SECRET study",
    "SeriesDescription": "SECRET series",
    "ProtocolName": "SECRET protocol",
    "InstitutionName": "SECRET hospital",
    "StationName": "SECRET1",
    "DeviceSerialNumber": "SECRET-2",
    "OperatorsName": "Secret^Olga",
    "ContrastBolusAgent": "SECRET agent",
    "AccessionNumber": "SECRET-3",
    "StudyDate": "20230405",
    "AcquisitionDate": "20230405",
    "ImageComments": "SECRET comment",
}


def series(folder: Path, modality: str = "MR") -> list[Dataset]:
    volume = phantom.ellipsoids((16, 14, 6), (1.5, 1.5, 5.0), modality=modality)
    files = write_phantom_series(volume, folder / modality)
    datasets = [pydicom.dcmread(file) for file in files]
    for dataset in datasets:
        for keyword, value in SECRETS.items():
            setattr(dataset, keyword, value)
    return datasets


def test_what_nifti_cannot_hold(tmp_path: Path) -> None:
    datasets = series(tmp_path)
    for dataset in datasets:
        dataset.EchoTime, dataset.WindowCenter, dataset.WindowWidth = "84.5", [200, 300], [400, 500]
        dataset.LossyImageCompression = "01"
    datasets[2].FlipAngle = 80  # of one slice only: it says nothing about the series
    file = write_sidecar(read_series(datasets), tmp_path / "x_sr.json", derivation=DERIVATION)
    found = json.loads(file.read_text(encoding="utf-8"))
    assert (found["Modality"], found["Units"], found["ImageType"][0]) == ("MR", "arbitrary", "ORIGINAL")
    assert (found["EchoTime"], found["RepetitionTime"], found["ScanningSequence"]) == (84.5, 500, "SE")
    assert (found["WindowCenter"], found["WindowWidth"]) == ([200, 300], [400, 500])
    assert found["Acquired"] == {"Shape": [16, 14, 6], "Spacing": [1.5, 1.5, 5.0], "SliceThickness": 5.0}
    assert found["LossyImageCompression"] == "01"
    assert "FlipAngle" not in found
    made = found["Derivation"]
    assert (made["Model"], made["ModelSha256"], made["Version"]) == ("fast", "ab" * 32, "0.1.0")
    assert "x3 axis 2" in made["Description"]
    assert "not for diagnosis" in made["Description"]


def test_ct_is_in_hu(tmp_path: Path) -> None:
    found = describe_series(read_series(series(tmp_path, "CT")))
    assert (found["Units"], found["KVP"], found["ConvolutionKernel"]) == ("HU", 120, "PHANTOM")
    assert "LossyImageCompression" not in found


def test_no_patient_unless_asked(tmp_path: Path) -> None:
    datasets = series(tmp_path)
    volume = read_series(datasets)
    text = json.dumps(describe_series(volume))
    for secret in [*SECRETS.values(), datasets[0].StudyInstanceUID, datasets[0].FrameOfReferenceUID]:
        if len(secret) > 1:
            assert secret not in text
    assert "secret" not in text.lower()
    assert "PatientSex" not in text
    told = describe_series(volume, patient=True)["PatientAndStudy"]
    for keyword in ("PatientName", "PatientID", "PatientSex", "StudyDate", "SeriesDescription", "DeviceSerialNumber"):
        assert told[keyword] == SECRETS[keyword]
    assert told["StudyInstanceUID"] == datasets[0].StudyInstanceUID
    assert told["SeriesInstanceUID"] == datasets[0].SeriesInstanceUID


def test_enhanced_series_say_it_in_classic_words(tmp_path: Path) -> None:
    multi = hd.legacy.LegacyConvertedEnhancedMRImage(series(tmp_path), generate_uid(), 3, generate_uid(), 1)
    found = describe_series(read_series([multi]))
    assert found["Acquired"]["Shape"] == [16, 14, 6]
    assert found["MagneticFieldStrength"] == 1.5


def test_numbers_that_are_none_are_left_out(tmp_path: Path) -> None:
    datasets = series(tmp_path)
    for dataset in datasets:
        dataset["EchoTime"]._value = "no number"
    found = describe_series(read_series(datasets))
    assert "EchoTime" not in found
    json.dumps(found, allow_nan=False)


def test_only_of_dicom(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not read from a DICOM series"):
        describe_series(phantom.ellipsoids((8, 8, 8)))
