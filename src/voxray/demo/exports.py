"""One person's visits as files: DICOM series, masks, and the dirt among them."""

from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path, PurePosixPath

import numpy as np

from voxray.core.files import machine_errors
from voxray.core.findings import FindingCode
from voxray.demo.anatomy import Anatomy
from voxray.demo.lesions import Lesion, draw_lesions, grown
from voxray.demo.roster import Dirt, Person
from voxray.demo.scanners import SCANNERS, DemoScanner, Scan, acquire
from voxray.demo.templates import Templates
from voxray.scan_io import write_label_map
from voxray.scan_io.mr_series import (
    MrPatient,
    MrSeriesHeader,
    derive_uid,
    write_mr_series,
    write_slice_copy,
)

_SERIES = "flair"
_DAYS_BETWEEN_VISITS = 200
_GROWTH = 1.15
_KEPT_SHARE = 0.6
_BIRTHDAY_WAS_DAYS_AGO = 100


_EXPECTED: dict[Dirt, tuple[FindingCode | None, str]] = {
    Dirt.MISSING_SLICE: (FindingCode.MISSING_SLICE, "a slice is not there"),
    Dirt.DUPLICATE_SLICE: (FindingCode.DUPLICATE_SLICE, "a slice is there twice"),
    Dirt.TRUNCATED_FILE: (FindingCode.TRUNCATED_FILE, "the file ends in its pixels"),
    Dirt.NO_MASK: (FindingCode.NO_MASK, "no mask file"),
    Dirt.NO_LABEL: (FindingCode.NO_LABEL, "no row in the label table"),
    Dirt.ONE_FOLDER: (None, "two good series in one folder"),
    Dirt.SMALL_FIELD: (FindingCode.OUTSIDE_TRAINING_RANGE, "65 mm field of view"),
}


@dataclass(frozen=True, slots=True)
class Place:
    """A scan folder of the cohort.

    Attributes:
        where: "scans" or "inbox", as the list of planted dirt names it.
        scans: The folder.
        masks: Where its masks go; None for new scans, which have none.
    """

    where: str
    scans: Path
    masks: Path | None


@dataclass(frozen=True, slots=True)
class Planted:
    """One thing planted on purpose.

    Attributes:
        path: File or series folder, relative to the scan folder `where`.
        code: What intake (or scoring) should say; None if it should find nothing.
        what: In words.
    """

    path: PurePosixPath
    where: str
    code: FindingCode | None
    what: str


@dataclass(frozen=True, slots=True)
class _Series:
    folder: PurePosixPath
    uid: str
    files: list[Path]
    scan: Scan


def export_person(
    person: Person, place: Place, templates: Templates, seed: int
) -> list[Planted]:
    """Scan one person at each of their visits, write it, and plant their dirt."""
    rng = np.random.default_rng([seed, person.number])
    anatomy = Anatomy.draw(rng)
    lesions = draw_lesions(templates, rng) if person.has_lesions else ()
    visits: list[_Series] = []
    for visit in range(len(person.scanners)):
        now = tuple(grown(lesion, _GROWTH**visit) for lesion in lesions)
        scan = _scan_visit(person, visit, (templates, anatomy, now), seed)
        n_files = sum(len(v.files) for v in visits)
        visits.append(_write_series(person, visit, scan, place, seed, n_files + 1))
    if place.masks is not None and person.dirt is not Dirt.NO_MASK:
        _write_masks(visits, place.masks)
    return _plant(person, visits[0], place)


def _scan_visit(
    person: Person,
    visit: int,
    head: tuple[Templates, Anatomy, tuple[Lesion, ...]],
    seed: int,
) -> Scan:
    rng = np.random.default_rng([seed, person.number, visit])
    templates, anatomy, lesions = head
    return acquire(templates, anatomy, lesions, _scanner(person, visit), rng)


