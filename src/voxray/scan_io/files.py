"""Opening files, also those inside an archive."""

from pathlib import Path
from typing import BinaryIO

from voxray.scan_io.archives import open_member


def open_scan(path: Path) -> BinaryIO:
    """Open a file for reading; `archive.zip/folder/name` leads into an archive.

    Raises:
        OSError: If it cannot be opened, or the archive has no such member. While it is
            read, if the archive is damaged there.
    """
    try:
        return path.open("rb")
    except (NotADirectoryError, FileNotFoundError):
        archive = next((parent for parent in path.parents if parent.is_file()), None)
        if archive is None:
            raise
    return open_member(archive, path.relative_to(archive).as_posix())
