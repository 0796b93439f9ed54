"""How often a locked holdout was looked at: a list that is only ever appended to.

`holdout_looks.jsonl` in the workspace has one line a look. Each line has the hash of
the line before it, so that a change by hand is seen. What a look found keeps a copy of
its line, and the MLflow run its hash, so that a deleted list is seen too.
"""

import contextlib
import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from voxray.core.errors import ManifestError
from voxray.core.files import machine_errors, read_json, write_json
from voxray.core.records import Sha256
from voxray.core.wording import counted

LEDGER = "holdout_looks.jsonl"
RECEIPT = "look.json"
FOLDER = "holdout"


@dataclass(frozen=True, slots=True)
class Seen:
    """What is looked at, and what looks at it.

    Attributes:
        experiment: Name.
        model: Hash of all that decides what the model says.
        holdout: Hash of scans, labels and masks.
        n_patients: Patients in the holdout.
        scans: What each scan is known by, whatever its patient is called.
    """

    experiment: str
    model: Sha256
    holdout: Sha256
    n_patients: int
    scans: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Look:
    """One line of the list.

    Attributes:
        number: How many looks at any of these scans there were, with this one.
        at: When, in UTC.
        entry: Hash of the line.
    """

    number: int
    at: str
    seen: Seen
    entry: Sha256

    def is_of(self, seen: Seen) -> bool:
        """Whether the same model looked at the same holdout."""
        own = self.seen
        return (own.model, own.holdout) == (seen.model, seen.holdout)

    def shares_scan(self, seen: Seen) -> bool:
        """Whether any scan is in both holdouts."""
        return not set(self.seen.scans).isdisjoint(seen.scans)


@dataclass(frozen=True, slots=True)
class Known:
    """All looks that anything in the workspace tells of.

    Attributes:
        looks: In the order they were made, as far as their lines can be read.
        n_unreadable: Looks of which nothing else is known; they count for every
            holdout.
        problems: What was changed or deleted, in words.
    """

    looks: tuple[Look, ...]
    n_unreadable: int
    problems: tuple[str, ...]

    def of(self, seen: Seen) -> Look | None:
        """The look that this model has already had at this holdout."""
        return next((look for look in self.looks if look.is_of(seen)), None)

    def number_of_next(self, seen: Seen) -> int:
        """Number of a further look at any of these scans."""
        before = sum(look.shares_scan(seen) for look in self.looks)
        return before + self.n_unreadable + 1

    def changed_since(self, seen: Seen) -> str:
        """Say that a holdout was looked at and is another one now; "" if not so."""
        others = [
            look
            for look in self.looks
            if look.shares_scan(seen) and look.seen.holdout != seen.holdout
        ]
        if not others:
            return ""
        was = set(others[-1].seen.scans)
        n_shared = len(was.intersection(seen.scans))
        return (
            f"the holdout is not the one that was looked at before ({n_shared} of its "
            f"{counted(len(seen.scans), 'scan')} were in that one, scans, labels or "
            "masks differ): the earlier looks count for it too"
        )


@dataclass(frozen=True, slots=True)
class TakenLook:
    """A look, and whether it is a new one."""

    look: Look
    is_new: bool
    problems: tuple[str, ...]


def take_look(
    workspace: Path, seen: Seen, in_store: frozenset[str] = frozenset()
) -> TakenLook:
    """Count a look, unless this model has looked at this holdout before.

    It is counted before anything is computed, so that no stopped run has looked
    without being counted.

    Args:
        workspace: Holds the list.
        seen: Model and holdout.
        in_store: Hashes of lines that the MLflow store tells of.

    Raises:
        MachineError: If the list cannot be written.
    """
    with _locked_ledger(workspace / LEDGER) as stream:
        text = stream.read()
        known = known_looks(workspace, text, in_store)
        before = known.of(seen)
        changed = known.changed_since(seen)
        problems = (*known.problems, *([changed] if changed else []))
        if before is not None:
            return TakenLook(before, is_new=False, problems=problems)
        look, line = _new(known.number_of_next(seen), seen, text)
        stream.write(f"{'' if text.endswith(chr(10)) or not text else chr(10)}{line}\n")
        stream.flush()
        os.fsync(stream.fileno())
        return TakenLook(look, is_new=True, problems=problems)


