"""Every folder of real DICOM: accepted with the right grid, or refused for the reason that is true of it."""

from __future__ import annotations

import os
from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.pixels import get_decoder
from pydicom.uid import JPEGLosslessSV1, generate_uid

from monai_sr.geometry import LPS_TO_RAS, VolumeGeometry
from monai_sr.io.dicom_read import SeriesRef, find_series, read_series
from monai_sr.io.dicom_source import DicomSource
from monai_sr.io.dicom_write import Derivation, write_series
from monai_sr.io.series_rules import SeriesRules
from monai_sr.io.volume import InputError

# Modality, shape (columns, rows, slices), spacing in mm and slice thickness in mm.
ACCEPTED: dict[str, tuple[str, tuple[int, int, int], tuple[float, float, float], float | None]] = {
    "ct_lidc_0001_2.5mm": ("CT", (512, 512, 16), (0.703125, 0.703125, 2.5), 2.5),
    "ct_lidc_0003_2.5mm": ("CT", (512, 512, 11), (0.820312, 0.820312, 2.5), 2.5),
    "dicom2nifti/ge/anatomical/001": ("MR", (256, 256, 4), (1, 1, 1), None),
    "dicom2nifti/generic/anatomical/001": ("MR", (256, 256, 4), (1, 1, 1), None),
    "dicom2nifti/generic/anatomical/001_implicit": ("MR", (256, 256, 4), (1, 1, 1), None),
    "dicom2nifti/generic/anatomical/002_non_isotropic": ("MR", (64, 28, 4), (6.39995861, 4.0, 0.5), None),
    "dicom2nifti/generic/compressed_j2k/001": ("MR", (256, 256, 4), (1, 1, 1), None),
    "dicom2nifti/generic/compressed_jpegls/001": ("MR", (256, 256, 4), (1, 1, 1), None),
    "dicom2nifti/generic/compressed_rle/001": ("MR", (256, 256, 4), (1, 1, 1), None),
    "dicom2nifti/hitachi/anatomical/001": ("MR", (64, 64, 4), (2.34375, 2.34375, 4.0), None),
    "dicom2nifti/hyperfine/anatomical/001": ("MR", (112, 138, 8), (1.59, 1.61, 5.0), 5.0),
    "dicom2nifti/philips/anatomical/001": ("MR", (240, 240, 4), (1.0416666, 1.0416666, 0.6), None),
    "dicom2nifti/philips_enhanced/anatomical/001": ("MR", (256, 256, 8), (1, 1, 1.2), 1.2),
    "dicom2nifti/siemens/anatomical/001": ("MR", (256, 256, 4), (1, 1, 1), None),
    "dicom2nifti/siemens_multiframe/anatomical/001": ("MR", (256, 256, 8), (0.9375, 0.9375, 0.9), 0.9),
    "siemens_HFP_t1_sag": ("MR", (256, 256, 35), (1.015625, 1.015625, 4.8), 4.0),
    "siemens_xa30_enhanced_5_anat-T1w_acq-tfl": ("MR", (128, 128, 96), (2, 2, 2), 2.0),
}
REFUSED = {
    "canon_enhanced_dti": "holds 13 volumes of 40 slices (1: b 0 s/mm2; 2: b 1500 s/mm2, direction 1;",
    "ct_philips_localizer": "is a localizer",
    "ct_philips_RGB_secondary_capture": "Secondary Capture",
    "ct_philips_tilt_minus18": "gantry tilt: its slices are stacked 18.50 degrees",
    "dicom2nifti/failing/gantrytilting/001": "gantry tilt: its slices are stacked 14.00 degrees",
    "dicom2nifti/failing/notavolume/001": "all its 4 images lie at one slice position",
    "dicom2nifti/failing/slicecount/001": "has 2 slices; a volume needs at least 3",
    "dicom2nifti/failing/sliceincrement/001": "misses 1 slice: spacing is 5 mm, but 10 mm lie between",
    "dicom2nifti/failing/sliceincrement/002": "misses 1 slice",
    "dicom2nifti/failing/sliceorientation/001": "mixes slice orientations",
    "dicom2nifti/ge/anatomical/001_single_slice": "has 1 slice",
    "dicom2nifti/ge/dti/001": "holds 2 volumes",
    "dicom2nifti/ge/dti/002": "holds 4 volumes",
    "dicom2nifti/ge/fmri/001": "holds 2 volumes",
    "dicom2nifti/generic/rgb/001": "RGB",
    "dicom2nifti/philips/dti/001": "holds 4 volumes",
    "dicom2nifti/philips/dti/002": "holds 4 volumes",
    "dicom2nifti/philips/fmri/001": "holds 4 volumes",
    "dicom2nifti/philips_enhanced/dti/001": "holds 4 volumes",
    "dicom2nifti/philips_enhanced/fmri/001": "holds 4 volumes",
    "dicom2nifti/siemens/dti_classic/001": "holds 2 volumes",
    "dicom2nifti/siemens/fmri/001": "is a mosaic",
    "dicom2nifti/siemens/fmri_classic/001": "holds 2 volumes",
    "siemens_mosaic_dwi": "is a mosaic",
    "siemens_xa30_SR_nonimage": "Enhanced SR Storage without an image",
    "siemens_xa30_enhanced_14_DWI_dir80_PA": "Enhanced MR Color Image Storage (RGB)",
}
# Series of several volumes: how many, and what their headers say of the last one.
VOLUMES = {
    "canon_enhanced_dti": (13, "b 1500 s/mm2, direction 12"),
    "dicom2nifti/ge/dti/001": (2, "b 1000 s/mm2"),  # in private elements of GE
    "dicom2nifti/ge/dti/002": (4, "volume 4 by InstanceNumber"),
    "dicom2nifti/ge/fmri/001": (2, "volume 2 by InstanceNumber"),
    "dicom2nifti/philips/dti/002": (4, "b 800 s/mm2"),
    "dicom2nifti/philips_enhanced/dti/001": (4, "b 1300 s/mm2, direction 3"),
    "dicom2nifti/philips_enhanced/fmri/001": (4, "time point 4"),
    "dicom2nifti/siemens/dti_classic/001": (2, "b 1000 s/mm2"),  # in private elements of Siemens
    "dicom2nifti/siemens/fmri_classic/001": (2, "acquisition 2"),
}
# Single files of pydicom, by the first file of each series found.
SINGLE_FILES = {
    "CT_small.dcm": "has 1 slice",
    "ExplVR_BigEnd.dcm": "Ultrasound Image Storage (RGB)",
    "J2K_pixelrep_mismatch.dcm": "has 1 slice",
    "JPEG-lossy.dcm": "Secondary Capture",  # and JPEG2000.dcm, of the same series
    "MR_small.dcm": "the same image twice",  # in seven encodings
    "SC_rgb_jpeg_dcmd.dcm": "RGB",
    "badVR.dcm": "RT Dose Storage",
    "empty_charset_LEI.dcm": "without SOPClassUID",  # and two more without a series
    "examples_overlay.dcm": "has 1 slice",
    "examples_palette.dcm": "PALETTE COLOR",
    "examples_rgb_color.dcm": "RGB",
    "examples_ybr_color.dcm": "YBR_FULL_422",
    "image_dfl.dcm": "Secondary Capture",
    "no_meta.dcm": "holds no DICOM header",
    "rtplan.dcm": "RT Plan Storage",
}
LOSSLESS_JPEG = "dicom2nifti/generic/compressed_jpeg/001"
if get_decoder(JPEGLosslessSV1).is_available:
    ACCEPTED[LOSSLESS_JPEG] = ("MR", (256, 256, 4), (1, 1, 1), None)
