"""Reading the cards that voxray ships, and a user's own."""

import difflib
import re
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

import yaml
from pydantic import TypeAdapter, ValidationError

from voxray.core.errors import ConfigError
from voxray.datasets.cards import DataCard, NpzCard, RemoteFile

_SIZED_NAME = re.compile(r"(.+)_(\d+)")
_SUFFIXES = (".yaml", ".yml")
_CARD: TypeAdapter[DataCard] = TypeAdapter(DataCard)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a name asks for.

    Attributes:
        name: Of the folder it goes into: that of the card, with the size if given.
        pixels: Width of an image, for an npz card.
    """

    card: DataCard
    name: str
    pixels: int | None = None

    @property
    def remote(self) -> RemoteFile | None:
        """The file to download; None when there is none."""
        if isinstance(self.card, NpzCard):
            return None if self.pixels is None else self.card.files[self.pixels]
        return self.card.archive


def list_cards() -> tuple[DataCard, ...]:
    """Read every card that voxray ships, sorted by name.

    Raises:
        ConfigError: If a card is broken, or the folder of cards is missing.
    """
    files = [f for f in _cards_folder().iterdir() if f.name.endswith(_SUFFIXES)]
    return tuple(sorted((read_card(f) for f in files), key=lambda card: card.name))


def find_wanted(name: str) -> Wanted:
    """Find the card of a name.

    Args:
        name: Of a card; of a card and a size, as in `breastmnist_64`; or the path of a
            card's YAML file.

    Raises:
        ConfigError: If there is none; names the nearest.
    """
    if name.endswith(_SUFFIXES):
        card = _own_card(Path(name))
        return Wanted(card, card.name, _smallest(card))
    cards = {card.name: card for card in list_cards()}
    if name in cards:
        return Wanted(cards[name], name, _smallest(cards[name]))
    if sized := _SIZED_NAME.fullmatch(name):
        card_of_size = cards.get(sized[1])
        if isinstance(card_of_size, NpzCard):
            return Wanted(card_of_size, name, _known_size(card_of_size, int(sized[2])))
    msg = f"there is no data set {name!r}; {_hint(name, list(cards))}"
    raise ConfigError(msg)


def find_card(name: str) -> DataCard:
    """Give the card of this name.

    Raises:
        ConfigError: If there is none; names the nearest.
    """
    return find_wanted(name).card


def read_card(file: Traversable) -> DataCard:
    """Read a card.

    Raises:
        ConfigError: If it is no card.
    """
    try:
        return _CARD.validate_python(yaml.safe_load(file.read_text(encoding="utf-8")))
    except (OSError, yaml.YAMLError, ValidationError, UnicodeDecodeError) as error:
        msg = f"data card {file.name!r} is broken: {error}"
        raise ConfigError(msg) from error


def _own_card(path: Path) -> DataCard:
    if not path.is_file():
        msg = f"there is no data card {str(path)!r}"
        raise ConfigError(msg)
    return read_card(path)


def _smallest(card: DataCard) -> int | None:
    return min(card.files) if isinstance(card, NpzCard) else None


def _known_size(card: NpzCard, pixels: int) -> int:
    if pixels not in card.files:
        sizes = ", ".join(map(str, sorted(card.files)))
        msg = f"{card.name} has images of {sizes} pixels, not of {pixels}"
        raise ConfigError(msg)
    return pixels


def _hint(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"


def _cards_folder() -> Traversable:
    """The folder shipped in the wheel, or that of the source checkout."""
    shipped = resources.files("voxray") / "_shipped" / "data_manifests"
    if shipped.is_dir():
        return shipped
    checkout = Path(__file__).parents[3] / "data_manifests"
    if checkout.is_dir():
        return checkout
    msg = "the folder data_manifests is missing from this voxray; install it again"
    raise ConfigError(msg)
