"""Scans and masks of a source into the folders that experiments read."""

import numpy as np
import pytest

from tests.makers import truncate, write_mask, write_nifti
from tests.unit.datasets.makers import (
    decathlon_card,
    voxels_of,
    write_decathlon,
    write_tar,
)
from voxray.core.errors import ConfigError
from voxray.core.progress import Progress, ignore_progress
from voxray.datasets.cards import FolderCard
from voxray.datasets.pairs import plan_pairs, write_pairs
from voxray.datasets.tree import open_tree


def fetch(card, source, folder, listen=ignore_progress):
    with open_tree(source) as tree:
        return write_pairs(plan_pairs(card, tree), card.name, folder, listen)


def files(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*.nii.gz"))


def folder_card(**changes):
    card = {**decathlon_card().model_dump(exclude={"channels"}), "kind": "folder"}
    return FolderCard.model_validate({**card, "layout": "images", **changes})


@pytest.mark.parametrize("suffix", ["Tr", ""])
def test_both_layouts_become_images_and_labels(tmp_path, suffix):
    source = write_decathlon(tmp_path / "in", suffix=suffix)
    pairs = fetch(decathlon_card(), source, tmp_path / "out")
    both = ["a.nii.gz", "b.nii.gz"]
    assert files(tmp_path / "out") == [
        *(f"images/{name}" for name in both),
        *(f"labels/{name}" for name in both),
    ]
    assert pairs.scans == pairs.masks == {"a", "b"}


@pytest.mark.parametrize("suffix", ["tar", "tar.gz"])
def test_a_tar_gives_the_same_files_as_its_folder(tmp_path, suffix):
    source = write_decathlon(tmp_path / "Task99_Toy")
    packed = write_tar(tmp_path / f"a.{suffix}", source)
    fetch(decathlon_card(), source, tmp_path / "one")
    fetch(decathlon_card(), packed, tmp_path / "two")
    for name in files(tmp_path / "one"):
        one, two = tmp_path / "one" / name, tmp_path / "two" / name
        assert one.read_bytes() == two.read_bytes()


def test_each_channel_becomes_a_file_and_the_mask_lies_like_the_first(tmp_path):
    source = write_decathlon(tmp_path / "in", ("a",), ("a",), channels=2)
    pairs = fetch(decathlon_card("t2", "adc"), source, tmp_path / "out")
    assert files(tmp_path / "out") == [
        "images/a/a_adc.nii.gz",
        "images/a/a_t2.nii.gz",
        "labels/a/a_t2.nii.gz",
    ]
    whole = voxels_of(source / "imagesTr" / "a.nii.gz")
    second = voxels_of(tmp_path / "out" / "images" / "a" / "a_adc.nii.gz")
    assert np.array_equal(second, whole[..., 1])
    assert (pairs.scans, pairs.masks) == ({"a"}, {"a"})


def test_what_was_made_of_channels_is_a_source_itself(tmp_path):
    card = decathlon_card("t2", "adc")
    source = write_decathlon(tmp_path / "in", channels=2)
    fetch(card, source, tmp_path / "out")
    again = fetch(card, tmp_path / "out", tmp_path / "two")
    assert files(tmp_path / "two") == files(tmp_path / "out")
    assert again.scans == again.masks == {"a", "b"}


@pytest.mark.parametrize("channels", [1, 3])
def test_an_image_with_other_channels_is_kept_whole_and_reported(tmp_path, channels):
    source = write_decathlon(tmp_path / "in", ("a",), ("a",), channels=channels)
    pairs = fetch(decathlon_card("t2", "adc"), source, tmp_path / "out")
    assert pairs.copied.unreadable == ("images/a/a.nii.gz",)
    assert (tmp_path / "out" / "images" / "a" / "a.nii.gz").is_file()


@pytest.mark.parametrize("channels", [("mr",), ("t2", "adc")])
def test_a_broken_file_is_reported(tmp_path, channels):
    source = write_decathlon(tmp_path / "in", channels=len(channels))
    truncate(source / "imagesTr" / "b.nii.gz", 20)
    pairs = fetch(decathlon_card(*channels), source, tmp_path / "out")
    assert len(pairs.copied.unreadable) == 1
    assert pairs.copied.unreadable[0].endswith("b.nii.gz")


def test_leftovers_of_an_archive_are_ignored(tmp_path):
    source = write_decathlon(tmp_path / "in")
    (source / "imagesTr" / "._a.nii.gz").write_bytes(b"x")
    (source / "imagesTr" / "notes.txt").write_bytes(b"x")
    assert len(fetch(decathlon_card(), source, tmp_path / "out").scans) == 2


def test_of_several_tasks_the_one_of_the_cards_name_is_taken(tmp_path):
    write_decathlon(tmp_path / "in" / "Task01_Other", ("x",), ("x",))
    write_decathlon(tmp_path / "in" / "Task99_Toy")
    pairs = fetch(decathlon_card(), tmp_path / "in", tmp_path / "out")
    assert pairs.scans == {"a", "b"}


def test_of_several_tasks_of_other_names_none_is_guessed(tmp_path):
    write_decathlon(tmp_path / "in" / "Task01_Other")
    write_decathlon(tmp_path / "in" / "Task02_Other")
    with pytest.raises(ConfigError, match="2 of its folders look like toy"):
        fetch(decathlon_card(), tmp_path / "in", tmp_path / "out")


def test_the_only_folder_may_have_any_name(tmp_path):
    write_decathlon(tmp_path / "in" / "unpacked")
    assert len(fetch(decathlon_card(), tmp_path / "in", tmp_path / "out").scans) == 2


def test_another_layout_says_what_was_expected(tmp_path):
    (tmp_path / "in").mkdir()
    with pytest.raises(ConfigError, match="does not look like toy"):
        fetch(decathlon_card(), tmp_path / "in", tmp_path / "out")


def test_a_second_copy_writes_only_what_differs(tmp_path):
    source = write_decathlon(tmp_path / "in")
    fetch(decathlon_card(), source, tmp_path / "out")
    same_size = (tmp_path / "out" / "images" / "a.nii.gz").stat().st_size
    (tmp_path / "out" / "images" / "a.nii.gz").write_bytes(bytes(same_size))
    (tmp_path / "out" / "labels" / "b.nii.gz").write_bytes(b"cut")
    again = fetch(decathlon_card(), source, tmp_path / "out")
    assert (again.copied.n_written, again.copied.n_kept) == (2, 2)
    assert again.copied.unreadable == ()


def test_progress_counts_every_file(tmp_path):
    events: list[Progress] = []
    source = write_decathlon(tmp_path / "in")
    fetch(decathlon_card(), source, tmp_path / "out", events.append)
    assert [(e.done, e.total) for e in events] == [(n, 4) for n in (1, 2, 3, 4)]


def a_study(root):
    write_nifti(root / "images" / "a.nii.gz")
    (root / "images" / "b").mkdir()
    (root / "images" / "b" / "IM0001").write_bytes(b"a slice")
    (root / "images" / "b" / "IM0002").write_bytes(b"a slice")
    write_mask(root / "masks" / "a.nii.gz")
    (root / "labels.csv").write_text("scan,label\na,1\nb,0\n")
    return root


def test_a_folder_of_scans_masks_and_a_table_is_copied_as_it_is(tmp_path):
    card = folder_card(masks="masks", table="labels.csv")
    pairs = fetch(card, a_study(tmp_path / "in"), tmp_path / "out")
    assert (pairs.scans, pairs.masks) == ({"a", "b"}, {"a"})
    assert (tmp_path / "out" / "labels.csv").read_text().startswith("scan,label")
    assert pairs.copied.n_written == 5


def test_a_folder_of_scans_alone_is_copied_too(tmp_path):
    pairs = fetch(folder_card(), a_study(tmp_path / "in"), tmp_path / "out")
    assert (pairs.masks, pairs.copied.n_written) == (frozenset(), 3)


@pytest.mark.parametrize("missing", ["images", "masks", "table"])
def test_a_folder_without_what_the_card_names_is_refused(tmp_path, missing):
    named = {"masks": "masks", "table": "labels.csv", missing: "elsewhere"}
    with pytest.raises(ConfigError, match="does not look like toy"):
        fetch(folder_card(**named), a_study(tmp_path / "in"), tmp_path / "out")


def test_what_is_optional_may_be_missing(tmp_path):
    card = folder_card(masks="none", table="none", optional=("masks", "table"))
    pairs = fetch(card, a_study(tmp_path / "in"), tmp_path / "out")
    assert pairs.masks == frozenset()
    assert not (tmp_path / "out" / "labels.csv").exists()