else:
    REFUSED[LOSSLESS_JPEG] = "unsupported compression JPEG Lossless"

DERIVATION = Derivation("x2 through-plane", "0.0", parameters="test")


@pytest.fixture(scope="module")
def dicom(real_data: Path) -> Path:
    return real_data / "dicom"


def only_series(folder: Path) -> SeriesRef:
    (found,) = find_series(folder)
    return found


def placed(file: Path) -> pydicom.Dataset:
    """A dataset with a frame of reference, without which highdicom refuses."""
    dataset = pydicom.dcmread(file)
    if "FrameOfReferenceUID" not in dataset:
        dataset.FrameOfReferenceUID = generate_uid(entropy_srcs=[dataset.SeriesInstanceUID])
    return dataset


def test_the_tables_name_every_folder(dicom: Path) -> None:
    folders = {str(Path(root).relative_to(dicom)) for root, _, files in os.walk(dicom) if files}
    assert {Path(f).as_posix() for f in folders} == {*ACCEPTED, *REFUSED, "pydicom"}


def test_all_folders_at_once(dicom: Path) -> None:
    outcomes = []
    for series in find_series(dicom):  # several folders hold copies of one series
        try:
            outcomes.append(series.read().array.size > 0)
        except InputError:
            outcomes.append(False)
    assert sum(outcomes) == len(ACCEPTED)
    # three files without a series and two of the same Secondary Capture count once each, as in SINGLE_FILES
    assert len(outcomes) == len(ACCEPTED) + len(REFUSED) + len(SINGLE_FILES)


