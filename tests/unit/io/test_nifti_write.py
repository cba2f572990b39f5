"""Writing NIfTI: structures stay where they were, for nibabel and for SimpleITK, on any grid and with any header."""

from __future__ import annotations

import gzip
from itertools import product
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from monai_sr.geometry import VolumeGeometry
from monai_sr.io import InputError, Volume, read_volume, write_volume
from monai_sr.io.nifti import read_nifti, write_nifti

SHAPE = (8, 9, 4)
BIG = (64, 60, 20)


def affine_of(
    angles: tuple[float, float, float], spacing: tuple[float, float, float], flip: bool = False
) -> np.ndarray:
    """Rotation by Euler angles in degrees, then voxel size; ``flip`` makes the grid left-handed."""
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("xyz", angles, degrees=True).as_matrix() @ np.diag(spacing)
    affine[:3, 3] = [-80.5, 33.25, 120.125]
    return affine @ np.diag([-1.0 if flip else 1.0, 1.0, 1.0, 1.0])


OBLIQUE = affine_of((20, -30, 40), (0.9, 0.8, 4.0))


def source_file(path: Path, affine: np.ndarray = OBLIQUE, codes: tuple[int, int] = (1, 1), **fields: Any) -> Path:
    array = np.random.default_rng(0).integers(0, 200, SHAPE).astype(np.uint8)
    image = nib.Nifti1Image(array, None)
    image.header.set_xyzt_units("mm", "sec")
    image.header.set_qform(affine, code=codes[1])  # also sets pixdim
    image.header.set_sform(affine if codes[0] else None, code=codes[0])
    for name, value in fields.items():
        image.header[name] = value
    image.to_filename(path)
    return path


def upscaled(volume: Volume, shape: tuple[int, int, int] = (16, 11, 19)) -> Volume:
    values = np.random.default_rng(1).normal(100, 30, shape).astype(np.float32)
    return volume.with_values(values, volume.geometry.resized(shape))


def sitk_corners(path: Path) -> np.ndarray:
    """Outer corners of the field of view in RAS+ mm as SimpleITK reads the file."""
    image = sitk.ReadImage(str(path))
    edges = list(product(*[(-0.5, n - 0.5) for n in image.GetSize()]))
    return np.array([image.TransformContinuousIndexToPhysicalPoint(edge) for edge in edges]) * [-1, -1, 1]


def form_corners(path: Path, form: str) -> np.ndarray:
    image = nib.load(path)
    affine = image.get_sform() if form == "sform" else image.get_qform()
    return VolumeGeometry(image.shape, affine).corners()


@pytest.mark.parametrize("codes", [(1, 1), (2, 2), (1, 2), (4, 1), (0, 1), (1, 0), (3, 0)])
@pytest.mark.parametrize("flip", [False, True])
def test_the_field_of_view_stays_to_its_outer_corners(tmp_path: Path, codes: tuple[int, int], flip: bool) -> None:
    path = source_file(tmp_path / "in.nii.gz", affine_of((20, -30, 40), (0.9, 0.8, 4.0), flip), codes)
    (written,) = write_volume(upscaled(read_volume(path)), tmp_path / "out.nii.gz")
    np.testing.assert_allclose(sitk_corners(written), sitk_corners(path), atol=1e-4)
    image = nib.load(written)
    assert (int(image.header["sform_code"]), int(image.header["qform_code"])) == codes
    for form, code in zip(("sform", "qform"), codes, strict=True):
        if code:
            np.testing.assert_allclose(form_corners(written, form), form_corners(path, form), atol=1e-4)
    np.testing.assert_allclose(image.header.get_zooms(), np.linalg.norm(image.affine[:3, :3], axis=0), rtol=1e-6)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    quaternion=st.tuples(*[st.floats(-1, 1)] * 4).filter(lambda q: np.linalg.norm(q) > 0.1),
    spacing=st.tuples(*[st.floats(0.3, 6.0)] * 3),
    origin=st.tuples(*[st.floats(-500, 500)] * 3),
    shape=st.tuples(*[st.integers(2, 70)] * 3),
    flip=st.booleans(),
    codes=st.sampled_from([(1, 1), (2, 2), (0, 1), (1, 0)]),
)
def test_any_rotation_spacing_and_factor(
    tmp_path: Path,
    quaternion: tuple[float, ...],
    spacing: tuple[float, float, float],
    origin: tuple[float, float, float],
    shape: tuple[int, int, int],
    flip: bool,
    codes: tuple[int, int],
) -> None:
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_quat(quaternion).as_matrix() @ np.diag(spacing)
    affine[:3, 3] = origin
    affine = affine @ np.diag([-1.0 if flip else 1.0, 1.0, 1.0, 1.0])
    path = source_file(tmp_path / "in.nii", affine, codes)
    volume = read_nifti(path, affine="sform")  # the forms of a random rotation may differ by rounding
    written = write_nifti(upscaled(volume, shape), tmp_path / "out.nii", overwrite=True)
    np.testing.assert_allclose(sitk_corners(written), sitk_corners(path), atol=1e-3)
    np.testing.assert_allclose(nib.load(written).affine, volume.geometry.resized(shape).affine, atol=2e-4)


