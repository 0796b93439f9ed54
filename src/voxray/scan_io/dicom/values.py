"""Values of DICOM elements as Python's own; what is absent or malformed is None."""

import math
import re
from datetime import UTC, datetime

from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from voxray.scan_io.dicom.quiet import READ_ERRORS

_DAYS_PER_YEAR = 365.25
_YEARS_PER = {"Y": 1.0, "M": 1 / 12, "W": 7 / _DAYS_PER_YEAR, "D": 1 / _DAYS_PER_YEAR}
_OLDEST_YEARS = 150


def text(dataset: Dataset, keyword: str) -> str | None:
    """Text without padding; several values stay joined by a backslash."""
    return "\\".join(texts(dataset, keyword)) or None


def texts(dataset: Dataset, keyword: str) -> tuple[str, ...]:
    """Each value as text without padding; empty when absent."""
    return tuple(str(v).strip(" \0") for v in _raw(dataset, keyword) if v is not None)


def real(dataset: Dataset, keyword: str) -> float | None:
    """One finite number."""
    match reals(dataset, keyword, count=1):
        case (number,):
            return number
        case _:
            return None


def reals(dataset: Dataset, keyword: str, count: int) -> tuple[float, ...] | None:
    """So many finite numbers, or None if there are more, fewer or other values."""
    try:
        numbers = tuple(float(str(v)) for v in _raw(dataset, keyword))
    except ValueError:
        return None
    usable = len(numbers) == count and all(map(math.isfinite, numbers))
    return numbers if usable else None


def whole(dataset: Dataset, keyword: str) -> int | None:
    """One whole number."""
    number = real(dataset, keyword)
    return int(number) if number is not None and number.is_integer() else None


def pair(dataset: Dataset, keyword: str) -> tuple[float, float] | None:
    """Two numbers."""
    match reals(dataset, keyword, count=2):
        case (first, second):
            return first, second
        case _:
            return None


def point(dataset: Dataset, keyword: str) -> tuple[float, float, float] | None:
    """Three numbers."""
    match reals(dataset, keyword, count=3):
        case (x, y, z):
            return x, y, z
        case _:
            return None


def sex(dataset: Dataset) -> str | None:
    """M, F or O (PS3.3 C.7.1.1)."""
    value = (text(dataset, "PatientSex") or "").upper()
    return value if value in {"M", "F", "O"} else None


def age_years(dataset: Dataset) -> float | None:
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


def _date(dataset: Dataset, keyword: str) -> datetime | None:
    try:
        value = text(dataset, keyword) or ""
        return datetime.strptime(value, "%Y%m%d").replace(tzinfo=UTC)
    except ValueError:
        return None


def _raw(dataset: Dataset, keyword: str) -> list[object]:
    try:
        value = dataset.get(keyword)
    except READ_ERRORS:
        return []
    if value is None or value == "":
        return []
    return list(value) if isinstance(value, MultiValue | list | tuple) else [value]
