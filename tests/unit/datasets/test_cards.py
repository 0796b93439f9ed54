"""Data cards: what they must say, and the ones that are shipped."""

import pytest
from pydantic import ValidationError

from tests.unit.datasets.makers import npz_card, write_card
from voxray.core.errors import ConfigError
from voxray.datasets import (
    DecathlonCard,
    FolderCard,
    NpzCard,
    catalogue,
    find_card,
    list_cards,
)
from voxray.datasets.cards import Task
from voxray.datasets.catalogue import find_wanted, read_card

CARDS = list_cards()
FLAT = {"path", "chest", "derma", "oct", "pneumonia", "retina", "breast", "blood"}
FLAT |= {"tissue", "organa", "organc", "organs"}
SOLID = {"organ", "nodule", "fracture", "adrenal", "vessel", "synapse"}
named = pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)


def of_kind(kind):
    return {card.name: card for card in CARDS if isinstance(card, kind)}


def test_cards_are_listed_by_name():
    names = [card.name for card in CARDS]
    assert names == sorted(names)


def test_all_sets_of_medmnist_are_there_in_every_published_size():
    cards = of_kind(NpzCard)
    flat, solid = {f"{n}mnist" for n in FLAT}, {f"{n}mnist3d" for n in SOLID}
    assert cards.keys() == flat | solid
    assert all(list(cards[name].files) == [28, 64, 128, 224] for name in flat)
    assert all(list(cards[name].files) == [28, 64] for name in solid)
    assert all(cards[name].volumes for name in solid)


def test_files_of_medmnist_are_named_by_set_and_size_and_have_a_checksum():
    for card in of_kind(NpzCard).values():
        for size, file in card.files.items():
            ending = "" if size == 28 else f"_{size}"
            assert file.name == f"{card.name}{ending}.npz"
            assert file.checksum is not None
    checksums = [f.md5 for c in of_kind(NpzCard).values() for f in c.files.values()]
    assert len(set(checksums)) == 12 * 4 + 6 * 2


def test_chest_has_14_labels_and_retina_is_ordinal():
    chest, retina = find_card("chestmnist"), find_card("retinamnist")
    assert (chest.tasks, len(chest.classes)) == ((Task.MULTI_LABEL,), 14)
    assert (retina.tasks, len(retina.classes)) == ((Task.ORDINAL,), 5)


def test_all_tasks_of_the_decathlon_are_there():
    cards = of_kind(DecathlonCard).values()
    files = sorted(card.archive.name[:6] for card in cards if card.archive)
    assert files == [f"Task{n:02d}" for n in range(1, 11)]
    several = {card.name: card.channels for card in cards if len(card.channels) > 1}
    assert several == {
        "brain_tumour": ("flair", "t1", "t1gd", "t2"),
        "prostate": ("t2", "adc"),
    }


@named
def test_every_card_says_what_a_user_must_know(card):
    assert card.licence
    assert card.citation
    assert card.patients
    assert card.modality
    assert card.source or isinstance(card, FolderCard)
    assert card.classes or card.mask_values or card.n is None


@named
def test_file_of_a_card_bears_its_name(card):
    assert (catalogue._cards_folder() / f"{card.name}.yaml").is_file()
    assert find_card(card.name) == card


def test_a_size_is_part_of_the_name():
    wanted = find_wanted("breastmnist_64")
    assert (wanted.name, wanted.pixels) == ("breastmnist_64", 64)
    assert wanted.remote is not None
    assert wanted.remote.name == "breastmnist_64.npz"


def test_without_a_size_it_is_the_smallest():
    wanted = find_wanted("adrenalmnist3d")
    assert (wanted.name, wanted.pixels) == ("adrenalmnist3d", 28)


def test_a_size_that_is_not_published_names_those_that_are():
    with pytest.raises(ConfigError, match="28, 64 pixels, not of 128"):
        find_wanted("organmnist3d_128")


@pytest.mark.parametrize("name", ["hipocampus", "hippocampus_64"])
def test_unknown_name_names_the_nearest(name):
    with pytest.raises(ConfigError, match="did you mean 'hippocampus'"):
        find_card(name)


def test_a_misspelled_name_with_a_size_names_the_nearest():
    with pytest.raises(ConfigError, match="did you mean 'breastmnist'"):
        find_card("brestmnist_64")


def test_name_near_to_nothing_lists_what_there_is():
    with pytest.raises(ConfigError, match=r"known: .*hippocampus"):
        find_card("xyz")


def test_a_users_own_card_is_found_by_its_path(tmp_path):
    wanted = find_wanted(str(write_card(tmp_path / "mine.yaml")))
    assert (wanted.name, wanted.pixels) == ("tiny", 4)


def test_a_card_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"no data card '.*none\.yaml'"):
        find_wanted(str(tmp_path / "none.yaml"))


@pytest.mark.parametrize("text", ["name: odd\nkind: npz\ncolour: red\n", "a: [1,\n"])
def test_a_broken_card_is_named(tmp_path, text):
    (tmp_path / "odd.yaml").write_text(text)
    with pytest.raises(ConfigError, match=r"data card 'odd\.yaml' is broken"):
        read_card(tmp_path / "odd.yaml")


def test_a_card_that_is_no_text_is_an_error(tmp_path):
    (tmp_path / "odd.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="is broken"):
        read_card(tmp_path / "odd.yaml")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"n": 8}, "the splits have 7 scans, n is 8"),
        ({"classes": {}}, "needs 'classes'"),
        ({"volumes": True, "colour": True}, "volumes have no colour"),
        ({"positive": "maybe"}, "'maybe' is none of the classes"),
        ({"files": {4: {"url": "ftp://a/b"}}}, "url"),
        ({"files": {4: {"url": "https://a/b", "md5": "12"}}}, "md5"),
    ],
)
def test_a_card_that_contradicts_itself_is_refused(changes, problem):
    with pytest.raises(ValidationError, match=problem):
        npz_card(**changes)


@pytest.mark.parametrize("path", ["../x", "/x", ""])
def test_a_card_names_no_place_outside_its_folder(path):
    card = find_card("lidc_nodules").model_dump()
    with pytest.raises(ValidationError, match="relative path without"):
        FolderCard.model_validate({**card, "images": path})


def test_without_cards_the_installation_is_broken(monkeypatch, tmp_path):
    monkeypatch.setattr(catalogue, "__file__", str(tmp_path / "a" / "b" / "c" / "d"))
    with pytest.raises(ConfigError, match="data_manifests is missing"):
        list_cards()