@pytest.mark.parametrize("folder", ACCEPTED)
def test_accepted(dicom: Path, folder: str) -> None:
    volume = only_series(dicom / folder).read()
    modality, shape, spacing, thickness = ACCEPTED[folder]
    assert (volume.modality, volume.array.shape, volume.slice_thickness_mm) == (modality, shape, thickness)
    np.testing.assert_allclose(volume.geometry.spacing, spacing, atol=2e-5)
    assert np.isfinite(volume.array).all()


@pytest.mark.parametrize("folder", REFUSED)
def test_refused(dicom: Path, folder: str) -> None:
    with pytest.raises(InputError) as refusal:
        only_series(dicom / folder).read()
    assert REFUSED[folder] in str(refusal.value)


@pytest.mark.parametrize("folder", VOLUMES)
def test_volumes_of_a_series(dicom: Path, folder: str) -> None:
    count, last = VOLUMES[folder]
    series = only_series(dicom / folder)
    planned = series.plan()
    assert (len(planned), planned[-1].label) == (count, last)
    volumes = [series.read(volume=number) for number in (1, count)]
    for volume in volumes:
        assert planned[0].geometry is not None
        np.testing.assert_allclose(volume.geometry.affine, planned[0].geometry.affine, atol=1e-3)
    assert not np.array_equal(volumes[0].array, volumes[1].array)


def test_values_of_an_enhanced_volume_are_those_of_its_dimension_index(dicom: Path) -> None:
    """Told apart by b-value and direction here, and by the first dimension index of the object itself there."""
    folder = dicom / "canon_enhanced_dti"
    series = only_series(folder)
    dataset = pydicom.dcmread(series.files[0])
    frames = dataset.pixel_array
    groups = dataset.PerFrameFunctionalGroupsSequence
    index = np.array([group.FrameContentSequence[0].DimensionIndexValues for group in groups])
    seen = set()
    for number in (1, 2, 13):
        array = series.read(volume=number).array
        matching = []
        for time in np.unique(index[:, 0]):
            chosen = np.flatnonzero(index[:, 0] == time)
            stack = frames[chosen[np.argsort(index[chosen, 3])]].transpose(2, 1, 0).astype(np.float32)
            # a rescale would change all values alike; here slope and order are compared too
            matching += [int(time)] * any(np.array_equal(array, s) for s in (stack, stack[:, :, ::-1]))
        assert len(matching) == 1
        seen.update(matching)
    assert len(seen) == 3


@pytest.mark.parametrize(
    ("folder", "degrees"), [("ct_philips_tilt_minus18", 18.5), ("dicom2nifti/failing/gantrytilting/001", 14.0)]
)
def test_a_tilted_series_is_kept_on_its_positions(dicom: Path, tmp_path: Path, folder: str, degrees: float) -> None:
    series = only_series(dicom / folder)
    volume = series.read(SeriesRules(allow_tilt=True))
    assert any(f"stacked {degrees:.2f} degrees" in note for note in volume.notes)
    sources = {
        tuple(float(v) for v in pydicom.dcmread(f, stop_before_pixels=True).ImagePositionPatient): f
        for f in series.files
    }
    for k in range(volume.array.shape[2]):
        lps = volume.geometry.world([0, 0, k]) * [-1, -1, 1]
        place = min(sources, key=lambda position: float(np.linalg.norm(lps - position)))
        assert np.linalg.norm(lps - place) < 0.02  # where pydicom reads a slice, to the rounding of the header
        dataset = pydicom.dcmread(sources[place])
        expected = pydicom.pixels.apply_rescale(dataset.pixel_array, dataset).T
        kept = expected > expected.min()  # padding is replaced
        np.testing.assert_allclose(volume.array[:, :, k][kept], expected[kept])
    written = write_series(volume, tmp_path / "out", derivation=DERIVATION)
    again = read_series(tmp_path / "out", SeriesRules(allow_tilt=True))
    np.testing.assert_allclose(again.geometry.corners(), volume.geometry.corners(), atol=1e-3)
    assert len(written) == volume.array.shape[2]


