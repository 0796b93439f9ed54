"""Judge what a registered model says of labelled scans that it never saw."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from voxray.core.errors import ConfigError, DatasetError
from voxray.core.ids import Pseudonymizer
from voxray.core.records import (
    ALL,
    PER_PATIENT,
    Metric,
    OutOfFoldPrediction,
    PatientId,
)
from voxray.core.specs import EvaluateSpec, TaskSpec
from voxray.core.specs.experiment import SubgroupColumn
from voxray.evaluate import (
    LOCAL_THRESHOLD,
    NEEDED,
    Lesion,
    Settings,
    evaluate_registered,
    registered_points,
    subgroup_metrics,
)
from voxray.report import draw_subgroups
from voxray.stages.class_figures import class_figures
from voxray.stages.elsewhere_account import Account, account_for
from voxray.stages.labelled import Scored
from voxray.stages.mask_figures import draw_masks
from voxray.stages.subgroup_columns import check_subgroups, find_groupings

Columns = Sequence[str | SubgroupColumn]

_HEADLINE = ("auc", "sensitivity", "specificity", "quadratic_kappa", "dice")


@dataclass(frozen=True, slots=True, eq=False)
class Evaluated:
    """Figures of one model on labelled scans.

    Attributes:
        scored: What the model said.
        predictions: Of the exams that are judged.
        lesions: Of the same; without a score.
        metrics: With intervals by patient.
        account: What was judged and what not.
    """

    scored: Scored
    predictions: tuple[OutOfFoldPrediction, ...]
    lesions: tuple[Lesion, ...]
    metrics: tuple[Metric, ...]
    account: Account

    @property
    def task(self) -> TaskSpec:
        """What is judged."""
        return self.scored.truth.task

    @property
    def evaluate(self) -> EvaluateSpec:
        """How it is judged."""
        return self.scored.truth.evaluate

    @property
    def note(self) -> str:
        """Stands below every picture."""
        return self.scored.package.note


@dataclass(frozen=True, slots=True)
class Judgement:
    """How it is judged.

    Attributes:
        excluded: Patients that are left out; see `seen_patients`.
        ids: Made the pseudonyms.
        precision: Half of the width that the share at a local threshold may have.
        subgroups: Columns in place of those of the model; None for those.
        level: Of intervals, in place of the model's; None for that.
    """

    excluded: Collection[PatientId]
    ids: Pseudonymizer
    precision: float = 0.05
    subgroups: Columns | None = None
    level: float | None = None


def judge(scored: Scored, how: Judgement) -> Evaluated:
    """Compute every figure on the patients that the model has not seen.

    Raises:
        DatasetError: If no exam is left, or a prediction is not finite.
    """
    excluded = frozenset(how.excluded)
    account = account_for(scored, excluded, how.ids)
    said = scored.said
    kept = tuple(p for p in said.predictions if p.patient_id not in excluded)
    lesions = tuple(one for one in said.lesions if one.patient_id not in excluded)
    if not kept:
        msg = f"no labelled exam is left to judge: {'; '.join(account.shown)}"
        raise DatasetError(msg)
    found = Evaluated(scored, kept, lesions, (), account)
    spec = found.evaluate
    if how.level is not None:
        spec = spec.model_copy(update={"level": how.level})
    points = registered_points(scored.package.decision)
    settings = Settings(spec, scored.truth.seed, points)
    metrics = evaluate_registered(kept, lesions, found.task, settings, how.precision)
    columns = spec.subgroups if how.subgroups is None else how.subgroups
    parts, lacking = _subgroups(found, settings, columns)
    told = replace(account, sentences=(*account.sentences, *lacking))
    return Evaluated(scored, kept, lesions, (*metrics, *parts), told)


def draw(found: Evaluated) -> dict[str, bytes]:
    """Figures by file name, only those the task has."""
    points = registered_points(found.scored.package.decision)
    own = [m for m in found.metrics if m.subset == ALL]
    figures = class_figures(found.predictions, own, found, points)
    figures |= draw_masks(found, found.predictions, found.lesions, own)
    if len(own) < len(found.metrics):
        figures["subgroups.png"] = draw_subgroups(found.metrics, found.note)
    return figures


def headline(metrics: Sequence[Metric]) -> str:
    """The most important figures with their intervals, in a line."""
    shown = [m for m in metrics if m.metric in _HEADLINE and m.subset == ALL]
    said = "; ".join(_words(m) for m in shown if m.value is not None)
    return said or "nothing estimable, see evaluation.json"


def local_sentences(metrics: Sequence[Metric]) -> list[str]:
    """What this site would need, for a person."""
    found = [m for m in metrics if m.metric == LOCAL_THRESHOLD]
    needed = {m.class_: m for m in metrics if m.metric == NEEDED}
    said = []
    for metric in found:
        own = replace(metric, metric="threshold that these exams would need for")
        said.append(_words(own))
        if metric.class_ in needed:
            row = needed[metric.class_]
            said.append(f"such an estimate takes {row.value:.0f} {row.method}")
    return said


def _words(metric: Metric) -> str:
    name = f"{metric.metric.removesuffix(PER_PATIENT)} {metric.class_}".strip()
    if metric.value is None:
        return f"{name} {metric.method}"
    if metric.low is None or metric.high is None:
        return f"{name} {metric.value:.3f} (interval not estimable)"
    return f"{name} {metric.value:.3f} [{metric.low:.3f}, {metric.high:.3f}]"


@dataclass(frozen=True, slots=True)
class _Parted:
    """What subgroups are found by: settings with other columns."""

    task: TaskSpec
    evaluate: EvaluateSpec
    note: str = ""


def _subgroups(
    found: Evaluated, settings: Settings, columns: Columns
) -> tuple[tuple[Metric, ...], list[str]]:
    """Figures of the subgroups that these scans have, and which they have not."""
    judged = {p.exam_id for p in found.predictions}
    records = {e: scans[0] for e, scans in found.scored.exams.items() if e in judged}
    kept, lacking = list[str | SubgroupColumn](), list[str]()
    for column in columns:
        spec = settings.spec.model_copy(update={"subgroups": (column,)})
        try:
            check_subgroups(list(records.values()), _Parted(found.task, spec))
            kept.append(column)
        except ConfigError as error:
            lacking.append(f"no figures of a subgroup: {error}")
    if not kept:
        return (), lacking
    spec = settings.spec.model_copy(update={"subgroups": tuple(kept)})
    groupings = find_groupings(records, found.predictions, _Parted(found.task, spec))
    points, seed = settings.registered, settings.seed
    rows = subgroup_metrics(
        found.predictions, groupings, found.task, spec, seed, points
    )
    return rows, lacking
