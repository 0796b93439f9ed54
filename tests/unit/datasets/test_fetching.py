"""Fetching a data set from a folder of the user's."""

import os
from pathlib import Path

import numpy as np
import pytest

from voxray.core.errors import ConfigError
from voxray.core.geometry import VoxelGrid
from voxray.core.progress import Progress
from voxray.datasets import fetch
from voxray.scan_io import write_label_map


def a_source(root, images=("a", "b"), labels=("a", "b"), suffix="Tr"):
    grid = VoxelGrid.from_affine("s", (3, 3, 2), np.eye(4))
    for part, names in ((f"images{suffix}", images), (f"labels{suffix}", labels)):
        for name in names:
            voxels = np.ones(grid.shape, dtype=np.uint8)
            write_label_map(root / part / f"{name}.nii.gz", voxels, grid)
    return root


@pytest.mark.parametrize("suffix", ["Tr", ""])
def test_both_layouts_become_images_and_labels(tmp_path, suffix):
    source = a_source(tmp_path / "in", suffix=suffix)
    result = fetch("hippocampus", tmp_path / "out", source)
    found = sorted((tmp_path / "out" / "hippocampus").rglob("*.nii.gz"))
    assert len(found) == 4
    assert (result.n_images, result.n_labels, result.n_pairs) == (2, 2, 2)
    assert result.folder == tmp_path / "out" / "hippocampus"


def test_archive_unpacked_into_one_folder_is_found(tmp_path):
    a_source(tmp_path / "in" / "Task04_Hippocampus")
    assert fetch("hippocampus", tmp_path / "out", tmp_path / "in").n_pairs == 2


def test_files_without_a_partner_are_copied_and_reported(tmp_path):
    source = a_source(tmp_path / "in", images=("a", "b"), labels=("b", "c"))
    result = fetch("hippocampus", tmp_path / "out", source)
    assert result.images_without_label == ("a.nii.gz",)
    assert result.labels_without_image == ("c.nii.gz",)
    assert result.n_copied == 4


def test_leftovers_of_an_archive_are_ignored(tmp_path):
    source = a_source(tmp_path / "in")
    (source / "imagesTr" / "._a.nii.gz").write_bytes(b"x")
    (source / "imagesTr" / "notes.txt").write_bytes(b"x")
    assert fetch("hippocampus", tmp_path / "out", source).n_images == 2


def test_broken_file_is_reported(tmp_path):
    source = a_source(tmp_path / "in")
    (source / "imagesTr" / "b.nii.gz").write_bytes(b"no image")
    result = fetch("hippocampus", tmp_path / "out", source)
    assert result.unreadable == ("images/b.nii.gz",)


def test_second_fetch_copies_only_what_differs(tmp_path):
    source = a_source(tmp_path / "in")
    fetch("hippocampus", tmp_path / "out", source)
    (tmp_path / "out" / "hippocampus" / "images" / "a.nii.gz").write_bytes(b"cut")
    result = fetch("hippocampus", tmp_path / "out", source)
    assert result.n_copied == 1
    assert result.unreadable == ()


def test_progress_counts_every_file(tmp_path):
    events: list[Progress] = []
    fetch("hippocampus", tmp_path / "out", a_source(tmp_path / "in"), events.append)
    assert [(e.done, e.total) for e in events] == [(n, 4) for n in (1, 2, 3, 4)]


def test_without_a_source_the_page_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"get it from http://medicaldecathlon\.com"):
        fetch("hippocampus", tmp_path, None)


def test_missing_source_folder_is_named(tmp_path):
    with pytest.raises(ConfigError, match="there is no such folder"):
        fetch("hippocampus", tmp_path, tmp_path / "nowhere")


def test_source_of_another_layout_says_what_was_expected(tmp_path):
    with pytest.raises(ConfigError, match=r"Expected: .*imagesTr"):
        fetch("hippocampus", tmp_path / "out", tmp_path)
    assert not (tmp_path / "out").exists()


def test_unknown_data_set_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="no data set 'hippo'"):
        fetch("hippo", tmp_path, tmp_path)


def test_the_real_folder_gives_200_pairs(tmp_path):
    shared = os.environ.get("VOXRAY_SHARED_DATA")  # noqa: TID251
    if not shared or not (Path(shared) / "hippocampus").is_dir():
        pytest.skip("needs the hippocampus data set in VOXRAY_SHARED_DATA")
    result = fetch("hippocampus", tmp_path, Path(shared) / "hippocampus")
    assert (result.n_images, result.n_labels, result.n_pairs) == (201, 202, 200)
    assert len(result.labels_without_image) == 2
    assert result.unreadable == ()
