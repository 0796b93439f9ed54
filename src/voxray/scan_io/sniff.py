"""What a file is, by its content; names and suffixes are never trusted."""

import gzip
import zlib
from enum import StrEnum
from pathlib import Path

from voxray.core.errors import UnreadableScanError
from voxray.scan_io.dicom.header import is_dicom_without_preamble

_HEAD_BYTES = 348
_GZIP_MAGIC = b"\x1f\x8b"


class FileKind(StrEnum):
    """What voxray can do with a file."""

    DICOM = "dicom"
    NIFTI = "nifti"
    PICTURE = "picture"
    ARCHIVE = "archive"
    OTHER = "other"


def file_kind(path: Path, scan_id: str = "-") -> FileKind:
    """Tell DICOM and NIfTI from anything else by the first bytes.

    DICOM with or without preamble (PS3.10 7.1); single-file NIfTI-1 and NIfTI-2, plain
    or gzip. Header and image pairs (.hdr, .img) count as other.

    Args:
        path: File of any name.
        scan_id: Named in the error.

    Raises:
        UnreadableScanError: If the file cannot be opened.
    """
    try:
        with path.open("rb") as stream:
            head = stream.read(_HEAD_BYTES)
        if head[128:132] == b"DICM" or is_dicom_without_preamble(path, head):
            return FileKind.DICOM
        if head[:2] == _GZIP_MAGIC:
            head = _unpacked_head(path)
    except OSError as error:
        problem = f"the file cannot be opened: {error.strerror or 'input/output error'}"
        raise UnreadableScanError(scan_id, problem) from error
    return FileKind.NIFTI if is_nifti_head(head) else FileKind.OTHER


def is_nifti_head(head: bytes) -> bool:
    """Whether the first 348 bytes, unpacked, open a single-file NIfTI."""
    return head[344:348] == b"n+1\0" or head[4:12] == b"n+2\0\r\n\x1a\n"


def _unpacked_head(path: Path) -> bytes:
    try:
        with gzip.open(path) as stream:
            return stream.read(_HEAD_BYTES)
    except (EOFError, zlib.error, gzip.BadGzipFile):
        return b""
