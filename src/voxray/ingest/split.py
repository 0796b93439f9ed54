"""One DICOM series into the volumes it holds, from headers alone.

Scout views are set aside first. Slices that differ in size, pixel spacing or
orientation are apart; slices at one place are told apart by the first attribute that
differs there: echo, time, b-value, kind of image, acquisition. Attributes that change
what an image shows set slices apart also where two volumes lie between each other.
What no attribute tells apart stays together, and is judged as slices in conflict.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

from voxray.core.findings import FindingCode
from voxray.core.records import Finding
from voxray.ingest.shapes import (
    MIN_SLICES,
    Group,
    by_shape,
    levels_mm,
    overlap,
    shape_text,
    stray,
)
from voxray.ingest.stack import SAME_PLACE_MM, is_even
from voxray.scan_io import DicomHeader


@dataclass(frozen=True, slots=True)
class Part:
    """One volume of a series.

    Attributes:
        slices: Indexes into the headers of the series.
        told_by: What sets it apart from the others, e.g. "echo time 30"; "" alone.
        problem: Why it is no whole volume: slices of other planes or sizes among it
            that make no volume of their own, or fewer slices than its siblings have.
    """

    slices: Group
    told_by: str = ""
    problem: Finding | None = None


@dataclass(frozen=True, slots=True)
class _Attribute:
    """What may tell volumes of one series apart.

    Attributes:
        of: Its value in a slice.
        apart: Whether it sets slices apart that share no place, but lie between each
            other; else only if together they are uneven, and each alone is even.
        alike: Whether volumes told apart by it have the same slices.
        private: Whether its values are not shown.
        stated: Whether it tells nothing where a slice does not state it: half of a
            series may have lost it.
    """

    name: str
    of: Callable[[DicomHeader], Hashable]
    apart: bool = True
    alike: bool = True
    private: bool = False
    stated: bool = False


def split_series(headers: Sequence[DicomHeader]) -> tuple[Part, ...]:
    """Take a series apart into volumes.

    Args:
        headers: One per slice, each with position, orientation, spacing and size.

    Returns:
        At least one, in a stable order; every slice is in one.
    """
    scouts = [i for i, h in enumerate(headers) if "LOCALIZER" in h.image_type]
    others = [i for i, h in enumerate(headers) if "LOCALIZER" not in h.image_type]
    if not scouts or not others:
        return tuple(_volumes(headers, tuple(range(len(headers))), ""))
    return (
        *_volumes(headers, tuple(others), "being no scout"),
        *_volumes(headers, tuple(scouts), "being a scout"),
    )


def _volumes(headers: Sequence[DicomHeader], chosen: Group, told_by: str) -> list[Part]:
    groups = by_shape(headers, chosen)
    if problem := stray(headers, groups):
        return [Part(chosen, told_by, problem)]
    return [
        part
        for group in groups
        for part in _by_attributes(
            headers, group, _joined(told_by, shape_text(headers, group, groups))
        )
    ]


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def _diffusion(header: DicomHeader) -> Hashable:
    direction = header.diffusion_direction
    return _round(header.b_value), direction and tuple(round(x, 3) for x in direction)


def _file(header: DicomHeader) -> Hashable:
    """A file of many frames is a volume, or a list of them."""
    return None if header.frame is None else header.instance_number


_STACK = "stack"
_ATTRIBUTES = (
    _Attribute("study", lambda h: h.study_instance_uid, alike=False, private=True),
    _Attribute("series number", lambda h: h.series_number, alike=False, stated=True),
    _Attribute(
        "series description",
        lambda h: h.series_description,
        alike=False,
        private=True,
        stated=True,
    ),
    _Attribute(
        "frame of reference",
        lambda h: h.frame_of_reference_uid,
        alike=False,
        private=True,
    ),
    _Attribute("echo", lambda h: h.echo_number),
    _Attribute("echo time", lambda h: _round(h.echo_time_ms)),
    _Attribute("temporal position", lambda h: h.temporal_position),
    _Attribute("b-value and direction", _diffusion),
    _Attribute("image type", lambda h: h.image_type, alike=False),
    _Attribute("acquisition", lambda h: h.acquisition_number, apart=False, alike=False),
    _Attribute("trigger time", lambda h: _round(h.trigger_time_ms), apart=False),
    _Attribute(_STACK, lambda h: h.stack, alike=False),
    _Attribute("dimension", lambda h: h.dimensions, apart=False),
    _Attribute("file", _file, alike=False),
)


@dataclass(frozen=True, slots=True)
class _Lie:
    """Where the slices of one shape lie, by their index.

    Attributes:
        levels_mm: Along the normal.
        places: Numbers of the levels; slices at one place share a number.
    """

    levels_mm: dict[int, float]
    places: dict[int, int]

    @classmethod
    def of(cls, headers: Sequence[DicomHeader], group: Group) -> "_Lie":
        levels = dict(zip(group, levels_mm(headers, group), strict=True))
        places: dict[int, int] = {}
        number, start = -1, float("-inf")
        for index in sorted(group, key=levels.__getitem__):
            if levels[index] - start > SAME_PLACE_MM:
                number, start = number + 1, levels[index]
            places[index] = number
        return cls(levels, places)

    def n_places(self, slices: Sequence[int]) -> int:
        return len({self.places[i] for i in slices})

    def heights(self, slices: Sequence[int]) -> list[float]:
        return [self.levels_mm[i] for i in slices]


def _by_attributes(
    headers: Sequence[DicomHeader], group: Group, told_by: str
) -> list[Part]:
    """Split slices of one shape until no place is taken twice, or nothing helps."""
    lie = _Lie.of(headers, group)
    parts = [Part(group, told_by)]
    for attribute in _ATTRIBUTES:
        parts = [p for part in parts for p in _refined(headers, part, lie, attribute)]
    return [p for part in parts for p in _by_order(headers, part, lie.places)]


def _refined(
    headers: Sequence[DicomHeader], part: Part, lie: _Lie, attribute: _Attribute
) -> list[Part]:
    """Split by one attribute, if that sets whole volumes apart."""
    groups: dict[Hashable, list[int]] = defaultdict(list)
    for index in part.slices:
        groups[attribute.of(headers[index])].append(index)
    if attribute.stated and None in groups:
        return [part]
    if len(groups) == 1 or not _tells_apart(part, lie, attribute, [*groups.values()]):
        return [part]
    fullest = max(map(lie.n_places, groups.values()))
    ordered = sorted(groups, key=_sort_key)
    return [
        Part(
            tuple(groups[value]),
            _joined(part.told_by, f"{attribute.name} {_shown(value, n, attribute)}"),
            part.problem or _lacking(lie.n_places(groups[value]), fullest, attribute),
        )
        for n, value in enumerate(ordered, start=1)
    ]


def _tells_apart(
    part: Part, lie: _Lie, attribute: _Attribute, groups: list[list[int]]
) -> bool:
    """Whether an attribute sets whole volumes apart.

    Volumes cover much the same length: what follows each other is one of them, in
    parts. Where slices share places, at least two groups must cover half of the places,
    since copies with another number are no volume.
    """
    n_places = lie.n_places(part.slices)
    if n_places < len(part.slices):
        whole = [g for g in groups if lie.n_places(g) >= max(1, n_places // 2)]
        return len(whole) > 1 and _side_by_side(lie, whole)
    if min(map(len, groups)) < MIN_SLICES:
        return False
    beside = _side_by_side(lie, groups)
    if beside and attribute.apart:
        return True
    may_follow = beside or attribute.name == _STACK
    return may_follow and _only_even_alone(lie, part.slices, groups)


def _side_by_side(lie: _Lie, groups: list[list[int]]) -> bool:
    largest = lie.heights(max(groups, key=len))
    span = min(largest), max(largest)
    return all(overlap(span, lie.heights(group)) for group in groups)


def _only_even_alone(lie: _Lie, together: Group, groups: list[list[int]]) -> bool:
    return not is_even(lie.heights(together)) and all(
        is_even(lie.heights(group)) for group in groups
    )


def _lacking(n_places: int, fullest: int, attribute: _Attribute) -> Finding | None:
    """Say that a volume is less than its siblings; a fragment is, whatever it is of."""
    enough = fullest if attribute.alike else fullest // 2
    if n_places >= enough:
        return None
    detail = (
        f"{n_places} slices, where a volume of the series with another "
        f"{attribute.name} has {fullest}"
    )
    return Finding(FindingCode.MISSING_SLICE, detail, beyond_repair=True)


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
        Part(
            tuple(group),
            _joined(part.told_by, f"time {rank + 1} by instance number"),
            part.problem,
        )
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


def _shown(value: object, number: int, attribute: _Attribute) -> str:
    if attribute.private:
        return str(number)
    stated = [str(x) for x in _flat(value) if x is not None]
    return " ".join(stated) or "not stated"


def _joined(one: str, other: str) -> str:
    return ", ".join(filter(None, (one, other)))