@pytest.mark.parametrize("chosen", ["sform", "qform"])
def test_two_different_forms_both_move(tmp_path: Path, chosen: str) -> None:
    path = source_file(tmp_path / "in.nii")
    image = nib.load(path)
    image.header.set_sform(affine_of((90, 10, -5), (0.9, 0.8, 4.0)), code=2)
    nib.Nifti1Image(image.get_fdata(), None, image.header).to_filename(tmp_path / "two.nii")
    volume = read_volume(tmp_path / "two.nii", affine=chosen)  # type: ignore[arg-type]
    (written,) = write_volume(upscaled(volume), tmp_path / "out.nii")
    for form in ("sform", "qform"):
        np.testing.assert_allclose(form_corners(written, form), form_corners(tmp_path / "two.nii", form), atol=1e-4)
    again = read_volume(written, affine=chosen)  # type: ignore[arg-type]
    np.testing.assert_allclose(again.geometry.affine, volume.geometry.resized((16, 11, 19)).affine, atol=1e-5)


def test_a_wrong_pixdim_beside_a_lone_sform_is_not_handed_on(tmp_path: Path) -> None:
    path = source_file(tmp_path / "in.nii", codes=(1, 0), pixdim=[1, 1, 1, 1, 1, 1, 1, 1])
    volume = read_volume(path, affine="sform")
    (written,) = write_volume(upscaled(volume), tmp_path / "out.nii")
    np.testing.assert_allclose(sitk_corners(written), volume.geometry.corners(), atol=1e-4)


def test_a_crop_is_no_resize_and_lands_where_it_belongs(tmp_path: Path) -> None:
    volume = read_volume(source_file(tmp_path / "in.nii"))
    crop = volume.geometry.resampled((4, 4, 6), (1.0, 1.0, 0.5), (2.0, 3.0, 1.0))
    (written,) = write_volume(volume.with_values(np.zeros((4, 4, 6), np.float32), crop), tmp_path / "out.nii")
    np.testing.assert_allclose(sitk_corners(written), crop.corners(), atol=1e-4)


def test_near_a_half_turn_the_stored_quaternion_is_kept(tmp_path: Path) -> None:
    # Here 32 bits hold the rotation to 0.01 mm only. Both files have the same error, so nothing moves between them.
    affine = affine_of((0.05, 0.04, 179.97), (0.9, 0.9, 4.0))
    path = source_file(tmp_path / "in.nii", affine, (0, 1))
    (written,) = write_volume(upscaled(read_volume(path)), tmp_path / "out.nii")
    old, new = nib.load(path).header, nib.load(written).header
    assert [old[f"quatern_{x}"] for x in "bcd"] == [new[f"quatern_{x}"] for x in "bcd"]
    np.testing.assert_allclose(sitk_corners(written), sitk_corners(path), atol=1e-4)


