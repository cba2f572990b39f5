"""Any operator's image becomes a derived series, unless its affine is not that of its values."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest

from monai_sr import InputError, read_volume
from monai_sr.geometry import VolumeGeometry

pytest.importorskip("holoscan", reason="MONAI Deploy is not installed: the extra [deploy]")
pytestmark = pytest.mark.deploy


@pytest.fixture
def fragment():
    from monai.deploy.core import Fragment

    return Fragment()


@pytest.fixture
def chosen(fragment, series):
    """The selected series, and its volume as an image of another operator."""
    from monai.deploy.core import Image

    from monai_sr.deploy import StudyLoaderOperator

    folder = series("CT")
    (study,) = StudyLoaderOperator(fragment, name="loader").load_data_to_studies(folder)
    volume = read_volume(folder)

    def image(geometry: VolumeGeometry | None = None, **facts: object) -> Image:
        geometry = volume.geometry if geometry is None else geometry
        values = np.random.default_rng(0).uniform(-900, 900, geometry.shape).astype(np.float32)
        return Image(values.T, {"affine": geometry.affine, "space": "RAS", **facts})

    return study.get_all_series(), volume, image


def writer(fragment, folder, **arguments):
    from monai_sr.deploy import DICOMImageSeriesWriterOperator

    return DICOMImageSeriesWriterOperator(fragment, name="writer", output_folder=folder, **arguments)


def info():
    from monai.deploy.operators.dicom_utils import ModelInfo

    return ModelInfo("Someone", "their net", "2.1", "1.2.3")


def test_an_image_of_another_operator_becomes_a_derived_series(fragment, chosen, tmp_path):
    series, volume, image = chosen
    finer = volume.geometry.resized((36, 28, 40))
    given = image(finer)
    folder = writer(fragment, tmp_path / "out", model_info=info()).write(given, series)
    back = read_volume(folder / "dicom")
    np.testing.assert_allclose(back.geometry.affine, finer.affine, atol=1e-6)
    np.testing.assert_allclose(back.array, given.asnumpy().T, atol=0.51)
    header = pydicom.dcmread(folder / "dicom" / "0001.dcm")
    native = series[0].get_sop_instances()[0].get_native_sop_instance()
    assert header.StudyInstanceUID == native.StudyInstanceUID
    assert header.FrameOfReferenceUID == native.FrameOfReferenceUID
    assert header.SeriesInstanceUID != native.SeriesInstanceUID
    assert "Someone their net 2.1" in header.DerivationDescription
    assert list(header.ImageType)[:2] == ["DERIVED", "SECONDARY"]


def test_it_has_to_be_said_what_made_it(fragment, chosen, tmp_path):
    series, _, image = chosen
    with pytest.raises(InputError, match="ModelInfo"):
        writer(fragment, tmp_path / "out").write(image(), series)
    assert not (tmp_path / "out").exists()


def test_an_affine_that_is_not_that_of_the_values_is_refused(fragment, chosen, tmp_path):
    series, volume, image = chosen
    working = writer(fragment, tmp_path / "out", model_info=info())
    kept = VolumeGeometry((36, 28, 40), volume.geometry.affine)  # four times the slices, still 4 mm each
    with pytest.raises(InputError, match="out of the series"):
        working.write(image(kept), series)
    swapped = volume.geometry.affine.copy()
    swapped[:3, :2] = swapped[:3, :2] / (1.2, 1.5) * (1.5, 1.2)
    with pytest.raises(InputError, match="out of the series"):
        working.write(image(VolumeGeometry(volume.geometry.shape, swapped)), series)
    assert working.written == []


def test_which_series_an_image_is_of_is_not_guessed(fragment, chosen, tmp_path):
    series, _, image = chosen
    other = [*series, *series]
    working = writer(fragment, tmp_path / "out", model_info=info())
    with pytest.raises(InputError, match="2 of 2 selected series"):
        working.write(image(), other)
    assert working.write(image(SeriesInstanceUID=series[0].SeriesInstanceUID), series)


def test_nothing_is_replaced(fragment, chosen, tmp_path):
    series, _, image = chosen
    working = writer(fragment, tmp_path / "out", model_info=info())
    folder = working.write(image(), series)
    before = sorted(folder.rglob("*"))
    with pytest.raises(InputError, match="exists"):
        working.write(image(), series)
    assert sorted(folder.rglob("*")) == before
