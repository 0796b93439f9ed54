import hashlib
import struct
from itertools import permutations

import numpy as np
import pytest

from voxray.core.geometry import VoxelGrid
from voxray.core.hashing import sha256_file, sha256_files, sha256_json, sha256_pixels


def grid_of(shape):
    return VoxelGrid.from_affine("s", shape, np.eye(4))


def hash_of(voxels):
    return sha256_pixels(voxels, grid_of(voxels.shape))


def test_pixel_hash_is_shape_then_voxels_first_axis_fastest():
    voxels = np.array([[[1.0], [2.0]], [[3.0], [4.0]]], dtype=np.float32)

    by_hand = struct.pack("<3I4f", 2, 2, 1, 1.0, 3.0, 2.0, 4.0)

    assert hash_of(voxels) == hashlib.sha256(by_hand).hexdigest()


@pytest.mark.parametrize("dtype", [np.int16, np.uint8, np.float64, ">f4", ">i2"])
def test_pixel_hash_does_not_depend_on_the_stored_type(dtype):
    voxels = np.arange(24).reshape(2, 3, 4)

    assert hash_of(voxels.astype(dtype)) == hash_of(voxels.astype(np.float32))


@pytest.mark.parametrize("order", list(permutations(range(3))))
@pytest.mark.parametrize("signs", [(1, 1, 1), (-1, 1, -1), (-1, -1, 1)])
def test_pixel_hash_does_not_depend_on_how_axes_are_stored(order, signs):
    voxels = np.random.default_rng(0).normal(size=(2, 3, 4)).astype(np.float32)
    affine = np.diag([1.0, 2.0, 3.0, 1.0])
    axes = np.eye(3)[:, order] * signs
    turned = np.transpose(voxels, order)[tuple(slice(None, None, s) for s in signs)]
    affine[:3, :3] = affine[:3, :3] @ axes

    stored = sha256_pixels(turned, VoxelGrid.from_affine("s", turned.shape, affine))

    assert stored == hash_of(voxels)


def test_negative_zero_counts_as_zero():
    assert hash_of(np.full((1, 1, 2), -0.0)) == hash_of(np.zeros((1, 1, 2)))


def test_one_changed_voxel_changes_the_pixel_hash():
    voxels = np.zeros((3, 3, 3))
    voxels[1, 2, 0] = 1e-3

    assert hash_of(voxels) != hash_of(np.zeros((3, 3, 3)))


def test_same_voxels_in_another_shape_are_another_image():
    assert hash_of(np.zeros((2, 3, 1))) != hash_of(np.zeros((3, 2, 1)))


def test_file_hash_reads_beyond_one_block(tmp_path):
    content = bytes(range(256)) * 5000
    (tmp_path / "x").write_bytes(content)

    assert sha256_file(tmp_path / "x") == hashlib.sha256(content).hexdigest()


def test_key_order_does_not_change_json_hash():
    assert sha256_json({"a": 1, "b": [2]}) == sha256_json({"b": [2], "a": 1})
    assert sha256_json({"a": 1}) != sha256_json({"a": 2})


def test_hash_over_files_knows_names_and_contents_not_their_order(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).write_text(name)
    both = [tmp_path / "a", tmp_path / "b"]
    before = sha256_files(both, tmp_path)

    assert sha256_files(both[::-1], tmp_path) == before
    (tmp_path / "a").write_text("b")
    (tmp_path / "b").write_text("a")
    assert sha256_files(both, tmp_path) != before
