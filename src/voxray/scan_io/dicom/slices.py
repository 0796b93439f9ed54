"""One slice of a series: its header, its pixels, and what an error says of it."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.pixels.processing import apply_color_lut

from voxray.core.errors import UnreadableScanError
from voxray.scan_io.dicom.decode import PixelFile, opened_pixels
from voxray.scan_io.dicom.grey import is_colour
from voxray.scan_io.dicom.grey_rule import grey_rule, needs_dataset, one_colour
from voxray.scan_io.dicom.header import DicomHeader
from voxray.scan_io.dicom.mosaic import mosaic_tile
from voxray.scan_io.dicom.plane import is_plane
from voxray.scan_io.dicom.quiet import READ_ERRORS, kind_of
from voxray.scan_io.dicom.window import Grey

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Slice:
    """Which slice this is. Errors name its number, since its path may name a patient.

    Attributes:
        scan_id: Named in errors.
        k: From 0, in slice order.
        total: Slices of the scan.
        frame: Of its file, from 0; None of a file of one.
        colour: See `ScanSource`.
    """

    scan_id: str
    k: int
    total: int
    frame: int | None
    colour: int | None = None

    def __str__(self) -> str:
        return f"slice {self.k + 1} of {self.total}"

    @contextmanager
    def opened(
        self, path: Path, known: DicomHeader | None = None
    ) -> Iterator[PixelFile]:
        """Open the file of this slice, of which the header may be known.

        Raises:
            UnreadableScanError: If it is missing or not DICOM.
        """
        with ExitStack() as stack:
            try:
                file = stack.enter_context(opened_pixels(path, self.scan_id, known))
            except OSError as error:
                problem = f"cannot be read: {kind_of(error)}"
                raise self.unreadable(problem) from error
            except UnreadableScanError as error:
                problem = f"cannot be read: {error.problem}"
                raise self.unreadable(problem) from error
            yield file

    def header_in(self, file: PixelFile) -> DicomHeader:
        """Find the header of this slice.

        Raises:
            UnreadableScanError: If there is no such frame, or the file holds several
                and none is asked for.
        """
        n_frames = file.header.number_of_frames or 1
        if self.frame is None and n_frames > 1:
            problem = f"is no grey image of one frame: it has {n_frames} frames"
            raise self.unreadable(problem)
        if not file.header.frames:
            return file.header
        if self.frame is None or not self.frame < len(file.slices):
            problem = f"has no frame of its own among {len(file.slices)}"
            raise self.unreadable(problem)
        return file.slices[self.frame]

    def read(
        self, file: PixelFile, header: DicomHeader, out: Grey, *, mark_padding: bool
    ) -> Mask | None:
        """Decode the slice and make it grey, as `grey` says.

        Args:
            file: Which holds it.
            header: Of the slice.
            out: (row, column), gets the grey values.
            mark_padding: Whether to find padding.

        Returns:
            Which pixels are padding; None if there is no such value.

        Raises:
            UnreadableScanError: If the pixels cannot be decoded, or are not grey.
        """
        try:
            stored = self._stored(file, header)
            if is_colour(header) and is_plane(header):
                stored = _colours(stored, file)
                if stored.shape == (*out.shape, 3):
                    out[...] = one_colour(stored, self.colour)
                    return None
            elif stored.shape == out.shape and not is_colour(header):
                return _make_grey(stored, file, header, out, mark_padding=mark_padding)
        except READ_ERRORS as error:
            syntax = file.syntax_name
            problem = f"has pixels that cannot be decoded ({syntax}): {kind_of(error)}"
            raise self.unreadable(problem) from error
        kind = "colour" if is_colour(header) else "grey"
        shape = " x ".join(map(str, stored.shape))
        problem = f"is no grey image of one frame: {kind} pixels of shape {shape}"
        raise self.unreadable(problem)

    def unreadable(self, problem: str) -> UnreadableScanError:
        """Make the error that says what is wrong with this slice."""
        return UnreadableScanError(self.scan_id, f"{self} {problem}")

    def _stored(self, file: PixelFile, header: DicomHeader) -> NDArray[Any]:
        if header.mosaic_tiles is not None:
            return mosaic_tile(file.frame(0), header.mosaic_tiles, header.frame or 0)
        return file.frame(self.frame or 0)


def _colours(stored: NDArray[Any], file: PixelFile) -> NDArray[Any]:
    """Red, green and blue, also of a palette."""
    if file.header.photometric != "PALETTE COLOR":
        return stored
    return np.asarray(apply_color_lut(stored, file.dataset))


def _make_grey(
    stored: NDArray[Any],
    file: PixelFile,
    header: DicomHeader,
    out: Grey,
    *,
    mark_padding: bool,
) -> Mask | None:
    dataset = file.dataset if needs_dataset(header) else None
    rule = grey_rule(header, dataset, header.frame)
    rule.apply(stored, out)
    return rule.is_padding(stored) if mark_padding else None
