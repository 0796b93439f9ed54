"""The model card: what a model is, was made from, can and cannot do, in Markdown."""

from collections.abc import Sequence
from dataclasses import dataclass

from voxray.core.geometry import BODY_AXES
from voxray.core.records import (
    ALL,
    ENSEMBLE,
    NETWORK,
    REPEAT,
    Finding,
    Metric,
    ScanId,
)
from voxray.core.specs import ModelPackage, ReferenceStatistics, ReferenceValues
from voxray.report.baselines import baselines_line, comparisons, signed
from voxray.report.decided import decision_section
from voxray.report.design_parts import part_name, part_rows, parts_title
from voxray.report.subgroups import subgroup_rows, subgroups_line
from voxray.report.wording import estimate


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What a card is made of.

    Attributes:
        package: The model.
        metrics: Measured out of fold, on patients the single networks never saw.
        exceptions: Training scans that a person used against the policy, with the
            finding.
        limits: What a person knows of it.
    """

    package: ModelPackage
    n_exams: int
    n_patients: int
    metrics: Sequence[Metric]
    exceptions: Sequence[tuple[ScanId, Finding]] = ()
    limits: str = ""


def render_card(card: ModelCard) -> str:
    """Write a model card; the same model gives the same text."""
    package = card.package
    lines = [
        *_made_for(package),
        "## Training data",
        "",
        f"{card.n_exams} exams of {card.n_patients} patients; a network per fold of a "
        "patient-grouped cross-validation. Scans unlike them are refused:",
        "",
        *(f"- {what}: {said}" for what, said in range_in_words(package)),
        "",
        *_exceptions(card.exceptions),
        *_held_out(card.metrics),
        *_parts(card.metrics),
        *_subgroups(card.metrics),
        *_baselines(card.metrics),
        "## Decision",
        "",
        *decision_section(package.decision, card.metrics),
        "## Limits",
        "",
        *(f"- {line}" for line in _limits(card)),
        "",
        "## Plan",
        "",
        *(f"- {name}: {reason}" for name, reason in package.plan.reasons.items()),
        "",
    ]
    return "\n".join(lines)


def _made_for(package: ModelPackage) -> list[str]:
    note = [f"**{package.note}**", ""] if package.note else []
    return [
        f"# {package.name}",
        "",
        *note,
        "## Intended use",
        "",
        package.intended_use,
        "",
        "## Licence",
        "",
        f"{package.licence}. Made by voxray {package.voxray_version}.",
        "",
    ]


def _held_out(metrics: Sequence[Metric]) -> list[str]:
    own = (m for m in metrics if m.model == NETWORK and m.subset == ALL)
    return [
        "## Figures on held-out patients",
        "",
        "Each figure is that of the single fold networks on patients they never saw; "
        f"the registered model is {_ensemble(metrics)}. Intervals are conditional "
        "on the trained networks.",
        "",
        "| metric | class | value | interval | patients | method |",
        "|---|---|---|---|---|---|",
        *(_row(metric) for metric in own),
        "",
    ]


def _ensemble(metrics: Sequence[Metric]) -> str:
    """Which of the networks that were judged the model is made of."""
    repeated = any(metric.subset.startswith(REPEAT) for metric in metrics)
    return "the ensemble of those of the first repeat" if repeated else "their ensemble"


def _parts(metrics: Sequence[Metric]) -> list[str]:
    """Figures of each repeat or each value that was left out; nothing without any."""
    rows = part_rows(metrics)
    if not rows:
        return []
    return [
        f"## {parts_title(rows)}",
        "",
        "| part | metric | class | figure | patients |",
        "|---|---|---|---|---|",
        *(
            f"| {part_name(row)} | {row.metric} | {row.class_} | {estimate(row)} | "
            f"{row.n_patients} |"
            for row in rows
        ),
        "",
    ]


def pictures_section(files: Sequence[str]) -> str:
    """Pictures beside the card, as the card's last section."""
    shown = [
        f"![{name.rpartition('/')[2].partition('.')[0]}]({name})" for name in files
    ]
    return "\n".join(["## Figures", "", *shown, ""]) if files else ""


