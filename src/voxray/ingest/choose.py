"""Which scans the rules of a channel let pass, and which of several is the best."""

import math
import re
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase

from voxray.core.specs import ChannelRules, IntakeRules
from voxray.ingest.facts import (
    has_contrast,
    in_plane_spacing_mm,
    n_slices,
    plane,
    slice_thickness_mm,
)
from voxray.ingest.scans import FoundScan
from voxray.scan_io import DicomHeader

_Bounds = tuple[float | None, float | None]
_Check = Callable[[FoundScan, ChannelRules], str | None]
_HeaderCheck = Callable[[DicomHeader, ChannelRules], str | None]


def unwanted(scan: FoundScan, rules: IntakeRules) -> str | None:
    """Say why no channel wants a scan; None when one does."""
    reasons = {name: why_not(scan, own) for name, own in rules.channels.items()}
    if None in reasons.values():
        return None
    if len(reasons) == 1:
        return next(iter(reasons.values()))
    return "; ".join(f"{name}: {reason}" for name, reason in reasons.items())


def why_not(scan: FoundScan, rules: ChannelRules) -> str | None:
    """Say which rule leaves a scan out, and its value; None when it passes.

    A rule on what a DICOM header does not state leaves the scan out. A NIfTI file or
    picture has no header, and passes every rule on one.
    """
    checks = [check(scan, rules) for check in _CHECKS]
    if scan.header is not None:
        checks += [check(scan.header, rules) for check in _HEADER_CHECKS]
    return next((reason for reason in checks if reason), None)


def _modality(header: DicomHeader, rules: ChannelRules) -> str | None:
    return _among("modality", header.modality, rules.modality)


def _description(header: DicomHeader, rules: ChannelRules) -> str | None:
    """The description may name a person, and is not quoted."""
    said = header.series_description or ""
    if rules.description is not None and not _found(rules.description, said):
        return f"the series description does not match {rules.description!r}"
    excluded = rules.exclude_description
    if excluded is not None and _found(excluded, said):
        return f"the series description matches {excluded!r}, which the rule excludes"
    return None


def _found(pattern: str, text: str) -> bool:
    return re.search(pattern, text, re.IGNORECASE) is not None


def _words(header: DicomHeader, rules: ChannelRules) -> str | None:
    checks = (
        _among("body part", header.body_part, rules.body_part),
        _among("laterality", header.laterality, rules.laterality),
        _among("view position", header.view_position, rules.view_position),
    )
    return next((reason for reason in checks if reason), None)


def _among(name: str, value: str | None, wanted: Sequence[str]) -> str | None:
    if not wanted or (value or "").casefold() in {w.casefold() for w in wanted}:
        return None
    return _asks(name, value, wanted)


def _asks(name: str, value: object, wanted: Sequence[str]) -> str:
    shown = "not stated" if value in {None, ""} else value
    return f"{name} is {shown}, the rule asks {', '.join(wanted)}"


def _manufacturer(header: DicomHeader, rules: ChannelRules) -> str | None:
    said = (header.manufacturer or "").casefold()
    wanted = rules.manufacturer
    if not wanted or any(word.casefold() in said for word in wanted):
        return None
    return _asks("manufacturer", header.manufacturer, wanted)


def _image_type(header: DicomHeader, rules: ChannelRules) -> str | None:
    stated = {value.casefold() for value in header.image_type}
    missing = [word for word in rules.image_type if word.casefold() not in stated]
    if missing:
        return f"the image type lacks {', '.join(missing)}"
    excluded = [word for word in rules.image_type_not if word.casefold() in stated]
    if excluded:
        return f"the image type has {', '.join(excluded)}, which the rule excludes"
    return None


def _contrast(header: DicomHeader, rules: ChannelRules) -> str | None:
    given = has_contrast(header)
    if rules.contrast is None or rules.contrast == given:
        return None
    words = {True: "with contrast agent", False: "without contrast agent"}
    return f"the series is {words[given]}, the rule asks one {words[rules.contrast]}"


def _numbers(header: DicomHeader, rules: ChannelRules) -> str | None:
    wanted = rules.temporal_position
    if wanted is not None and header.temporal_position != wanted:
        return _asks("temporal position", header.temporal_position, [str(wanted)])
    return _within("echo time", header.echo_time_ms, rules.echo_time_ms, " ms") or (
        _within("b-value", header.b_value, rules.b_value, "")
    )


def _within(
    name: str, value: float | None, bounds: _Bounds | None, unit: str
) -> str | None:
    if bounds is None:
        return None
    low = -math.inf if bounds[0] is None else bounds[0]
    high = math.inf if bounds[1] is None else bounds[1]
    if value is not None and low <= value <= high:
        return None
    return _asks(
        name,
        None if value is None else f"{value:g}{unit}",
        [_bounds_text(bounds) + unit],
    )


def _bounds_text(bounds: _Bounds) -> str:
    low, high = bounds
    if low is None or high is None:
        return f"at most {high:g}" if low is None else f"at least {low:g}"
    return f"{low:g} to {high:g}"


