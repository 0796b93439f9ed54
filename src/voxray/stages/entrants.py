"""The models that meet on a locked set: what they predict, and whom they have seen."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from voxray import mlflow_store
from voxray.core.errors import ManifestError
from voxray.core.gate import Check
from voxray.core.hashing import sha256_file
from voxray.core.ids import Pseudonymizer
from voxray.core.records import ExamId, OutOfFoldPrediction, ScanRecord, Sha256
from voxray.core.seen import knows_key
from voxray.core.specs import ModelPackage, SeenScans
from voxray.mlflow_store import ModelVersionRef, Store
from voxray.model import PACKAGE_FILE, read_package
from voxray.stages.contest import Contest
from voxray.stages.labelled import read_seen

Exams = Mapping[ExamId, Sequence[ScanRecord]]


@dataclass(frozen=True, slots=True, eq=False)
class Entrant:
    """One model.

    Attributes:
        sha256: Of its `package.json`.
        seen: What it has seen; None of one that does not say.
    """

    version: ModelVersionRef
    sha256: Sha256
    package: ModelPackage
    seen: SeenScans | None


def read_entrants(contest: Contest) -> tuple[Entrant, ...]:
    """The version that is judged, then the champion if there is one.

    Raises:
        ConfigError: If the files of one are gone.
        ManifestError: If they were changed.
        MachineError: If the store is away.
    """
    versions = (contest.version, contest.champion)
    return tuple(_entrant(contest.store, one) for one in versions if one is not None)


def _entrant(store: Store, version: ModelVersionRef) -> Entrant:
    with mlflow_store.fetched(store, version) as folder:
        try:
            package, seen = read_package(folder), read_seen(folder)
        except ManifestError as error:
            msg = f"cannot compare with {version}: {error}"
            raise ManifestError(msg) from error
        return Entrant(version, sha256_file(folder / PACKAGE_FILE), package, seen)


def entrant_checks(entrants: Sequence[Entrant]) -> Iterator[Check]:
    """Rules that need no scan: who fails them is not worth a look."""
    own, *champions = entrants
    if own.seen is None:
        found = f"{own.version} does not say what it has seen; register it again"
        yield Check("seen", "patients that it has seen", found, passed=False)
    for champion in champions:
        if lost := _predicted(champion) - _predicted(own):
            names = ", ".join(f"{kind} {name!r}" for kind, name in sorted(lost))
            found = f"{champion.version} predicts {names}, and it does not"
            asked = "all that the champion predicts"
            yield Check("predicts", asked, found, passed=False)


def _predicted(entrant: Entrant) -> set[tuple[str, str]]:
    plan = entrant.package.plan
    classes = {("class", name) for name in plan.classes}
    return classes | {("mask", name) for name in plan.structures}


def named_alike(
    rows: Sequence[OutOfFoldPrediction], exams: Exams, of_champion: Exams
) -> tuple[OutOfFoldPrediction, ...]:
    """Predictions under the champion's names of exams, where scans tell which is which.

    An exam is a scan where a model has one channel, and a study or folder where it has
    several. Two exams are one if each shares scans with no other exam of the other
    model; the others keep their names.

    Args:
        rows: Of the version that is judged.
        exams: Its exams.
        of_champion: Those of the champion.
    """
    whose = {s.scan_id: exam for exam, scans in of_champion.items() for s in scans}
    met = {
        exam: {whose[s.scan_id] for s in scans if s.scan_id in whose}
        for exam, scans in exams.items()
    }
    times = Counter(name for names in met.values() for name in names)
    names = {
        exam: min(found)
        for exam, found in met.items()
        if len(found) == 1 and times[min(found)] == 1
    }
    return tuple(replace(r, exam_id=names.get(r.exam_id, r.exam_id)) for r in rows)


def seen_in_words(
    entrants: Sequence[Entrant], n_excluded: int, ids: Pseudonymizer
) -> str:
    """How many patients are left out, and of whom it cannot be known."""
    said = [f"{n_excluded} patients that either model has seen are left out"]
    for one in entrants:
        if one.seen is None:
            said.append(
                f"{one.version} does not say what it has seen: where it has learned "
                "from these patients it looks better than it is"
            )
        elif not knows_key(one.seen, ids):
            said.append(
                f"{one.version} was made under another key: patients are recognised by "
                "identical images only"
            )
    return "; ".join(said)
