"""Whether the slices of one DICOM series make one regular volume, from headers alone.

A volume is regular when its slices are parallel, of one size, at even steps along their
common normal (DICOM PS3.3 C.7.6.2.1.1) and not shifted against it. What headers cannot
show, such as slices missing at an end, is a finding, not an assumption.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median_low

import numpy as np
from numpy.typing import NDArray

from voxray.core.findings import FindingCode
from voxray.core.records import Finding
from voxray.ingest.extent import extent_findings
from voxray.ingest.series_checks import check_alike, check_series
from voxray.scan_io import DicomHeader

SAME_PLACE_MM = 0.01
STEP_TOLERANCE = 0.01
STEP_TOLERANCE_MM = 0.05
THIN_STEP_TOLERANCE = 0.2
SHIFT_TOLERANCE_MM = 0.1
MAX_SHEAR_DEGREES = 0.5
MAX_LEAN_DEGREES = 45.0

_SHOWN = 3
_FEWEST = 3
"""Instance numbers that may be those of a volume."""

SamePixels = Callable[[int, int], bool]
"""Whether two slices, by index, hold equal pixels."""

_Points = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Stack:
    """How the slices of a series lie.

    Attributes:
        order: Indexes of the slices to use, in the direction of the normal; empty when
            the slices make no volume.
        dropped: Indexes of copies that are left out.
        findings: What the checks saw. Which of them refuses is the policy's business.
    """

    order: tuple[int, ...]
    dropped: tuple[int, ...]
    findings: tuple[Finding, ...]


def check_stack(
    headers: Sequence[DicomHeader],
    same_pixels: SamePixels,
    n_in_series: int | None = None,
) -> Stack:
    """Order the slices of one series along their normal and check how they lie.

    Args:
        headers: One per slice, in order of path: of copies, the first is used.
        same_pixels: Called only for slices at one position.
        n_in_series: Slices of the whole series; None if these are all.
    """
    if problem := check_series(headers) or check_alike(headers):
        return Stack((), (), (problem,))
    return _check_places(headers, same_pixels, n_in_series or len(headers))


def _check_places(
    headers: Sequence[DicomHeader], same_pixels: SamePixels, n_in_series: int
) -> Stack:
    points, normal = _positions(headers)
    places = _places(points, normal)
    conflict = _conflict(places, points, same_pixels) or _interleaved(headers, places)
    if conflict:
        return Stack((), (), (conflict,))
    order = tuple(place[0] for place in places)
    dropped = tuple(sorted(index for place in places for index in place[1:]))
    findings = [*_copies(places), *_layout(points[list(order)], normal)]
    in_order = [headers[index] for index in order]
    n_without_copies = n_in_series - len(dropped)
    levels = points[list(order)] @ normal
    findings += extent_findings(in_order, levels, n_without_copies, _n_in_gaps(levels))
    return Stack(order, dropped, tuple(findings))


def _positions(headers: Sequence[DicomHeader]) -> tuple[_Points, _Points]:
    """Positions (n, 3) and the unit normal (3,), LPS mm."""
    points = np.array([h.position_lps_mm for h in headers], dtype=float)
    row, column = np.reshape(np.array(headers[0].orientation_lps, dtype=float), (2, 3))
    normal = np.cross(row, column)
    return points, normal / np.linalg.norm(normal)


def _places(points: _Points, normal: _Points) -> list[list[int]]:
    """Group slices at one level, levels in the direction of the normal."""
    levels = points @ normal
    places: list[list[int]] = []
    for index in np.argsort(levels, kind="stable"):
        near = places and levels[index] - levels[places[-1][0]] <= SAME_PLACE_MM
        if near:
            places[-1].append(int(index))
        else:
            places.append([int(index)])
    return [sorted(place) for place in places]


def _conflict(
    places: list[list[int]], points: _Points, same_pixels: SamePixels
) -> Finding | None:
    for number, place in enumerate(places, start=1):
        first, *others = place
        for other in others:
            shift_mm = float(np.linalg.norm(points[other] - points[first]))
            if shift_mm > 2 * SAME_PLACE_MM:
                detail = (
                    f"two slices at level {number} are shifted by {shift_mm:.3g} mm"
                )
                return Finding(FindingCode.CONFLICTING_SLICES, detail)
            if not same_pixels(first, other):
                detail = _conflict_detail(places, number)
                return Finding(FindingCode.CONFLICTING_SLICES, detail)
    return None


def _conflict_detail(places: list[list[int]], number: int) -> str:
    counts = {len(place) for place in places}
    if counts == {len(places[0])}:
        n_volumes = counts.pop()
        return (
            f"{n_volumes} volumes in one series: {n_volumes} slices with different "
            f"pixels at each of {len(places)} positions (times, echoes or b-values)"
        )
    n_shared = sum(len(place) > 1 for place in places)
    return (
        f"position {number} of {len(places)} holds {len(places[number - 1])} slices "
        f"with different pixels; {n_shared} positions hold more than one slice"
    )


def _interleaved(
    headers: Sequence[DicomHeader], places: list[list[int]]
) -> Finding | None:
    """Find volumes that lie between each other and that only instance numbers tell.

    Half of the numbers stand twice. Numbers that start anew where the slices before
    end, or in another acquisition, are those of one volume.
    """
    levels_of: dict[int | None, list[int]] = defaultdict(list)
    for level, place in enumerate(places):
        levels_of[headers[place[0]].instance_number].append(level)
    twice = [levels[:2] for levels in levels_of.values() if len(levels) > 1]
    one_acquisition = len({h.acquisition_number for h in headers}) == 1
    n_needed = max(_FEWEST, len(levels_of) // 2)
    if None in levels_of or len(twice) < n_needed or not one_acquisition:
        return None
    if max(first for first, _ in twice) < min(second for _, second in twice):
        return None
    detail = (
        f"{len(twice)} of {len(levels_of)} instance numbers stand in several slices, "
        "which lie between each other: several volumes in one series"
    )
    return Finding(FindingCode.CONFLICTING_SLICES, detail)


def _copies(places: list[list[int]]) -> list[Finding]:
    numbers = [n for n, place in enumerate(places, start=1) if len(place) > 1]
    n_dropped = sum(len(place) - 1 for place in places)
    if not n_dropped:
        return []
    detail = (
        f"{n_dropped} of {sum(map(len, places))} slices repeat another one, "
        f"at position {_some(numbers)} of {len(places)}; one of each is used"
    )
    return [Finding(FindingCode.DUPLICATE_SLICE, detail)]


def _layout(points: _Points, normal: _Points) -> list[Finding]:
    """Check slices that lie at different levels, in slice order."""
    if len(points) == 1:
        detail = "one slice: its distance to the next is unknown"
        return [Finding(FindingCode.SINGLE_SLICE, detail)]
    levels = points @ normal
    problems = (_shifted(points, normal), _steps(levels), _tilt(points, normal))
    return [problem for problem in problems if problem]


def _lean(points: _Points, normal: _Points) -> tuple[float, _Points]:
    """Length along the normal, and the way from the first slice to the last."""
    whole = points[-1] - points[0]
    return float(whole @ normal), whole


def _tilt(points: _Points, normal: _Points) -> Finding | None:
    along, whole = _lean(points, normal)
    across = float(np.linalg.norm(whole - along * normal))
    angle = float(np.degrees(np.arctan2(across, along)))
    if angle <= MAX_SHEAR_DEGREES:
        return None
    detail = f"the stack leans by {angle:.1f} degrees against the slice normal"
    if angle > MAX_LEAN_DEGREES + MAX_SHEAR_DEGREES:
        return Finding(FindingCode.MISSING_GEOMETRY, f"{detail}; no gantry does")
    return Finding(FindingCode.GANTRY_TILT, detail)


def _shifted(points: _Points, normal: _Points) -> Finding | None:
    """Find single slices beside the line from the first to the last."""
    along, whole = _lean(points, normal)
    shares = ((points - points[0]) @ normal)[:, None] / along
    off_line = np.linalg.norm(points - points[0] - shares * whole, axis=1)
    if off_line.max() <= SHIFT_TOLERANCE_MM:
        return None
    detail = f"slice {off_line.argmax() + 1} lies {off_line.max():.2f} mm off in plane"
    return Finding(FindingCode.SHIFTED_SLICE, detail)


def _steps(levels: _Points) -> Finding | None:
    steps = [float(high - low) for low, high in pairwise(levels)]
    usual = median_low(steps)
    odd = [n for n, step in enumerate(steps, 1) if not _is_multiple(step, usual, 1)]
    if not odd:
        return None
    if all(_is_gap(steps[n - 1], usual) for n in odd):
        return _gap_finding(odd, steps, usual)
    worst = max(odd, key=lambda n: abs(steps[n - 1] - usual))
    detail = (
        f"slice spacing is {steps[worst - 1]:.4g} mm after slice {worst}, elsewhere "
        f"{usual:.4g} mm; {len(odd)} of {len(steps)} steps differ"
    )
    return Finding(FindingCode.UNEVEN_SPACING, detail)


def is_even(levels_mm: Sequence[float]) -> bool:
    """Whether slices at these heights, in any order, have even steps."""
    return _steps(np.sort(np.array(levels_mm))) is None


def _n_in_gaps(levels: _Points) -> int:
    """Slices that are missing between slices at these heights, in order."""
    steps = [float(high - low) for low, high in pairwise(levels)]
    usual = median_low(steps) if steps else 0.0
    return sum(round(s / usual) - 1 for s in steps if _is_gap(s, usual))


def _is_gap(step: float, usual: float) -> bool:
    times = round(step / usual)
    return times > 1 and _is_multiple(step, usual, times)


def _is_multiple(step: float, usual: float, times: int) -> bool:
    tolerance = min(times * step_tolerance_mm(usual), usual / 4)
    return abs(step - times * usual) <= tolerance


def step_tolerance_mm(usual: float) -> float:
    """By how much a step may differ from the usual one; of thin slices, by a part."""
    fixed = min(STEP_TOLERANCE_MM, THIN_STEP_TOLERANCE * usual)
    return max(STEP_TOLERANCE * usual, fixed)


def _gap_finding(odd: list[int], steps: list[float], usual: float) -> Finding:
    n_missing = sum(round(steps[n - 1] / usual) - 1 for n in odd)
    jumps = [f"{steps[n - 1]:.4g} mm after slice {n}" for n in odd]
    detail = (
        f"slice spacing jumps from {usual:.4g} mm to {_some(jumps)}; "
        f"{n_missing} {'slice is' if n_missing == 1 else 'slices are'} missing"
    )
    return Finding(FindingCode.MISSING_SLICE, detail)


def _some(values: Sequence[object]) -> str:
    shown = ", ".join(str(value) for value in values[:_SHOWN])
    n_more = len(values) - _SHOWN
    return shown if n_more <= 0 else f"{shown} and {n_more} more"
