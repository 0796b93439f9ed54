"""Arrays into the bytes of scan files."""

import gzip
import io
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from tests.makers import truncate, write_nifti
from voxray.core.errors import GeometryError, UnreadableScanError
from voxray.scan_io import encode, encode_png, encode_unplaced_nifti, split_nifti

GREY = np.arange(12, dtype=np.uint8).reshape(3, 4)


@pytest.mark.parametrize("pixels", [GREY, np.stack([GREY] * 3, axis=-1)])
def test_a_picture_has_exactly_the_values(pixels):
    picture = Image.open(io.BytesIO(encode_png(pixels)))
    assert np.array_equal(np.asarray(picture), pixels)


@pytest.mark.parametrize(
    "pixels", [GREY.astype(np.int16), GREY[0], np.stack([GREY] * 2, axis=-1)]
)
def test_other_arrays_are_no_picture(pixels):
    with pytest.raises(ValueError, match="a picture is uint8 of 2 axes or 3 colours"):
        encode_png(pixels)


def test_a_volume_has_its_values_and_no_place():
    voxels = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    content = encode_unplaced_nifti(voxels)
    image = nib.Nifti1Image.from_bytes(gzip.decompress(content))
    assert np.array_equal(np.asanyarray(image.dataobj), voxels)
    assert (image.get_sform(coded=True)[1], image.get_qform(coded=True)[1]) == (0, 0)
    assert image.header.get_xyzt_units()[0] == "unknown"
    assert content == encode_unplaced_nifti(voxels)


@pytest.mark.parametrize("voxels", [GREY, np.zeros((2, 2, 2), np.float32)])
def test_other_arrays_are_no_volume(voxels):
    with pytest.raises(ValueError, match="a volume is uint8 of 3 axes"):
        encode_unplaced_nifti(voxels)


def split(path):
    with path.open("rb") as stream:
        return [
            nib.Nifti1Image.from_bytes(gzip.decompress(content))
            for content in split_nifti(stream, "s1")
        ]


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_volumes_keep_values_type_and_place(tmp_path, name):
    voxels = np.arange(48, dtype=np.int16).reshape(2, 3, 4, 2)
    affine = np.array([[0, 2, 0, 5], [1, 0, 0, 6], [0, 0, 3, 7], [0, 0, 0, 1.0]])
    path = write_nifti(tmp_path / name, voxels, affine)
    for c, image in enumerate(split(path)):
        assert np.array_equal(np.asanyarray(image.dataobj), voxels[..., c])
        assert np.array_equal(image.affine, affine)
        assert image.get_data_dtype() == np.int16


def test_slope_and_intercept_stay(tmp_path):
    image = nib.Nifti1Image(np.linspace(-1, 1, 16).reshape(2, 2, 2, 2), np.eye(4))
    image.set_data_dtype(np.int16)
    image.to_filename(tmp_path / "a.nii")
    stored: Any = nib.load(tmp_path / "a.nii")
    whole = stored.get_fdata()
    for c, volume in enumerate(split(tmp_path / "a.nii")):
        assert np.array_equal(volume.get_fdata(), whole[..., c])


def test_one_volume_is_a_list_of_one(tmp_path):
    assert len(split(write_nifti(tmp_path / "a.nii"))) == 1


def test_a_second_version_file_is_split_too(tmp_path):
    voxels = np.zeros((2, 2, 2, 3), np.uint8)
    path = write_nifti(tmp_path / "a.nii", voxels, kind=nib.Nifti2Image)
    with path.open("rb") as stream:
        assert len(list(split_nifti(stream, "s1"))) == 3


@pytest.mark.parametrize("keep", [0.5, 20, 360])
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_a_truncated_file_is_refused(tmp_path, name, keep):
    voxels = np.random.default_rng(0).integers(0, 999, (6, 6, 6, 2), np.int16)
    path = truncate(write_nifti(tmp_path / name, voxels), keep)
    with pytest.raises(UnreadableScanError, match="s1"):
        split(path)


def test_what_is_no_nifti_is_refused(tmp_path):
    (tmp_path / "a").write_bytes(bytes(1000))
    with pytest.raises(UnreadableScanError, match="not a single-file NIfTI"):
        split(tmp_path / "a")


def test_five_axes_are_refused(tmp_path):
    path = write_nifti(tmp_path / "a.nii", np.zeros((2, 2, 2, 2, 2), np.uint8))
    with pytest.raises(GeometryError, match="2 x 2 x 2 x 2 x 2 voxels"):
        split(path)


def test_a_bomb_is_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(encode, "_MOST_BYTES", 1 << 20)
    (tmp_path / "a").write_bytes(gzip.compress(bytes(2 << 20)))
    with pytest.raises(UnreadableScanError, match="it has more than"):
        split(tmp_path / "a")


def test_an_axis_of_negative_length_is_refused(tmp_path):
    path = write_nifti(tmp_path / "a.nii", np.zeros((2, 2, 2, 2), np.uint8))
    content = bytearray(path.read_bytes())
    content[42:44] = (-2).to_bytes(2, "little", signed=True)  # dim[1], nifti1.h
    path.write_bytes(content)
    with pytest.raises(GeometryError, match="-2 x 2 x 2 x 2 voxels"):
        split(path)


def test_a_size_beyond_the_file_takes_no_memory(tmp_path):
    path = write_nifti(tmp_path / "a.nii", np.zeros((2, 2, 2, 2), np.uint8))
    content = bytearray(path.read_bytes())
    content[42:50] = (32_000).to_bytes(2, "little") * 4
    path.write_bytes(content)
    with pytest.raises(UnreadableScanError, match="truncated"):
        split(path)
