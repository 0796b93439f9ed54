import gzip
import hashlib
import tracemalloc
from dataclasses import replace
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.makers import nifti_source, truncate, write_mask, write_nifti
from voxray.core.errors import GeometryError, TooLargeError, UnreadableScanError
from voxray.core.geometry import VoxelGrid
from voxray.scan_io import (
    read_label_map,
    read_nifti_grid,
    read_nifti_volume,
    read_volume,
    write_label_map,
)

AFFINE = np.array(
    [[0, -0.9, 0, 30], [1.2, 0, 0, -40], [0, 0, 2.5, 5], [0, 0, 0, 1]], float
)


def patched(path, **fields):
    """Set raw header fields, also to impossible values."""
    with path.open("rb") as stream:
        header = nib.Nifti1Header.from_fileobj(stream)
    for name, value in fields.items():
        header[name] = value
    content = path.read_bytes()
    path.write_bytes(header.binaryblock + content[len(header.binaryblock) :])
    return path


def read(path):
    return read_volume(nifti_source(path))


@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_volume_agrees_with_nibabel(tmp_path, kind, suffix):
    path = write_nifti(tmp_path / f"s{suffix}", affine=AFFINE, kind=kind)

    volume = read(path)

    image: Any = nib.load(path)
    np.testing.assert_array_equal(volume.voxels, image.get_fdata())
    np.testing.assert_array_equal(volume.grid.affine, image.affine)
    assert volume.voxels.dtype == np.float32


def test_name_of_the_file_does_not_matter(tmp_path):
    path = write_nifti(tmp_path / "s.nii.gz").rename(tmp_path / "scan")

    assert read(path).voxels.shape == (6, 8, 5)


def test_slope_and_intercept_are_applied(tmp_path):
    path = write_nifti(tmp_path / "s.nii", np.full((2, 2, 2), 10, np.int16))
    patched(path, scl_slope=0.5, scl_inter=-3.0)

    assert np.unique(read(path).voxels) == 2


@pytest.mark.parametrize(
    "dtype",
    ["u1", "i1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8", ">i2", ">i8", ">f8"],
)
def test_every_real_type_is_read(tmp_path, dtype):
    voxels = np.arange(24).reshape(2, 3, 4).astype(dtype)
    image: Any = nib.Nifti1Image(voxels, np.eye(4), dtype=voxels.dtype)
    image.to_filename(tmp_path / "s.nii")

    np.testing.assert_array_equal(
        read(tmp_path / "s.nii").voxels, np.arange(24).reshape(2, 3, 4)
    )


def test_value_beyond_float32_becomes_infinite(tmp_path):
    path = write_nifti(tmp_path / "s.nii", np.full((2, 2, 2), 1e300))

    assert np.isinf(read(path).voxels).all()


def test_value_that_is_no_number_stays_none_silently(tmp_path):
    signalling = np.full(8, 0x7FF0000000000001, np.uint64).view(np.float64)
    path = write_nifti(tmp_path / "s.nii", signalling.reshape(2, 2, 2))

    assert np.isnan(read(path).voxels).all()


def test_sform_comes_before_qform(tmp_path):
    path = write_nifti(tmp_path / "s.nii")
    image: Any = nib.load(path)
    image.set_sform(AFFINE, code=2)
    image.set_qform(np.diag([3, 3, 3, 1]), code=1)
    image.to_filename(tmp_path / "t.nii")

    grid, _ = read_nifti_grid(tmp_path / "t.nii", "s")

    np.testing.assert_allclose(grid.affine, AFFINE, atol=1e-6)


def test_qform_counts_when_sform_has_no_code(tmp_path):
    image = nib.Nifti1Image(np.zeros((4, 5, 6), np.uint8), None)
    image.set_qform(AFFINE, code=1)
    image.to_filename(tmp_path / "s.nii")

    grid, _ = read_nifti_grid(tmp_path / "s.nii", "s")

    np.testing.assert_allclose(grid.affine, AFFINE, atol=1e-6)


def test_spacing_alone_is_centred_as_nibabel_does(tmp_path):
    image = nib.Nifti1Image(np.zeros((5, 5, 5), np.uint8), None)
    image.header.set_zooms((1, 2, 3))
    image.to_filename(tmp_path / "s.nii")

    grid, _ = read_nifti_grid(tmp_path / "s.nii", "s")

    assert grid.affine.tolist() == [
        [-1, 0, 0, 2],
        [0, 2, 0, -4],
        [0, 0, 3, -6],
        [0, 0, 0, 1],
    ]