def _slices(scan: FoundScan, rules: ChannelRules) -> str | None:
    thickness = slice_thickness_mm(scan)
    bounds = rules.slice_thickness_mm
    if _states(scan, thickness) and (
        reason := _within("slice thickness", thickness, bounds, " mm")
    ):
        return reason
    n_found = n_slices(scan)
    return _within("the number of slices", n_found, rules.n_slices, "")


def _spacing(scan: FoundScan, rules: ChannelRules) -> str | None:
    spacing = in_plane_spacing_mm(scan)
    if not _states(scan, spacing):
        return None
    values = sorted(spacing) if spacing else [None]
    reasons = [_within("pixel spacing", mm, rules.spacing_mm, " mm") for mm in values]
    return next((reason for reason in reasons if reason), None)


def _orientation(scan: FoundScan, rules: ChannelRules) -> str | None:
    found = plane(scan)
    if not rules.orientation or not _states(scan, found):
        return None
    return _among("orientation", found, rules.orientation)


def _states(scan: FoundScan, value: object) -> bool:
    """Whether a rule applies: always with a header, else where there is a value."""
    return scan.header is not None or value is not None


def _path(scan: FoundScan, rules: ChannelRules) -> str | None:
    """Paths may name a person, and are not quoted."""
    path = scan.path.as_posix()
    if rules.path is not None and not fnmatchcase(path, rules.path):
        return f"the path does not match {rules.path!r}"
    if rules.path_pattern is not None and not _found(rules.path_pattern, path):
        return f"the path does not match {rules.path_pattern!r}"
    return None


def _volume(scan: FoundScan, rules: ChannelRules) -> str | None:
    if rules.volume is None or scan.volume == rules.volume:
        return None
    return f"it is volume {scan.volume} of its file, the rule asks {rules.volume}"


_HEADER_CHECKS: tuple[_HeaderCheck, ...] = (
    _modality,
    _words,
    _description,
    _image_type,
    _contrast,
    _manufacturer,
    _numbers,
)
_CHECKS: tuple[_Check, ...] = (_path, _volume, _orientation, _slices, _spacing)


def best_of(scans: Sequence[FoundScan], rules: ChannelRules) -> FoundScan:
    """Choose one of the scans that pass, by `choose: first` or the stated score."""
    if rules.choose == "first":
        return min(scans, key=in_order)
    return min(scans, key=lambda scan: (_rank(scan, rules), in_order(scan)))


def why_worse(scan: FoundScan, taken: FoundScan, rules: ChannelRules) -> str:
    """Say why another scan was taken, with the numbers."""
    name = series_name(taken)
    if rules.choose == "first":
        return f"{name} comes first"
    if rules.score == "latest_series":  # times stay private
        return f"{name} was taken by latest series"
    score = rules.score.replace("_", " ")
    if _rank(scan, rules) == _rank(taken, rules):
        return f"{name} is equal by {score} ({_value(taken, rules)}) and comes first"
    return (
        f"{name} was taken by {score}: {_value(taken, rules)}, "
        f"here {_value(scan, rules)}"
    )


def series_name(scan: FoundScan) -> str:
    """What a message calls a scan: its series number, else its id."""
    number = scan.header.series_number if scan.header else None
    place = f", volume {scan.volume + 1} of {scan.n_volumes}"
    several = place if scan.n_volumes > 1 else ""
    return (f"scan {scan.scan_id}" if number is None else f"series {number}") + several


def in_order(scan: FoundScan) -> tuple[float, str, str, int]:
    """By series number, then path."""
    number = scan.header.series_number if scan.header else None
    return math.inf if number is None else number, *scan.sort_key


def _rank(scan: FoundScan, rules: ChannelRules) -> tuple[bool, float]:
    """Lower is better; a scan that does not state the value comes last."""
    value = _measured(scan, rules)
    worse_when_high = rules.score in {"thinnest", "finest"}
    return value is None, (value or 0.0) * (1 if worse_when_high else -1)


def _measured(scan: FoundScan, rules: ChannelRules) -> float | None:
    header = scan.header
    value: float | None
    match rules.score:
        case "thinnest":
            value = slice_thickness_mm(scan)
        case "finest":
            value = max(in_plane_spacing_mm(scan) or (math.inf,))
        case "most_slices":
            value = n_slices(scan)
        case "highest_series_number":
            value = header.series_number if header else None
        case "latest_series":
            value = _time_number(header.series_time if header else None)
    return value


def _time_number(text: str | None) -> float | None:
    """A DICOM date and time as a number that grows with time."""
    digits = re.fullmatch(r"(\d{8}) (\d{6})(\.\d+)?", text or "")
    return float(f"{digits[1]}{digits[2]}{digits[3] or ''}") if digits else None


def _value(scan: FoundScan, rules: ChannelRules) -> str:
    value = _measured(scan, rules)
    if value is None or math.isinf(value):
        return "not stated"
    unit = {"thinnest": " mm", "finest": " mm"}.get(rules.score, "")
    return f"{value:g}{unit}"
