"""An npz file of images into scans: a picture or a volume each, and a label table."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
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
class Split:
    """A split that a file holds.

    Attributes:
        n: Images in it.
        labels: Of each image.
    """

    name: str
    n: int
    labels: tuple[tuple[int, ...], ...]

    def scan(self, index: int) -> str:
        """Name of a scan, e.g. train_000017."""
        return f"{self.name}_{index:06d}"


def read_splits(card: NpzCard, pixels: int, file: Path) -> tuple[Split, ...]:
    """Read which published splits a file holds, and their labels; nothing is written.

    Args:
        card: What the arrays must be.
        pixels: Width of an image.
        file: With all published splits, or some, or a part of some.

    Raises:
        ConfigError: If the file holds something else than the card says.
    """
    heads = array_heads(file)
    found = [name for name in card.splits if f"{name}_images" in heads]
    if not found:
        wanted = ", ".join(f"{name}_images" for name in card.splits)
        msg = f"{file.name!r} holds none of the arrays {wanted}"
        raise ConfigError(msg)
    for name in found:
        _check_images(card, pixels, file.name, heads[f"{name}_images"])
        _check_number(card, file.name, name, heads[f"{name}_images"].shape[0])
    return tuple(_read_split(card, name, file, heads) for name in found)


def write_npz_scans(
    card: NpzCard,
    splits: Sequence[Split],
    file: Path,
    folder: Path,
    listen: Listener,
) -> int:
    """Write `images/<split>_<index>` and `labels.csv`, one row per scan.

    Pictures are PNG of exactly the values in the file. Volumes are .nii.gz with axes as
    stored, without a place or a spacing, since the file has none. The table has the
    columns `scan`, `split` and `label`, or one column of 0 and 1 for each of several
    labels.

    Args:
        card: What the arrays are.
        splits: From `read_splits`.
        file: The same file.
        folder: Made when missing.
        listen: Told how many images are done.

    Returns:
        Number of files that were not there yet, or different.

    Raises:
        ConfigError: If the file turns out to be damaged.
        MachineError: If the disk is full or the folder may not be written.
    """
    total = sum(split.n for split in splits)
    n_written = 0
    for done, (scan, image) in enumerate(_images(splits, file), start=1):
        name, content = _encoded(card, scan, image)
        n_written += put(folder / "images" / name, content)
        if done % _LISTEN_EVERY == 0 or done == total:
            listen(Progress(f"unpacking {file.name}", done, total))
    return n_written + put(folder / "labels.csv", _table(card, splits))


def _images(splits: Sequence[Split], file: Path) -> Iterator[tuple[str, NDArray[Any]]]:
    for split in splits:
        for index, image in enumerate(rows(file, f"{split.name}_images")):
            yield split.scan(index), image


def label_columns(card: NpzCard) -> tuple[str, ...]:
    """Columns of the label table that hold labels."""
    if Task.MULTI_LABEL in card.tasks:
        return tuple(meaning.replace(" ", "_") for meaning in card.classes.values())
    return (LABEL_COLUMN,)


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


def _check_number(card: NpzCard, name: str, split: str, n: int) -> None:
    """Refuse more images than were published: another version, or no such data set."""
    if n > card.splits[split]:
        msg = (
            f"{name!r} has {n} images in the split {split!r}, published are "
            f"{card.splits[split]}: it is another version of {card.name}"
        )
        raise ConfigError(msg)


def _read_split(
    card: NpzCard, name: str, file: Path, heads: Mapping[str, ArrayHead]
) -> Split:
    n_images = heads[f"{name}_images"].shape[0]
    head = heads.get(f"{name}_labels")
    if head is None or not _is_table(head, n_images, len(label_columns(card))):
        shape = "missing" if head is None else f"{head.dtype} of shape {head.shape}"
        msg = (
            f"{file.name!r} has {n_images} images in the split {name!r}, its labels "
            f"are {shape}: {card.name} has {len(label_columns(card))} for each image"
        )
        raise ConfigError(msg)
    labels = tuple(_label(row) for row in rows(file, f"{name}_labels"))
    _check_labels(card, file.name, labels)
    return Split(name, n_images, labels)


def _is_table(head: ArrayHead, n_rows: int, n_columns: int) -> bool:
    """Whether it has whole numbers for each image: (n, columns), or (n,) for one."""
    shapes = {(n_rows, n_columns), *([(n_rows,)] if n_columns == 1 else [])}
    return head.shape in shapes and head.dtype.kind in "bui"


def _label(row: NDArray[Any]) -> tuple[int, ...]:
    return tuple(int(value) for value in row.reshape(-1))


def _check_labels(
    card: NpzCard, name: str, labels: tuple[tuple[int, ...], ...]
) -> None:
    known = {0, 1} if Task.MULTI_LABEL in card.tasks else card.classes.keys()
    odd = {value for label in labels for value in label} - known
    if odd:
        msg = (
            f"labels in {name!r} include {sorted(odd)[:3]}; those of {card.name} are "
            f"{sorted(known)}"
        )
        raise ConfigError(msg)


def _encoded(card: NpzCard, scan: str, image: NDArray[Any]) -> tuple[str, bytes]:
    if card.volumes:
        return f"{scan}.nii.gz", encode_unplaced_nifti(image)
    return f"{scan}.png", encode_png(image)


def _table(card: NpzCard, splits: Sequence[Split]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("scan", "split", *label_columns(card)))
    writer.writerows(_table_rows(splits))
    return text.getvalue().encode()


def _table_rows(splits: Sequence[Split]) -> Iterator[tuple[str | int, ...]]:
    for split in splits:
        for index, label in enumerate(split.labels):
            yield split.scan(index), split.name, *label
