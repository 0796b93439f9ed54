"""Looks at a locked set: each is counted, and has its part of alpha."""

from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from voxray import mlflow_store
from voxray.core.gate import Check
from voxray.core.hashing import sha256_file, sha256_json
from voxray.core.records import Sha256
from voxray.core.specs.gate import CompareRule
from voxray.core.tree import entries_below
from voxray.mlflow_store import Look
from voxray.stages.contest import Contest
from voxray.stages.fingerprint import table_hash
from voxray.stages.truth import LabelledScans

_PARTS = ("labels", "masks", "scans", "reading")
_ROUNDING = 1e-9


def look_at(contest: Contest, given: LabelledScans, packages: Sequence[Sha256]) -> Look:
    """What is compared, by which rules, on what.

    Args:
        contest: What is decided.
        given: The locked set.
        packages: Hashes of the models.
    """
    gate, rule, locked = contest.gate, contest.gate.compare, contest.gate.locked
    assert locked is not None
    policy = gate.model_dump(mode="json", exclude={"locked", "card"})
    reading = locked.model_dump(include={"key", "by", "column", "patient"})
    said = {
        "version": str(contest.version),
        "champion": str(contest.champion or "none"),
        "labels_sha256": table_hash(given.labels) if given.labels else "",
        "masks_sha256": _contents(given.masks) if given.masks else "",
        "scans_sha256": _sizes(given.scans),
        "reading_sha256": sha256_json(reading),
        "rule": _in_words(rule),
        "alpha": repr(rule.alpha),
        "spent": repr(rule.alpha / rule.looks),
    }
    return Look(locked.name, sha256_json([list(packages), policy])[:12], said)


def may_look(contest: Contest, look: Look) -> Check:
    """Whether a look would be allowed now; counts nothing."""
    name, locked = contest.version.name, look.locked
    looks = mlflow_store.looks_at(contest.store, name, locked)
    return _judged(contest.gate.compare, look, looks)


def take_look(contest: Contest, look: Look) -> Check:
    """Count a look, before any figure is computed; others may have looked meanwhile.

    The same models again under the same policy are no further look, since they show the
    same.
    """
    looks = mlflow_store.note_look(contest.store, contest.version.name, look)
    return _judged(contest.gate.compare, look, looks)


def _in_words(rule: CompareRule) -> str:
    return f"{rule.goal} by {rule.margin:g}, alpha {rule.alpha:g} / {rule.looks}"


def _contents(folder: Path) -> Sha256:
    files = [(name, folder / name) for name, _ in _files(folder)]
    return sha256_json([(name, sha256_file(p)) for name, p in files if p.is_file()])


def _sizes(scans: Path) -> Sha256:
    """Scans may be terabytes: their names and sizes tell most changes."""
    if scans.is_file():
        return sha256_json([(scans.name, scans.stat().st_size)])
    return sha256_json(_files(scans))


def _files(folder: Path) -> list[tuple[str, int]]:
    found = ((n, s.st_size if s else 0) for n, s in entries_below(folder))
    return sorted(row for row in found if not _hidden(row[0]))


def _hidden(name: str) -> bool:
    return any(part.startswith(".") for part in PurePosixPath(name).parts)


def _judged(rule: CompareRule, own: Look, looks: Sequence[Look]) -> Check:
    """Judge a look by those that are known, it may be one of them."""
    pairs = [look.pair for look in looks]
    earlier = looks[: pairs.index(own.pair)] if own.pair in pairs else looks
    asked = f"at most {rule.looks} looks, alpha {rule.alpha:g} / {rule.looks} each"
    found = f"look {len(earlier) + 1} of {rule.looks} planned at {own.locked!r}"
    against = [*_changed(own, looks), *_spent(rule, own, earlier)]
    said = "; ".join([found, *against, *_otherwise(own, looks)])
    return Check("looks", asked, said, passed=not against)


def _changed(own: Look, looks: Sequence[Look]) -> Iterator[str]:
    """What of the set is not as it was; older looks say nothing of some parts."""
    names = {part: f"{part}_sha256" for part in _PARTS}
    changed = [
        part
        for part, key in names.items()
        if any(look.said.get(key, own.said[key]) != own.said[key] for look in looks)
    ]
    if changed:
        what = ", ".join("how it is read" if p == "reading" else p for p in changed)
        yield f"changed since an earlier look: {what}; give the set another name"


def _spent(rule: CompareRule, own: Look, earlier: Sequence[Look]) -> Iterator[str]:
    """Parts of alpha may differ (Bonferroni), but not add up to more than alpha."""
    alpha = min(float(look.said.get("alpha", rule.alpha)) for look in (own, *earlier))
    share = rule.alpha / rule.looks
    left = alpha - sum(float(look.said.get("spent", share)) for look in earlier)
    if len(earlier) >= rule.looks or left < _ROUNDING:
        yield "it is used up: plan a new set"
    elif share > left + _ROUNDING:
        yield (
            f"of alpha {alpha:g} earlier looks have left {left:.2g}, and this one asks "
            f"for {share:.2g}: plan more looks, or a new set"
        )


def _otherwise(own: Look, looks: Sequence[Look]) -> Iterator[str]:
    rules = [look.said["rule"] for look in looks if "rule" in look.said]
    others = dict.fromkeys(rule for rule in rules if rule != own.said["rule"])
    if others:
        yield f"the policy changed: earlier looks asked {', '.join(others)}"
