"""Score rows as the page needs them: summary, scored, and left out by reason."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from voxray.core.findings import POLICY, FindingCode
from voxray.core.records import ScanId, ScoreRow, ScoreStatus
from voxray.core.wording import counted
from voxray.report.wording import listed

PICTURES = 500
"""Scored scans that get a picture; the table names the others without one."""

ROWS_A_REASON = 200
"""Scans named under one reason; beyond, the page gives their number."""

_UNSTATED = "The scan was left out without a code."


@dataclass(frozen=True, slots=True)
class ReasonGroup:
    """Volumes that one reason kept from being scored.

    Attributes:
        code: Row of the policy table, "" when none was given.
        meaning: What was seen, in words.
        remedy: What a person can do.
        rows: The first ones.
        n: All of them.
    """

    code: str
    meaning: str
    remedy: str
    rows: tuple[ScoreRow, ...]
    n: int

    @property
    def n_unnamed(self) -> int:
        """Volumes that are counted but not named."""
        return self.n - len(self.rows)


@dataclass(frozen=True, slots=True)
class ScoreColumns:
    """Which columns the table of scored scans needs.

    Attributes:
        classes: Probabilities to show; only the positive class when it is known.
        structures: Volumes to show.
        decision: Whether any scan has a decision.
        extras: Those of "uncertainty" and "ood" that any scan has.
    """

    classes: tuple[str, ...]
    structures: tuple[str, ...]
    decision: bool
    extras: tuple[str, ...]


def summary_line(rows: Sequence[ScoreRow]) -> str:
    """How many volumes were found and what became of them; always all of them."""
    n = Counter(row.status for row in rows)
    exams = ""
    if unit_of(rows) == "exam":
        exams = f" ({counted(len(answers(rows)), 'exam')})"
    words = [
        f"{n[ScoreStatus.SCORED]:,} scored{exams}",
        f"{n[ScoreStatus.REFUSED]:,} refused",
    ]
    if n[ScoreStatus.NOT_SELECTED]:
        words.append(f"{n[ScoreStatus.NOT_SELECTED]:,} not selected")
    words.append(f"{n[ScoreStatus.FAILED]:,} failed")
    return f"{counted(len(rows), 'volume')} found: {', '.join(words)}"


def decision_line(rows: Sequence[ScoreRow]) -> str:
    """How often each decision was made; "" without decisions."""
    decisions = Counter(row.decision for row in rows if row.decision is not None)
    if not decisions:
        return ""
    referred = sum(1 for row in rows if row.refer)
    tail = f"; {referred:,} to be read by a person" if referred else ""
    return f"Decisions: {listed(dict(sorted(decisions.items())))}{tail}"


def of_status(rows: Sequence[ScoreRow], status: ScoreStatus) -> tuple[ScoreRow, ...]:
    """Rows of one status, by scan id."""
    chosen = (row for row in rows if row.status is status)
    return tuple(sorted(chosen, key=lambda row: (row.scan_id, row.exam_id)))


def answers(rows: Sequence[ScoreRow]) -> tuple[ScoreRow, ...]:
    """One row per exam that was scored: that of its first channel, by scan id.

    The rows of the other channels say so in `reason`.
    """
    return tuple(r for r in of_status(rows, ScoreStatus.SCORED) if not r.reason)


def unit_of(rows: Sequence[ScoreRow]) -> str:
    """What a score is of: "exam" where an exam has several scans, else "scan"."""
    n_scored = sum(row.status is ScoreStatus.SCORED for row in rows)
    return "exam" if n_scored > len(answers(rows)) else "scan"


def wanted_overlays(rows: Sequence[ScoreRow]) -> tuple[ScanId, ...]:
    """Scans the report shows a picture of: of the first 500 exams that were scored.

    Others may have a picture too, but it is not used.
    """
    return tuple(dict.fromkeys(row.scan_id for row in answers(rows)))[:PICTURES]


def by_reason(rows: Sequence[ScoreRow], status: ScoreStatus) -> tuple[ReasonGroup, ...]:
    """Rows of one status grouped by reason, the most frequent first."""
    groups: dict[str, list[ScoreRow]] = {}
    for row in of_status(rows, status):
        groups.setdefault(row.reason_code or "", []).append(row)
    ordered = sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))
    return tuple(_group(code, members) for code, members in ordered)


def _group(code: str, rows: list[ScoreRow]) -> ReasonGroup:
    shown = tuple(rows[:ROWS_A_REASON])
    if not code:
        return ReasonGroup("", _UNSTATED, "", shown, len(rows))
    policy = POLICY[FindingCode(code)]
    return ReasonGroup(code, policy.meaning, policy.remedy, shown, len(rows))


def score_columns(rows: Collection[ScoreRow], positive: str | None) -> ScoreColumns:
    """Columns that at least one scored scan fills, in order of appearance."""
    classes = dict.fromkeys(name for row in rows for name in row.probabilities)
    if positive in classes:
        classes = {positive: None}
    extras = [
        name
        for name in ("uncertainty", "ood")
        if any(getattr(row, name) is not None for row in rows)
    ]
    return ScoreColumns(
        tuple(classes),
        tuple(dict.fromkeys(name for row in rows for name in row.volume_ml)),
        any(row.decision is not None for row in rows),
        tuple(extras),
    )
