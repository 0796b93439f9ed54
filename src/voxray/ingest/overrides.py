"""Signed exceptions: a person uses a scan that the policy would refuse.

`overrides.csv` has the columns `scan, code, who, why`: the id of the scan and the code
as they stand in `quarantine.csv`, and who takes responsibility, with the reason. Both
are recorded in the manifest, and later in the model card.
"""

import csv
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from voxray.core.errors import ConfigError
from voxray.core.findings import POLICY, Action, FindingCode
from voxray.core.records import ScanId, ScanState
from voxray.ingest.scans import FoundScan, judged, repaired_by_reader

OVERRIDE_COLUMNS = ("scan", "code", "who", "why")


@dataclass(frozen=True, slots=True)
class Override:
    """One line of the list.

    Attributes:
        scan_id: As in `quarantine.csv`.
        code: The refusal that shall not count.
        who: Takes responsibility for it.
        why: For whoever reads the model card.
    """

    scan_id: ScanId
    code: FindingCode
    who: str
    why: str

    @property
    def signature(self) -> str:
        """Who and why, in one line."""
        return f"{self.who}: {self.why}"


Overrides = Mapping[ScanId, Mapping[FindingCode, Override]]


def read_overrides(path: Path | None) -> Overrides:
    """Read the list; empty without one.

    Args:
        path: CSV with a header.

    Raises:
        ConfigError: If the file or a column is missing, a cell is empty, or a code
            cannot be overridden. The message names the line.
    """
    if path is None:
        return {}
    signed: dict[ScanId, dict[FindingCode, Override]] = defaultdict(dict)
    for number, cells in _rows(path):
        override = _override(path.name, number, cells)
        signed[override.scan_id][override.code] = override
    return dict(signed)


def _rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream, restval="")
            columns = list(reader.fieldnames or ())
            rows = [(reader.line_num, cells) for cells in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else "no CSV in UTF-8"
        msg = f"data.overrides: cannot read {str(path)!r}: {reason}"
        raise ConfigError(msg) from error
    missing = [column for column in OVERRIDE_COLUMNS if column not in columns]
    if missing:
        msg = (
            f"data.overrides: {path.name!r} lacks the columns {', '.join(missing)}; it "
            f"needs {', '.join(OVERRIDE_COLUMNS)}"
        )
        raise ConfigError(msg)
    return rows


def _override(name: str, line: int, cells: Mapping[str, str]) -> Override:
    values = {
        column: " ".join((cells[column] or "").split()) for column in OVERRIDE_COLUMNS
    }
    empty = [column for column, text in values.items() if not text]
    if empty:
        msg = f"data.overrides: {name!r} line {line} has no {' and no '.join(empty)}"
        raise ConfigError(msg)
    code = values["code"]
    if code not in set(FindingCode) or way_round(FindingCode(code)) is None:
        possible = ", ".join(c.value for c in FindingCode if way_round(c) is not None)
        msg = (
            f"data.overrides: {name!r} line {line}: a scan with {code!r} cannot be "
            f"used; possible are {possible}"
        )
        raise ConfigError(msg)
    scan_id = ScanId(values["scan"])
    return Override(scan_id, FindingCode(code), values["who"], values["why"])


def way_round(code: FindingCode) -> Action | None:
    """What is done instead of refusing: repair if that is possible, else accept.

    None for a code whose table row leaves no choice: there is nothing to use, or using
    it would leak a patient.
    """
    row = POLICY[code]
    ways = {row.action, *row.choices} - {Action.REFUSE}
    if Action.REFUSE not in {row.action, *row.choices}:
        return None
    return next((way for way in (Action.REPAIR, Action.ACCEPT) if way in ways), None)


def overridden(
    scans: Iterable[FoundScan], signed: Overrides, policy: Mapping[FindingCode, Action]
) -> tuple[FoundScan, ...]:
    """Lift the refusals that a person signed for, and judge the rest of the findings.

    Args:
        scans: With ids, refused or not.
        signed: By scan, then by code.
        policy: Of the experiment, for what comes after the lifted refusal.
    """
    return tuple(_lifted(scan, signed.get(scan.scan_id, {}), policy) for scan in scans)


def _lifted(
    scan: FoundScan,
    signed: Mapping[FindingCode, Override],
    policy: Mapping[FindingCode, Action],
) -> FoundScan:
    while scan.refusal is not None and scan.refusal.code in signed:
        refusal, rest = scan.refusal, scan.unjudged
        override = signed[refusal.code]
        repairs = scan.repairs
        if way_round(refusal.code) is Action.REPAIR:
            repairs = (*repairs, *repaired_by_reader(refusal))
        finding = replace(refusal, override=override.signature)
        scan = replace(
            scan,
            refusal=None,
            unjudged=(),
            repairs=repairs,
            findings=(*scan.findings, finding),
            state=ScanState.OVERRIDDEN,
        )
        scan = judged(scan, rest, policy)
    return scan


def unused_overrides(scans: Sequence[FoundScan], signed: Overrides) -> int:
    """Count the lines of the list that changed nothing."""
    used = {
        (scan.scan_id, finding.code)
        for scan in scans
        for finding in scan.findings
        if finding.override
    }
    named = {(scan_id, code) for scan_id, codes in signed.items() for code in codes}
    return len(named - used)
