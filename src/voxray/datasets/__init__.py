"""Public data sets: cards that say what they are, and fetching into a usual layout."""

from voxray.datasets.cards import DataCard, find_card, list_cards
from voxray.datasets.fetching import FetchResult, fetch

__all__ = ["DataCard", "FetchResult", "fetch", "find_card", "list_cards"]
