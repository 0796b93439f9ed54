"""Who is in the cohort, where they were scanned, and what is wrong on purpose."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

import numpy as np

from voxray.demo.scanners import SCANNERS

_EPOCH = datetime(2021, 1, 4, 8, 0)  # noqa: DTZ001 - DICOM dates are local, no zone


class Dirt(StrEnum):
    """What is planted in one patient's data; `NONE` for a clean one."""

    NONE = "none"
    MISSING_SLICE = "missing-slice"
    DUPLICATE_SLICE = "duplicate-slice"
    TRUNCATED_FILE = "truncated-file"
    NO_MASK = "no-mask"
    NO_LABEL = "no-label"
    ONE_FOLDER = "two-series-in-one-folder"
    SMALL_FIELD = "small-field"


@dataclass(frozen=True, slots=True)
class Person:
    """One invented patient.

    Attributes:
        number: 1, 2, …; with the seed it decides everything random about them.
        has_lesions: The class.
        scanners: Index into `SCANNERS` for each visit.
        first_visit: When.
    """

    number: int
    has_lesions: bool
    scanners: tuple[int, ...]
    dirt: Dirt
    sex: str = "F"
    age_years: int = 0
    first_visit: datetime = _EPOCH

    @property
    def patient_id(self) -> str:
        """PatientID, and the name of the patient's folder."""
        return f"DEMO-{self.number:03d}"


# One row a patient: scanner of each visit, and the dirt. Classes and scanners stay
# balanced when the patients that intake leaves out are gone: 4 a class and scanner.
_WITH_LESIONS = (
    ((0,), Dirt.MISSING_SLICE),
    ((1,), Dirt.NO_MASK),
    ((2,), Dirt.DUPLICATE_SLICE),
    ((0, 0), Dirt.ONE_FOLDER),
    ((1, 2), Dirt.NONE),
    *(((n % len(SCANNERS),), Dirt.NONE) for n in (2, 0, 1, 2, 0, 1, 2, 0, 1)),
)
_HEALTHY = (
    ((0,), Dirt.TRUNCATED_FILE),
    ((1,), Dirt.NO_LABEL),
    ((2, 2), Dirt.NONE),
    ((0, 1), Dirt.NONE),
    *(((n % len(SCANNERS),), Dirt.NONE) for n in (1, 2, 0, 1, 2, 0, 1, 2, 0, 1)),
)
_NEW_WITH_LESIONS = (
    ((0,), Dirt.NONE),
    ((1,), Dirt.NONE),
    ((2,), Dirt.DUPLICATE_SLICE),
    ((0, 0), Dirt.ONE_FOLDER),
)
_NEW_HEALTHY = (
    ((1,), Dirt.NONE),
    ((2,), Dirt.NONE),
    ((0,), Dirt.MISSING_SLICE),
    ((1,), Dirt.TRUNCATED_FILE),
    ((2,), Dirt.SMALL_FIELD),
)


@dataclass(frozen=True, slots=True)
class Roster:
    """Everyone in the cohort.

    Attributes:
        known: Patients to learn from.
        new: Patients whose scans come into the inbox.
    """

    seed: int
    known: tuple[Person, ...]
    new: tuple[Person, ...]


def draw_roster(seed: int) -> Roster:
    """Draw 28 patients to learn from and nine new ones, shuffled, numbered from 1."""
    rng = np.random.default_rng([seed, 0])
    known = _numbered(_WITH_LESIONS, _HEALTHY, 1, rng)
    new = _numbered(_NEW_WITH_LESIONS, _NEW_HEALTHY, len(known) + 1, rng)
    return Roster(seed, known, new)


_Rows = tuple[tuple[tuple[int, ...], Dirt], ...]


def _numbered(
    ill: _Rows, healthy: _Rows, first: int, rng: np.random.Generator
) -> tuple[Person, ...]:
    people = [Person(0, True, *row) for row in ill]  # noqa: FBT003
    people += [Person(0, False, *row) for row in healthy]  # noqa: FBT003
    order = rng.permutation(len(people))
    return tuple(
        replace(
            people[index],
            number=first + place,
            sex="FM"[int(rng.integers(2))],
            age_years=int(rng.integers(25, 80)),
            first_visit=_EPOCH + timedelta(minutes=int(rng.integers(500_000))),
        )
        for place, index in enumerate(order)
    )