@pytest.mark.parametrize(
    ("folder", "slices", "rules"),
    [
        ("dicom2nifti/failing/sliceincrement/001", 5, SeriesRules(resample_irregular=True)),
        ("dicom2nifti/failing/sliceincrement/002", 5, SeriesRules(resample_irregular=True, allow_tilt=True)),
    ],
)
def test_uneven_slices_are_interpolated_when_told_to(dicom: Path, folder: str, slices: int, rules: SeriesRules) -> None:
    series = only_series(dicom / folder)
    volume = series.read(rules)
    assert volume.array.shape[2] == slices
    ends = sorted(float(pydicom.dcmread(f).ImagePositionPatient[2]) for f in series.files)
    z = [float(volume.geometry.world([0, 0, k])[2]) for k in (0, slices - 1)]
    np.testing.assert_allclose(sorted(z), [ends[0], ends[-1]], atol=1e-3)


def test_philips_scaling_is_reported(dicom: Path) -> None:
    notes = only_series(dicom / "dicom2nifti/philips_enhanced/anatomical/001").read().notes
    assert any("Philips' private scale slope" in note for note in notes)


def test_folder_of_single_files(dicom: Path) -> None:
    found = {series.files[0].name: series for series in find_series(dicom / "pydicom")}
    assert found.keys() == SINGLE_FILES.keys()
    for name, phrase in SINGLE_FILES.items():
        with pytest.raises(InputError) as refusal:
            found[name].read()
        assert phrase in str(refusal.value)


@pytest.mark.parametrize("folder", ACCEPTED)
def test_grid_is_that_of_highdicom(dicom: Path, folder: str) -> None:
    series = only_series(dicom / folder)
    files = [placed(file) for file in series.files]
    if len(files) == 1:
        oracle = hd.Image.from_dataset(files[0]).get_volume(apply_voi_transform=False)
    else:
        oracle = hd.get_volume_from_series(files)
    theirs = VolumeGeometry(oracle.spatial_shape, LPS_TO_RAS @ oracle.affine).corners()
    ours = series.read().geometry.corners()
    order = [np.lexsort(np.round(corners, 3).T) for corners in (theirs, ours)]
    np.testing.assert_allclose(theirs[order[0]], ours[order[1]], atol=1e-3)


# ITK does not read the slice positions of Enhanced objects.
CLASSIC = [f for f in ACCEPTED if not any(word in f for word in ("enhanced", "multiframe", "hyperfine"))]


@pytest.mark.parametrize("folder", CLASSIC)
def test_values_and_places_are_those_of_simpleitk(dicom: Path, folder: str) -> None:
    volume = only_series(dicom / folder).read()
    names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(dicom / folder))
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(names)
    reader.SetOutputPixelType(sitk.sitkFloat64)
    image = reader.Execute()
    theirs = sitk.GetArrayFromImage(image).transpose(2, 1, 0)
    first = (np.linalg.inv(volume.geometry.affine) @ (LPS_TO_RAS @ np.append(image.GetOrigin(), 1.0)))[:3]
    np.testing.assert_allclose(first, np.rint(first), atol=1e-3)
    turned = round(float(first[2])) > 0  # ITK may begin at the other end
    np.testing.assert_allclose(theirs[:, :, ::-1] if turned else theirs, volume.array, rtol=1e-6, atol=1e-4)


@pytest.mark.parametrize("folder", ACCEPTED)
def test_written_series_keeps_the_field_of_view_and_the_means(dicom: Path, folder: str, tmp_path: Path) -> None:
    volume = only_series(dicom / folder).read()
    columns, rows, slices = volume.array.shape
    result = volume.with_values(
        np.repeat(volume.array, 2, axis=2), volume.geometry.resized((columns, rows, 2 * slices))
    )
    files = write_series(result, tmp_path / "out", derivation=DERIVATION)
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames([str(file) for file in files])
    image = reader.Execute()
    affine = np.eye(4)
    affine[:3, :3] = np.array(image.GetDirection()).reshape(3, 3) * np.array(image.GetSpacing())
    affine[:3, 3] = image.GetOrigin()
    grid = VolumeGeometry(image.GetSize(), LPS_TO_RAS @ affine)
    np.testing.assert_allclose(grid.corners(), volume.geometry.corners(), atol=1e-3)
    back = read_series(tmp_path / "out")
    np.testing.assert_allclose(back.geometry.corners(), volume.geometry.corners(), atol=1e-3)
    body = result.array > result.array.mean()
    before, after = (float(a[body].mean(dtype=np.float64)) for a in (result.array, back.array))
    assert abs(after - before) <= (1.0 if volume.modality == "CT" else 0.005 * abs(before))
    assert isinstance(volume.source, DicomSource)
    source, written = volume.source.headers[0], pydicom.dcmread(files[0])
    assert written.StudyInstanceUID == source.StudyInstanceUID
    assert written.get("PatientID", "") == source.get("PatientID", "")
    assert written.SeriesInstanceUID != source.SeriesInstanceUID
