"""The models that meet on a locked set: what they predict, and whom they have seen."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from voxray import mlflow_store
from voxray.core.gate import Check
from voxray.core.hashing import sha256_file
from voxray.core.ids import Pseudonymizer
from voxray.core.records import Sha256
from voxray.core.seen import knows_key
from voxray.core.specs import ModelPackage, SeenScans
from voxray.mlflow_store import ModelVersionRef
from voxray.model import PACKAGE_FILE, read_package
from voxray.stages.contest import Contest
from voxray.stages.labelled import read_seen


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
    found = []
    for version in (contest.version, contest.champion):
        if version is None:
            continue
        with mlflow_store.fetched(contest.store, version) as folder:
            sha256 = sha256_file(folder / PACKAGE_FILE)
            package, seen = read_package(folder), read_seen(folder)
        found.append(Entrant(version, sha256, package, seen))
    return tuple(found)


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
