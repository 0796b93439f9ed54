"""Public data sets: which there are, and one brought into the usual layout."""

from pathlib import Path

from voxray import datasets
from voxray.core.progress import Listener
from voxray.stages.frame import StageOutcome

LIST_HEADER = ("name", "pairs", "licence", "title")


def list_all() -> list[tuple[str, str, str, str]]:
    """Name, published pairs, licence and title of every data set, by name."""
    return [
        (card.name, str(card.pairs_published), card.licence, card.title)
        for card in datasets.list_cards()
    ]


def fetch(name: str, to: Path, source: Path | None, listen: Listener) -> StageOutcome:
    """Copy a data set from a folder into `to/<name>`.

    Raises:
        ConfigError: If there is no such data set, or the folder has another layout.
        MachineError: If the disk is full.
    """
    result = datasets.fetch(name, to, source, listen)
    unpaired = [*result.images_without_label, *result.labels_without_image]
    n_unused = len(unpaired) + len(result.unreadable)
    counts = {
        "pairs": result.n_pairs,
        "copied": result.n_copied,
        "without_label": len(result.images_without_label),
        "without_image": len(result.labels_without_image),
        "unreadable": len(result.unreadable),
    }
    message = (
        f"{result.folder}: {result.n_pairs} pairs, {result.n_copied} files copied, "
        f"{counts['without_label']} images without label, "
        f"{counts['without_image']} labels without image, "
        f"{counts['unreadable']} unreadable"
    )
    return StageOutcome(counts=counts, message=message, n_unused=n_unused)
