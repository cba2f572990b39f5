"""Philips' private scale slope is found where Philips puts it, and reported without a change of values."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from pydicom.dataset import Dataset

from monai_sr.io.dicom_private import philips_scale
from monai_sr.io.dicom_read import read_series


def scaled(dataset: Dataset, slope: object, creator: str = "Philips MR Imaging DD 001") -> Dataset:
    block = dataset.private_block(0x2005, creator, create=True)
    block.add_new(0x0E, "FL" if isinstance(slope, float) else "LO", slope)
    return dataset


def test_classic(mr: list[Dataset]) -> None:
    truth = read_series(mr).array
    assert philips_scale(mr[0]) is None
    for dataset in mr:
        scaled(dataset, 0.0125)
        dataset.Manufacturer = "Philips Medical Systems"
    assert philips_scale(mr[0]) == pytest.approx(0.0125)
    read = read_series(mr)
    np.testing.assert_array_equal(read.array, truth)
    assert any("private scale slope 0.0125 is left alone" in note for note in read.notes)


def test_enhanced(mr: list[Dataset], enhanced: Callable[[list[Dataset]], Dataset]) -> None:
    multi = enhanced(mr)
    for group in multi.PerFrameFunctionalGroupsSequence:
        block = group.private_block(0x2005, "Philips MR Imaging DD 005", create=True)
        block.add_new(0x0F, "SQ", [scaled(Dataset(), 2.5)])
    assert philips_scale(multi) == 2.5


@pytest.mark.parametrize("slope", [float("nan"), "text"])
def test_what_is_no_number_is_none(mr: list[Dataset], slope: object) -> None:
    assert philips_scale(scaled(mr[0], slope)) is None


def test_the_same_number_of_another_vendor_is_none(mr: list[Dataset]) -> None:
    assert philips_scale(scaled(mr[0], 1.5, "SOMEBODY ELSE")) is None