@pytest.mark.parametrize("shape", [BIG, (300, 300, 80)])
def test_a_volume_without_a_file_gets_one_affine_that_all_readers_agree_on(
    tmp_path: Path, shape: tuple[int, int, int]
) -> None:
    rng = np.random.default_rng(3)
    lone = 0
    for i in range(12):
        angles = rng.uniform(-180, 180, 3) if i % 2 else np.array([0.0, 0.0, 180.0]) + rng.normal(0, 0.1, 3)
        geometry = VolumeGeometry((2, 2, 2), affine_of(tuple(angles), (0.7, 0.7, 1.1))).resized((2, 2, 2))
        geometry = VolumeGeometry(shape, geometry.affine)
        volume = Volume(np.broadcast_to(np.float32(1), shape), geometry)
        (written,) = write_volume(volume, tmp_path / "a.nii", overwrite=True)
        header = nib.load(written).header
        assert int(header["sform_code"]) == 1
        assert header.get_xyzt_units()[0] == "mm"
        np.testing.assert_allclose(sitk_corners(written), geometry.corners(), atol=1e-3)
        np.testing.assert_allclose(read_volume(written).geometry.corners(), geometry.corners(), atol=1e-3)
        lone += int(header["qform_code"]) == 0
    assert 0 < lone < 12  # both branches were seen: code 1/1, and the sform alone where the quaternion is too coarse


def test_without_codes_the_result_gets_explicit_ones(tmp_path: Path) -> None:
    path = source_file(tmp_path / "in.nii", np.diag([0.9, 0.8, 4.0, 1.0]), (0, 0))
    volume = read_volume(path)
    (written,) = write_volume(upscaled(volume), tmp_path / "out.nii")
    header = nib.load(written).header
    assert (int(header["sform_code"]), int(header["qform_code"])) == (2, 2)
    np.testing.assert_allclose(sitk_corners(written), volume.geometry.corners(), atol=1e-4)


@pytest.mark.parametrize(("unit", "per_mm"), [(1, 1e-3), (3, 1e3), (0, 1.0)])
@pytest.mark.parametrize("codes", [(1, 1), (1, 0), (0, 1)])
def test_the_original_unit_is_written_back(tmp_path: Path, unit: int, per_mm: float, codes: tuple[int, int]) -> None:
    path = source_file(tmp_path / "in.nii", np.diag([per_mm] * 3 + [1.0]) @ OBLIQUE, codes, xyzt_units=unit + 8)
    volume = read_volume(path)
    (written,) = write_volume(upscaled(volume), tmp_path / "out.nii")
    header = nib.load(written).header
    assert int(header["xyzt_units"]) == unit + 8
    again = read_volume(written)
    np.testing.assert_allclose(again.geometry.corners(), volume.geometry.corners(), atol=1e-3)
    # the header is consistent in its own unit, too
    np.testing.assert_allclose(header.get_zooms(), np.array(again.geometry.spacing) * per_mm, rtol=1e-5)


def test_values_come_back_exactly_and_never_in_the_narrow_type(tmp_path: Path) -> None:
    volume = upscaled(read_volume(source_file(tmp_path / "in.nii")))  # uint8 on disk
    (written,) = write_volume(volume, tmp_path / "out.nii.gz")
    assert nib.load(written).get_data_dtype() == np.float32
    np.testing.assert_array_equal(read_volume(written).array, volume.array)


@pytest.mark.parametrize(
    "values",
    [
        np.linspace(-1024, 3071, 8 * 9 * 4),
        np.linspace(0, 1e-6, 8 * 9 * 4),
        np.linspace(0, 4e5, 8 * 9 * 4),
        np.full(8 * 9 * 4, 7.5),
        np.zeros(8 * 9 * 4),
    ],
    ids=["HU", "tiny", "huge", "constant", "zero"],
)
def test_int16_has_a_slope_that_fits(tmp_path: Path, values: np.ndarray) -> None:
    array = values.reshape(SHAPE).astype(np.float32)
    volume = Volume(array, VolumeGeometry(SHAPE, OBLIQUE))
    (written,) = write_volume(volume, tmp_path / "a.nii.gz", dtype="int16")
    assert nib.load(written).get_data_dtype() == np.int16
    step = float(array.max() - array.min()) / 65000
    for back in (nib.load(written).get_fdata(), sitk.GetArrayFromImage(sitk.ReadImage(str(written))).T):
        np.testing.assert_allclose(back, array, atol=0.51 * step + 1e-6 * np.abs(array).max())


