"""A scan unlike the others: another kind, body part, size, or spread of values.

Each scan is compared with the others of its channel, once all are known. Numbers are
compared by their distance from the median in robust standard deviations (1.4826 times
the median absolute deviation), and must also differ by a stated ratio or amount, so
that a data set of equal scans does not flag a difference nobody sees.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from voxray.core.findings import FindingCode
from voxray.core.geometry import BODY_AXES
from voxray.core.records import Finding, ScanId, ScanRecord
from voxray.ingest.looks import Look
from voxray.ingest.thumbnails import Portrayal

MIN_SIBLINGS = 8
MAJORITY = 0.8
"""Share of the stated words that makes one the rule."""
MAX_Z = 6.0
MOST_OUTLIERS = 0.1
_FEW = 2
_THOUSAND = 1000
_LONGEST_CODE = 16
"""Characters of a code string (PS3.5 6.2, CS)."""
_SIGMA_OF_MAD = 1.4826
_MIN_RATIO = 1.5
_MIN_HU = 300.0
_MIN_SHARE = 0.3


@dataclass(frozen=True, slots=True)
class Traits:
    """What a scan is compared by, besides its record.

    Attributes:
        body_part: BodyPartExamined; "" without one.
        shown: What a small picture of it may show.
    """

    look: Look
    body_part: str = ""
    manufacturer: str = ""
    shown: Portrayal = Portrayal.NOTHING


@dataclass(frozen=True, slots=True)
class _Measure:
    """A number per scan, and how far it may lie from the others.

    Attributes:
        name: What it is called, e.g. "field of view left-right".
        show: A value in words, with its unit.
        least: Difference from the median that counts at all, in `values`' unit.
        values: Of a scan; logarithms where a ratio counts. None where it has none.
    """

    name: str
    show: Callable[[float], str]
    least: float
    values: Callable[[ScanRecord, Traits], float | None]


@dataclass(frozen=True, slots=True)
class Siblings:
    """What comparing the scans of each channel shows.

    Attributes:
        findings: One per scan that is unlike the others.
        notes: In what a channel is a mixture, a sentence each.
    """

    findings: dict[ScanId, Finding]
    notes: tuple[str, ...] = ()


def compare_siblings(
    records: Sequence[ScanRecord], traits: Mapping[ScanId, Traits]
) -> Siblings:
    """Compare each scan with the others of its channel.

    A channel of fewer than 9 scans has no rule to break.

    Args:
        records: All scans that may be used.
        traits: Of every record.
    """
    notes: list[str] = []
    channels: dict[str, list[ScanRecord]] = defaultdict(list)
    for record in records:
        channels[record.channel].append(record)
    odd: dict[ScanId, list[str]] = defaultdict(list)
    for channel in channels.values():
        if len(channel) <= MIN_SIBLINGS:
            continue
        for scan_id, said in _odd_kinds(channel, traits):
            odd[scan_id].append(said)
        for measure, outliers in _outliers(channel, traits):
            if len(outliers) > max(_FEW, MOST_OUTLIERS * len(channel)):
                notes.append(_mixture(measure, len(outliers), channel, traits))
                continue
            for scan_id, said in outliers:
                odd[scan_id].append(said)
    findings = {
        scan_id: Finding(FindingCode.UNLIKE_SIBLINGS, "; ".join(said))
        for scan_id, said in odd.items()
    }
    return Siblings(findings, tuple(notes))


def _odd_kinds(
    channel: Sequence[ScanRecord], traits: Mapping[ScanId, Traits]
) -> Iterator[tuple[ScanId, str]]:
    parts = [traits[r.scan_id].body_part.strip().upper() for r in channel]
    words = {"modality": [r.modality for r in channel], "body part": parts}
    for name, said in words.items():
        for index, detail in _odd_words(name, said):
            yield channel[index].scan_id, detail


def _outliers(
    channel: Sequence[ScanRecord], traits: Mapping[ScanId, Traits]
) -> Iterator[tuple[_Measure, list[tuple[ScanId, str]]]]:
    own = [traits[record.scan_id] for record in channel]
    for measure in _measures(channel):
        values = [
            measure.values(record, trait)
            for record, trait in zip(channel, own, strict=True)
        ]
        odd = _odd_numbers(measure, values)
        yield measure, [(channel[index].scan_id, detail) for index, detail in odd]


def _mixture(
    measure: _Measure,
    n_outliers: int,
    channel: Sequence[ScanRecord],
    traits: Mapping[ScanId, Traits],
) -> str:
    values = [measure.values(r, traits[r.scan_id]) for r in channel]
    known = [value for value in values if value is not None]
    low, middle, high = np.percentile(known, [0, 50, 100])
    return (
        f"the scans are a mixture in {measure.name}: {measure.show(low)} to "
        f"{measure.show(high)}, median {measure.show(middle)}; {n_outliers} of "
        f"{len(channel)} scans are far from it"
    )


def _odd_words(name: str, said: Sequence[str]) -> Iterator[tuple[int, str]]:
    stated = Counter(word for word in said if word)
    if stated.total() <= MIN_SIBLINGS:
        return
    usual, n_usual = stated.most_common(1)[0]
    if n_usual < MAJORITY * stated.total():
        return
    for index, word in enumerate(said):
        if word and word != usual:
            detail = (
                f"{name} {_printable(word)}, "
                f"{n_usual} of {stated.total()} scans {_printable(usual)}"
            )
            yield index, detail


def _printable(word: str) -> str:
    """A code string of a header; what is none is not repeated."""
    is_code = (
        len(word) <= _LONGEST_CODE and word.replace(" ", "").replace("_", "").isalnum()
    )
    return word if is_code else "of another kind"


def _odd_numbers(
    measure: _Measure, values: Sequence[float | None]
) -> Iterator[tuple[int, str]]:
    known = np.array([v for v in values if v is not None], dtype=float)
    if known.size <= MIN_SIBLINGS:
        return
    median = float(np.median(known))
    spread = float(np.median(np.abs(known - median))) * _SIGMA_OF_MAD
    bound = max(MAX_Z * spread, measure.least)
    for index, value in enumerate(values):
        if value is not None and abs(value - median) > bound:
            yield index, _number_detail(measure, value, known)


def _number_detail(measure: _Measure, value: float, known: NDArray[np.float64]) -> str:
    others = np.delete(known, np.flatnonzero(known == value)[:1])
    low, high = np.percentile(others, [5, 95], method="nearest")
    return (
        f"{measure.name} {measure.show(value)}, nine of ten siblings "
        f"{measure.show(low)} to {measure.show(high)} (n={others.size})"
    )


def _measures(channel: Sequence[ScanRecord]) -> list[_Measure]:
    ratio = float(np.log(_MIN_RATIO))
    sizes = [
        _Measure(f"field of view {name}", _millimetres, ratio, _extent(axis))
        for axis, name in enumerate(BODY_AXES)
    ]
    spacings = [
        _Measure(f"spacing {name}", _millimetres, ratio, _spacing(axis))
        for axis, name in enumerate(BODY_AXES)
    ]
    modality = Counter(record.modality for record in channel).most_common(1)[0][0]
    return [*sizes, *spacings, *_value_measures(modality)]


def _value_measures(modality: str) -> list[_Measure]:
    """CT values mean something; others only by where they lie in their own range."""
    shape = [
        _Measure("place of the median in the range", _percent, _MIN_SHARE, _median),
        _Measure("place of zero in the range", _percent, _MIN_SHARE, _zero),
        _Measure("share of voxels that are 0", _percent, _MIN_SHARE, _zeros),
    ]
    if modality == "CT":
        return [
            _Measure("median", _hounsfield, _MIN_HU, lambda _, t: t.look.p50),
            _Measure("99.5th percentile", _hounsfield, _MIN_HU * 3, _high),
        ]
    if modality == "":
        ratio = float(np.log(10.0))
        return [*shape, _Measure("range of values", _plain, ratio, _log_range)]
    return shape


def _extent(axis: int) -> Callable[[ScanRecord, Traits], float]:
    return lambda _, traits: float(np.log(traits.look.extent_mm[axis]))


def _spacing(axis: int) -> Callable[[ScanRecord, Traits], float | None]:
    """Logarithm of the voxel size along a world axis; a plane has none across."""

    def of(record: ScanRecord, _: Traits) -> float | None:
        own = record.grid.axes_to_ras()[0][axis]
        if record.grid.shape[own] == 1:
            return None
        return float(np.log(record.grid.spacing_mm[own]))

    return of


def _high(_: ScanRecord, traits: Traits) -> float:
    return traits.look.p99_5


def _median(_: ScanRecord, traits: Traits) -> float | None:
    return _within(traits.look, traits.look.p50)


def _zero(_: ScanRecord, traits: Traits) -> float | None:
    return _within(traits.look, 0.0)


def _zeros(_: ScanRecord, traits: Traits) -> float:
    return traits.look.fraction_zero


def _within(look: Look, value: float) -> float | None:
    """Where a value lies from percentile 0.5 to 99.5, cut to 0 and 1."""
    if look.p99_5 <= look.p0_5:
        return None
    share = (value - look.p0_5) / (look.p99_5 - look.p0_5)
    return min(max(share, 0.0), 1.0)


def _log_range(_: ScanRecord, traits: Traits) -> float | None:
    spread = traits.look.p99_5 - traits.look.p0_5
    return float(np.log(spread)) if spread > 0 else None


def _millimetres(logarithm: float) -> str:
    return f"{np.exp(logarithm):.3g} mm"


def _plain(logarithm: float) -> str:
    value = float(f"{np.exp(logarithm):.3g}")
    return f"{value:,.0f}" if value >= _THOUSAND else f"{value:g}"


def _percent(share: float) -> str:
    return f"{share:.0%}"


def _hounsfield(value: float) -> str:
    return f"{value:.0f} HU"
