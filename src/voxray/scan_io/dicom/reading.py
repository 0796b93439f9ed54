"""From a DICOM file to its header: fast where it is plain, else by pydicom."""

from pathlib import Path
from typing import BinaryIO, cast

import pydicom
from pydicom.dataset import FileDataset
from pydicom.errors import InvalidDicomError
from pydicom.tag import BaseTag, Tag
from pydicom.uid import DeflatedExplicitVRLittleEndian

from voxray.core.errors import UnreadableScanError
from voxray.scan_io.dicom import values
from voxray.scan_io.dicom.elements import WantedElements
from voxray.scan_io.dicom.frames import FrameHeader, frames_of
from voxray.scan_io.dicom.header import (
    FRAME_SEQUENCES,
    KEYWORDS,
    DicomHeader,
    header_from,
)
from voxray.scan_io.dicom.opened import GuardedStream, OpenedFile
from voxray.scan_io.dicom.pixel_bytes import PixelBytes, pixel_element_at
from voxray.scan_io.dicom.quiet import READ_ERRORS, kind_of, quiet_pydicom
from voxray.scan_io.files import open_scan

_WANTED = WantedElements(KEYWORDS)
_TAGS: list[BaseTag | int] = [Tag(keyword) for keyword in KEYWORDS]
_FIRST_GROUPS = {b"\x02\0", b"\x08\0", b"\0\x08"}
"""Of a file without preamble: little endian, or big endian without meta information."""


def read_dicom_header(path: Path, scan_id: str = "-") -> DicomHeader:
    """Read one header; pixels are measured, not read.

    Args:
        path: File of any name, with or without preamble, plain or packed with gzip.
        scan_id: Named in the error.

    Raises:
        UnreadableScanError: If the file cannot be opened or is not DICOM.
    """
    try:
        with open_scan(path) as stream:
            return header_of(OpenedFile(stream), scan_id)
    except OSError as error:
        problem = f"the DICOM header cannot be read: {kind_of(error)}"
        raise UnreadableScanError(scan_id, problem) from error


def header_of(file: OpenedFile, scan_id: str) -> DicomHeader:
    """Read the header of an opened file.

    Raises:
        UnreadableScanError: If it is not DICOM.
    """
    try:
        return _fast_header(file) or _header_by_pydicom(file)
    except READ_ERRORS as error:
        problem = f"the DICOM header cannot be read: {kind_of(error)}"
        raise UnreadableScanError(scan_id, problem) from error


def is_dicom(file: OpenedFile) -> bool:
    """Whether a file is DICOM: by its mark, else by naming a SOP class.

    Files without preamble and mark came before PS3.10. They open with group 0002 or
    0008; only then is the file parsed.
    """
    start = file.start
    if start[128:132] == b"DICM":
        return True
    if start[:2] not in _FIRST_GROUPS or 0 not in start[2:4]:
        return False
    try:
        with quiet_pydicom():
            return _is_dicom(_read_until_pixels(file.for_pydicom()))
    except READ_ERRORS:
        return False


def _fast_header(file: OpenedFile) -> DicomHeader | None:
    """None if the file is not plain enough."""
    elements = _WANTED.find(file)
    if elements is None:
        return None
    frames = _frames(file, elements.dataset)
    pixels = PixelBytes.measure(file, elements.dataset, elements.pixels)
    return header_from(elements.dataset, elements.file_meta, pixels, frames)


def _header_by_pydicom(file: OpenedFile) -> DicomHeader:
    with quiet_pydicom():
        stream = file.for_pydicom()
        dataset = _read_until_pixels(stream)
        if not _is_dicom(dataset):
            raise InvalidDicomError
        stopped_at = stream.tell()
        frames = _frames(file, dataset)
        pixels = _measured(file, dataset, stopped_at)
        return header_from(dataset, dataset.file_meta, pixels, frames)


def _measured(file: OpenedFile, dataset: FileDataset, stopped_at: int) -> PixelBytes:
    syntax = dataset.file_meta.get("TransferSyntaxUID")
    if syntax == DeflatedExplicitVRLittleEndian:
        return PixelBytes.unpacked(dataset)
    _, little = dataset.original_encoding
    element = pixel_element_at(file, stopped_at, little_endian=bool(little))
    return PixelBytes.measure(file, dataset, element)


def _read_until_pixels(stream: GuardedStream) -> FileDataset:
    return pydicom.dcmread(
        cast("BinaryIO", stream),
        stop_before_pixels=True,
        specific_tags=_TAGS,
        force=True,
    )


def _is_dicom(dataset: FileDataset) -> bool:
    if dataset.preamble is not None:
        return bool(dataset) or bool(dataset.file_meta)
    return (values.text(dataset, "SOPClassUID") or "").startswith("1.2.840.10008.")


def _frames(file: OpenedFile, header: values.Values) -> tuple[FrameHeader, ...]:
    """Frames of a file that may have some; only then is all of its header read."""
    if not _may_have_frames(header):
        return ()
    with quiet_pydicom():
        stream = cast("BinaryIO", file.for_pydicom())
        dataset = pydicom.dcmread(stream, stop_before_pixels=True, force=True)
        return frames_of(dataset)


def _may_have_frames(header: values.Values) -> bool:
    return (
        (values.whole(header, "NumberOfFrames") or 1) > 1
        or "MOSAIC" in values.texts(header, "ImageType")
        or any(keyword in header for keyword in FRAME_SEQUENCES)
    )
