"""Public data sets: which there are, and one brought into the usual layout."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from voxray import datasets
from voxray.core.progress import Listener
from voxray.datasets import Contents, DataCard, FetchResult, NpzCard
from voxray.stages.frame import StageOutcome

LIST_HEADER = ("name", "n", "task", "licence", "title")


@dataclass(frozen=True, slots=True)
class Fetched:
    """How a fetch ended.

    Attributes:
        notes: Further lines for a person: what to know, and what to do next.
    """

    outcome: StageOutcome
    notes: tuple[str, ...]


def list_all() -> list[tuple[str, ...]]:
    """Name, published scans, task, licence and title of every data set, by name."""
    return [
        (card.name, _number(card), _tasks(card), card.licence, card.title)
        for card in datasets.list_cards()
    ]


def describe(name: str) -> list[tuple[str, str]]:
    """What a card says, as named facts.

    Raises:
        ConfigError: If there is no such data set; names the nearest.
    """
    card = datasets.find_card(name)
    facts = [
        ("name", card.name),
        ("title", card.title),
        ("scans", _number(card)),
        ("task", _tasks(card)),
        ("images", card.modality),
        *_own_facts(card),
        ("patients", card.patients),
        ("know", card.caveats),
        ("licence", card.licence),
        ("cite", card.citation),
        ("made from", card.origin),
        ("page", card.source),
    ]
    return [(fact, text) for fact, text in facts if text]


def fetch(name: str, to: Path, source: Path | None, listen: Listener) -> Fetched:
    """Bring a data set into `to/<name>`, from a source or its server.

    Raises:
        ConfigError: If there is no such data set, or the source is another one.
        DatasetError: If what was downloaded is not the published file.
        MachineError: If the disk is full, or the server is away.
    """
    result = datasets.fetch(name, to, source, listen)
    contents = result.contents
    counts = {
        "scans": contents.n_scans,
        "without_mask": len(contents.scans_without_mask),
        "without_scan": len(contents.masks_without_scan),
        "unreadable": len(contents.unreadable),
        "written": result.n_written,
    }
    n_unused = counts["without_mask"] + counts["without_scan"] + counts["unreadable"]
    message = f"{result.folder}: {_held(contents)}; {_files(result)}"
    outcome = StageOutcome(counts=counts, message=message, n_unused=n_unused)
    return Fetched(outcome, tuple(_notes(result)))


def _number(card: DataCard) -> str:
    return "" if card.n is None else str(card.n)


def _tasks(card: DataCard) -> str:
    return ", ".join(card.tasks)


def _own_facts(card: DataCard) -> list[tuple[str, str]]:
    if isinstance(card, NpzCard):
        names = [card.name, *(f"{card.name}_{n}" for n in sorted(card.files)[1:])]
        files = list(card.files.values())
        own = [
            ("splits", _counted(card.splits)),
            ("sizes", f"{', '.join(map(str, sorted(card.files)))} pixels a side"),
            ("fetch", ", ".join(names)),
        ]
    else:
        files = [card.archive] if card.archive else []
        own = [("layout", card.layout)]
    known = ", ".join(file.checksum[0] if file.checksum else "none" for file in files)
    return [
        ("classes", _meanings(card.classes)),
        ("in masks", _meanings(card.mask_values)),
        *own,
        ("checksums", known),
    ]


def _meanings(values: Mapping[int, str]) -> str:
    return ", ".join(f"{value} {meaning}" for value, meaning in values.items())


def _counted(numbers: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {n}" for name, n in numbers.items())


def _held(contents: Contents) -> str:
    if contents.splits:
        return f"{contents.n_scans} scans ({_counted(contents.splits)})"
    if contents.n_pairs is None:
        return f"{contents.n_scans} scans"
    return (
        f"{contents.n_scans} scans, {contents.n_pairs} with a mask, "
        f"{len(contents.scans_without_mask)} without, "
        f"{len(contents.masks_without_scan)} masks without a scan"
    )


def _files(result: FetchResult) -> str:
    if result.n_kept is None:
        return "it was there already"
    return f"{result.n_written} files written, {result.n_kept} kept"


def _published(card: DataCard) -> str:
    splits = f" ({_counted(card.splits)})" if isinstance(card, NpzCard) else ""
    return f"{card.n} scans{splits}"


def _notes(result: FetchResult) -> list[str]:
    card, contents = result.card, result.contents
    notes = [f"checksum: {contents.checksum}"]
    if card.n not in {None, contents.n_scans}:
        notes.append(f"published: {_published(card)}")
    if contents.missing_splits:
        missing = ", ".join(contents.missing_splits)
        notes.append(f"missing_splits: {missing}, which the source does not hold")
    if contents.unreadable:
        n = len(contents.unreadable)
        notes.append(f"unreadable: {n} files, named in {result.folder}/data_set.json")
    notes += [
        f"licence: {card.licence}",
        f"cite: {card.citation}",
        f"next: voxray run {result.experiment} --until preprocess",
    ]
    return notes