@pytest.mark.parametrize(
    ("unit", "mm"), [(0, 1), (1, 1000), (2, 1), (3, 0.001), (10, 1)]
)
def test_unit_of_length_becomes_mm(tmp_path, unit, mm):
    path = patched(write_nifti(tmp_path / "s.nii"), xyzt_units=unit)

    grid, _ = read_nifti_grid(path, "s")

    assert grid.spacing_mm == pytest.approx((mm, mm, 2 * mm))


def test_unknown_unit_of_length_is_refused(tmp_path):
    path = patched(write_nifti(tmp_path / "s.nii"), xyzt_units=5)

    with pytest.raises(GeometryError, match=r"unit of length has no meaning: 5"):
        read_nifti_grid(path, "s")


def test_grid_tells_the_shape_of_the_header(tmp_path):
    path = write_nifti(tmp_path / "s.nii.gz", np.zeros((2, 3, 4, 7), np.int16))

    grid, shape = read_nifti_grid(path, "s")

    assert (grid.shape, shape) == ((2, 3, 4), (2, 3, 4, 7))


def test_trailing_axes_of_one_are_dropped(tmp_path):
    path = write_nifti(tmp_path / "s.nii", np.ones((2, 3, 4, 1, 1), np.int16))

    assert read(path).voxels.shape == (2, 3, 4)


def test_plane_gets_a_third_axis(tmp_path):
    path = write_nifti(tmp_path / "s.nii", np.ones((2, 3), np.int16))

    volume = read(path)

    assert volume.voxels.shape == volume.grid.shape == (2, 3, 1)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".hdr"])
def test_fourth_axis_is_a_list_of_volumes(tmp_path, suffix):
    voxels = np.arange(2 * 3 * 4 * 7, dtype=np.int16).reshape(2, 3, 4, 7)
    kind = nib.Nifti1Pair if suffix == ".hdr" else nib.Nifti1Image
    path = write_nifti(tmp_path / f"s{suffix}", voxels, kind=kind)

    for volume in (0, 5, 6):
        source = replace(nifti_source(path), volume=volume)
        np.testing.assert_array_equal(read_volume(source).voxels, voxels[..., volume])


@pytest.mark.parametrize("volume", [7, -1])
def test_volume_that_is_not_there_is_refused(tmp_path, volume):
    path = write_nifti(tmp_path / "s.nii", np.zeros((2, 3, 4, 7), np.int16))

    with pytest.raises(GeometryError, match=r"it has no volume .*: 2 x 3 x 4 x 7"):
        read_volume(replace(nifti_source(path), volume=volume))


def test_values_beyond_space_and_time_are_refused(tmp_path):
    path = write_nifti(tmp_path / "s.nii", np.zeros((2, 3, 4, 1, 3), np.int16))

    with pytest.raises(GeometryError, match=r"not one volume: 2 x 3 x 4 x 1 x 3 vox"):
        read(path)


def test_mask_of_several_volumes_is_refused(tmp_path):
    path = write_nifti(tmp_path / "s.nii", np.zeros((2, 3, 4, 7), np.int16))

    with pytest.raises(GeometryError, match=r"not one volume: 2 x 3 x 4 x 7 voxels"):
        read_label_map(path, "s")


def test_only_the_volume_that_is_read_is_kept_in_memory(tmp_path):
    path = write_nifti(tmp_path / "s.nii", np.zeros((64, 64, 16, 20), np.int16))
    tracemalloc.start()

    n_bytes = read(path).voxels.nbytes

    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2 * n_bytes + (1 << 18)


@pytest.mark.parametrize("slope", [0.0, np.nan, np.inf])
def test_slope_that_is_none_is_not_applied(tmp_path, slope):
    path = write_nifti(tmp_path / "s.nii", np.full((2, 2, 2), 10, np.int16))
    patched(path, scl_slope=slope, scl_inter=5.0)

    assert np.unique(read(path).voxels) == 10


@pytest.mark.parametrize(
    ("header", "voxels"),
    [
        ("s.hdr", "s.img"),
        ("s.hdr", "s.img.gz"),
        ("s.hdr.gz", "s.img"),
        ("S.HDR", "S.IMG"),
    ],
)
def test_header_of_a_pair_leads_to_its_voxels(tmp_path, header, voxels):
    write_nifti(tmp_path / "a.hdr", kind=nib.Nifti1Pair)
    for made, name in (("a.hdr", header), ("a.img", voxels)):
        content = (tmp_path / made).read_bytes()
        packed = gzip.compress(content) if name.endswith(".gz") else content
        (tmp_path / name).write_bytes(packed)

    single = read(write_nifti(tmp_path / "one.nii"))

    pair = read(tmp_path / header)
    np.testing.assert_array_equal(pair.voxels, single.voxels)
    assert pair.grid.matches(single.grid)
    assert read_nifti_grid(tmp_path / header, "s")[1] == (6, 8, 5)


