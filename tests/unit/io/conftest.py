"""Small series made in code, for the tests of what a study holds."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from monai_sr.geometry import VolumeGeometry
from monai_sr.io.dicom_phantom import write_phantom_series
from monai_sr.io.volume import Modality, Volume


def small_volume(modality: Modality) -> Volume:
    rng = np.random.default_rng(5)
    array = rng.integers(-1000 if modality == "CT" else 0, 1500, (20, 18, 6)).astype(np.float32)
    affine = np.diag([-0.8, -0.9, 5.0, 1.0])
    affine[:3, 3] = [40.0, 31.5, -120.25]
    return Volume(array, VolumeGeometry(array.shape, affine), modality, slice_thickness_mm=4.0)


@pytest.fixture
def ct_files(tmp_path: Path) -> list[Path]:
    return write_phantom_series(small_volume("CT"), tmp_path / "study" / "ct")


@pytest.fixture
def ct(ct_files: list[Path]) -> list[Dataset]:
    return [pydicom.dcmread(file) for file in ct_files]


@pytest.fixture
def mr(tmp_path: Path) -> list[Dataset]:
    return [pydicom.dcmread(file) for file in write_phantom_series(small_volume("MR"), tmp_path / "mr_source")]


@pytest.fixture
def repeated() -> Callable[..., list[Dataset]]:
    """Several volumes in one series: each a copy with other UIDs, pixels, InstanceNumbers and what is set on it."""

    def build(datasets: list[Dataset], *values: dict[str, object]) -> list[Dataset]:
        found = []
        for turn, attributes in enumerate(values):
            for dataset in copy.deepcopy(datasets):
                dataset.SOPInstanceUID = generate_uid()
                dataset.PixelData = (np.frombuffer(dataset.PixelData, "<u2") + turn).tobytes()
                for keyword, value in attributes.items():
                    setattr(dataset, keyword, value)
                found.append(dataset)
        return found

    return build


@pytest.fixture
def save() -> Callable[[list[Dataset], Path], list[Path]]:
    def write(datasets: list[Dataset], folder: Path) -> list[Path]:
        folder.mkdir(parents=True, exist_ok=True)
        files = []
        for number, dataset in enumerate(datasets):
            files.append(folder / f"{number:04d}.dcm")
            dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
            dataset.save_as(files[-1])
        return files

    return write


@pytest.fixture
def enhanced() -> Callable[[list[Dataset]], Dataset]:
    """The same images as one legacy converted Enhanced object, made by highdicom."""

    def build(datasets: list[Dataset]) -> Dataset:
        kind = "CT" if datasets[0].Modality == "CT" else "MR"
        make = getattr(hd.legacy, f"LegacyConvertedEnhanced{kind}Image")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            multi: Dataset = make(datasets, generate_uid(), 3, generate_uid(), 1)
        return multi

    return build
