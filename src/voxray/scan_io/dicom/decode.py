"""A DICOM file of which frames are taken one at a time, however they are encoded."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import FileDataset
from pydicom.encaps import generate_frames, get_frame
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.utils import as_pixel_options, pixel_array
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from voxray.scan_io.dicom.codestream import stated_size
from voxray.scan_io.dicom.header import DicomHeader
from voxray.scan_io.dicom.native import (
    has_sound_bits,
    is_native,
    native_frame,
    stored_bits,
)
from voxray.scan_io.dicom.opened import GuardedStream, OpenedFile, dicom_stream
from voxray.scan_io.dicom.pixel_bytes import pixel_element_at
from voxray.scan_io.dicom.quiet import panic_as_error
from voxray.scan_io.dicom.reading import header_of
from voxray.scan_io.files import open_scan

_UNCOMPRESSED = {
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
}


@contextmanager
def opened_pixels(
    path: Path, scan_id: str, known: DicomHeader | None = None
) -> Iterator["PixelFile"]:
    """Open a file for its frames.

    Args:
        path: The file.
        scan_id: Named in errors.
        known: Its header, if it was read before. Used where it says where the pixels
            are; any other file is read again.

    Raises:
        OSError: If it cannot be opened.
        UnreadableScanError: If it is not DICOM.
    """
    with open_scan(path) as stream:
        if known is not None and known.pixel_offset is not None and not known.frames:
            yield PixelFile(path, stream, known, packed=False)
            return
        opened = OpenedFile(stream)
        header = header_of(opened, scan_id)
        yield PixelFile(path, stream, header, packed=opened.packed)


class PixelFile:
    """One opened file.

    Attributes:
        header: Of the whole file.
        slices: Its header, or one per frame or tile.
    """

    def __init__(
        self, path: Path, stream: BinaryIO, header: DicomHeader, *, packed: bool
    ) -> None:
        self._path, self._stream, self._packed = path, stream, packed
        self._last: tuple[int, NDArray[Any]] | None = None
        self.header = header
        self.slices = header.slices()

    @property
    def syntax_name(self) -> str:
        """Transfer syntax, as the standard calls it."""
        uid = UID(self.header.transfer_syntax_uid or "")
        return "an unknown transfer syntax" if uid.name == uid else uid.name

    def frame(self, index: int) -> NDArray[Any]:
        """Decode one frame; of a file of one, all there is.

        Args:
            index: From 0.

        Returns:
            Stored values (row, column), or (row, column, 3) in red, green and blue;
            (frame, row, column) if a file of one frame holds more. Palette colours are
            left as indexes.

        Raises:
            One of `READ_ERRORS`: If it cannot be decoded.
        """
        if self._last is None or self._last[0] != index:  # all tiles share a mosaic
            self._last = index, self._frame(index)
        return self._last[1]

    def _frame(self, index: int) -> NDArray[Any]:
        if is_native(self.header):
            return native_frame(self._stream, self.header, index)
        with panic_as_error():
            if self._is_read_by_frame:
                return self._compressed_frame(index)
            return self._decoded(index)

    @property
    def dataset(self) -> FileDataset:
        """All elements, by pydicom; without the pixels where `frame` needs none."""
        return self._parsed[0]

    @cached_property
    def _parsed(self) -> tuple[FileDataset, int]:
        """The elements, and where reading them ended."""
        pixels_too = not (self._is_read_by_frame or is_native(self.header))
        if pixels_too and self._packed:  # what was unpacked of it is gone
            with dicom_stream(self._path) as stream:
                return _parsed(stream, stop_before_pixels=False)
        guarded = cast("BinaryIO", GuardedStream(self._stream))
        return _parsed(guarded, stop_before_pixels=not pixels_too)

    @property
    def _is_read_by_frame(self) -> bool:
        """Whether the frames are compressed, several, and need not be unpacked."""
        several = (self.header.number_of_frames or 1) > 1
        syntax = self.header.transfer_syntax_uid
        return several and not self._packed and syntax not in {None, *_UNCOMPRESSED}

    def _decoded(self, index: int) -> NDArray[Any]:
        several = (self.header.number_of_frames or 1) > 1
        left_aligned = (
            self.header.bits_stored != (self.header.high_bit or 0) + 1
            and has_sound_bits(self.header)
            and self.dataset.file_meta.TransferSyntaxUID in _UNCOMPRESSED
        )
        if self.dataset.file_meta.TransferSyntaxUID not in _UNCOMPRESSED:
            # Read as pydicom will: without a table of offsets, which may be wrong.
            frames = generate_frames(self.dataset.PixelData, number_of_frames=1)
            self._check(next(frames))
        decoded = pixel_array(
            self.dataset,
            index=index if several else None,
            correct_unused_bits=not left_aligned,
        )
        return stored_bits(decoded, self.header) if left_aligned else decoded

    def _compressed_frame(self, index: int) -> NDArray[Any]:
        """One frame, for which no other is read or kept in memory."""
        decoder = get_decoder(self.dataset.file_meta.TransferSyntaxUID)
        options = as_pixel_options(self.dataset, pixel_keyword="PixelData")
        source = cast("BinaryIO", GuardedStream(self._stream))
        source.seek(self._pixels_at)
        offsets, n_frames = options.get("extended_offsets"), options["number_of_frames"]
        self._check(
            get_frame(
                source, index, extended_offsets=offsets, number_of_frames=n_frames
            )
        )
        source.seek(self._pixels_at)
        frame, _ = decoder.as_array(source, index=index, **options)
        return np.asarray(frame)

    def _check(self, frame: bytes) -> None:
        """Refuse a codestream that would unpack to another size than the header's."""
        size = stated_size(frame)
        header = self.header
        if size not in {None, (header.rows, header.columns, header.samples_per_pixel)}:
            msg = "the compressed pixels have another size than the header states"
            raise ValueError(msg)

    @cached_property
    def _pixels_at(self) -> int:
        self._stream.seek(0)
        file = OpenedFile(self._stream)
        element = pixel_element_at(file, self._parsed[1], little_endian=True)
        if element is None:
            msg = "no pixels"
            raise ValueError(msg)
        return element.place


def _parsed(stream: BinaryIO, *, stop_before_pixels: bool) -> tuple[FileDataset, int]:
    dataset = pydicom.dcmread(stream, force=True, stop_before_pixels=stop_before_pixels)
    _name_transfer_syntax(dataset)
    return dataset, stream.tell()


def _name_transfer_syntax(dataset: FileDataset) -> None:
    """Fill in how a file without meta information turned out to be encoded."""
    if "TransferSyntaxUID" in dataset.file_meta:
        return
    implicit, little = dataset.original_encoding
    explicit = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
    syntax = ImplicitVRLittleEndian if implicit else explicit
    dataset.file_meta.TransferSyntaxUID = syntax
