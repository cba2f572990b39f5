"""Reading NIfTI: right values and places, with nibabel and SimpleITK as oracles, and every refusal by its reason."""

from __future__ import annotations

import gzip
import struct
import zlib
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from scipy.spatial.transform import Rotation

from monai_sr.io import InputError, read_volume
from monai_sr.io.nifti import NiftiSource, read_nifti

SHAPE = (7, 6, 5)
OBLIQUE = np.eye(4)
OBLIQUE[:3, :3] = Rotation.from_euler("xyz", [20, -30, 40], degrees=True).as_matrix() @ np.diag([0.9, 0.8, 4.0])
OBLIQUE[:3, 3] = [-60.0, 35.0, 12.5]
LEFT_HANDED = OBLIQUE @ np.diag([-1.0, 1.0, 1.0, 1.0])


def ramp(dtype: Any = np.int16, shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    """Every voxel has its own value, so that a swapped axis shows."""
    return np.arange(np.prod(shape)).reshape(shape).astype(dtype)


def save(
    path: Path,
    array: np.ndarray | None = None,
    *,
    sform: np.ndarray | None = OBLIQUE,
    qform: np.ndarray | None = None,
    sform_code: int = 1,
    qform_code: int = 0,
    **fields: Any,
) -> Path:
    """Write with nibabel; ``fields`` are set in the header as they are, and a NaN slope leaves the values alone."""
    array = ramp() if array is None else array
    header = nib.Nifti1Header()
    header.set_data_dtype(array.dtype)
    header.set_data_shape(array.shape)
    header.set_xyzt_units("mm")
    if qform is not None:
        header.set_qform(qform, code=qform_code)
    elif sform is not None:
        header["pixdim"][1:4] = np.linalg.norm(sform[:3, :3], axis=0)
    if sform is not None:
        header.set_sform(sform, code=sform_code)
    for name, value in fields.items():
        header[name] = value
    header["vox_offset"] = 352
    raw = header.binaryblock + bytes(4) + np.asfortranarray(array).tobytes(order="F")
    path.write_bytes(gzip.compress(raw) if path.name.endswith(".gz") else raw)
    return path


def sitk_affine(path: Path) -> np.ndarray:
    """Index to RAS+ mm as SimpleITK reads it."""
    image = sitk.ReadImage(str(path))
    affine = np.eye(4)
    affine[:3, :3] = np.array(image.GetDirection()).reshape(3, 3) @ np.diag(image.GetSpacing())
    affine[:3, 3] = image.GetOrigin()
    return np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine


# --- what is read rightly ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("affine", [OBLIQUE, LEFT_HANDED], ids=["right-handed", "left-handed"])
def test_places_agree_with_nibabel_and_simpleitk(tmp_path: Path, suffix: str, affine: np.ndarray) -> None:
    path = save(tmp_path / f"a{suffix}", sform=affine, qform=affine, qform_code=1)
    volume = read_nifti(path)
    np.testing.assert_allclose(volume.geometry.affine, nib.load(path).affine, atol=1e-9)
    np.testing.assert_allclose(volume.geometry.affine, sitk_affine(path), atol=1e-4)
    np.testing.assert_array_equal(volume.array, ramp())
    np.testing.assert_array_equal(volume.array, sitk.GetArrayFromImage(sitk.ReadImage(str(path))).T)
    assert volume.array.dtype == np.float32


@pytest.mark.parametrize("dtype", ["u1", "i1", "<i2", ">i2", "<u2", ">i4", "<i8", "<f4", ">f4", "<f8"])
def test_every_real_type_and_byte_order(tmp_path: Path, dtype: str) -> None:
    array = (ramp() % 100).astype(dtype)
    header = nib.Nifti1Header(endianness=">" if dtype.startswith(">") else "<")
    header.set_data_dtype(np.dtype(dtype))
    image = nib.Nifti1Image(array, OBLIQUE, header)
    image.to_filename(tmp_path / "a.nii.gz")
    volume = read_nifti(tmp_path / "a.nii.gz")
    np.testing.assert_array_equal(volume.array, nib.load(tmp_path / "a.nii.gz").get_fdata())
    assert isinstance(volume.source, NiftiSource)
    assert volume.source.dtype == np.dtype(dtype)


@pytest.mark.parametrize(
    ("slope", "inter"), [(0.5, -1024.0), (-2.0, 3.0), (0.0, 7.0), (float("nan"), 0.0), (float("nan"), float("nan"))]
)
def test_slope_and_intercept_as_nibabel_reads_them(tmp_path: Path, slope: float, inter: float) -> None:
    path = save(tmp_path / "a.nii", scl_slope=slope, scl_inter=inter)
    np.testing.assert_allclose(read_nifti(path).array, nib.load(path).get_fdata(), rtol=1e-6)


def test_large_integers_are_scaled_before_they_are_rounded(tmp_path: Path) -> None:
    array = np.full(SHAPE, 2**30 + 1, dtype=np.int32)
    path = save(tmp_path / "a.nii", array, scl_slope=1.0, scl_inter=float(-(2**30)))
    assert read_nifti(path).array.max() == 1.0  # in float32 the difference would be 0


def test_trailing_axis_of_length_one_is_accepted(tmp_path: Path) -> None:
    volume = read_nifti(save(tmp_path / "a.nii", ramp(shape=(*SHAPE, 1, 1))))
    assert volume.array.shape == SHAPE
    assert isinstance(volume.source, NiftiSource)
    assert volume.source.shape == (*SHAPE, 1, 1)


def test_content_decides_whether_a_file_is_packed(tmp_path: Path) -> None:
    packed = save(tmp_path / "a.nii.gz")
    (tmp_path / "b.nii").write_bytes(packed.read_bytes())
    (tmp_path / "c.nii.gz").write_bytes(gzip.decompress(packed.read_bytes()))
    for name in ("b.nii", "c.nii.gz"):
        np.testing.assert_array_equal(read_nifti(tmp_path / name).array, ramp())


def test_nifti2(tmp_path: Path) -> None:
    nib.Nifti2Image(ramp(), OBLIQUE).to_filename(tmp_path / "a.nii.gz")
    volume = read_nifti(tmp_path / "a.nii.gz")
    np.testing.assert_allclose(volume.geometry.affine, OBLIQUE, atol=1e-12)
    np.testing.assert_array_equal(volume.array, ramp())


def test_extensions_are_passed_over(tmp_path: Path) -> None:
    image = nib.Nifti1Image(ramp(), OBLIQUE)
    image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"Doe^Jane" * 50))
    image.to_filename(tmp_path / "a.nii")
    volume = read_nifti(tmp_path / "a.nii")
    np.testing.assert_array_equal(volume.array, ramp())
    assert isinstance(volume.source, NiftiSource)
    assert len(volume.source.header.extensions) == 0


