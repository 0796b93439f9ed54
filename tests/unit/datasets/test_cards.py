"""Data cards."""

import pytest

from voxray.core.errors import ConfigError
from voxray.datasets import find_card, list_cards
from voxray.datasets.cards import _read_card


def test_cards_are_listed_by_name_and_hippocampus_is_among_them():
    names = [card.name for card in list_cards()]
    assert names == sorted(names)
    assert "hippocampus" in names


def test_every_card_says_licence_citation_and_a_page():
    for card in list_cards():
        assert card.licence
        assert card.citation
        assert card.source.startswith("http")


def test_file_of_a_card_bears_its_name():
    for card in list_cards():
        assert find_card(card.name) == card


def test_unknown_name_names_the_nearest():
    with pytest.raises(ConfigError, match="did you mean 'hippocampus'"):
        find_card("hipocampus")


def test_name_near_to_nothing_lists_what_there_is():
    with pytest.raises(ConfigError, match=r"known: .*hippocampus"):
        find_card("xyz")


def test_unknown_key_in_a_card_is_an_error(tmp_path):
    card = tmp_path / "odd.yaml"
    card.write_text("name: odd\ncolour: red\n")
    with pytest.raises(ConfigError, match=r"(?s)'odd.yaml' is broken.*colour"):
        _read_card(card)


def test_card_that_is_no_yaml_is_an_error(tmp_path):
    card = tmp_path / "odd.yaml"
    card.write_text("a: [1,\n")
    with pytest.raises(ConfigError, match=r"'odd.yaml' is broken"):
        _read_card(card)
