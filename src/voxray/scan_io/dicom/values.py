"""Values of DICOM elements as Python's own; what is absent or malformed is None."""

import re
from collections.abc import Sequence
from datetime import date
from math import isfinite
from typing import Any, Protocol

from pydicom.multival import MultiValue

from voxray.scan_io.dicom.quiet import READ_ERRORS

_DAYS_PER_YEAR = 365.25
_YEARS_PER = {"Y": 1.0, "M": 1 / 12, "W": 7 / _DAYS_PER_YEAR, "D": 1 / _DAYS_PER_YEAR}
_OLDEST_YEARS = 150
_POSITIVE_ZERO = 0.0
"""Added, it turns -0.0 into its equal 0.0."""
_PADDING = " \0"
_SEVERAL = (list, tuple, MultiValue)


class Values(Protocol):
    """Elements by keyword: a pydicom `Dataset`, or what `elements` finds."""

    def get(self, keyword: str, /) -> Any:  # noqa: ANN401 - a value may be anything
        """Value of one element; None if absent."""

    def __contains__(self, keyword: Any, /) -> bool: ...  # noqa: ANN401


def text(dataset: Values, keyword: str) -> str | None:
    """Text without padding; several values stay joined by a backslash."""
    value = _raw(dataset, keyword)
    if value is None:
        return None
    if isinstance(value, str):
        return str(value).strip(_PADDING) or None
    return "\\".join(_texts(value)) or None


def texts(dataset: Values, keyword: str) -> tuple[str, ...]:
    """Each value as text without padding; empty when absent."""
    value = _raw(dataset, keyword)
    return () if value is None else tuple(_texts(value))


def real(dataset: Values, keyword: str) -> float | None:
    """One finite number."""
    return _only_number(_raw(dataset, keyword))


def first_real(dataset: Values, keyword: str) -> float | None:
    """The first of several numbers, or the only one."""
    value = _raw(dataset, keyword)
    found = () if value is None else _several(value)
    return _number(found[0]) if found else None


def reals(dataset: Values, keyword: str, count: int) -> tuple[float, ...] | None:
    """So many finite numbers, or None if there are more, fewer or other values."""
    value = _raw(dataset, keyword)
    if value is None:
        return None
    try:
        numbers = [float(str(v)) + _POSITIVE_ZERO for v in _several(value)]
    except ValueError:
        return None
    return (
        tuple(numbers)
        if len(numbers) == count and all(map(isfinite, numbers))
        else None
    )


def whole(dataset: Values, keyword: str) -> int | None:
    """One whole number."""
    value = _raw(dataset, keyword)
    if type(value) is int:  # most are, and need no more looking at
        return value
    number = _only_number(value)
    return int(number) if number is not None and number.is_integer() else None


def pair(dataset: Values, keyword: str) -> tuple[float, float] | None:
    """Two numbers."""
    numbers = reals(dataset, keyword, count=2)
    return (numbers[0], numbers[1]) if numbers else None


def point(dataset: Values, keyword: str) -> tuple[float, float, float] | None:
    """Three numbers."""
    numbers = reals(dataset, keyword, count=3)
    return (numbers[0], numbers[1], numbers[2]) if numbers else None


def sex(dataset: Values) -> str | None:
    """M, F or O (PS3.3 C.7.1.1)."""
    value = (text(dataset, "PatientSex") or "").upper()
    return value if value in {"M", "F", "O"} else None


def age_years(dataset: Values) -> float | None:
    """PatientAge such as '034Y' or '018M'; else years from birth to the study."""
    match = re.fullmatch(r"(\d{1,4})([DWMY])", text(dataset, "PatientAge") or "")
    if match:
        return _plausible(int(match[1]) * _YEARS_PER[match[2]])
    birth, study = _date(dataset, "PatientBirthDate"), _date(dataset, "StudyDate")
    if birth is None or study is None:
        return None
    return _plausible((study - birth).days / _DAYS_PER_YEAR)


def _plausible(years: float) -> float | None:
    return round(years, 3) if 0 <= years <= _OLDEST_YEARS else None


def _date(dataset: Values, keyword: str) -> date | None:
    value = text(dataset, keyword) or ""
    if not (value.isascii() and value.isdigit() and len(value) == len("YYYYMMDD")):
        return None
    try:
        return date(int(value[:4]), int(value[4:6]), int(value[6:]))
    except ValueError:
        return None


def _raw(dataset: Values, keyword: str) -> object:
    """What is there; None if nothing is."""
    try:
        value = dataset.get(keyword)
    except READ_ERRORS:
        return None
    return None if isinstance(value, str) and not value else value


def _only_number(value: object) -> float | None:
    if value is None or isinstance(value, str | int | float):
        return _number(value)
    found = _several(value)
    return _number(found[0]) if len(found) == 1 else None


def _number(value: object) -> float | None:
    if value is None:
        return None
    try:
        number = float(value if isinstance(value, int | float) else str(value))
    except (ValueError, OverflowError):
        return None
    return number + _POSITIVE_ZERO if isfinite(number) else None


def _texts(value: object) -> list[str]:
    return [str(v).strip(_PADDING) for v in _several(value) if v is not None]


def _several(value: object) -> Sequence[object]:
    if isinstance(value, str):  # asked first, since asking for the others is slow
        return (value,)
    return value if isinstance(value, _SEVERAL) else (value,)
