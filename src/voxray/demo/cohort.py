"""The whole cohort, from one seed: scans, masks, labels, an inbox of new scans."""

import csv
import io
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from voxray.core.errors import ConfigError
from voxray.core.files import machine_errors, read_json, write_json, write_text
from voxray.core.hashing import sha256_files
from voxray.core.progress import Listener, Progress, ignore_progress
from voxray.core.records import Sha256
from voxray.demo.exports import Place, Planted, export_person, plant_other_files
from voxray.demo.roster import Dirt, Person, Roster, draw_roster
from voxray.demo.scanners import SCANNERS
from voxray.demo.templates import load_templates

_TASK = "growing the demonstration cohort"


@dataclass(frozen=True, slots=True)
class CohortPaths:
    """Where the parts of the cohort lie.

    Attributes:
        scans: DICOM series to learn from: <patient>/<visit>/<series>/IM0001.dcm.
        masks: NIfTI masks of the lesions, on each series' own grid.
        labels: CSV, one row a patient: patient_id, lesion, age_years, sex, scanner.
        inbox: New DICOM studies without masks or labels.
        planted: JSON list of the dirt and of who is ill in the inbox. Lies outside the
            scanned folders; only tests read it.
    """

    scans: Path
    masks: Path
    labels: Path
    inbox: Path
    planted: Path

    @classmethod
    def under(cls, folder: Path) -> Self:
        """Name the parts of a cohort in `folder`."""
        return cls(
            scans=folder / "scans",
            masks=folder / "masks",
            labels=folder / "labels.csv",
            inbox=folder / "inbox",
            planted=folder / "planted.json",
        )


def make_cohort(
    folder: Path, seed: int, listen: Listener = ignore_progress
) -> CohortPaths:
    """Write the embedded cohort; the same seed gives the same bytes.

    The folder appears whole or not at all. One that holds this very cohort (same seed,
    same recipe) is left as it is. Takes some 20 s and 45 MB.

    Args:
        folder: Absent, empty, or the cohort of an earlier call.
        seed: Everything random is drawn from it.
        listen: Told after each patient.

    Raises:
        ConfigError: If the folder holds anything else, or nilearn is not installed.
        MachineError: If the disk is full or the folder may not be written.
    """
    return write_roster(folder, draw_roster(seed), listen)


def write_roster(
    folder: Path, roster: Roster, listen: Listener = ignore_progress
) -> CohortPaths:
    """Write the patients of a roster; `make_cohort` says the rest."""
    made = CohortPaths.under(folder)
    recipe = {
        "seed": roster.seed,
        "n_patients": len(roster.known) + len(roster.new),
        "recipe_sha256": _recipe_sha256(),
    }
    if _holds_cohort(made, recipe):
        return made
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)  # of a killed run
    with machine_errors(folder):
        try:
            partial.mkdir(parents=True)
            _write_cohort(CohortPaths.under(partial), recipe, roster, listen)
            shutil.rmtree(folder, ignore_errors=True)  # an older cohort, nothing else
            partial.replace(folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return made


def _recipe_sha256() -> Sha256:
    """Hash of the code that makes the cohort, so that an old one is not taken on."""
    here = Path(__file__).parent
    writer = here.parent / "scan_io" / "mr_series.py"
    return sha256_files([*here.glob("*.py"), writer], here.parent)


def _holds_cohort(paths: CohortPaths, recipe: dict[str, object]) -> bool:
    """Whether the very cohort is there; a cohort of another recipe may be replaced.

    Raises:
        ConfigError: If the folder holds anything that is no part of a cohort.
    """
    folder = paths.planted.parent
    if not folder.is_dir() or not any(folder.iterdir()):
        return False
    parts = {paths.scans, paths.masks, paths.labels, paths.inbox, paths.planted}
    others = sorted(path.name for path in set(folder.iterdir()) - parts)
    if others or not paths.planted.exists():
        other = repr(others[0]) if others else "files of something else"
        msg = (
            f"{folder} holds {other}, which is no part of a demonstration cohort; "
            "give another folder, or empty it"
        )
        raise ConfigError(msg)
    found = read_json(paths.planted)
    return all(found.get(key) == value for key, value in recipe.items())


def _write_cohort(
    paths: CohortPaths, recipe: dict[str, object], roster: Roster, listen: Listener
) -> None:
    places = {
        "scans": Place("scans", paths.scans, paths.masks),
        "inbox": Place("inbox", paths.inbox, None),
    }
    work = [(p, places["scans"]) for p in roster.known]
    work += [(p, places["inbox"]) for p in roster.new]
    templates = load_templates()
    planted: list[Planted] = []
    for done, (person, place) in enumerate(work):
        listen(Progress(_TASK, done, len(work)))
        planted += export_person(person, place, templates, roster.seed)
    rng = np.random.default_rng(roster.seed)
    for place in places.values():
        planted += plant_other_files(place, rng)
    write_text(paths.labels, _label_table(roster.known))
    _write_planted(paths.planted, recipe, planted, roster.new)
    listen(Progress(_TASK, len(work), len(work)))


def _label_table(people: tuple[Person, ...]) -> str:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["patient_id", "lesion", "age_years", "sex", "scanner"])
    for person in people:
        if person.dirt is not Dirt.NO_LABEL:
            lesion = "yes" if person.has_lesions else "no"
            scanner = SCANNERS[person.scanners[0]].name
            row = (person.patient_id, lesion, person.age_years, person.sex, scanner)
            table.writerow(row)
    return text.getvalue()


def _write_planted(
    path: Path,
    recipe: dict[str, object],
    planted: list[Planted],
    inbox: tuple[Person, ...],
) -> None:
    rows = [
        {"path": str(p.path), "where": p.where, "code": p.code, "what": p.what}
        for p in planted
    ]
    truth = {p.patient_id: "yes" if p.has_lesions else "no" for p in inbox}
    write_json(path, {**recipe, "planted": rows, "inbox_lesion": truth})