def write_receipt(folder: Path, look: Look) -> None:
    """Keep a copy of the line beside what the look found."""
    write_json(folder / RECEIPT, asdict(look))


def read_receipt(folder: Path) -> Look:
    """Read what `write_receipt` wrote.

    Raises:
        ManifestError: If it is missing or cannot be understood.
    """
    said = read_json(folder / RECEIPT)
    try:
        return _look(said, Sha256(said["entry"]))
    except (KeyError, TypeError) as error:
        msg = f"{RECEIPT!r} lacks {error}; look again"
        raise ManifestError(msg) from error


def known_looks(workspace: Path, text: str, in_store: frozenset[str]) -> Known:
    """Put together what the list, the results and the store tell of.

    Args:
        workspace: Holds results of looks, in `EXPERIMENT/holdout/`.
        text: Of the list.
        in_store: Hashes of lines.
    """
    lines = text.splitlines()
    listed, problems = list[Look](), list[str]()
    previous = ""
    for number, line in enumerate(lines, start=1):
        said = _parsed(line)
        if said is None:
            problems.append(f"line {number} of {LEDGER} cannot be read; it counts")
        else:
            listed.append(_look(said, _hash(line)))
            if said.get("previous") != previous:
                problems.append(
                    f"line {number} of {LEDGER} does not follow the one before it: a "
                    "line was changed or taken out by hand"
                )
        previous = _hash(line)
    entries = {_hash(line) for line in lines}
    kept = [look for look in _receipts(workspace) if look.entry not in entries]
    unknown = in_store - entries - {look.entry for look in kept}
    if lacking := len(kept) + len(unknown):
        problems.append(
            f"{LEDGER} lacks {counted(lacking, 'look')} that results or MLflow runs "
            "tell of: it was edited or deleted; they count"
        )
    n_unreadable = len(lines) - len(listed) + len(unknown)
    looks = sorted([*listed, *kept], key=lambda look: look.at)
    return Known(tuple(looks), n_unreadable, tuple(problems))


def _receipts(workspace: Path) -> Iterator[Look]:
    for path in sorted(workspace.glob(f"*/{FOLDER}/*/{RECEIPT}")):
        with contextlib.suppress(ManifestError):
            yield read_receipt(path.parent)


def _new(number: int, seen: Seen, text: str) -> tuple[Look, str]:
    at = datetime.now(tz=UTC).isoformat(timespec="seconds")
    lines = text.splitlines()
    previous = _hash(lines[-1]) if lines else ""
    said = {"number": number, "at": at, "seen": asdict(seen), "previous": previous}
    line = json.dumps({"schema_version": 1, **said})
    return Look(number, at, seen, _hash(line)), line


def _parsed(line: str) -> dict[str, Any] | None:
    with contextlib.suppress(ValueError, KeyError, TypeError):
        said = json.loads(line)
        _look(said, Sha256(""))
        return dict(said)
    return None


def _look(said: Mapping[str, Any], entry: Sha256) -> Look:
    own = said["seen"]
    seen = Seen(**{**own, "scans": tuple(own["scans"])})
    return Look(int(said["number"]), str(said["at"]), seen, entry)


def _hash(line: str) -> Sha256:
    return Sha256(hashlib.sha256(line.encode()).hexdigest())


@contextlib.contextmanager
def _locked_ledger(path: Path) -> Iterator[IO[str]]:
    """Read and append alone, whatever other experiments do at the same time."""
    with machine_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a+", encoding="utf-8", newline="\n") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            stream.seek(0)
            yield stream
