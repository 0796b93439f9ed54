"""Whether all slices of a volume are here, as far as headers tell."""

from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise
from statistics import median_low
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from voxray.core.findings import FindingCode
from voxray.core.records import Finding
from voxray.scan_io import DicomHeader

_Value = TypeVar("_Value")
_SPACING_TOLERANCE = 0.02
_SPACING_TOLERANCE_MM = 0.05


def extent_findings(
    headers: Sequence[DicomHeader],
    levels_mm: NDArray[np.float64],
    n_in_series: int,
    n_in_gaps: int = 0,
) -> list[Finding]:
    """Compare slices with what the header says of their number and distance.

    Args:
        headers: In slice order, without copies.
        levels_mm: Of each along the normal.
        n_in_series: Slices of the whole series, of which these may be one volume;
            copies of these are not counted.
        n_in_gaps: Slices that are missing between these, which is told elsewhere.
    """
    alone = n_in_series == len(headers)
    lacking = _thinned(headers, levels_mm, alone=alone)
    if lacking := lacking or _too_few(headers, n_in_gaps, alone=alone):
        return [Finding(FindingCode.MISSING_SLICE, lacking, beyond_repair=True)]
    doubts = [_uncounted(headers, n_in_series), _contradiction(headers, levels_mm)]
    stated = [doubt for doubt in doubts if doubt]
    if not stated:
        return []
    return [Finding(FindingCode.EXTENT_UNVERIFIED, "; ".join(stated))]


def _thinned(
    headers: Sequence[DicomHeader], levels_mm: NDArray[np.float64], *, alone: bool
) -> str | None:
    """Say that only every second or third slice is here.

    Distances are even then; but the header states a fraction of them, as the distance
    or else as the thickness, and instance numbers have the same holes. Of several
    volumes in a series, instance numbers may be those of other volumes.
    """
    thickness = _only({header.slice_thickness_mm for header in headers})
    stated = _stated_mm(headers) or (thickness if alone else None)
    step = _step_mm(levels_mm)
    numbers = [header.instance_number for header in headers]
    if not stated or step is None or None in numbers:
        return None
    times = round(step / stated)
    jumps = {abs(b - a) for a, b in pairwise(n for n in numbers if n is not None)}
    if times < 2 or not _near(step, times * stated) or jumps != {times}:  # noqa: PLR2004
        return None
    return (
        f"slices are {step:.4g} mm apart, but the header states {stated:.4g} mm, and "
        f"instance numbers go up by {times}: only one slice of {times} is here"
    )


def _too_few(
    headers: Sequence[DicomHeader], n_in_gaps: int, *, alone: bool
) -> str | None:
    """Say that more slices are missing than gaps between slices account for."""
    n_found, n_known = len(headers), len(headers) + n_in_gaps
    in_volume = _only({header.number_of_slices for header in headers})
    if in_volume is not None and in_volume > n_known:
        return f"{n_found} slices, but the header states {in_volume} in the volume"
    one_acquisition = len({header.acquisition_number for header in headers}) == 1
    stated = _only({header.images_in_acquisition for header in headers})
    if stated is not None and stated > n_known and one_acquisition and alone:
        return f"{n_found} slices, but the header states {stated} in the acquisition"
    return None


def _uncounted(headers: Sequence[DicomHeader], n_in_series: int) -> str | None:
    """Say that no count confirms the slices; None if one does."""
    n_found = len(headers)
    stated = _only({header.images_in_acquisition for header in headers})
    in_volume = _only({header.number_of_slices for header in headers})
    counted = n_found in {stated, in_volume} or stated == n_in_series
    if counted or _one_file(headers) or _acquisitions_counted(headers):
        return None
    told = "no number" if stated is None else str(stated)
    detail = f"{n_found} slices; the header states {told} for the acquisition"
    return detail + (_numbers(headers) if n_in_series == n_found else "")


def _one_file(headers: Sequence[DicomHeader]) -> bool:
    """All frames of one file were counted by whoever wrote the file."""
    uids = {header.sop_instance_uid for header in headers}
    return headers[0].frame is not None and len(uids) == 1


def _acquisitions_counted(headers: Sequence[DicomHeader]) -> bool:
    """Whether each of several acquisitions has as many slices as it states."""
    stated: dict[int | None, list[int | None]] = defaultdict(list)
    for header in headers:
        stated[header.acquisition_number].append(header.images_in_acquisition)
    return all(set(counts) == {len(counts)} for counts in stated.values())


def _contradiction(
    headers: Sequence[DicomHeader], levels_mm: NDArray[np.float64]
) -> str | None:
    """Say that positions and stated distance differ, along the normal and the stack.

    Of a tilted stack, makers state the one or the other.
    """
    stated, step = _stated_mm(headers), _step_mm(levels_mm)
    if stated is None or step is None or _near(step, stated):
        return None
    points = np.array([header.position_lps_mm for header in headers], dtype=float)
    if _near(float(np.median(np.linalg.norm(np.diff(points, axis=0), axis=1))), stated):
        return None
    return (
        f"slices are {step:.4g} mm apart by their positions, which count, and "
        f"{stated:.4g} mm by SpacingBetweenSlices"
    )


def _stated_mm(headers: Sequence[DicomHeader]) -> float | None:
    """SpacingBetweenSlices, whose sign only tells a direction."""
    stated = _only({header.spacing_between_slices_mm for header in headers})
    return abs(stated) if stated else None


def _step_mm(levels_mm: NDArray[np.float64]) -> float | None:
    if len(levels_mm) == 1:
        return None
    return float(median_low(np.diff(levels_mm).tolist()))


def _near(one: float, other: float) -> bool:
    return abs(one - other) <= max(_SPACING_TOLERANCE * one, _SPACING_TOLERANCE_MM)


def _only(found: set[_Value]) -> _Value | None:
    """The value that all share."""
    return next(iter(found)) if len(found) == 1 else None


def _numbers(headers: Sequence[DicomHeader]) -> str:
    """What the instance numbers say of slices that are not here."""
    numbers = [n for h in headers if (n := h.instance_number) is not None]
    if not numbers or len(set(numbers)) < len(headers):
        return ""
    low, high = min(numbers), max(numbers)
    holes = high - low + 1 - len(numbers)
    missing = f", {holes} of them not here" if holes else ", none left out"
    return f"; instance numbers run from {low} to {high}{missing}"
