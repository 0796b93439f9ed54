"""DICOM segmentations (PS3.3 A.51): frames laid on the voxels of a scan."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset
from pydicom.pixels.utils import iter_pixels

from voxray.core.errors import GeometryError, UnreadableScanError
from voxray.core.findings import FindingCode
from voxray.core.records import Finding, MaskSource
from voxray.scan_io.dicom import values
from voxray.scan_io.dicom.placement import ImagePlane, SlicePlace
from voxray.scan_io.dicom.quiet import panic_as_error
from voxray.scan_io.masks.dataset import MAX_VALUE, items, one_item
from voxray.scan_io.masks.drawing import Canvas, Drawing, unknown_numbers
from voxray.scan_io.masks.lattice import Lattice

HALF = 0.5
"""Share of MaximumFractionalValue from which a voxel belongs."""

_HALF_COUNTS = "fractions from a half on count as the segment, smaller ones do not"
_MAX_FRAME_PIXELS = 1 << 24
_MAX_PIXELS = 1 << 33
_NONE = (0, 0, 0)
_NATIVE = {"1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.99"}


@dataclass(frozen=True, slots=True)
class _Frame:
    """One frame.

    Attributes:
        number: From 1.
        groups: Its functional groups, then those of all frames.
    """

    number: int
    groups: tuple[Dataset, ...]


def draw_segments(dataset: FileDataset, source: MaskSource) -> Drawing:
    """Lay the frames of a SEG on the scan's grid.

    A pixel goes to the voxel whose centre it shares; frames may run along any axes of
    the grid, and where there is no frame there is no mask. A fraction belongs from half
    of MaximumFractionalValue on. If the label of a segment is the name of a class, in
    any case, labels alone decide which class a segment is; else its number does.

    Raises:
        UnreadableScanError: If it is tiled or of an unknown kind, or cannot be decoded.
        GeometryError: If pixels lie beside voxel centres.
    """
    _check_kind(dataset, source.scan_id)
    labels = _labels(dataset)
    names = _class_names(labels, source.values)
    canvas = Canvas(source.grid, source.values or {str(n): n for n in labels})
    lattice = Lattice(source.grid)
    unknown: set[int] = set()
    for frame, plane in _planes(dataset, source.scan_id):
        for number, pixels in _segments_in(dataset, frame, plane):
            if number in names:
                voxels = lattice.voxels(_place(frame, source.scan_id), pixels)
                canvas.paint(names[number], voxels)
            else:
                unknown.add(number)
    if problem := lattice.problem():
        raise GeometryError(source.scan_id, problem)
    findings = unknown_numbers("segments", unknown) + canvas.findings()
    if values.text(dataset, "SegmentationType") == "FRACTIONAL":
        findings.append(Finding(FindingCode.MASK_FRACTIONAL, _HALF_COUNTS))
    return Drawing(canvas.volume(), tuple(findings))


def _check_kind(dataset: Dataset, scan_id: str) -> None:
    kind = values.text(dataset, "SegmentationType")
    problem = None
    if "TotalPixelMatrixRows" in dataset:
        problem = "a tiled segmentation of a microscope image"
    elif kind not in {"BINARY", "FRACTIONAL", "LABELMAP"}:
        problem = "a segmentation that is neither BINARY, FRACTIONAL nor LABELMAP"
    elif not _size(dataset)[0]:
        problem = "a segmentation whose number of pixels is absent or beyond reason"
    if problem:
        raise UnreadableScanError(scan_id, problem)


def _size(dataset: Dataset) -> tuple[int, int, int]:
    """Frames, rows and columns; zeros when they cannot be."""
    keywords = ("NumberOfFrames", "Rows", "Columns")
    stated = [values.whole(dataset, keyword) or 0 for keyword in keywords]
    frames, rows, columns = stated
    pixels = rows * columns
    within = min(stated) > 0 and pixels <= _MAX_FRAME_PIXELS
    return (
        (frames, rows, columns) if within and pixels * frames <= _MAX_PIXELS else _NONE
    )


def _labels(dataset: Dataset) -> dict[int, str]:
    """SegmentLabel by SegmentNumber; 0 is background (PS3.3 C.8.20.2)."""
    segments = items(dataset, "SegmentSequence")
    described = {
        values.whole(item, "SegmentNumber"): values.text(item, "SegmentLabel") or ""
        for item in segments
    }
    return {n: label for n, label in described.items() if n and 0 < n <= MAX_VALUE}


def _class_names(
    labels: Mapping[int, str], wanted: Mapping[str, int]
) -> dict[int, str]:
    """Class by segment number."""
    if not wanted:
        return {number: str(number) for number in labels}
    by_label = {name.casefold(): name for name in wanted}
    found = {
        number: by_label[label.casefold()]
        for number, label in labels.items()
        if label.casefold() in by_label
    }
    return found or {value: name for name, value in wanted.items()}


def _planes(
    dataset: FileDataset, scan_id: str
) -> Iterator[tuple[_Frame, NDArray[np.generic]]]:
    """Frames with their pixels (row, column) as stored."""
    n_frames, *_ = _size(dataset)
    groups = list(items(dataset, "PerFrameFunctionalGroupsSequence"))
    if len(groups) != n_frames:
        problem = f"{n_frames} frames, of which {len(groups)} are described"
        raise UnreadableScanError(scan_id, problem)
    shared = tuple(items(dataset, "SharedFunctionalGroupsSequence"))
    with panic_as_error():
        for number, plane in enumerate(_decoded(dataset)):
            yield _Frame(number + 1, (groups[number], *shared)), plane


def _decoded(dataset: FileDataset) -> Iterator[NDArray[Any]]:
    syntax = values.text(dataset.file_meta, "TransferSyntaxUID")
    packed = values.whole(dataset, "BitsAllocated") == 1
    if packed and syntax in _NATIVE:
        return _unpacked(dataset)
    return iter_pixels(dataset, raw=True)


def _unpacked(dataset: FileDataset) -> Iterator[NDArray[Any]]:
    """Single bits, lowest first, on end over all frames (PS3.5 8.1.1).

    Raises:
        ValueError: If there are too few.
    """
    n_frames, rows, columns = _size(dataset)
    content = np.frombuffer(dataset.PixelData, np.uint8)
    if content.size * 8 < n_frames * rows * columns:
        msg = "the pixels are cut off"
        raise ValueError(msg)
    for first in range(0, n_frames * rows * columns, rows * columns):
        last = first + rows * columns
        bits = np.unpackbits(content[first // 8 : -(-last // 8)], bitorder="little")
        yield bits[first % 8 :][: rows * columns].reshape(rows, columns)


def _segments_in(
    dataset: Dataset, frame: _Frame, plane: NDArray[Any]
) -> Iterator[tuple[int, NDArray[np.bool_]]]:
    """Segments that a frame has pixels of, by number."""
    kind = values.text(dataset, "SegmentationType")
    if kind == "LABELMAP":
        padding = values.whole(dataset, "PixelPaddingValue")
        for number in np.unique(plane):
            if number not in {0, padding}:
                yield int(number), plane == number
        return
    threshold = _threshold(dataset) if kind == "FRACTIONAL" else 1
    pixels = plane >= threshold
    if pixels.any():
        yield _segment_number(frame), pixels


def _threshold(dataset: Dataset) -> float:
    """Raises: ValueError: If the largest fraction is not stated."""
    highest = values.whole(dataset, "MaximumFractionalValue")
    if not highest or highest < 0:
        msg = "MaximumFractionalValue is absent"
        raise ValueError(msg)
    return HALF * highest


def _segment_number(frame: _Frame) -> int:
    """Raises: ValueError: If the frame names no segment."""
    item = one_item("SegmentIdentificationSequence", *frame.groups)
    number = values.whole(item, "ReferencedSegmentNumber") if item else None
    if number is None:
        msg = "a frame names no segment"
        raise ValueError(msg)
    return number


def _place(frame: _Frame, scan_id: str) -> SlicePlace:
    """Where a frame lies, by itself or by what all frames share."""
    position, orientation, spacing = (
        one_item(sequence, *frame.groups) or Dataset()
        for sequence in (
            "PlanePositionSequence",
            "PlaneOrientationSequence",
            "PixelMeasuresSequence",
        )
    )
    plane = ImagePlane(
        values.point(position, "ImagePositionPatient"),
        values.reals(orientation, "ImageOrientationPatient", count=6),
        values.pair(spacing, "PixelSpacing"),
    )
    return SlicePlace.from_plane(plane, scan_id, f"frame {frame.number}")
