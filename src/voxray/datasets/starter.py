"""The experiment to begin with: what a card knows, as a file beside the data."""

import re
from collections.abc import Collection
from typing import Any

import yaml

from voxray.datasets.cards import (
    DataCard,
    DecathlonCard,
    FolderCard,
    NpzCard,
    Task,
)
from voxray.datasets.npz_scans import label_columns


def starter_experiment(card: DataCard, name: str, splits: Collection[str] = ()) -> str:
    """An experiment file that lies in the data set's folder.

    Args:
        card: Of the data set.
        name: Of the experiment.
        splits: Published splits that are there; `test` is held out of all folds.
    """
    if isinstance(card, NpzCard):
        own = _npz_experiment(card, splits)
    elif isinstance(card, DecathlonCard):
        own = _decathlon_experiment(card)
    else:
        own = _folder_experiment(card)
    whole = {
        "name": name,
        **own,
        "register": {"name": name, "licence": card.licence},
    }
    text = yaml.safe_dump(whole, sort_keys=False, allow_unicode=True, width=88)
    return f"# {card.title}.\n{text}"


def class_name(meaning: str) -> str:
    """A meaning as the name of a class in an experiment.

    Example:
        >>> class_name("normal, benign")
        'normal_benign'
    """
    return re.sub(r"[^A-Za-z0-9-]+", "_", meaning).strip("_")


def _npz_experiment(card: NpzCard, splits: Collection[str]) -> dict[str, Any]:
    holdout = {"column": "split", "value": "test"} if "test" in splits else None
    return {
        "data": {
            "scans": "images",
            "labels": {"table": "labels.csv"},
            "patient": "each_file",
            "ids": "path",
        },
        "task": {"classify": _classify(card)},
        **({"folds": {"holdout": holdout}} if holdout else {}),
    }


def _classify(card: NpzCard) -> dict[str, Any]:
    if Task.MULTI_LABEL in card.tasks:
        return {"columns": list(label_columns(card))}
    classes = {class_name(text): value for value, text in card.classes.items()}
    return {
        "column": label_columns(card)[0],
        "classes": classes,
        **({"positive": class_name(card.positive)} if card.positive else {}),
        **({"ordinal": True} if Task.ORDINAL in card.tasks else {}),
    }


def _decathlon_experiment(card: DecathlonCard) -> dict[str, Any]:
    """With several channels an exam is a folder, and so is its patient."""
    channels: dict[str, Any] = {channel: {} for channel in card.channels}
    several: dict[str, Any] = {}
    if len(card.channels) > 1:
        channels = {c: {"path": f"*_{c}.nii.gz"} for c in card.channels}
        several = {"exam": "folder", "patient": {"pattern": "^([^/]+)/"}}
    classes = {class_name(text): {"value": v} for v, text in card.mask_values.items()}
    data = {
        "scans": "images",
        "masks": "labels",
        "patient": "each_file",
        "ids": "path",
        "channels": channels,
        **several,
    }
    return {"data": data, "task": {"segment": {"classes": classes}}}


def _folder_experiment(card: FolderCard) -> dict[str, Any]:
    given = card.experiment
    masks = {"masks": card.masks} if "segment" in given.get("task", {}) else {}
    data = {"scans": card.images, **masks, **given.get("data", {})}
    return {**given, "data": data}
