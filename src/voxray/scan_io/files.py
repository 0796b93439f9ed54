"""Opening files, also those inside an archive."""

from pathlib import Path
from typing import BinaryIO


def open_scan(path: Path) -> BinaryIO:
    """Open a file for reading; `archive.zip/folder/name` leads into an archive.

    Raises:
        OSError: If it cannot be opened.
    """
    return path.open("rb")
