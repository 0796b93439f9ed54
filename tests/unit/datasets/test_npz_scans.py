"""An npz file into pictures or volumes, and a label table."""

import csv
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from tests.unit.datasets.makers import arrays, npz_card, voxels_of, write_npz
from voxray.core.errors import ConfigError
from voxray.core.progress import Progress, ignore_progress
from voxray.datasets.npz_scans import read_splits, write_npz_scans


def unpack(tmp_path, card, content, pixels=4):
    file = write_npz(tmp_path / "in" / "tiny.npz", content)
    splits = read_splits(card, pixels, file)
    n = write_npz_scans(card, splits, file, tmp_path / "out", ignore_progress)
    return n, tmp_path / "out"


def table(folder):
    with (folder / "labels.csv").open() as stream:
        return list(csv.DictReader(stream))


def test_each_image_is_a_picture_of_exactly_its_values(tmp_path):
    content = arrays()
    n, folder = unpack(tmp_path, npz_card(), content)
    picture = np.asarray(Image.open(folder / "images" / "val_000001.png"))
    assert np.array_equal(picture, content["val_images"][1])
    assert n == 7 + 1


def test_the_table_has_a_row_for_each_with_label_and_split(tmp_path):
    _, folder = unpack(tmp_path, npz_card(), arrays())
    found = table(folder)
    assert found[1] == {"scan": "train_000001", "split": "train", "label": "1"}
    assert [row["split"] for row in found] == ["train"] * 3 + ["val"] * 2 + ["test"] * 2


def test_labels_of_one_axis_are_taken_too(tmp_path):
    content = arrays()
    content = {k: v.reshape(-1) if "labels" in k else v for k, v in content.items()}
    _, folder = unpack(tmp_path, npz_card(), content)
    assert [row["label"] for row in table(folder)] == list("0100101")


def test_colours_stay_colours(tmp_path):
    content = arrays((4, 4, 3))
    _, folder = unpack(tmp_path, npz_card(colour=True), content)
    picture = np.asarray(Image.open(folder / "images" / "train_000000.png"))
    assert np.array_equal(picture, content["train_images"][0])


def test_a_volume_is_nifti_without_a_place(tmp_path):
    content = arrays((4, 4, 4))
    _, folder = unpack(tmp_path, npz_card(volumes=True), content)
    file = folder / "images" / "test_000000.nii.gz"
    assert np.array_equal(voxels_of(file), content["test_images"][0])
    header: Any = nib.load(file).header
    assert (int(header["sform_code"]), int(header["qform_code"])) == (0, 0)


def test_several_labels_are_several_columns(tmp_path):
    card = npz_card(tasks=["multi-label"], classes={0: "mass", 1: "pleural effusion"})
    content = arrays(labels=2)
    _, folder = unpack(tmp_path, card, content)
    first = table(folder)[0]
    assert (first["mass"], first["pleural_effusion"]) == ("0", "1")
    assert "label" not in first


def test_a_file_with_some_splits_gives_those(tmp_path):
    n, folder = unpack(tmp_path, npz_card(), arrays(train=3, val=2))
    assert n == 5 + 1
    assert {row["split"] for row in table(folder)} == {"train", "val"}


def test_unpacking_again_writes_nothing_and_mends_what_was_cut(tmp_path):
    _, folder = unpack(tmp_path, npz_card(), arrays())
    assert unpack(tmp_path, npz_card(), arrays())[0] == 0
    (folder / "images" / "train_000002.png").write_bytes(b"cut")
    (folder / "images" / "val_000000.png").unlink()
    assert unpack(tmp_path, npz_card(), arrays())[0] == 2


def test_the_same_file_gives_the_same_bytes(tmp_path):
    card = npz_card(volumes=True)
    _, one = unpack(tmp_path / "1", card, arrays((4, 4, 4)))
    _, two = unpack(tmp_path / "2", card, arrays((4, 4, 4)))
    name = "images/train_000000.nii.gz"
    assert (one / name).read_bytes() == (two / name).read_bytes()


def test_progress_ends_with_the_last_image(tmp_path):
    file = write_npz(tmp_path / "tiny.npz")
    events: list[Progress] = []
    splits = read_splits(npz_card(), 4, file)
    write_npz_scans(npz_card(), splits, file, tmp_path / "out", events.append)
    assert [(e.done, e.total) for e in events] == [(7, 7)]


def without(name):
    return {key: value for key, value in arrays().items() if key != name}


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ({"x": np.zeros(3)}, "holds none of the arrays train_images, val_images"),
        (arrays((8, 8)), r"shape \(8, 8\).*with 4 pixels.*one of tiny_4, tiny_8"),
        (arrays((4, 4, 3)), r"uint8 of shape \(4, 4, 3\)"),
        (arrays() | {"train_images": np.zeros((3, 4, 4))}, "are float64"),
        (arrays(train=4), "has 4 images in the split 'train', published are 3"),
        (without("val_labels"), "labels are missing"),
        (arrays() | {"val_labels": np.zeros((5, 1), int)}, r"shape \(5, 1\)"),
        (arrays() | {"val_labels": np.zeros((2, 9), int)}, r"shape \(2, 9\)"),
        (arrays() | {"val_labels": np.zeros((2, 1))}, "float64 of shape"),
        (arrays() | {"val_labels": np.array([0, 7])}, r"include \[7\].*\[0, 1\]"),
    ],
)
def test_another_file_than_the_card_says_is_refused(tmp_path, content, problem):
    file = write_npz(tmp_path / "tiny.npz", content)
    with pytest.raises(ConfigError, match=problem):
        read_splits(npz_card(), 4, file)