def test_slice_axis_comes_from_dim_info_only(tmp_path: Path) -> None:
    assert read_nifti(save(tmp_path / "a.nii")).slice_axis is None
    header = nib.Nifti1Header()
    header.set_dim_info(freq=0, phase=2, slice=1)
    assert read_nifti(save(tmp_path / "b.nii", dim_info=header["dim_info"])).slice_axis == 1


@pytest.mark.parametrize(("unit", "per_mm"), [(1, 1e-3), (2, 1.0), (3, 1e3), (0, 1.0)])
@pytest.mark.parametrize("form", ["sform", "qform", "both"])
def test_units_become_mm(tmp_path: Path, unit: int, per_mm: float, form: str) -> None:
    stored = np.diag([per_mm] * 3 + [1.0]) @ OBLIQUE
    path = save(
        tmp_path / "a.nii",
        sform=None if form == "qform" else stored,
        qform=None if form == "sform" else stored,
        qform_code=1,
        xyzt_units=unit + 8,
    )
    volume = read_nifti(path)
    np.testing.assert_allclose(volume.geometry.affine, OBLIQUE, atol=2e-5)
    assert any("header" in note for note in volume.notes) == (unit != 2)
    assert isinstance(volume.source, NiftiSource)
    assert volume.source.unit == unit


def test_no_code_set_falls_back_as_nibabel_does(tmp_path: Path) -> None:
    path = save(tmp_path / "a.nii", sform=None, pixdim=[1, 0.9, 0.8, 4, 1, 1, 1, 1])
    volume = read_nifti(path)
    np.testing.assert_allclose(volume.geometry.affine, nib.load(path).affine, atol=1e-6)
    assert any("orientation of this file is unknown" in note for note in volume.notes)
    with pytest.raises(InputError, match="voxel size is"):
        read_nifti(save(tmp_path / "b.nii", sform=None, pixdim=[1, 0, 0.8, 4, 1, 1, 1, 1]))


# --- sform against qform -------------------------------------------------------------------------------------------


def moved(millimetres: float) -> np.ndarray:
    """The oblique affine, shifted along x."""
    return np.array([[1, 0, 0, millimetres], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]]) @ OBLIQUE