def test_pair_without_voxels_is_refused_by_its_header(tmp_path):
    path = write_nifti(tmp_path / "s.hdr", kind=nib.Nifti1Pair)
    path.with_suffix(".img").unlink()

    with pytest.raises(UnreadableScanError, match=r"no \.img of its name lies beside"):
        read_nifti_grid(path, "s")


def test_truncated_voxels_of_a_pair_are_refused(tmp_path):
    path = write_nifti(tmp_path / "s.hdr", kind=nib.Nifti1Pair)
    truncate(path.with_suffix(".img"), 100)

    with pytest.raises(UnreadableScanError, match="truncated: 100 of 480 voxel bytes"):
        read(path)


def test_volume_beyond_the_bound_is_refused_before_it_is_read(tmp_path):
    dim = [3, 30000, 30000, 3, 1, 1, 1, 1]
    path = patched(write_nifti(tmp_path / "s.nii"), dim=dim)

    with pytest.raises(TooLargeError, match=r"declares 30000 x 30000 x 3 voxels"):
        read(path)


def test_singular_affine_is_refused(tmp_path):
    path = patched(write_nifti(tmp_path / "s.nii"), srow_z=[0, 0, 0, 0])

    with pytest.raises(GeometryError, match="affine is singular"):
        read(path)


def test_impossible_quaternion_is_refused(tmp_path):
    path = patched(write_nifti(tmp_path / "s.nii"), sform_code=0, quatern_b=2.0)

    with pytest.raises(GeometryError, match="orientation in its NIfTI header"):
        read(path)


@pytest.mark.parametrize(
    "dtype", [np.complex64, np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])]
)
def test_complex_and_colour_are_refused(tmp_path, dtype):
    path = write_nifti(tmp_path / "s.nii", np.zeros((2, 2, 2), dtype))

    with pytest.raises(UnreadableScanError, match="it holds no grey volume"):
        read(path)


def test_unknown_type_is_refused(tmp_path):
    path = patched(write_nifti(tmp_path / "s.nii"), datatype=999)

    with pytest.raises(UnreadableScanError, match="NIfTI header is broken"):
        read(path)


@pytest.mark.parametrize("dim", [[0] * 8, [3, 2, 0, 2, 1, 1, 1, 1]])
def test_shape_without_voxels_is_refused(tmp_path, dim):
    path = patched(write_nifti(tmp_path / "s.nii"), dim=dim)

    with pytest.raises(UnreadableScanError, match="it holds no grey volume"):
        read(path)


def test_truncated_file_is_refused_with_its_bytes(tmp_path):
    path = truncate(write_nifti(tmp_path / "s.nii"), 352 + 100)

    with pytest.raises(UnreadableScanError, match="truncated: 100 of 480 voxel bytes"):
        read(path)


@pytest.mark.parametrize("lost", [1, 8, 200])
def test_truncated_gzip_is_refused(tmp_path, lost):
    path = write_nifti(tmp_path / "s.nii.gz")
    truncate(path, path.stat().st_size - lost)

    with pytest.raises(UnreadableScanError, match="compressed NIfTI file is truncated"):
        read(path)


def test_damaged_gzip_is_refused(tmp_path):
    path = write_nifti(tmp_path / "s.nii.gz")
    content = bytearray(path.read_bytes())
    content[-6] ^= 1  # in the checksum
    path.write_bytes(content)

    with pytest.raises(UnreadableScanError, match="truncated or damaged"):
        read(path)


def test_voxels_follow_the_header_when_it_says_zero(tmp_path):
    path = write_nifti(tmp_path / "s.nii")
    before = read(path).voxels

    np.testing.assert_array_equal(read(patched(path, vox_offset=0)).voxels, before)


@pytest.mark.parametrize(
    ("offset", "message"),
    [
        (40, "start at byte 40"),
        (1e25, "start at byte 9999999"),
        (np.nan, "ValueError"),
        (np.inf, "OverflowError"),
    ],
)
def test_impossible_voxel_offset_is_refused(tmp_path, offset, message):
    path = patched(write_nifti(tmp_path / "s.nii"), vox_offset=offset)

    with pytest.raises(UnreadableScanError, match=f"header is broken: .*{message}"):
        read(path)


def test_file_that_is_no_nifti_is_refused(tmp_path):
    (tmp_path / "s.nii").write_text("patient,label\n" * 90)

    with pytest.raises(UnreadableScanError, match="it is not NIfTI"):
        read(tmp_path / "s.nii")


def test_missing_file_says_so(tmp_path):
    with pytest.raises(UnreadableScanError, match="cannot be read: No such file"):
        read(tmp_path / "absent.nii")