def _scanner(person: Person, visit: int) -> DemoScanner:
    scanner = SCANNERS[person.scanners[visit]]
    if person.dirt is Dirt.SMALL_FIELD:
        return replace(scanner, shape=(72, 72, 40), spacing_mm=(0.9, 0.9, 1.0))
    return scanner


def _write_series(
    person: Person,
    visit: int,
    scan: Scan,
    place: Place,
    seed: int,
    first_file_number: int,
) -> _Series:
    one_folder = person.dirt is Dirt.ONE_FOLDER
    name = "both-visits" if one_folder else f"visit-{visit + 1}"
    folder = PurePosixPath(person.patient_id, name, _SERIES)
    header = _header(person, visit, seed)
    files = write_mr_series(
        place.scans / folder, scan.volume, header, first_file_number
    )
    return _Series(folder, header.series_uid, files, scan)


def _header(person: Person, visit: int, seed: int) -> MrSeriesHeader:
    age_days = int(365.25 * person.age_years) + _BIRTHDAY_WAS_DAYS_AGO
    born = (person.first_visit - timedelta(days=age_days)).date()
    words = ("demo", str(seed), person.patient_id, f"visit {visit + 1}")
    return MrSeriesHeader(
        patient=MrPatient(
            person.patient_id, f"Demo^{person.number:03d}", person.sex, born
        ),
        scanner=SCANNERS[person.scanners[visit]].machine,
        study_uid=derive_uid(*words, "study"),
        series_uid=derive_uid(*words, "series"),
        series_number=3,
        series_description="T2 FLAIR (synthetic demonstration)",
        acquired_at=person.first_visit + timedelta(days=visit * _DAYS_BETWEEN_VISITS),
    )


def _write_masks(visits: list[_Series], masks: Path) -> None:
    """Write `<folder>.nii.gz`, or `<folder>/<SeriesInstanceUID>.nii.gz` if shared."""
    shared = len({v.folder for v in visits}) < len(visits)
    for series in visits:
        beside = masks / series.folder
        name = beside / series.uid if shared else beside
        path = name.with_name(f"{name.name}.nii.gz")
        write_label_map(path, series.scan.mask, series.scan.volume.grid)


def _plant(person: Person, series: _Series, place: Place) -> list[Planted]:
    if person.dirt is Dirt.NONE:
        return []
    spoiled = _spoil(person.dirt, series.files[len(series.files) // 2])
    path = series.folder / spoiled.name if spoiled else series.folder
    code, what = _EXPECTED[person.dirt]
    return [Planted(path, place.where, code, what)]


def _spoil(dirt: Dirt, middle: Path) -> Path | None:
    """Do to a slice file what `dirt` says; return it if it is to be reported itself."""
    if dirt is Dirt.MISSING_SLICE:
        middle.unlink()
    elif dirt is Dirt.DUPLICATE_SLICE:
        write_slice_copy(middle, middle.with_name(f"copy-of-{middle.name}"))
    elif dirt is Dirt.TRUNCATED_FILE:
        _truncate(middle)
        return middle
    return None


def _truncate(path: Path) -> None:
    whole = path.read_bytes()
    with machine_errors(path):
        path.write_bytes(whole[: int(len(whole) * _KEPT_SHARE)])


def plant_other_files(place: Place, rng: np.random.Generator) -> list[Planted]:
    """Put two files that are no image into a scan folder."""
    note = place.scans / "export-notes.txt"
    noise = place.scans / "unknown.dcm"
    with machine_errors(place.scans):
        place.scans.mkdir(parents=True, exist_ok=True)
        note.write_text("Exported for the demonstration.\n", encoding="utf-8")
        noise.write_bytes(rng.bytes(3000))
    code = FindingCode.NOT_AN_IMAGE
    return [
        Planted(PurePosixPath(note.name), place.where, code, "a text file"),
        Planted(PurePosixPath(noise.name), place.where, code, "random bytes"),
    ]