def test_a_fourth_axis_of_length_one_is_not_written(tmp_path: Path) -> None:
    image = nib.Nifti1Image(np.ones((*SHAPE, 1), np.float32), OBLIQUE)
    image.to_filename(tmp_path / "in.nii")
    (written,) = write_volume(read_volume(tmp_path / "in.nii"), tmp_path / "out.nii")
    assert nib.load(written).shape == SHAPE


def test_what_the_header_keeps_and_what_it_drops(tmp_path: Path) -> None:
    image = nib.Nifti1Image(np.ones(SHAPE, np.int16), OBLIQUE)
    image.header["descrip"] = b"TE=2.9;Time=101112.000;phase=1" + b"x" * 50
    image.header["db_name"] = b"DOE^JANE"
    image.header["aux_file"] = b"Doe_19700101"
    image.header.set_intent("estimate", name="t1")
    image.header["cal_max"] = 900
    image.header.set_dim_info(slice=2)
    image.header["slice_duration"] = 0.1
    image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"DOE^JANE 1970-01-01"))
    image.to_filename(tmp_path / "in.nii")
    (written,) = write_volume(read_volume(tmp_path / "in.nii"), tmp_path / "out.nii")
    header = nib.load(written).header
    assert bytes(header["descrip"]).startswith(b"TE=2.9;Time=101112.000;")
    assert bytes(header["descrip"]).rstrip(b"\0").endswith(b"monai_sr SR, research only")
    assert header.get_intent()[0] == "estimate"
    assert float(header["cal_max"]) == 900
    assert header.get_dim_info()[2] == 2
    assert float(header["slice_duration"]) == 0
    assert b"DOE" not in written.read_bytes().upper()
    write_volume(read_volume(written), tmp_path / "twice.nii")
    assert bytes(nib.load(tmp_path / "twice.nii").header["descrip"]).count(b"monai_sr") == 1


def test_the_mark_is_there_without_a_source(tmp_path: Path) -> None:
    write_volume(Volume(np.ones(SHAPE, np.float32), VolumeGeometry(SHAPE, OBLIQUE)), tmp_path / "a.nii")
    assert bytes(nib.load(tmp_path / "a.nii").header["descrip"]).rstrip(b"\0") == b"monai_sr SR, research only"


def test_the_same_volume_gives_the_same_bytes(tmp_path: Path) -> None:
    volume = upscaled(read_volume(source_file(tmp_path / "in.nii")))
    (one,), (two,) = write_volume(volume, tmp_path / "1.nii.gz"), write_volume(volume, tmp_path / "2.nii.gz")
    assert one.read_bytes() == two.read_bytes()


def test_big_endian_and_nifti2_sources(tmp_path: Path) -> None:
    header = nib.Nifti1Header(endianness=">")
    header.set_data_dtype(np.dtype(">i2"))
    nib.Nifti1Image(np.ones(SHAPE, ">i2"), OBLIQUE, header).to_filename(tmp_path / "big.nii")
    nib.Nifti2Image(np.ones(SHAPE, np.int16), OBLIQUE).to_filename(tmp_path / "two.nii")
    for name in ("big.nii", "two.nii"):
        volume = read_volume(tmp_path / name)
        (written,) = write_volume(upscaled(volume), tmp_path / f"out_{name}")
        np.testing.assert_allclose(sitk_corners(written), volume.geometry.corners(), atol=1e-4)