def test_mask_keeps_its_integer_type(tmp_path):
    mask = read_label_map(write_mask(tmp_path / "m.nii.gz", value=2), "s")

    assert mask.voxels.dtype == np.uint8
    assert set(np.unique(mask.voxels)) == {0, 2}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_whole_numbers_stored_as_real_are_a_mask(tmp_path, dtype):
    path = write_nifti(tmp_path / "m.nii", np.arange(8).reshape(2, 2, 2).astype(dtype))

    mask = read_label_map(path, "s")

    assert mask.voxels.dtype == np.int32
    assert mask.voxels.ravel().tolist() == list(range(8))


@pytest.mark.parametrize("value", [0.5, np.nan, np.inf, 1e12])
def test_mask_with_other_values_is_refused(tmp_path, value):
    voxels = np.ones((2, 2, 2))
    voxels[1, 0, 1] = value

    with pytest.raises(
        UnreadableScanError, match=f"this one also {value:g}".replace("+", r"\+")
    ):
        read_label_map(write_nifti(tmp_path / "m.nii", voxels), "s")


def test_big_endian_mask_comes_in_native_order(tmp_path):
    path = write_nifti(tmp_path / "m.nii", np.full((2, 2, 2), 7, ">i2"))

    mask = read_label_map(path, "s")

    assert mask.voxels.dtype == np.int16
    assert mask.voxels.dtype.isnative
    assert np.unique(mask.voxels) == 7


def test_written_mask_reads_back_on_its_grid(tmp_path):
    labels = np.arange(24, dtype=np.uint16).reshape(2, 3, 4)
    grid = VoxelGrid.from_affine("s", (2, 3, 4), AFFINE)

    write_label_map(tmp_path / "m.nii.gz", labels, grid)

    mask = read_label_map(tmp_path / "m.nii.gz", "s")
    np.testing.assert_array_equal(mask.voxels, labels)
    assert mask.grid.matches(grid)
    image: Any = nib.load(tmp_path / "m.nii.gz")
    header = image.header
    assert (int(header["qform_code"]), int(header["sform_code"])) == (1, 1)


@settings(max_examples=20, deadline=None)
@given(st.floats(0.2, 5), st.floats(-500, 500), st.floats(-3.1, 3.1))
def test_any_grid_survives_the_file(tmp_path_factory, spacing, origin, angle):
    path = tmp_path_factory.mktemp("m") / "m.nii.gz"
    affine = np.eye(4)
    cos, sin = np.cos(angle), np.sin(angle)
    affine[:2, :2] = np.array([[cos, -sin], [sin, cos]]) * spacing
    affine[:3, 3] = origin
    grid = VoxelGrid.from_affine("s", (3, 4, 5), affine)

    write_label_map(path, np.zeros((3, 4, 5), np.uint8), grid)

    assert read_nifti_grid(path, "s")[0].matches(grid)


def test_equal_masks_are_equal_bytes(tmp_path):
    grid = VoxelGrid.from_affine("s", (4, 4, 4), np.eye(4))
    labels = np.eye(4, dtype=np.uint8)[..., None].repeat(4, axis=2)

    digests = set()
    for name in ("a.nii.gz", "b.nii.gz"):
        write_label_map(tmp_path / name, labels, grid)
        digests.add(hashlib.sha256((tmp_path / name).read_bytes()).hexdigest())

    assert len(digests) == 1
    assert gzip.decompress((tmp_path / "a.nii.gz").read_bytes())[344:348] == b"n+1\0"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.nii.gz", "b.nii.gz"]


@pytest.mark.parametrize(
    "labels", [np.zeros((4, 4, 4), np.int64), np.zeros((4, 4, 3), np.uint8)]
)
def test_mask_of_wrong_type_or_shape_is_not_written(tmp_path, labels):
    grid = VoxelGrid.from_affine("s", (4, 4, 4), np.eye(4))

    with pytest.raises(
        ValueError, match=r"labels must be uint8 or uint16 of shape \(4"
    ):
        write_label_map(tmp_path / "m.nii.gz", labels, grid)


@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
@pytest.mark.parametrize("n_bytes", [348, 352, 539])
def test_file_cut_after_its_mark_is_refused(tmp_path, kind, n_bytes):
    path = write_nifti(tmp_path / "a.nii", kind=kind)
    path.write_bytes(path.read_bytes()[:n_bytes])

    with pytest.raises(UnreadableScanError):
        read_nifti_volume(nifti_source(path))


def test_extensions_of_the_header_are_not_read(tmp_path):
    path = write_nifti(tmp_path / "a.nii", np.ones((3, 4, 5), np.int16))
    content = path.read_bytes()
    wrong = b"\1\0\0\0" + (1 << 30).to_bytes(4, "little")  # says that it has a GiB
    path.write_bytes(content[:348] + wrong + content[356:])

    assert read_nifti_grid(path, "s")[1] == (3, 4, 5)
