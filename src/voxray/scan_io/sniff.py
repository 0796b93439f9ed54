"""What a file is, by its content; names and suffixes are never trusted."""

import bz2
import lzma
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path

from voxray.core.errors import UnreadableScanError
from voxray.scan_io.dicom.header import DicomHeader
from voxray.scan_io.dicom.opened import OpenedFile
from voxray.scan_io.dicom.reading import header_of, is_dicom
from voxray.scan_io.files import open_scan

_TAR_HEAD_BYTES = 512
_PICTURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")
_ZIPS = (b"PK\x03\x04", b"PK\x05\x06")
_ZIP_NAME_PLACE = 30
_ZIPPED_DOCUMENTS = (b"[Content_Types]", b"_rels/", b"mimetype", b"META-INF/")
_ZIPPED_ARRAY = b".npy"
_BZIP2, _XZ = b"BZh", b"\xfd7zXZ\0"
_MAX_XZ_BYTES = 1 << 26
_XZ_OR_BZIP2_BYTES = 1 << 20  # a block of bzip2 unpacks as a whole
_PAIR = {".img": (".hdr", ".hdr.gz"), ".IMG": (".HDR",), ".img.gz": (".hdr.gz", ".hdr")}
"""By how the voxels of a NIfTI pair are named: how its header may be."""


class FileKind(StrEnum):
    """What voxray can do with a file."""

    DICOM = "dicom"
    NIFTI = "nifti"
    NIFTI_PIXELS = "nifti_pixels"
    PICTURE = "picture"
    ARCHIVE = "archive"
    OTHER = "other"


def file_kind(path: Path, scan_id: str = "-") -> FileKind:
    """Tell scans, pictures and archives from anything else by the first bytes.

    DICOM with or without preamble (PS3.10 7.1); NIfTI-1 and NIfTI-2, single files and
    the header of a pair; both plain or packed with gzip. PNG and JPEG, but not JPEG
    2000. Zip, and tar as it is or packed with gzip, bzip2 or xz, but not what is a zip
    only inside: office documents, Java and numpy archives. Analyze 7.5 is other.

    The .img of a NIfTI pair has no mark: it is known by its name, and by the header of
    the same name beside it.

    Args:
        path: File of any name.
        scan_id: Named in the error.

    Raises:
        UnreadableScanError: If the file cannot be opened.
    """
    with _opened(path, scan_id) as file:
        return _kind(file, path)


def inspect(path: Path, scan_id: str = "-") -> tuple[FileKind, DicomHeader | None]:
    """Give the kind of a file and, of DICOM, the header, in one reading.

    Args:
        path: File of any name.
        scan_id: Named in errors.

    Returns:
        The kind; the header of a DICOM file, None for other kinds.

    Raises:
        UnreadableScanError: If the file cannot be opened, or is DICOM whose header
            cannot be read.
    """
    with _opened(path, scan_id) as file:
        kind = _kind(file, path)
        return kind, header_of(file, scan_id) if kind is FileKind.DICOM else None


def is_nifti_head(head: bytes) -> bool:
    """Whether the first 348 bytes, unpacked, open a single-file NIfTI."""
    return head[344:348] == b"n+1\0" or head[4:12] == b"n+2\0\r\n\x1a\n"


def is_nifti_pair_head(head: bytes) -> bool:
    """Whether the first 348 bytes, unpacked, open the header of a NIfTI pair."""
    return head[344:348] == b"ni1\0" or head[4:12] == b"ni2\0\r\n\x1a\n"


@contextmanager
def _opened(path: Path, scan_id: str) -> Iterator[OpenedFile]:
    try:
        with open_scan(path) as stream:
            yield OpenedFile(stream)
    except OSError as error:
        problem = f"the file cannot be opened: {error.strerror or 'input/output error'}"
        raise UnreadableScanError(scan_id, problem) from error


def _kind(file: OpenedFile, path: Path) -> FileKind:
    if is_dicom(file):
        return FileKind.DICOM
    if is_nifti_head(file.start) or is_nifti_pair_head(file.start):
        return FileKind.NIFTI
    if file.start.startswith(_PICTURES) and not file.packed:
        return FileKind.PICTURE
    return FileKind.ARCHIVE if _is_archive(file) else _kind_by_name(path)


def _is_archive(file: OpenedFile) -> bool:
    """Whether it is a zip, or a tar under at most one layer of packing."""
    start = file.start
    if start.startswith(_ZIPS):
        return not file.packed and not _is_zipped_document(start)
    if start.startswith(_BZIP2):
        start = _unpacked(bz2.BZ2Decompressor().decompress, file)
    elif start.startswith(_XZ):
        unpack = lzma.LZMADecompressor(memlimit=_MAX_XZ_BYTES).decompress
        start = _unpacked(unpack, file)
    return _is_tar(start[:_TAR_HEAD_BYTES])


def _is_zipped_document(start: bytes) -> bool:
    length = int.from_bytes(start[26:28], "little")
    name = start[_ZIP_NAME_PLACE : _ZIP_NAME_PLACE + length]
    return name.startswith(_ZIPPED_DOCUMENTS) or name.endswith(_ZIPPED_ARRAY)


def _unpacked(unpack: Callable[[bytes, int], bytes], file: OpenedFile) -> bytes:
    file.grow(_XZ_OR_BZIP2_BYTES)
    try:
        return unpack(file.start[:_XZ_OR_BZIP2_BYTES], _TAR_HEAD_BYTES)
    except (OSError, ValueError, EOFError, lzma.LZMAError):
        return b""


def _is_tar(head: bytes) -> bool:
    """By the checksum of its first header, which every kind of tar has."""
    try:
        tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True


def _kind_by_name(path: Path) -> FileKind:
    """What lies beside a NIfTI header that is named as it is; else other."""
    for suffix, header_suffixes in _PAIR.items():
        if path.name.endswith(suffix):
            stem = path.name.removesuffix(suffix)
            names = [path.with_name(stem + other) for other in header_suffixes]
            if any(map(_is_header_of_pair, names)):
                return FileKind.NIFTI_PIXELS
    return FileKind.OTHER


def _is_header_of_pair(path: Path) -> bool:
    try:
        with open_scan(path) as stream:
            return is_nifti_pair_head(OpenedFile(stream).start)
    except OSError:
        return False
