"""The intake page: is this data set sane? It opens from disk, without a network."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from voxray.core.findings import POLICY, FindingCode
from voxray.core.records import ScanId
from voxray.report.distributions import number_histograms, word_bars
from voxray.report.intake_content import (
    CARDS,
    IntakeContent,
    SeenScan,
    UnusedScan,
)
from voxray.report.intake_verdict import ODD_CODES, verdict
from voxray.report.page import environment

EXAMPLES = 20
_PAIRS = 50


@dataclass(frozen=True, slots=True)
class _Group:
    """Scans that share a code.

    Attributes:
        examples: Id and what was seen, of the first of them.
    """

    code: FindingCode
    n: int
    meaning: str
    remedy: str
    examples: tuple[tuple[ScanId, str], ...]


def render_intake_page(content: IntakeContent) -> str:
    """The page as HTML. It has no time in it: equal content gives equal text.

    Args:
        content: What to show; every text in it is escaped.
    """
    template = environment().get_template("intake.html.j2")
    records = [scan.record for scan in content.scans]
    return template.render(
        content=content,
        verdict=verdict(content),
        patients=len({record.patient_id for record in records}),
        exams=len({record.exam_id for record in records}),
        states=Counter(str(record.state) for record in records),
        bars=word_bars(content.scans),
        histograms=number_histograms(content.scans),
        findings=_found(content.scans),
        unused=_left_out(content.unused),
        pairs=content.near_copies[:_PAIRS],
        cards=_ordered(content.scans)[:CARDS],
        policy=POLICY,
        odd_codes=ODD_CODES,
    )


def scans_on_page(scans: Sequence[SeenScan]) -> list[ScanId]:
    """Scans that get a card, and so need a picture: those with rare findings first."""
    return [scan.record.scan_id for scan in _ordered(scans)[:CARDS]]


def _ordered(scans: Sequence[SeenScan]) -> list[SeenScan]:
    """By the rarest finding of each, so that what all scans share does not matter."""
    n_scans = Counter(
        code for scan in scans for code in {f.code for f in scan.record.findings}
    )

    def rarity(scan: SeenScan) -> int:
        return min((n_scans[f.code] for f in scan.record.findings), default=len(scans))

    return sorted(scans, key=lambda scan: (rarity(scan), scan.record.scan_id))


def _found(scans: Iterable[SeenScan]) -> list[_Group]:
    by_code: dict[FindingCode, dict[ScanId, str]] = defaultdict(dict)
    for scan in scans:
        for finding in scan.record.findings:
            by_code[finding.code].setdefault(scan.record.scan_id, finding.detail)
    return _groups({code: list(said.items()) for code, said in by_code.items()})


def _left_out(rows: Iterable[UnusedScan]) -> list[_Group]:
    by_code: dict[FindingCode, list[tuple[ScanId, str]]] = defaultdict(list)
    for row in rows:
        by_code[row.code].append((row.scan_id, row.detail))
    return _groups(by_code)


def _groups(by_code: dict[FindingCode, list[tuple[ScanId, str]]]) -> list[_Group]:
    ordered = sorted(by_code.items(), key=lambda item: (-len(item[1]), item[0]))
    return [
        _Group(
            code=code,
            n=len(said),
            meaning=POLICY[code].meaning,
            remedy=POLICY[code].remedy,
            examples=tuple(said[:EXAMPLES]),
        )
        for code, said in ordered
    ]
