"""One HTML page that opens from disk: no network, no script needed to read it."""

from collections.abc import Iterator
from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined

from voxray.core.findings import POLICY
from voxray.core.records import (
    ALL,
    MAIN_METRICS,
    NETWORK,
    Metric,
    ScanId,
    ScoreRow,
    ScoreStatus,
)
from voxray.core.wording import counted
from voxray.report import wording
from voxray.report.baselines import comparisons, place, reach, signed
from voxray.report.content import ReportContent, ReportFigure
from voxray.report.decided import decided_rows, whose_in_words
from voxray.report.design_parts import part_name, part_rows, parts_title
from voxray.report.naming import picture_name, png_size
from voxray.report.subgroups import subgroup_rows, subgroups_line
from voxray.report.tables import (
    PICTURES,
    answers,
    by_reason,
    decision_line,
    score_columns,
    summary_line,
    unit_of,
    wanted_overlays,
)

INDEX = "index.html"
_HALF = 0.5


@dataclass(frozen=True, slots=True)
class _Picture:
    """An image file of the page: relative name, size in pixels."""

    name: str
    width: int
    height: int


def render_report(content: ReportContent) -> Iterator[tuple[str, bytes | str]]:
    """Make the files of a report, one at a time, the page last.

    Pictures come as they are drawn, so that thousands never sit in memory together.
    The page has no time in it: equal content gives equal bytes.

    Args:
        content: What to show. `content.overlays` is used up.

    Yields:
        Name relative to the report's folder, and content: PNG bytes or UTF-8 text.

    Raises:
        ValueError: If a picture is no PNG.
    """
    figures = []
    for figure in content.figures:
        picture = _picture("figure", figure.name, figure.png)
        figures.append((picture, figure))
        yield picture.name, figure.png
    suspects: dict[str, _Picture] = {}
    for suspect in content.suspects:
        if suspect.png is not None and suspect.exam_id not in suspects:
            picture = _picture("suspect", suspect.exam_id, suspect.png)
            suspects[suspect.exam_id] = picture
            yield picture.name, suspect.png
    worst: dict[tuple[str, str], _Picture] = {}
    for mask in content.worst:
        if mask.png is not None:
            identity = f"{mask.structure}-{mask.exam_id}"
            worst[mask.structure, mask.exam_id] = _picture("worst", identity, mask.png)
            yield worst[mask.structure, mask.exam_id].name, mask.png
    wanted = frozenset(wanted_overlays(content.scores or ()))
    pictures: dict[ScanId, _Picture] = {}
    for scan_id, png in content.overlays:
        if scan_id in wanted and scan_id not in pictures:
            pictures[scan_id] = _picture("scan", scan_id, png)
            yield pictures[scan_id].name, png
    yield INDEX, _page(content, figures, pictures, suspects, worst)


def _picture(kind: str, identity: str, png: bytes) -> _Picture:
    return _Picture(picture_name(kind, identity), *png_size(png))


def _page(
    content: ReportContent,
    figures: list[tuple[_Picture, ReportFigure]],
    pictures: dict[ScanId, _Picture],
    suspects: dict[str, _Picture],
    worst: dict[tuple[str, str], _Picture],
) -> str:
    own = _own(content)
    template = environment().get_template("report.html.j2")
    return template.render(
        content=content,
        figures=figures,
        pictures=pictures,
        suspect_pictures=suspects,
        worst_pictures=worst,
        picture_limit=PICTURES,
        policy=POLICY,
        level=_common_level(content.evidence),
        meanings=wording.metric_meanings(own),
        main=[metric for metric in own if metric.metric in MAIN_METRICS],
        further=[metric for metric in own if metric.metric not in MAIN_METRICS],
        decided=decided_rows(content.evidence),
        holdout_main=[m for m in content.holdout if m.metric in MAIN_METRICS],
        holdout_further=[m for m in content.holdout if m.metric not in MAIN_METRICS],
        parts=part_rows(content.evidence),
        parts_title=parts_title(part_rows(content.evidence)),
        subgroups=subgroup_rows(content.evidence),
        subgroups_line=subgroups_line(content.evidence),
        **_baseline_values(content),
        **_score_values(content),
    )


def _own(content: ReportContent) -> list[Metric]:
    """Figures of the network on all held-out exams."""
    return [m for m in content.evidence if m.model == NETWORK and m.subset == ALL]


def _baseline_values(content: ReportContent) -> dict[str, object]:
    rows = comparisons(content.evidence)
    kinds = {(row.metric.metric, row.metric.class_) for row in rows}
    auc = [metric for metric in _own(content) if metric.metric == "auc"]
    return {
        "comparisons": rows,
        "compared": [
            metric
            for metric in _own(content)
            if (metric.metric, metric.class_) in kinds
        ],
        "reach": reach(row.difference for row in rows),
        "guesses": any(m.low is None or m.low <= _HALF for m in auc),
    }


def _score_values(content: ReportContent) -> dict[str, object]:
    rows = content.scores or ()
    scored = answers(rows)
    positive = content.model.positive if content.model else None
    return {
        "headline": _headline(content),
        "decisions": decision_line(rows),
        "scored": scored,
        "unit": unit_of(rows),
        "columns": score_columns(scored, positive),
        "failed": by_reason(rows, ScoreStatus.FAILED),
        "refused": by_reason(rows, ScoreStatus.REFUSED),
        "not_selected": by_reason(rows, ScoreStatus.NOT_SELECTED),
    }


def _headline(content: ReportContent) -> str:
    rows = content.scores
    if rows is not None:
        return summary_line(rows)
    if content.evidence:
        patients = max(metric.n_patients for metric in content.evidence)
        n = counted(patients, "patient")
        return f"Evaluated on {n} held out of training; no new scans were scored"
    return "Nothing was scored, and there is no evidence yet"


def _common_level(metrics: tuple[Metric, ...]) -> str:
    """Level of all intervals, or "" when they differ."""
    levels = {wording.percent(metric.level) for metric in metrics}
    return levels.pop() if len(levels) == 1 else ""


def environment() -> Environment:
    """Where templates come from, and what they may call; text is escaped."""
    made = Environment(
        loader=PackageLoader("voxray.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters.update(
        counted=counted,
        counts=wording.counts,
        estimate=wording.estimate,
        kind=wording.metric_name,
        method=wording.method,
        millilitres=wording.millilitres,
        number=wording.number,
        part=part_name,
        percent=wording.percent,
        probability=wording.probability,
        signed=signed,
        place=place,
        short=wording.short,
        share=_share,
        whose=whose_in_words,
    )
    made.tests["positive_for"] = _is_positive
    return made


def _share(value: float) -> str:
    """Width of a bar: a value from 0 to 1 as CSS."""
    return f"{100 * min(max(value, 0.0), 1.0):.1f}%"


def _is_positive(row: ScoreRow, positive: str | None) -> bool:
    return positive is not None and row.decision == positive
