"""One DICOM series into the volumes it holds, from headers alone.

Slices that differ in size, pixel spacing or orientation are apart; slices at one place
are told apart by the first attribute that differs there: echo, time, b-value, kind of
image, acquisition. What no attribute tells apart stays together, and is judged as
slices in conflict.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from voxray.core.findings import FindingCode
from voxray.core.records import Finding
from voxray.ingest.stack import (
    DIRECTION_TOLERANCE,
    SAME_PLACE_MM,
    SIZE_TOLERANCE_MM,
)
from voxray.scan_io import DicomHeader

MIN_SLICES = 3
"""Fewer slices of another plane or size are dirt in a series, not a volume."""

_MOST_SHAPES = 64
"""Beyond it a series is hostile; the rest goes to the last group and is refused."""

_Key = Callable[[DicomHeader], Hashable]
_Group = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """One volume of a series.

    Attributes:
        slices: Indexes into the headers of the series.
        told_by: What sets it apart from the others, e.g. "echo time 30"; "" alone.
    """

    slices: tuple[int, ...]
    told_by: str = ""


@dataclass(frozen=True, slots=True)
class Split:
    """The volumes of a series, or why it cannot be taken apart.

    Attributes:
        parts: At least one, in a stable order.
        problem: Slices of other planes or sizes that make no volume of their own; the
            series is then one part.
    """

    parts: tuple[Part, ...]
    problem: Finding | None = None


def split_series(headers: Sequence[DicomHeader]) -> Split:
    """Take a series apart into volumes.

    Args:
        headers: One per slice, each with position, orientation, spacing and size.
    """
    everything = tuple(range(len(headers)))
    groups = _by_shape(headers)
    if problem := _stray(headers, groups):
        return Split((Part(everything),), problem)
    parts = [
        part
        for group in groups
        for part in _by_attributes(headers, group, _shape_text(headers, group, groups))
    ]
    if len(parts) == 1:
        return Split((Part(parts[0].slices),))
    return Split(tuple(parts))


def _by_shape(headers: Sequence[DicomHeader]) -> list[_Group]:
    """Slices of one size, pixel spacing and orientation each, largest group first."""
    groups: list[list[int]] = []
    models: list[DicomHeader] = []
    for index, header in enumerate(headers):
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


def _stray(headers: Sequence[DicomHeader], groups: list[_Group]) -> Finding | None:
    """Say why groups of other shape are no volumes: too small, or one volume's ends."""
    main, *others = groups
    for group in others:
        turned = not _near(
            headers[main[0]].orientation_lps,
            headers[group[0]].orientation_lps,
            DIRECTION_TOLERANCE,
        )
        code = FindingCode.MIXED_ORIENTATION if turned else FindingCode.MIXED_SIZE
        if len(group) < MIN_SLICES:
            what = "orientation" if turned else "size"
            detail = (
                f"{len(group)} of {len(headers)} slices have another {what}"
                f"{_difference(headers[main[0]], headers[group[0]])}; "
                f"a volume of their own needs at least {MIN_SLICES}"
            )
            return Finding(code, detail)
        if not turned and not _overlap(headers, main, group):
            detail = (
                f"{len(main)} and {len(group)} slices differ in size and follow each "
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


def _normal(header: DicomHeader) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    row, column = np.reshape(np.array(header.orientation_lps, dtype=float), (2, 3))
    normal = np.cross(row, column)
    unit: np.ndarray[tuple[int], np.dtype[np.float64]] = normal / np.linalg.norm(normal)
    return unit


def _levels(headers: Sequence[DicomHeader], group: _Group) -> list[float]:
    normal = _normal(headers[group[0]])
    return [float(np.array(headers[i].position_lps_mm) @ normal) for i in group]


def _overlap(headers: Sequence[DicomHeader], one: _Group, other: _Group) -> bool:
    """Whether two groups cover at least half of the shorter one's length."""
    first, second = _levels(headers, one), _levels(headers, other)
    shared = min(max(first), max(second)) - max(min(first), min(second))
    return shared >= 0.5 * min(max(g) - min(g) for g in (first, second))


def _shape_text(
    headers: Sequence[DicomHeader], group: _Group, groups: list[_Group]
) -> str:
    if len(groups) == 1:
        return ""
    header = headers[group[0]]
    spacing = header.pixel_spacing_mm or (0.0, 0.0)
    x, y, z = np.abs(_normal(header))
    plane = {x: "sagittal", y: "coronal", z: "axial"}[max(x, y, z)]
    return f"{plane} {header.rows}x{header.columns} of {spacing[0]:.4g} mm"


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def _diffusion(header: DicomHeader) -> Hashable:
    direction = header.diffusion_direction
    return _round(header.b_value), direction and tuple(round(x, 3) for x in direction)


_KEYS: tuple[tuple[str, _Key], ...] = (
    ("echo", lambda h: h.echo_number),
    ("echo time", lambda h: _round(h.echo_time_ms)),
    ("temporal position", lambda h: h.temporal_position),
    ("b-value and direction", _diffusion),
    ("image type", lambda h: h.image_type),
    ("acquisition", lambda h: h.acquisition_number),
    ("trigger time", lambda h: _round(h.trigger_time_ms)),
)


def _by_attributes(
    headers: Sequence[DicomHeader], group: _Group, told_by: str
) -> list[Part]:
    """Split slices of one shape until no place is taken twice, or nothing helps."""
    places = _places(headers, group)
    parts = [Part(group, told_by)]
    for key in _KEYS:
        parts = [p for part in parts for p in _refined(headers, part, places, key)]
    return [p for part in parts for p in _by_order(headers, part, places)]


def _places(headers: Sequence[DicomHeader], group: _Group) -> dict[int, int]:
    """Number of the level each slice lies at."""
    levels = _levels(headers, group)
    order = sorted(range(len(group)), key=levels.__getitem__)
    places: dict[int, int] = {}
    number, start = -1, float("-inf")
    for n in order:
        if levels[n] - start > SAME_PLACE_MM:
            number, start = number + 1, levels[n]
        places[group[n]] = number
    return places


def _refined(
    headers: Sequence[DicomHeader],
    part: Part,
    places: dict[int, int],
    named_key: tuple[str, _Key],
) -> list[Part]:
    """Split by one attribute, if that sets whole volumes apart."""
    name, key = named_key
    levels = {places[i] for i in part.slices}
    if len(levels) == len(part.slices):
        return [part]
    groups: dict[Hashable, list[int]] = defaultdict(list)
    for index in part.slices:
        groups[key(headers[index])].append(index)
    covered = [len({places[i] for i in group}) for group in groups.values()]
    if len(groups) == 1 or min(covered) < max(1, len(levels) // 2):
        return [part]
    ordered = sorted(groups.items(), key=lambda item: _sort_key(item[0]))
    return [
        Part(tuple(group), _joined(part.told_by, f"{name} {_shown(value)}"))
        for value, group in ordered
    ]


def _by_order(
    headers: Sequence[DicomHeader], part: Part, places: dict[int, int]
) -> list[Part]:
    """Split a time series that states no time by the order of its instance numbers.

    Only if every place is taken equally often and every instance number once.
    """
    counts = set(Counter(places[i] for i in part.slices).values())
    numbers = [headers[i].instance_number for i in part.slices]
    unique = None not in numbers and len(set(numbers)) == len(numbers)
    if len(counts) != 1 or counts == {1} or not unique:
        return [part]
    if not _stated_times(headers, part, counts.pop()):
        return [part]
    ranks: dict[int, list[int]] = defaultdict(list)
    seen: Counter[int] = Counter()
    for index in sorted(part.slices, key=lambda i: headers[i].instance_number or 0):
        ranks[seen[places[index]]].append(index)
        seen[places[index]] += 1
    return [
        Part(tuple(group), _joined(part.told_by, f"time {rank + 1} by instance number"))
        for rank, group in ranks.items()
    ]


def _stated_times(headers: Sequence[DicomHeader], part: Part, n_times: int) -> bool:
    """Whether a header says that there are so many volumes, or so many slices each."""
    header = headers[part.slices[0]]
    n_levels = len(part.slices) // n_times
    return header.number_of_temporal_positions == n_times or n_levels in {
        header.images_in_acquisition,
        header.number_of_slices,
    }


def _sort_key(value: Hashable) -> tuple[bool, str | tuple[object, ...]]:
    """Numbers by size, absent values last, anything else as text."""
    if isinstance(value, int | float):
        return False, (float(value),)
    flat = _flat(value)
    return value is None, tuple((x is None, str(type(x)), x or 0) for x in flat)


def _flat(value: object) -> tuple[object, ...]:
    if isinstance(value, tuple):
        return tuple(x for item in value for x in _flat(item))
    return (value,)


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return " ".join(_shown(x) for x in _flat(value) if x is not None)
    return "not stated" if value is None else str(value)


def _joined(one: str, other: str) -> str:
    return f"{one}, {other}" if one else other