def _limits(card: ModelCard) -> list[str]:
    """What a person says, then what the evidence cannot tell."""
    own = [m for m in card.metrics if m.model == NETWORK and m.subset == ALL]
    open_ = [m for m in own if m.low is None and m.unit == "patient"]
    rule = card.package.decision
    calibrated = rule is not None and (rule.calibration or rule.calibrations)
    said = [card.limits] if card.limits else []
    kept = max((m.n_patients for m in card.metrics if m.model == ENSEMBLE), default=0)
    others = f" and {kept} kept for the decision" if kept else ""
    said.append(
        f"All figures are of the {card.n_patients} patients of these training "
        f"data{others}. "
        "Other hospitals, scanners and patients may give others: `voxray evaluate` "
        "measures them."
    )
    said.append(
        "Scans outside the range above are refused; how the model does on them is not "
        "known."
    )
    if rule is not None and not calibrated:
        said.append("Probabilities are not calibrated: they order exams, no more.")
    if open_:
        names = ", ".join(
            dict.fromkeys(f"{m.metric} {m.class_}".strip() for m in open_)
        )
        said.append(f"No interval could be given of: {names}.")
    if not subgroup_rows(card.metrics):
        said.append("No subgroup was looked at: set evaluate.subgroups.")
    return said


def _subgroups(metrics: Sequence[Metric]) -> list[str]:
    """Figures of each subgroup; nothing without any."""
    rows = subgroup_rows(metrics)
    if not rows:
        return []
    return [
        "## Subgroups",
        "",
        f"{subgroups_line(metrics)}.",
        "",
        "| subgroup | metric | class | figure | less all others | patients |",
        "|---|---|---|---|---|---|",
        *(
            f"| {row.metric.subset} | {row.metric.metric} | {row.metric.class_} | "
            f"{estimate(row.metric)} | {signed(row.difference)} | "
            f"{row.metric.n_patients} |"
            for row in rows
        ),
        "",
    ]


def _baselines(metrics: Sequence[Metric]) -> list[str]:
    """What the network was compared with; nothing if it was not."""
    line = baselines_line(metrics)
    if not line:
        return []
    rows = [
        f"| {row.name} | {row.metric.class_} | {row.metric.metric} "
        f"{estimate(row.metric)} | {signed(row.difference)} | {row.sentence} |"
        for row in comparisons(metrics)
    ]
    return [
        "## Against trivial baselines",
        "",
        f"The network on the same held-out patients: {line}.",
        "",
        "| baseline | class | its figure | paired difference | |",
        "|---|---|---|---|---|",
        *rows,
        "",
    ]


def _exceptions(signed: Sequence[tuple[ScanId, Finding]]) -> list[str]:
    """Scans that a person signed for; nothing if there are none."""
    if not signed:
        return []
    return [
        "Used by a person's decision, against the policy of intake:",
        "",
        *(
            f"- {scan_id}: {finding.code} ({finding.detail}); {finding.override}"
            for scan_id, finding in signed
        ),
        "",
    ]


def range_in_words(package: ModelPackage) -> list[tuple[str, str]]:
    """What training scans were like, for a person; of each channel if there are more.

    Values are said where they have a unit.
    """
    known = {package.plan.channels[0]: package.references, **package.channel_references}
    rows = [
        (what if len(known) == 1 else f"{channel}, {what}", said)
        for channel, references in known.items()
        for what, said in _of_channel(references)
    ]
    longer = package.plan.longer_side_mm
    if longer is None:
        return rows
    said = f"not counted: the longer side of a picture is taken as {longer:g} mm"
    return [*rows, ("pixel size", said)]


def _of_channel(references: ReferenceStatistics) -> list[tuple[str, str]]:
    modality = ", ".join(references.modalities) or "any (training scans name none)"
    values = references.values
    return [
        ("modality", modality),
        ("spacing", _ranges(references.spacing_mm, 2)),
        ("field of view", _ranges(references.extent_mm, 0)),
        *([("values", _values_in_words(values))] if values else []),
    ]


def _values_in_words(values: ReferenceValues) -> str:
    named = (
        ("darkest", values.darkest),
        ("middle", values.median),
        ("brightest", values.brightest),
    )
    said = (f"{what} {low:.4g} to {high:.4g}" for what, (low, high) in named)
    return f"{', '.join(said)} (percentiles 1, 50 and 99 of a scan)"


def _ranges(ranges: Sequence[tuple[float, float]], digits: int) -> str:
    parts = []
    for axis, (low, high) in zip(BODY_AXES, ranges, strict=True):
        said = f"{low:.{digits}f}"
        if high > low:
            said += f" to {high:.{digits}f}"
        parts.append(f"{said} mm {axis}")
    return ", ".join(parts)


def _row(metric: Metric) -> str:
    digits = 0 if metric.unit == "exam" else 3
    value = "not estimable" if metric.value is None else f"{metric.value:.{digits}f}"
    interval = ""
    if metric.low is not None and metric.high is not None:
        interval = f"{metric.low:z.3f} to {metric.high:z.3f}"
    n = f"{metric.n_patients}"
    cells = (metric.metric, metric.class_, value, interval, n, metric.method)
    return f"| {' | '.join(cells)} |"