def test_two_forms_must_agree_to_a_thousandth_mm(tmp_path: Path) -> None:
    near = save(tmp_path / "near.nii", qform=moved(0.0008), qform_code=1)
    assert read_nifti(near).notes[0].startswith("modality")
    far = save(tmp_path / "far.nii", qform=moved(0.0013), qform_code=1)
    with pytest.raises(InputError, match=r"far\.nii: .*differ by 0\.0013 mm.*--affine sform or --affine qform"):
        read_nifti(far)


def test_the_user_chooses_between_two_forms(tmp_path: Path) -> None:
    path = save(tmp_path / "a.nii", qform=moved(5), qform_code=1)
    for form, expected in (("sform", OBLIQUE), ("qform", moved(5))):
        volume = read_volume(path, affine=form)  # type: ignore[arg-type]
        np.testing.assert_allclose(volume.geometry.affine, expected, atol=1e-5)
        assert f"the {form} was used, as asked" in volume.notes[0]


def test_far_corners_count_not_the_origin_alone(tmp_path: Path) -> None:
    turned = OBLIQUE.copy()
    turned[:3, :3] = Rotation.from_euler("z", 0.02, degrees=True).as_matrix() @ OBLIQUE[:3, :3]
    with pytest.raises(InputError, match="differ by"):
        read_nifti(save(tmp_path / "a.nii", qform=turned, qform_code=1))


def test_a_difference_of_rounding_is_called_so(tmp_path: Path) -> None:
    # close to a half turn, where 32 bits hold the quaternion badly: the two forms of one affine differ
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("xyz", [2.1, 7.3, 179.6], degrees=True).as_matrix() @ np.diag([0.6, 0.6, 3.3])
    array = np.zeros((200, 200, 40), dtype=np.uint8)
    path = save(tmp_path / "a.nii", array, sform=affine, qform=affine, qform_code=1)
    with pytest.raises(InputError, match="no more than the rounding of the qform explains"):
        read_nifti(path)


def test_asking_for_a_form_that_is_not_set_takes_the_other_and_says_so(tmp_path: Path) -> None:
    volume = read_nifti(save(tmp_path / "a.nii"), affine="qform")
    np.testing.assert_allclose(volume.geometry.affine, OBLIQUE, atol=1e-5)
    assert "qform of this file is not set" in volume.notes[0]


def test_broken_qform_is_not_passed_over_in_silence(tmp_path: Path) -> None:
    path = save(tmp_path / "a.nii", qform=OBLIQUE, qform_code=1, quatern_b=2.0)
    with pytest.raises(InputError, match=r"quaternion is no rotation.*--affine sform"):
        read_nifti(path)
    np.testing.assert_allclose(read_nifti(path, affine="sform").geometry.affine, OBLIQUE, atol=1e-5)
    with pytest.raises(InputError, match="the qform cannot be used"):
        read_nifti(path, affine="qform")


def test_pixdim_must_not_contradict_a_lone_sform(tmp_path: Path) -> None:
    path = save(tmp_path / "a.nii", pixdim=[1, 1, 1, 1, 1, 1, 1, 1])
    assert np.abs(sitk_affine(path) - OBLIQUE).max() > 1  # the reason: ITK believes pixdim
    with pytest.raises(InputError, match=r"pixdim says a voxel size of \(1, 1, 1\) mm.*--affine sform"):
        read_nifti(path)
    np.testing.assert_allclose(read_nifti(path, affine="sform").geometry.affine, OBLIQUE, atol=1e-5)


# --- refusals ------------------------------------------------------------------------------------------------------

