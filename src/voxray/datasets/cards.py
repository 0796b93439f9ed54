"""One card per public data set: what it is, whose it is, where a user gets it."""

import difflib
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import Field, ValidationError

from voxray.core.errors import ConfigError
from voxray.core.specs.base import Spec


class DataCard(Spec):
    """What a person must know of a data set before using it.

    Attributes:
        source: Public page where a user gets it.
        modality: What the images are.
        pairs_published: Images with a label in the published set.
        labels: Value in the masks to its meaning.
        patients: How patients are named.
        layout: What `--source` must look like.
        caveats: What surprises in it.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")]
    title: str
    source: str
    licence: str
    citation: str
    modality: str
    pairs_published: Annotated[int, Field(ge=1)]
    labels: dict[int, str]
    patients: str
    layout: str
    caveats: str = ""


def list_cards() -> tuple[DataCard, ...]:
    """Read every card, sorted by name.

    Raises:
        ConfigError: If a card is broken, or the folder of cards is missing.
    """
    files = [f for f in _cards_folder().iterdir() if f.name.endswith(".yaml")]
    return tuple(sorted((_read_card(f) for f in files), key=lambda card: card.name))


def find_card(name: str) -> DataCard:
    """Give the card of this name.

    Raises:
        ConfigError: If there is none; names the nearest.
    """
    cards = {card.name: card for card in list_cards()}
    if name in cards:
        return cards[name]
    near = difflib.get_close_matches(name, cards, n=1, cutoff=0.5)
    guess = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(cards)}"
    msg = f"there is no data set {name!r}; {guess}"
    raise ConfigError(msg)


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


def _read_card(file: Traversable) -> DataCard:
    try:
        return DataCard.model_validate(yaml.safe_load(file.read_text(encoding="utf-8")))
    except (yaml.YAMLError, ValidationError) as error:
        msg = f"data card {file.name!r} is broken: {error}"
        raise ConfigError(msg) from error
