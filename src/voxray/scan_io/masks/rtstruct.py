"""DICOM structure sets (PS3.3 A.19): contours filled on the voxels of a scan."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset

from voxray.core.errors import GeometryError
from voxray.core.findings import FindingCode
from voxray.core.geometry import VoxelGrid
from voxray.core.records import Finding, MaskSource
from voxray.scan_io.dicom import values
from voxray.scan_io.dicom.placement import ras_from_lps
from voxray.scan_io.masks.contours import (
    Points,
    by_slice,
    fill_slice,
    outside,
    plane_problem,
)
from voxray.scan_io.masks.dataset import MAX_VALUE, items
from voxray.scan_io.masks.drawing import Canvas, Drawing, Indexes

_CLOSED = {"CLOSED_PLANAR", "CLOSEDPLANAR_XOR"}
_FEWEST_POINTS = 3
_DECIMALS = 6
"""Of points in voxels: a point meant to lie on a voxel centre does."""

_FARTHEST_MM = 1e9


@dataclass(frozen=True, slots=True)
class _Roi:
    """One structure.

    Attributes:
        frame: FrameOfReferenceUID of its points; "" if not stated.
        contours: Points (n, 3) in voxels of the scan, of each closed contour.
    """

    number: int
    name: str = field(repr=False)
    frame: str = field(repr=False)
    contours: tuple[Points, ...] = field(repr=False)


def draw_contours(dataset: Dataset, source: MaskSource) -> Drawing:
    """Fill the contours of an RTSTRUCT on the scan's grid.

    A structure is a class if its name is, in any case; others are left out and counted.
    A voxel belongs if its centre is inside the contours of a structure an odd number of
    times, so that a contour within another is a hole. Points, open contours and slices
    between contours give nothing.

    Raises:
        UnreadableScanError: If a contour is malformed.
        GeometryError: If contours lie between slices or on other planes.
    """
    rois = list(_rois(dataset, source.grid))
    wanted = source.values or {str(r.number): r.number for r in rois}
    named = _by_class(rois, source.values)
    contours = [c for roi, _ in named for c in roi.contours]
    problem = _frame_problem(named) or plane_problem(contours, source.grid)
    if problem:
        raise GeometryError(source.scan_id, problem)
    canvas = Canvas(source.grid, wanted)
    n_crossed = 0
    for roi, name in named:
        for k, group in by_slice(roi.contours, source.grid).items():
            filling = fill_slice(group, source.grid.shape[:2])
            n_crossed += filling.n_crossed
            canvas.paint(name, _on_slice(filling.inside, k))
    findings = [
        *_left_out(len(rois), {name for _, name in named}, len(named), len(wanted)),
        *outside(contours, source.grid),
        *_crossings(n_crossed),
        *canvas.findings(),
    ]
    return Drawing(canvas.volume(), tuple(findings))


def _rois(dataset: Dataset, grid: VoxelGrid) -> Iterator[_Roi]:
    """Structures that have contours.

    Raises:
        ValueError: If a number is missing, or a contour holds no points.
    """
    drawn: dict[int | None, list[Dataset]] = defaultdict(list)
    for item in items(dataset, "ROIContourSequence"):
        number = values.whole(item, "ReferencedROINumber")
        drawn[number] += items(item, "ContourSequence")
    to_index = np.asarray(np.linalg.inv(grid.affine), np.float64)
    for item in items(dataset, "StructureSetROISequence"):
        number = values.whole(item, "ROINumber")
        if number is None or not 0 <= number <= MAX_VALUE:
            msg = "a structure has no number that a mask can hold"
            raise ValueError(msg)
        if drawn[number]:
            yield _Roi(
                number,
                (values.text(item, "ROIName") or "").strip(),
                values.text(item, "ReferencedFrameOfReferenceUID") or "",
                tuple(_closed(drawn[number], to_index)),
            )


def _closed(contours: list[Dataset], to_index: Points) -> Iterator[Points]:
    for contour in contours:
        if values.text(contour, "ContourGeometricType") in _CLOSED:
            points = _points(contour) @ to_index[:3, :3].T + to_index[:3, 3]
            if len(points) >= _FEWEST_POINTS:
                yield np.round(points, _DECIMALS)


def _points(contour: Dataset) -> Points:
    """Points (n, 3), RAS+ mm.

    Raises:
        ValueError: If they are no triples of reasonable numbers.
    """
    numbers = np.array(_numbers(contour), dtype=np.float64)
    if numbers.size % 3 or not (np.abs(numbers) < _FARTHEST_MM).all():
        msg = "a contour holds no points"
        raise ValueError(msg)
    return ras_from_lps(numbers.reshape(-1, 3))


def _numbers(contour: Dataset) -> list[float]:
    """As stored; pydicom's own numbers take several times longer."""
    raw: object = contour.get_item("ContourData")
    if isinstance(raw, RawDataElement) and raw.value:
        return [float(number) for number in raw.value.rstrip(b"\0 ").split(b"\\")]
    return [float(number) for number in values.texts(contour, "ContourData")]


def _by_class(rois: list[_Roi], wanted: Mapping[str, int]) -> list[tuple[_Roi, str]]:
    """Structures that are a class, with its name; without classes, all of them."""
    if not wanted:
        return [(roi, str(roi.number)) for roi in rois]
    names = {name.casefold(): name for name in wanted}
    return [(r, names[r.name.casefold()]) for r in rois if r.name.casefold() in names]


def _frame_problem(named: list[tuple[_Roi, str]]) -> str | None:
    n_frames = len({roi.frame for roi, _ in named if roi.frame})
    return f"structures lie in {n_frames} frames of reference" if n_frames > 1 else None


def _on_slice(inside: NDArray[np.bool_], k: int) -> Indexes:
    return np.pad(np.argwhere(inside), ((0, 0), (0, 1)), constant_values=k)


def _left_out(
    n_rois: int, found: set[str], n_named: int, n_wanted: int
) -> Iterator[Finding]:
    """Say what no class names; names of structures may name a person."""
    if not found and n_rois:
        detail = f"none of {n_rois} structures has the name of a class"
        yield Finding(FindingCode.MASK_UNKNOWN_VALUE, detail)
    elif n_named < n_rois:
        detail = (
            f"{n_rois - n_named} of {n_rois} structures have the name of no class; "
            f"{n_wanted - len(found)} of {n_wanted} classes have no structure"
        )
        yield Finding(FindingCode.MASK_OTHER_STRUCTURES, detail)


def _crossings(n_crossed: int) -> Iterator[Finding]:
    if n_crossed:
        detail = f"{n_crossed} contours cross another one of their structure"
        yield Finding(FindingCode.MASK_OVERLAP, detail)