SINGULAR = OBLIQUE @ np.diag([1.0, 1.0, 0.0, 1.0])
SHEARED = OBLIQUE @ np.array([[1, 2e-3, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])
NAN_VOXEL = np.where(ramp(np.float32) == 3, np.nan, ramp(np.float32))
TWO_BAD = np.where(ramp(np.float64) < 2, 1e300, ramp(np.float64))


@pytest.mark.parametrize(
    ("message", "array", "fields"),
    [
        ("2-D image", ramp(shape=(7, 6)), {}),
        (r"holds 3 volumes \(shape \(7, 6, 5, 3\)\).*slicer", ramp(shape=(*SHAPE, 3)), {}),
        ("holds 6 volumes", ramp(shape=(*SHAPE, 1, 6)), {}),
        ("at least two voxels along each axis", ramp(shape=(7, 6, 1)), {}),
        ("at least two voxels along each axis", ramp(shape=(1, 1, 9)), {}),
        ("complex", ramp(np.complex64), {}),
        ("colour", np.zeros(SHAPE, dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")]), {}),
        ("cannot be understood", None, {"datatype": 77}),
        ("sform is singular", None, {"sform": SINGULAR, "pixdim": [1, 0.9, 0.8, 0, 1, 1, 1, 1]}),
        ("sform holds NaN", None, {"srow_x": [np.nan, 0, 0, 0]}),
        ("sheared.*ITK", None, {"sform": SHEARED}),
        ("1 of 210 voxels that are NaN", NAN_VOXEL, {}),
        ("2 of 210 voxels that are NaN, infinite or too large", TWO_BAD, {}),
        ("an axis without voxels", None, {"dim": [3, 7, 0, 5, 1, 1, 1, 1]}),
        ("an axis without voxels", None, {"dim": [3, 7, -6, 5, 1, 1, 1, 1]}),
        ("9 axes", None, {"dim": [9, 7, 6, 5, 1, 1, 1, 1]}),
        ("truncated or its header is wrong", None, {"dim": [3, 32767, 32767, 32767, 1, 1, 1, 1]}),
        ("holds 2 volumes", None, {"dim": [4, 7, 6, 5, 2, 1, 1, 1]}),
        ("truncated or its header is wrong", None, {"dim": [3, 7, 6, 6, 1, 1, 1, 1]}),
        ("scales its values by inf", None, {"scl_slope": np.inf}),
        ("shifts them by nan", None, {"scl_slope": 2.0, "scl_inter": np.nan}),
        ("check pixdim and xyzt_units", None, {"xyzt_units": 1}),
        ("check pixdim and xyzt_units", None, {"xyzt_units": 3}),
    ],
)
def test_refused_by_name(tmp_path: Path, message: str, array: np.ndarray | None, fields: dict[str, Any]) -> None:
    path = save(tmp_path / "scan.nii", array, **fields)
    with pytest.raises(InputError, match=message) as refusal:
        read_nifti(path)
    assert str(refusal.value).startswith("scan.nii")
    assert "\n" not in str(refusal.value)


def test_shear_limit_is_where_simpleitk_stops(tmp_path: Path) -> None:
    def sheared(cosine: float) -> Path:
        matrix = np.eye(4)
        matrix[0, 1] = cosine
        return save(tmp_path / f"{cosine}.nii", sform=OBLIQUE @ matrix @ np.diag([1, 1, 1, 1.0]))

    scale = 0.8 / 0.9  # from a step in voxels to a cosine
    read_nifti(sheared(8e-5 * scale))
    sitk_affine(sheared(8e-5 * scale))
    with pytest.raises(InputError, match="sheared"):
        read_nifti(sheared(1.2e-4 * scale))
    with pytest.raises(RuntimeError, match="orthonormal"):
        sitk_affine(sheared(1.2e-4 * scale))


@pytest.mark.parametrize("kept", [0, 1, 100, 347, 348, 400, -1, -200])
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_truncated_anywhere(tmp_path: Path, suffix: str, kept: int) -> None:
    whole = save(tmp_path / f"whole{suffix}", np.random.default_rng(0).integers(0, 999, SHAPE, dtype=np.int16))
    part = tmp_path / f"part{suffix}"
    part.write_bytes(whole.read_bytes()[:kept])
    with pytest.raises(InputError, match=f"part{suffix}"):
        read_nifti(part)


def test_damaged_gzip_is_found_even_behind_the_last_voxel(tmp_path: Path) -> None:
    raw = bytearray(save(tmp_path / "a.nii.gz").read_bytes())
    raw[-6] ^= 0xFF  # within the check sum
    (tmp_path / "b.nii.gz").write_bytes(raw)
    with pytest.raises(InputError, match="gzip data are damaged"):
        read_nifti(tmp_path / "b.nii.gz")


def test_flipped_bits_are_refused_or_harmless(tmp_path: Path) -> None:
    whole = save(tmp_path / "a.nii.gz", qform=OBLIQUE, qform_code=1).read_bytes()
    rng = np.random.default_rng(1)
    for _ in range(300):
        broken = bytearray(whole)
        broken[rng.integers(len(broken))] ^= 1 << rng.integers(8)
        (tmp_path / "b.nii.gz").write_bytes(broken)
        try:
            volume = read_nifti(tmp_path / "b.nii.gz")
        except InputError:
            continue
        np.testing.assert_array_equal(volume.array, ramp())  # the flip hit a name or a time stamp of gzip


def test_flipped_header_bits_never_raise_anything_else(tmp_path: Path) -> None:
    whole = save(tmp_path / "a.nii", qform=OBLIQUE, qform_code=1).read_bytes()
    path = tmp_path / "b.nii"
    for bit in np.random.default_rng(2).choice(348 * 8, 600, replace=False):
        broken = bytearray(whole)
        broken[bit // 8] ^= 1 << (bit % 8)
        path.write_bytes(broken)
        try:
            volume = read_nifti(path)
        except InputError:
            continue
        assert np.isfinite(volume.array).all()
        assert np.isfinite(volume.geometry.affine).all()


def test_a_header_that_no_packed_file_could_fill_is_refused_before_memory_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save(tmp_path / "bomb.nii.gz", dim=[3, 1200, 1200, 1200, 1, 1, 1, 1])
    monkeypatch.setattr(np, "empty", lambda *_args, **_kwargs: pytest.fail("memory was taken"))
    with pytest.raises(InputError, match="packed bytes can hold"):
        read_nifti(path)


def test_a_volume_of_zeros_packs_well_and_is_no_bomb(tmp_path: Path) -> None:
    path = save(tmp_path / "a.nii.gz", np.zeros((128, 128, 64), dtype=np.float32))
    assert path.stat().st_size * 900 < 128 * 128 * 64 * 4
    volume = read_nifti(path)
    assert volume.array.max() == 0
    assert any("same value, 0" in note for note in volume.notes)


def test_too_many_voxels(tmp_path: Path) -> None:
    path = tmp_path / "a.nii"
    save(path, dim=[3, 2048, 2048, 2000, 1, 1, 1, 1], datatype=2, bitpix=8)
    with path.open("r+b") as stream:
        stream.truncate(352 + 2048 * 2048 * 2000)  # a sparse file: the size is real, the disk is not used
    with pytest.raises(InputError, match=r"8388608000 voxels .*, more than"):
        read_nifti(path)


def test_data_behind_the_voxels_are_not_passed_over(tmp_path: Path) -> None:
    path = save(tmp_path / "a.nii")
    path.write_bytes(path.read_bytes() + bytes(512))
    read_nifti(path)  # padding to a block
    path.write_bytes(path.read_bytes() + bytes(2**17))
    with pytest.raises(InputError, match="more data than its header says"):
        read_nifti(path)


@pytest.mark.parametrize("offset", [0, 100, 352.5, 1e9, float("nan"), float("inf"), -352])
def test_voxel_offset_must_make_sense(tmp_path: Path, offset: float) -> None:
    path = save(tmp_path / "a.nii")
    raw = bytearray(path.read_bytes())
    raw[108:112] = struct.pack("<f", offset)
    path.write_bytes(raw)
    with pytest.raises(InputError, match=r"a\.nii"):
        read_nifti(path)


def test_not_nifti_at_all(tmp_path: Path) -> None:
    (tmp_path / "a.nii").write_bytes(zlib.compress(bytes(5000)) * 50)
    with pytest.raises(InputError, match="no NIfTI mark"):
        read_nifti(tmp_path / "a.nii")
    nib.Nifti1Pair(ramp(), OBLIQUE).to_filename(tmp_path / "b.hdr")
    (tmp_path / "b.hdr").rename(tmp_path / "b.nii")
    with pytest.raises(InputError, match=r"half of a \.hdr/\.img pair"):
        read_nifti(tmp_path / "b.nii")


# --- real scans ----------------------------------------------------------------------------------------------------

# Both forms are set and differ by 0.003 mm, since 32 bits cannot hold the quaternion of this patient's orientation.
ROUNDED = {
    "thick_mr_flair_oms_long01_study2.nii.gz",
    "thick_mr_t1w_oms_long01_study2.nii.gz",
    "thick_mr_t2w_oms_long01_study2.nii.gz",
}


def test_every_real_volume_reads(real_data: Path) -> None:
    refused = set()
    for path in sorted((real_data / "train").glob("*.nii.gz")):
        try:
            volume = read_volume(path)
        except InputError as error:
            assert "--affine" in str(error)
            refused.add(path.name)
            volume = read_volume(path, affine="sform")
        assert volume.modality == ("CT" if path.name.startswith("ct_") else "MR"), path.name
        assert volume.name == path.name[: -len(".nii.gz")]
        image = nib.load(path)
        np.testing.assert_allclose(volume.geometry.affine, image.affine, atol=1e-9)
        middle = image.shape[2] // 2
        np.testing.assert_allclose(volume.array[:, :, middle], image.dataobj[:, :, middle], rtol=1e-6)
    assert refused == ROUNDED
