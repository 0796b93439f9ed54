"""Bring a data set into the layout that the experiments read.

From a folder or file of the user's, or from its server. A file that is there already and
is the same is kept, so a killed fetch goes on.
"""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from voxray.core.errors import ConfigError, ManifestError
from voxray.core.files import machine_errors, read_json, write_json
from voxray.core.progress import Listener, ignore_progress
from voxray.datasets.cards import DataCard, NpzCard, RemoteFile
from voxray.datasets.catalogue import Wanted, find_wanted
from voxray.datasets.download import Patience, download, has_checksum
from voxray.datasets.npz_scans import write_npz_scans
from voxray.datasets.pairs import copy_pairs
from voxray.datasets.tree import open_tree

RECORD_FILE = "data_set.json"
_DOWNLOADS = ".download"


class Checksum(StrEnum):
    """How a file compares with what its publisher says of it."""

    VERIFIED = "checksum verified"
    DIFFERENT = "not the published file"
    UNKNOWN = "no published checksum"


@dataclass(frozen=True, slots=True)
class FetchResult:
    """What came of a fetch.

    Attributes:
        card: What was fetched.
        folder: Where it is.
        n_scans: Images, an image with several channels counted once.
        n_pairs: Scans with a mask; None where the data set has no masks.
        splits: Scans by published split, where there are such.
        missing_splits: Published splits that the source does not hold.
        scans_without_mask, masks_without_scan: Names.
        unreadable: Files, relative to `folder`, that are no readable NIfTI volume.
        n_written: Files that were not there yet, or different.
        n_kept: Files that were there already.
        checksum: Of the source; None for a folder.
    """

    card: DataCard
    folder: Path
    n_scans: int
    n_pairs: int | None
    splits: Mapping[str, int]
    missing_splits: tuple[str, ...]
    scans_without_mask: tuple[str, ...]
    masks_without_scan: tuple[str, ...]
    unreadable: tuple[str, ...]
    n_written: int
    n_kept: int
    checksum: Checksum | None
