"""CT or MR from the values: the cases that are easy to get wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest

from monai_sr.io.modality import guess_modality

SHAPE = (40, 40, 20)


def body(rng: np.random.Generator) -> np.ndarray:
    """Fat, muscle and bone in HU."""
    tissue = rng.choice([-100.0, 50.0, 60.0, 400.0], SHAPE, p=[0.3, 0.3, 0.3, 0.1])
    return tissue + rng.normal(0, 15, SHAPE)


def air_around(values: np.ndarray, air: float = -1000.0) -> np.ndarray:
    values = values.copy()
    values[:8] = air
    return values


def make(name: str) -> np.ndarray:
    rng = np.random.default_rng(0)
    ct = body(rng)
    mr = np.abs(rng.normal(200, 80, SHAPE))
    images = {
        "CT in air": air_around(ct),
        "CT, noisy air": air_around(ct) + rng.normal(0, 40, SHAPE),
        "CT clipped at -1024": np.clip(air_around(ct) + rng.normal(0, 60, SHAPE), -1024, None),
        "CT in air, padded with -2000": np.where(np.arange(40)[:, None, None] > 35, -2000, air_around(ct)),
        "CT in air, padded with -32768": np.where(np.arange(40)[:, None, None] > 35, -32768, air_around(ct)),
        "CT without air, padded with -3024": air_around(ct, -3024),
        "lungs only": air_around(ct, -850) + rng.normal(0, 20, SHAPE),
        "CT with one hot voxel": np.where(np.arange(np.prod(SHAPE)).reshape(SHAPE) == 7, 1e6, air_around(ct)),
        "MR magnitude": mr,
        "MR with ringing below zero": mr - 60,
        "MR, standardised": (mr - mr.mean()) / mr.std(),
        "MR phase": rng.uniform(-4096, 4095, SHAPE),
        "MR phase in integers": rng.integers(-4096, 4096, SHAPE),
        "MR real part": rng.normal(0, 900, SHAPE),
        "MR padded with -1": np.where(mr < 100, -1, mr),
        "MR padded with -32768": np.where(np.arange(40)[:, None, None] > 35, -32768, mr),
        "zeros": np.zeros(SHAPE),
        "all air": np.full(SHAPE, -1000.0),
        "tiny MR": mr * 1e-9,
    }
    return images[name].astype(np.float32)


@pytest.mark.parametrize(
    ("name", "modality"),
    [
        ("CT in air", "CT"),
        ("CT, noisy air", "CT"),
        ("CT clipped at -1024", "CT"),
        ("CT in air, padded with -2000", "CT"),
        ("CT in air, padded with -32768", "CT"),
        ("CT without air, padded with -3024", "CT"),
        ("lungs only", "CT"),
        ("CT with one hot voxel", "CT"),
        ("MR magnitude", "MR"),
        ("MR with ringing below zero", "MR"),
        ("MR, standardised", "MR"),
        ("MR phase", "MR"),
        ("MR phase in integers", "MR"),
        ("MR real part", "MR"),
        ("MR padded with -1", "MR"),
        ("MR padded with -32768", "MR"),
        ("zeros", "MR"),
        ("all air", "CT"),
        ("tiny MR", "MR"),
    ],
)
def test_guess(name: str, modality: str) -> None:
    guess, reason = guess_modality(make(name))
    assert guess == modality, reason
    assert reason and "\n" not in reason


@pytest.mark.parametrize(
    ("folder", "modality"),
    [("ct_lidc_0001_2.5mm", "CT"), ("ct_lidc_0003_2.5mm", "CT"), ("ct_philips_tilt_minus18", "CT"),
     ("siemens_HFP_t1_sag", "MR")],
)  # fmt: skip
def test_real_dicom_values_agree_with_their_tag(real_data: Path, folder: str, modality: str) -> None:
    slices = []
    for path in sorted((real_data / "dicom" / folder).iterdir()):
        image = pydicom.dcmread(path)
        slices.append(image.pixel_array * float(image.get("RescaleSlope", 1)) + float(image.get("RescaleIntercept", 0)))
    assert guess_modality(np.stack(slices).astype(np.float32))[0] == modality
