"""Rules on a version alone, before anything is measured: audit, files, card."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from voxray import mlflow_store
from voxray.core.errors import ConfigError, ManifestError
from voxray.core.gate import Check
from voxray.mlflow_store import AUDIT_PASSED, AUDIT_TAG, READ_BACK_TAG
from voxray.model import CARD_FILE
from voxray.stages.contest import Contest

_NOT_COMPARED = (
    "absent: register the model again where its scans are (--from register_model "
    "--force)"
)
_UNSTATED = {"", "unstated", "none", "todo"}


def own_checks(contest: Contest) -> Iterator[Check]:
    """Leakage audit, read back on real scans, every file as registered, card."""
    described = mlflow_store.describe_model(contest.store, str(contest.version))
    audit = described.tags.get(AUDIT_TAG, "absent")
    yield Check("audit", AUDIT_PASSED, audit, passed=audit == AUDIT_PASSED)
    read_back = described.tags.get(READ_BACK_TAG, _NOT_COMPARED)
    same = READ_BACK_TAG in described.tags
    yield Check("read_back", "compared on real scans", read_back, passed=same)
    problems = mlflow_store.version_problems(contest.store, contest.version)
    found = "; ".join(problems) or "every file has its hash"
    yield Check("files", "as they were registered", found, passed=not problems)
    yield _card(contest)


def _card(contest: Contest) -> Check:
    asked = ", ".join(contest.gate.card) or "a card"
    try:
        with mlflow_store.fetched(contest.store, contest.version) as folder:
            lacking = card_lacks(folder / CARD_FILE, contest.gate.card)
    except (ConfigError, ManifestError) as error:
        return Check("card", asked, str(error), passed=False)
    found = "; ".join(lacking) or "complete"
    return Check("card", asked, found, passed=not lacking)


def card_lacks(path: Path, sections: Sequence[str]) -> list[str]:
    """What a card does not say; empty when it is complete."""
    if not path.is_file():
        return [f"the model has no {path.name}"]
    text = path.read_text(encoding="utf-8")
    parts = re.split(r"^## +", text, flags=re.MULTILINE)[1:]
    said = {part.partition("\n")[0].strip(): part.partition("\n")[2] for part in parts}
    return [
        f"section {name!r} is {'empty' if name in said else 'missing'}"
        for name in sections
        if said.get(name, "").strip(" .\n").casefold() in _UNSTATED
    ]