def test_refusals_of_the_writer(tmp_path: Path) -> None:
    geometry = VolumeGeometry(SHAPE, OBLIQUE)
    fine = Volume(np.ones(SHAPE, np.float32), geometry)
    with pytest.raises(InputError, match=r"must end in \.nii or \.nii\.gz"):
        write_volume(fine, tmp_path / "a.mha")
    tilted = OBLIQUE.copy()
    tilted[:3, 2] += 0.3 * tilted[:3, 1]
    with pytest.raises(InputError, match=r"sheared.*write DICOM instead"):
        write_volume(Volume(fine.array, VolumeGeometry(SHAPE, tilted)), tmp_path / "a.nii")
    with pytest.raises(InputError, match="NaN"):
        write_volume(fine.with_values(np.full(SHAPE, np.nan, np.float32)), tmp_path / "a.nii")
    with pytest.raises(ValueError, match="derivation"):
        write_volume(fine, tmp_path / "dicom", format="dicom")
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_replaced_unasked(tmp_path: Path) -> None:
    volume = Volume(np.ones(SHAPE, np.float32), VolumeGeometry(SHAPE, OBLIQUE))
    target = tmp_path / "a.nii.gz"
    target.write_bytes(b"mine")
    with pytest.raises(InputError, match=r"a\.nii\.gz exists"):
        write_volume(volume, target)
    assert target.read_bytes() == b"mine"
    write_volume(volume, target, overwrite=True)
    assert read_volume(target).array.shape == SHAPE
    assert [p.name for p in tmp_path.iterdir()] == ["a.nii.gz"]


def test_a_real_dicom_series_lands_where_simpleitk_sees_it(real_data: Path, tmp_path: Path) -> None:
    for folder in ("siemens_HFP_t1_sag", "ct_lidc_0001_2.5mm"):
        volume = read_volume(real_data / "dicom" / folder)
        (written,) = write_volume(volume, tmp_path / f"{folder}.nii.gz")
        names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(real_data / "dicom" / folder))
        series = sitk.ReadImage(names)
        edges = list(product(*[(-0.5, n - 0.5) for n in series.GetSize()]))
        corners = np.array([series.TransformContinuousIndexToPhysicalPoint(edge) for edge in edges]) * [-1, -1, 1]
        found = sitk_corners(written)
        # the two readers may run along the slices in opposite directions, so corners are compared as a set
        distance = np.linalg.norm(corners[:, None] - found[None], axis=-1).min(axis=1)
        assert distance.max() < 1e-3


def test_real_volumes_come_back(real_data: Path, tmp_path: Path) -> None:
    for name in (
        "mr_t1_philips_mprage.nii.gz",  # oblique, stored as PIR
        "mr_flair_oms_p19.nii.gz",  # qform only, LAS
        "mr_t2_stroke.nii.gz",  # scaled bytes, codes 2/2
        "thick_mr_t2w_oms_long01_study2.nii.gz",  # forms that differ by rounding
        "ct_sts_010.nii.gz",
    ):
        source = real_data / "train" / name
        volume = read_volume(source, affine="sform")
        (written,) = write_volume(volume, tmp_path / name)
        again = read_volume(written, affine="sform")
        np.testing.assert_array_equal(again.array, volume.array)
        assert again.modality == volume.modality
        np.testing.assert_allclose(sitk_corners(written), sitk_corners(source), atol=1e-3)
        x, y, z = volume.geometry.shape
        thin = volume.geometry.resized((x // 4, y // 4, 3 * z))
        thinned = volume.with_values(np.zeros(thin.shape, np.float32), thin)
        (written,) = write_volume(thinned, tmp_path / "thin.nii", overwrite=True)
        np.testing.assert_allclose(sitk_corners(written), sitk_corners(source), atol=1e-3)


def test_the_same_volume_is_packed_into_the_same_bytes_that_any_gzip_reads(tmp_path: Path) -> None:
    array = np.random.default_rng(0).normal(size=(20, 30, 40)).astype(np.float32)
    volume = Volume(array, VolumeGeometry(array.shape, np.eye(4)), modality="MR")
    files = [write_nifti(volume, tmp_path / name) for name in ("a.nii.gz", "b.nii.gz", "plain.nii")]
    packed = [file.read_bytes() for file in files]
    assert packed[0] == packed[1]  # no date, no name
    assert gzip.decompress(packed[0]) == packed[2]
