"""Slices of one size, pixel spacing and orientation: what can share a volume."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from voxray.core.findings import FindingCode
from voxray.core.records import Finding
from voxray.ingest.series_checks import DIRECTION_TOLERANCE, SIZE_TOLERANCE_MM
from voxray.scan_io import DicomHeader

MIN_SLICES = 3
"""Fewer slices of another plane or size are dirt in a series, not a volume."""

_MOST_SHAPES = 64
"""Beyond it a series is hostile; the rest goes to the last group and is refused."""

Group = tuple[int, ...]
"""Indexes into the headers of a series."""


def by_shape(headers: Sequence[DicomHeader], chosen: Group) -> list[Group]:
    """Slices of one size, pixel spacing and orientation each, largest group first."""
    groups: list[list[int]] = []
    models: list[DicomHeader] = []
    for index in chosen:
        header = headers[index]
        home = next((n for n, m in enumerate(models) if _alike(header, m)), None)
        if home is None and len(groups) < _MOST_SHAPES:
            models.append(header)
            groups.append([])
        groups[-1 if home is None else home].append(index)
    return sorted((tuple(group) for group in groups), key=lambda g: (-len(g), g))


def _alike(one: DicomHeader, other: DicomHeader) -> bool:
    if (one.rows, one.columns) != (other.rows, other.columns):
        return False
    return _near(one.pixel_spacing_mm, other.pixel_spacing_mm, SIZE_TOLERANCE_MM) and (
        _near(one.orientation_lps, other.orientation_lps, DIRECTION_TOLERANCE)
    )


def _near(
    one: tuple[float, ...] | None, other: tuple[float, ...] | None, tolerance: float
) -> bool:
    if one == other or one is None or other is None:
        return one == other
    return all(abs(a - b) <= tolerance for a, b in zip(one, other, strict=True))


def stray(headers: Sequence[DicomHeader], groups: list[Group]) -> Finding | None:
    """Say why groups of other shape are no volumes: too small, or one volume's ends."""
    main, *others = groups
    n_all = sum(map(len, groups))
    for group in others:
        turned = not _near(
            headers[main[0]].orientation_lps,
            headers[group[0]].orientation_lps,
            DIRECTION_TOLERANCE,
        )
        code = FindingCode.MIXED_ORIENTATION if turned else FindingCode.MIXED_SIZE
        what = "orientation" if turned else "size"
        if len(group) < MIN_SLICES:
            detail = (
                f"{len(group)} of {n_all} slices have another {what}"
                f"{_difference(headers[main[0]], headers[group[0]])}; "
                f"a volume of their own needs at least {MIN_SLICES}"
            )
            return Finding(code, detail)
        if _parallel(headers, main, group) and not overlap(
            *(levels_mm(headers, g, headers[main[0]]) for g in (main, group))
        ):
            detail = (
                f"{len(main)} and {len(group)} slices differ in {what} and follow each "
                f"other{_difference(headers[main[0]], headers[group[0]])}"
            )
            return Finding(code, detail)
    return None


def _difference(one: DicomHeader, other: DicomHeader) -> str:
    """Numbers that show how two slices differ."""
    if (one.rows, one.columns) != (other.rows, other.columns):
        sizes = f"{one.rows}x{one.columns} and {other.rows}x{other.columns}"
        return f" ({sizes} rows x columns)"
    if not _near(one.pixel_spacing_mm, other.pixel_spacing_mm, SIZE_TOLERANCE_MM):
        first, second = (h.pixel_spacing_mm or (0.0, 0.0) for h in (one, other))
        return f" (pixel spacing {first[0]:.4g} and {second[0]:.4g} mm)"
    cosine = float(np.clip(abs(_normal(one) @ _normal(other)), 0, 1))
    return f" (planes differ by {np.degrees(np.arccos(cosine)):.1f} degrees)"


def _normal(header: DicomHeader) -> NDArray[np.float64]:
    row, column = np.reshape(np.array(header.orientation_lps, dtype=float), (2, 3))
    normal = np.cross(row, column)
    unit: NDArray[np.float64] = normal / np.linalg.norm(normal)
    return unit


def _parallel(headers: Sequence[DicomHeader], one: Group, other: Group) -> bool:
    """Whether two groups lie in parallel planes, also if turned or flipped in them."""
    cosine = abs(float(_normal(headers[one[0]]) @ _normal(headers[other[0]])))
    return cosine > 1 - DIRECTION_TOLERANCE


def levels_mm(
    headers: Sequence[DicomHeader], group: Group, along: DicomHeader | None = None
) -> list[float]:
    """Heights of slices of one orientation along their normal, or that of a slice."""
    normal = _normal(along or headers[group[0]])
    return [float(np.array(headers[i].position_lps_mm) @ normal) for i in group]


def overlap(one: Sequence[float], other: Sequence[float]) -> bool:
    """Whether slices at these heights share half of the shorter one's length."""
    shared = min(max(one), max(other)) - max(min(one), min(other))
    return shared >= 0.5 * min(max(heights) - min(heights) for heights in (one, other))


def shape_text(
    headers: Sequence[DicomHeader], group: Group, groups: list[Group]
) -> str:
    """Plane, size and pixel spacing; "" if all slices share them."""
    if len(groups) == 1:
        return ""
    header = headers[group[0]]
    spacing = header.pixel_spacing_mm or (0.0, 0.0)
    x, y, z = np.abs(_normal(header))
    plane = {x: "sagittal", y: "coronal", z: "axial"}[max(x, y, z)]
    return f"{plane} {header.rows}x{header.columns} of {spacing[0]:.4g} mm"
