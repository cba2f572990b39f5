"""b-values that only private elements tell: found where the makers put them, and used as the standard element is."""

from __future__ import annotations

import copy
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from monai_sr.io.dicom_diffusion import private_b_value
from monai_sr.io.dicom_headers import without_bulk
from monai_sr.io.dicom_read import find_series, read_series
from monai_sr.io.dicom_source import DicomSource
from monai_sr.io.volume import InputError


def ge(dataset: Dataset, first: int, creator: str | None = "GEMS_PARM_01", second: int = 8) -> Dataset:
    dataset.Manufacturer = "GE MEDICAL SYSTEMS"
    if creator is not None:
        dataset.add_new((0x0043, 0x0010), "LO", creator)
    dataset.add_new((0x0043, 0x1039), "IS", [first, second, 0, 0])
    return dataset


def siemens(dataset: Dataset, value: int, block: int = 0x10, creator: str | None = "SIEMENS MR HEADER") -> Dataset:
    dataset.Manufacturer = "SIEMENS"
    if creator is not None:
        dataset.add_new((0x0019, block), "LO", creator)
    dataset.add_new((0x0019, block << 8 | 0x0C), "IS", str(value))
    return dataset


def csa(dataset: Dataset, value: int | None) -> Dataset:
    """A CSA header of type 2 with one element, as Siemens writes it: six items, the used ones first."""
    text = b"" if value is None else f"{value}\0".encode()
    tag = b"B_value".ljust(64, b"\0") + struct.pack("<i4sIII", 1, b"IS\0\0", 6, 6, 77)
    items = struct.pack("<4I", len(text), len(text), 77, len(text)) + text + b"\0" * (-len(text) % 4)
    items += struct.pack("<4I", 0, 0, 77, 0) * 5
    dataset.add_new((0x0029, 0x0010), "LO", "SIEMENS CSA HEADER")
    dataset.add_new((0x0029, 0x1010), "OB", b"SV10\4\3\2\1" + struct.pack("<II", 1, 77) + tag + items)
    dataset.Manufacturer = "SIEMENS"
    return dataset


WAYS: dict[str, Callable[[Dataset, int], Dataset]] = {
    "GE": ge,
    "GE with its bias": lambda d, b: ge(d, 1_000_000_000 + b),
    "GE, names of private blocks lost": lambda d, b: ge(d, b, creator=None),
    "Siemens": siemens,
    "Siemens in another block": lambda d, b: siemens(d, b, block=0x12),
    "Siemens, names of private blocks lost": lambda d, b: siemens(d, b, creator=None),
    "Siemens CSA": csa,
}


@pytest.mark.parametrize("way", WAYS)
def test_mixed_b_values_are_told_as_by_the_standard_element(
    way: str, mr: list[Dataset], repeated: Callable[..., list[Dataset]]
) -> None:
    standard = repeated(mr, *({"DiffusionBValue": float(b)} for b in (0, 50, 12000)))
    private = copy.deepcopy(standard)
    for dataset in private:
        value = int(dataset.DiffusionBValue)
        del dataset.DiffusionBValue
        WAYS[way](dataset, value)
        told = without_bulk(dataset)
        assert not any(tag.is_private for tag in told.keys())  # noqa: SIM118  of the elements, not the elements
        assert told.DiffusionBValue == value
    sentences = []
    for datasets in (private, standard):
        with pytest.raises(InputError, match=r"3 volumes .*b 0 s/mm2; 2: b 50 s/mm2; 3: b 12000 s/mm2") as refusal:
            read_series(datasets)
        sentences.append(str(refusal.value))
    assert sentences[0] == sentences[1]
    source = read_series(private, volume=2).source
    assert isinstance(source, DicomSource) and source.part == "b 50 s/mm2"


def test_what_is_no_b_value(mr: list[Dataset]) -> None:
    dataset = mr[0]
    assert private_b_value(dataset) is None
    assert private_b_value(csa(dataset, None)) is None  # every image of Siemens has the element, most without a value
    assert private_b_value(siemens(dataset, 1000, creator="SOMEBODY ELSE")) is None
    assert private_b_value(ge(mr[5], 0, second=0)) is None  # so in GE's images without diffusion
    assert private_b_value(ge(mr[1], 1000, creator="SOMEBODY ELSE")) is None
    nameless = siemens(mr[2], 1000, creator=None)
    nameless.Manufacturer = "Philips"
    assert private_b_value(nameless) is None
    assert private_b_value(siemens(mr[3], -1)) is None
    strange = siemens(mr[4], 1000)
    strange[0x0019, 0x100C].value = None
    assert private_b_value(strange) is None


def test_the_standard_element_comes_first(mr: list[Dataset]) -> None:
    dataset = ge(mr[0], 1000)
    dataset.DiffusionBValue = 700.0
    assert private_b_value(dataset) is None
    assert without_bulk(dataset).DiffusionBValue == 700.0


def test_bytes_of_an_unknown_kind(mr: list[Dataset]) -> None:
    dataset = ge(mr[0], 0)
    dataset.add_new((0x0043, 0x1039), "UN", b"1000001500\\8\\0\\0 ")
    assert private_b_value(dataset) == 1500.0


@pytest.mark.parametrize("folder", ["ge/dti/001", "siemens/dti_classic/001"])
def test_real_series(real_data: Path, folder: str) -> None:
    """Their private blocks lost the names of their makers; MR images without DiffusionBValue."""
    (series,) = find_series(real_data / "dicom" / "dicom2nifti" / folder)
    assert [planned.label for planned in series.plan()] == ["b 0 s/mm2", "b 1000 s/mm2"]
