"""Images as ITK reads them, and no series that a stock operator would have mended in silence."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from pydicom.uid import generate_uid

from monai_sr import InputError, read_volume, write_volume
from monai_sr.data import phantom
from monai_sr.geometry import LPS_TO_RAS
from monai_sr.io import SeriesRules

pytest.importorskip("holoscan", reason="MONAI Deploy is not installed: the extra [deploy]")
pytestmark = pytest.mark.deploy


class Ports:
    """What an operator receives and emits, without a graph."""

    def __init__(self, **received: object) -> None:
        self.received = received
        self.emitted: dict[str, object] = {}

    def receive(self, name: str) -> object:
        return self.received[name]

    def emit(self, thing: object, name: str) -> None:
        self.emitted[name] = thing


@pytest.fixture
def fragment():
    from monai.deploy.core import Fragment

    return Fragment()


def studies(fragment, folder: Path, *, stock: bool = False) -> list:
    from monai.deploy.operators.dicom_data_loader_operator import DICOMDataLoaderOperator

    from monai_sr.deploy import StudyLoaderOperator

    kind = DICOMDataLoaderOperator if stock else StudyLoaderOperator
    return kind(fragment, name="loader").load_data_to_studies(folder)


def select(fragment, found: list) -> list:
    from monai.deploy.operators.dicom_series_selector_operator import DICOMSeriesSelectorOperator

    from monai_sr.deploy.app import SELECTION_RULES

    rules = json.loads(SELECTION_RULES.read_text())
    return DICOMSeriesSelectorOperator(fragment, name="selector").filter(rules, found, all_matched=True)


def images(fragment, folder: Path, *, stock: bool = False, **options):
    from monai_sr.deploy import SeriesToVolumeOperator

    operator = SeriesToVolumeOperator(fragment, name="reader", **options)
    ports = Ports(study_selected_series_list=select(fragment, studies(fragment, folder, stock=stock)))
    operator.compute(ports, ports, None)
    return ports.emitted["image"], operator.refused


@pytest.mark.parametrize("modality", ["CT", "MR"])
def test_values_and_affine_are_those_of_itk(fragment, series, modality):
    folder = series(modality)
    image, refused = images(fragment, folder)
    assert refused == []
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    itk = reader.Execute()
    np.testing.assert_allclose(image.asnumpy(), sitk.GetArrayFromImage(itk), atol=0.01)
    affine = np.eye(4)
    affine[:3, :3] = np.array(itk.GetDirection()).reshape(3, 3) * np.array(itk.GetSpacing())
    affine[:3, 3] = itk.GetOrigin()
    metadata = image.metadata()
    np.testing.assert_allclose(metadata["dicom_affine_transform"], affine, atol=1e-4)
    np.testing.assert_allclose(metadata["nifti_affine_transform"], LPS_TO_RAS @ affine, atol=1e-4)
    np.testing.assert_allclose(metadata["affine"], LPS_TO_RAS @ affine, atol=1e-4)
    assert (metadata["row_pixel_spacing"], metadata["col_pixel_spacing"]) == pytest.approx((1.5, 1.2))


def test_the_stock_reader_wraps_and_swaps_what_ours_keeps(fragment, series):
    """The reason for our operator; if this fails, the stock one has been repaired."""
    from monai.deploy.operators.dicom_series_to_volume_operator import DICOMSeriesToVolumeOperator

    folder = series("CT")
    found = select(fragment, studies(fragment, folder))
    stock = DICOMSeriesToVolumeOperator(fragment, name="stock").convert_to_image(found)
    ours, _ = images(fragment, folder)
    assert stock.asnumpy().max() > 60000
    assert ours.asnumpy().min() == -1000
    columns = [np.linalg.norm(image.metadata()["affine"][:3, 0]) for image in (stock, ours)]
    assert columns == pytest.approx([1.5, 1.2])


def test_several_time_points_are_told_and_not_mixed(fragment, series, changed):
    folder = series("MR")

    def later(dataset, number):
        dataset.AcquisitionNumber = 2
        dataset.AcquisitionTime = "120500"

    changed(folder, later, prefix="later_")
    (study,) = studies(fragment, folder, stock=True)
    (mixed,) = study.get_all_series()
    assert len(mixed.get_sop_instances()) == 10  # the stock loader dropped the half of the images
    (study,) = studies(fragment, folder)
    (all_of_them,) = study.get_all_series()
    assert len(all_of_them.get_sop_instances()) == 20
    with pytest.raises(InputError, match="2 volumes"):
        images(fragment, folder)
    both, refused = images(fragment, folder, series=["phantom:all"])
    assert refused == []
    names = [image.volume.name for image in both]
    assert [name[-2:] for name in names] == ["_1", "_2"] and len({name[:-2] for name in names}) == 1
    second, _ = images(fragment, folder, series=[f"{names[0][:-2]}:2"])
    assert second.volume.name == names[1]


def test_a_missing_slice_is_refused_by_name(fragment, series):
    folder = series("CT")
    sorted(folder.iterdir())[4].unlink()
    with pytest.raises(InputError, match="misses 1 slice"):
        images(fragment, folder)


def test_a_study_of_several_series_gives_those_that_are_volumes(fragment, series, changed):
    series("CT")
    study = series("MR").parent

    uid = generate_uid()

    def scout(dataset, number):
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
        dataset.SeriesInstanceUID = uid
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()

    changed(series("CT", "other"), scout)
    (study.parent / "other" / "CT").rename(study / "scout")
    (study / "notes.txt").write_text("no image")
    found, refused = images(fragment, study)
    assert sorted(image.volume.modality for image in found) == ["CT", "MR"]
    (sentence,) = refused
    assert "localizer" in sentence
    chosen, refused = images(fragment, study, series=["mr phantom"])  # of what is not meant nothing is said
    assert (chosen.volume.modality, refused) == ("MR", [])
    with pytest.raises(InputError, match="no series in the study is meant by --series spine"):
        images(fragment, study, series=["spine"])


def test_what_the_rules_allow(fragment, series, changed):
    folder = series("CT")

    def lean(dataset, number):
        x, y, z = (float(v) for v in dataset.ImagePositionPatient)
        dataset.ImagePositionPatient = [x, y + number, z]

    changed(folder, lean)
    with pytest.raises(InputError, match="tilt"):
        images(fragment, folder)
    image, _ = images(fragment, folder, rules=SeriesRules(allow_tilt=True))
    assert image.volume.geometry.shear() > 0.1
    sorted(folder.iterdir())[4].unlink()
    with pytest.raises(InputError, match="misses 1 slice"):
        images(fragment, folder, rules=SeriesRules(allow_tilt=True))
    image, _ = images(fragment, folder, rules=SeriesRules(allow_tilt=True, resample_irregular=True))
    assert any("interpolated" in note for note in image.volume.notes)


def test_nothing_selected_is_an_error(fragment):
    from monai_sr.deploy import SeriesToVolumeOperator

    ports = Ports(study_selected_series_list=[])
    with pytest.raises(InputError, match="no series was selected"):
        SeriesToVolumeOperator(fragment, name="reader").compute(ports, ports, None)


def test_nifti_keeps_affine_and_header(fragment, tmp_path):
    from monai_sr.deploy import NiftiVolumeLoaderOperator, NiftiVolumeWriterOperator

    volume = phantom.ellipsoids((24, 20, 12), (1.0, 1.5, 3.0), modality="MR")
    affine = np.array([[0, -1.5, 0, 4], [1.0, 0, 0, -3], [0, 0, 3.0, 2], [0, 0, 0, 1]])
    volume = volume.with_values(volume.array, type(volume.geometry)(volume.array.shape, affine))
    write_volume(volume, tmp_path / "in" / "scan.nii.gz")
    ports = Ports()
    NiftiVolumeLoaderOperator(fragment, name="loader", input_path=tmp_path / "in").compute(ports, ports, None)
    image = ports.emitted["image"]
    np.testing.assert_allclose(image.metadata()["affine"], affine, atol=1e-6)
    np.testing.assert_array_equal(image.asnumpy(), volume.array.T)
    folder = NiftiVolumeWriterOperator(fragment, name="writer", output_folder=tmp_path / "out").write(image)
    back = read_volume(folder / "scan_sr.nii.gz")
    np.testing.assert_allclose(back.geometry.affine, affine, atol=1e-6)
    np.testing.assert_array_equal(back.array, volume.array)


def test_a_folder_without_nifti_is_refused(fragment, tmp_path, series):
    from monai_sr.deploy import NiftiVolumeLoaderOperator

    operator = NiftiVolumeLoaderOperator(fragment, name="loader", input_path=series("CT"))
    with pytest.raises(InputError, match="no NIfTI"):
        operator.compute(Ports(), Ports(), None)
