"""DICOM slices, frames and 2D images in order as one volume."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from math import prod
from pathlib import Path

import numpy as np

from voxray.core.errors import GeometryError, UnreadableScanError
from voxray.core.findings import FindingCode
from voxray.core.geometry import Shape, VoxelGrid
from voxray.core.records import IntensityUnit, ScanSource, Volume
from voxray.scan_io.bounds import check_size
from voxray.scan_io.dicom.decode import PixelFile
from voxray.scan_io.dicom.header import DicomHeader
from voxray.scan_io.dicom.placement import SlicePlace, stack_grid
from voxray.scan_io.dicom.plane import is_plane, plane_grid
from voxray.scan_io.dicom.quiet import quiet_pydicom
from voxray.scan_io.dicom.rectify import rectified
from voxray.scan_io.dicom.slices import Mask, Slice
from voxray.scan_io.dicom.window import Grey

_MOVES = {FindingCode.GANTRY_TILT, FindingCode.UNEVEN_SPACING}


def read_series(source: ScanSource, known: Sequence[DicomHeader] = ()) -> Volume:
    """Read slices that are already in order.

    The grid comes from ImageOrientationPatient, PixelSpacing and the first and last
    ImagePositionPatient, never from slice thickness, except for one slice alone. A 2D
    image is one slice of 1 mm and lies as `plane_grid` says.

    Each file is opened once and its frames are decoded one at a time. Memory holds the
    volume and one frame, and of an uncompressed file that is not plain all of it.

    Args:
        source: One file per slice, in slice order; a file of several frames stands once
            per frame, with `frames`.
        known: Header of each file, if they were read before; else none.

    Returns:
        float32 (column, row, slice), grey as `grey` says, first axis fastest in memory;
        RAS+ affine. Hounsfield units for CT.

    Raises:
        UnreadableScanError: If a slice cannot be read or decoded, or is no grey image
            of one frame.
        TooLargeError: If there are more voxels than the bound for one scan.
        GeometryError: If the slices do not form one grid.
    """
    if not source.files:
        raise UnreadableScanError(source.scan_id, "it has no files")
    mark_padding = FindingCode.PADDING_VALUE in source.repairs
    headers: dict[int, DicomHeader] = {}
    padding: dict[int, Mask] = {}
    voxels = np.empty((0, 0, 0), np.float32)
    with quiet_pydicom():
        for slice_, file in _opened_slices(source, known):
            header = slice_.header_in(file)
            if not headers:
                voxels = np.empty(_shape(slice_, header), np.float32, order="F")
            headers[slice_.k] = header
            out = _plane_of(voxels, slice_, header)
            mask = slice_.read(file, header, out, mark_padding=mark_padding)
            if mask is not None:
                padding[slice_.k] = mask
    _replace_padding(voxels, padding)
    ordered = [headers[k] for k in range(len(headers))]
    voxels, grid = _placed(source, voxels, ordered)
    return Volume(voxels, grid, _unit(ordered[0]))


def _opened_slices(
    source: ScanSource, known: Sequence[DicomHeader]
) -> Iterator[tuple[Slice, PixelFile]]:
    """Give every slice with its file, opened once for all slices in it."""
    slices_in: dict[Path, list[Slice]] = defaultdict(list)
    frames = source.frames or [None] * len(source.files)
    for k, (path, frame) in enumerate(zip(source.files, frames, strict=True)):
        total = len(source.files)
        slice_ = Slice(source.scan_id, k, total, frame, source.colour)
        slices_in[path].append(slice_)
    headers = dict(zip(source.files, known, strict=True)) if known else {}
    for path, slices in slices_in.items():
        with slices[0].opened(path, headers.get(path)) as file:
            for slice_ in slices:
                yield slice_, file


def _shape(slice_: Slice, header: DicomHeader) -> Shape:
    """Of the volume that a slice is of."""
    shape = (header.columns or 0, header.rows or 0, slice_.total)
    if prod(shape) == 0:
        problem = "is no image: it states no rows or no columns"
        raise slice_.unreadable(problem)
    check_size(slice_.scan_id, shape)
    return shape


def _plane_of(voxels: Grey, slice_: Slice, header: DicomHeader) -> Grey:
    """The place of a slice in the volume, as (row, column)."""
    own, first = (header.columns or 0, header.rows or 0), voxels.shape[:2]
    if own != first:
        shown = ", ".join(f"{i} x {j}" for i, j in sorted([own, first]))
        problem = f"its slices differ in size: {shown} voxels"
        raise GeometryError(slice_.scan_id, problem)
    return voxels[:, :, slice_.k].T


def _replace_padding(voxels: Grey, padding: Mapping[int, Mask]) -> None:
    """Give padding the lowest value of the image; if all is padding, it stays."""
    planes = {k: voxels[:, :, k].T for k in padding}
    inside = [voxels[:, :, k] for k in range(voxels.shape[2]) if k not in padding]
    inside += [plane[~padding[k]] for k, plane in planes.items()]
    lowest = min((float(part.min()) for part in inside if part.size), default=None)
    if lowest is not None:
        for k, plane in planes.items():
            plane[padding[k]] = lowest


def _placed(
    source: ScanSource, voxels: Grey, headers: Sequence[DicomHeader]
) -> tuple[Grey, VoxelGrid]:
    """The volume and its grid, moved onto one of right angles where that is asked."""
    scan_id, n_slices = source.scan_id, len(headers)
    if n_slices == 1 and is_plane(headers[0]):
        return voxels, plane_grid(headers[0], scan_id)
    places = [
        SlicePlace.from_header(header, scan_id, f"slice {k} of {n_slices}")
        for k, header in enumerate(headers, start=1)
    ]
    moves = _MOVES & set(source.repairs)
    if not moves:
        return voxels, stack_grid(scan_id, voxels.shape[:2], places)
    return rectified(voxels, places, scan_id, float(voxels.min()), moves)


def _unit(header: DicomHeader) -> IntensityUnit:
    is_ct = header.modality == "CT"
    return IntensityUnit.HOUNSFIELD if is_ct else IntensityUnit.ARBITRARY
