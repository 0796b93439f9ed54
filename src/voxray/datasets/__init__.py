"""Public data sets: cards that say what they are, and fetching into a usual layout."""

from voxray.datasets.cards import DataCard, DecathlonCard, FolderCard, NpzCard
from voxray.datasets.catalogue import find_card, list_cards
from voxray.datasets.contents import Checksum, Contents
from voxray.datasets.fetching import FetchResult, fetch

__all__ = [
    "Checksum",
    "Contents",
    "DataCard",
    "DecathlonCard",
    "FetchResult",
    "FolderCard",
    "NpzCard",
    "fetch",
    "find_card",
    "list_cards",
]
