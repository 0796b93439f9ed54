"""An npz file of images into scans: a picture or a volume each, and a label table."""

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxray.core.errors import ConfigError
from voxray.core.progress import Listener, Progress
from voxray.datasets.cards import NpzCard, Task
from voxray.datasets.npz import ArrayHead, array_heads, rows
from voxray.datasets.store import put
from voxray.scan_io import encode_png, encode_unplaced_nifti

LABEL_COLUMN = "label"
_LISTEN_EVERY = 100


@dataclass(frozen=True, slots=True)
class NpzScans:
    """What was made of an npz file.

    Attributes:
        splits: Scans by split, those of the file.
        missing_splits: Published splits that the file does not hold.
        n_written: Files that were not there yet, or different.
        n_kept: Files that were there already.
    """

    splits: Mapping[str, int]
    missing_splits: tuple[str, ...]
    n_written: int
    n_kept: int


@dataclass(frozen=True, slots=True)
class _Split:
    name: str
    n: int
    labels: tuple[tuple[int, ...], ...]

    def scan(self, index: int) -> str:
        return f"{self.name}_{index:06d}"


def write_npz_scans(
    card: NpzCard, pixels: int, file: Path, folder: Path, listen: Listener
) -> NpzScans:
    """Write `images/<split>_<index>` and `labels.csv`, one row per scan.

    Pictures are PNG of exactly the values in the file. Volumes are .nii.gz with axes as
    stored, without a place or a spacing, since the file has none. The table has the
    columns `scan`, `split` and `label`, or one column of 0 and 1 for each of several
    labels.

    Args:
        card: What the arrays must be.
        pixels: Width of an image.
        file: With all published splits, or some.
        folder: Made when missing.
        listen: Told how many images are done.

    Raises:
        ConfigError: If the file holds something else than the card says.
        MachineError: If the disk is full or the folder may not be written.
    """
    splits = _read_splits(card, pixels, file)
    total = sum(split.n for split in splits)
    n_written = done = 0
    for split in splits:
        for index, image in enumerate(rows(file, f"{split.name}_images")):
            name, content = _encoded(card, split.scan(index), image)
            n_written += put(folder / "images" / name, content)
            done += 1
            if done % _LISTEN_EVERY == 0 or done == total:
                listen(Progress(f"unpacking {file.name}", done, total))
    n_written += put(folder / "labels.csv", _table(card, splits))
    return NpzScans(
        splits={split.name: split.n for split in splits},
        missing_splits=tuple(
            name for name in card.splits if name not in {s.name for s in splits}
        ),
        n_written=n_written,
        n_kept=total + 1 - n_written,
    )


def label_columns(card: NpzCard) -> tuple[str, ...]:
    """Columns of the label table that hold labels."""
    if Task.MULTI_LABEL in card.tasks:
        return tuple(meaning.replace(" ", "_") for meaning in card.classes.values())
    return (LABEL_COLUMN,)


def _read_splits(card: NpzCard, pixels: int, file: Path) -> list[_Split]:
    heads = array_heads(file)
    found = [name for name in card.splits if f"{name}_images" in heads]
    if not found:
        wanted = ", ".join(f"{name}_images" for name in card.splits)
        msg = f"{file.name!r} holds none of the arrays {wanted}"
        raise ConfigError(msg)
    for name in found:
        _check_images(card, pixels, file.name, heads[f"{name}_images"])
    return [_read_split(card, name, file, heads) for name in found]


def _check_images(card: NpzCard, pixels: int, name: str, head: ArrayHead) -> None:
    """Refuse another data set, and images of another size under this name."""
    wanted = card.image_shape(pixels)
    if head.dtype != np.uint8 or head.shape[1:] != wanted:
        msg = (
            f"images in {name!r} are {head.dtype} of shape {head.shape[1:]}, those of "
            f"{card.name} with {pixels} pixels are uint8 of shape {wanted}{_size(card)}"
        )
        raise ConfigError(msg)


def _size(card: NpzCard) -> str:
    others = [f"{card.name}_{size}" for size in sorted(card.files)]
    return f"; the name of another size is one of {', '.join(others)}"


def _read_split(
    card: NpzCard, name: str, file: Path, heads: Mapping[str, ArrayHead]
) -> _Split:
    n_images = heads[f"{name}_images"].shape[0]
    head = heads.get(f"{name}_labels")
    if head is None or not _is_table(head, n_images):
        shape = "missing" if head is None else f"{head.dtype} of shape {head.shape}"
        msg = (
            f"{file.name!r} has {n_images} images in the split {name!r}, and its labels "
            f"are {shape}: that is not a label for each image"
        )
        raise ConfigError(msg)
    labels = tuple(_label(row) for row in rows(file, f"{name}_labels"))
    _check_labels(card, file.name, labels)
    return _Split(name, n_images, labels)


def _is_table(head: ArrayHead, n_rows: int) -> bool:
    """Whether it has whole numbers for each image: (n,) or (n, labels)."""
    return head.shape[0] == n_rows and len(head.shape) <= 2 and head.dtype.kind in "bui"  # noqa: PLR2004


def _label(row: NDArray[Any]) -> tuple[int, ...]:
    return tuple(int(value) for value in row.reshape(-1))


def _check_labels(
    card: NpzCard, name: str, labels: tuple[tuple[int, ...], ...]
) -> None:
    columns = label_columns(card)
    known = {0, 1} if Task.MULTI_LABEL in card.tasks else card.classes.keys()
    odd = {v for label in labels for v in label} - known
    if odd or any(len(label) != len(columns) for label in labels):
        msg = (
            f"labels in {name!r} are {len(labels[0])} a scan and include {sorted(odd)};"
            f" those of {card.name} are {len(columns)} of {sorted(known)}"
        )
        raise ConfigError(msg)


def _encoded(card: NpzCard, scan: str, image: NDArray[Any]) -> tuple[str, bytes]:
    if card.volumes:
        return f"{scan}.nii.gz", encode_unplaced_nifti(image)
    return f"{scan}.png", encode_png(image)


def _table(card: NpzCard, splits: list[_Split]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("scan", "split", *label_columns(card)))
    writer.writerows(_table_rows(splits))
    return text.getvalue().encode()


def _table_rows(splits: list[_Split]) -> Iterator[tuple[str | int, ...]]:
    for split in splits:
        for index, label in enumerate(split.labels):
            yield split.scan(index), split.name, *label
