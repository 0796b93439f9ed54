"""Figures of a decision rule, on exams that it was not fitted on."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from voxray.core.curves import RiskCoverageCurve
from voxray.core.records import (
    DECIDED_NETWORK,
    ENSEMBLE,
    REGISTERED,
    Metric,
    OutOfFoldPrediction,
)
from voxray.core.specs import ClassifySpec, Target
from voxray.core.specs.task import LABEL_SEPARATOR, NO_LABEL
from voxray.evaluate.auc import estimate_auc
from voxray.evaluate.calibration import calibration_metrics
from voxray.evaluate.classes import DECIDER
from voxray.evaluate.decision import (
    DecidedExam,
    FittedOn,
    crossfit,
    decided_patients,
)
from voxray.evaluate.estimate import Settings
from voxray.evaluate.exams import ScoredExams, scored_per_class
from voxray.evaluate.one_against_rest import RESAMPLED
from voxray.evaluate.patients import (
    in_words,
    named_by_patient,
    patient_predictions,
    patient_rule,
    wants_patients,
)
from voxray.evaluate.predictive import predictive_metrics
from voxray.evaluate.proportions import (
    Decisions,
    estimate_share,
    few_in_words,
    operating_metrics,
)
from voxray.evaluate.referral import estimate_aurc, risk_coverage
from voxray.evaluate.resampling import JudgedExams, estimate_resampled

Mask = NDArray[np.bool_]
_Predictions = Sequence[OutOfFoldPrediction]

_HOW: dict[FittedOn, str] = {
    "out_of_fold": "single networks; each fold judged by a rule fitted on the other "
    "folds",
    "calibration": "the ensemble as registered, on patients no network saw; each part "
    "of them judged by a rule fitted on the others",
}
NOT_REFERRED = "_not_referred"
"""Ends the name of a figure of the exams that are not referred."""

_REFERRED_SHARE = "referred_share"
"""Of patients, whatever is judged."""

_OF_PROBABILITIES = [m for m in RESAMPLED if m.name in {"brier", "log_loss"}]


@dataclass(frozen=True, slots=True)
class DecisionEvidence:
    """What is known of the rule that is registered.

    Attributes:
        metrics: Their `model` says of what.
        curve: Risk and coverage; None when no exam could be decided.
    """

    metrics: tuple[Metric, ...]
    curve: RiskCoverageCurve | None


def judge_decision(
    predictions: _Predictions,
    classify: ClassifySpec,
    settings: Settings,
    fitted_on: FittedOn,
) -> DecisionEvidence:
    """Fit the rule on some of the exams, judge it on the others, by turns.

    Args:
        predictions: As `fit_decision` gets them; `fold` is the part. They have passed
            the checks.
        classify: Of the task.
        settings: Level, resamples, seed, and what is asked of the rule.
        fitted_on: "calibration": the predictor is what is registered, and everything is
            measured, before and after calibration. "out_of_fold": only what the figures
            of the single networks do not hold.
    """
    decided = crossfit(predictions, classify, settings.spec)
    n_left = len(predictions) - len(decided)
    how = _HOW[fitted_on] + (f"; {n_left} exams could not be decided" if n_left else "")
    asked = _Asked(classify, settings, fitted_on, how, fitted_on == "calibration")
    found = _judge(predictions, decided, asked)
    if not wants_patients(predictions, classify):
        return found
    rule = patient_rule(classify, settings.spec)
    rows = patient_predictions(predictions, classify, rule)
    own = _judge(
        rows,
        decided_patients(decided, classify, rule),
        replace(asked, decisions=True),
    )
    said = in_words(predictions, classify, rule)
    others = (m for m in own.metrics if m.metric != _REFERRED_SHARE)
    by_patient = named_by_patient(others, said)
    shown = own if classify.level == "patient" else found
    return DecisionEvidence((*found.metrics, *by_patient), shown.curve)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What figures are asked for, of exams as of patients.

    Attributes:
        how: In words.
        decisions: Whether sensitivity and the like are. Out of fold those of exams
            stand among the figures of the networks, those of patients do not: there
            patients have a threshold of their own.
    """

    classify: ClassifySpec
    settings: Settings
    fitted_on: FittedOn
    how: str
    decisions: bool


def _judge(
    predictions: _Predictions, decided: Sequence[DecidedExam], asked: _Asked
) -> DecisionEvidence:
    """Of exams, or of patients that stand for them: each counts once."""
    classify, settings = asked.classify, asked.settings
    rows: list[Metric] = []
    if asked.fitted_on == "calibration":
        rows += _before(predictions, classify, settings)
    if not decided:
        return DecisionEvidence(tuple(rows), None)
    said = [exam.prediction for exam in decided]
    name = REGISTERED if asked.fitted_on == "calibration" else DECIDED_NETWORK
    own: list[Metric] = []
    for class_, exams in scored_per_class(said, classify).items():
        own += _of_probabilities(class_, exams, settings)
        if asked.decisions:
            about = _about(decided, class_, classify)
            decider = _decider(exams, classify, settings)
            own += _of_decisions(class_, exams, about, decider, settings)
    mistakes = _Mistakes.of(decided, classify)
    own += mistakes.metrics(settings)
    rows += [replace(m, model=name, method=f"{asked.how}; {m.method}") for m in own]
    return DecisionEvidence(tuple(rows), risk_coverage(mistakes.exams, settings))


def _before(
    predictions: _Predictions, classify: ClassifySpec, settings: Settings
) -> list[Metric]:
    """The ensemble's own probabilities: one predictor, so all exams are one fold."""
    rows: list[Metric] = []
    together = [replace(row, fold=0) for row in predictions]
    for class_, exams in scored_per_class(together, classify).items():
        auc = estimate_auc(exams, settings)
        rows.append(settings.metric("auc", class_, auc, exams.counts))
        rows += _of_probabilities(class_, exams, settings)
    how = "the ensemble, not calibrated, on patients no network saw"
    return [replace(m, model=ENSEMBLE, method=f"{how}; {m.method}") for m in rows]


def _of_decisions(
    class_: str,
    exams: ScoredExams,
    decided: Sequence[DecidedExam],
    decider: str,
    settings: Settings,
) -> list[Metric]:
    """With a rule for referral, sensitivity and specificity of the rest besides."""
    flagged = _flags([class_ in e.decision.split(LABEL_SEPARATOR) for e in decided])
    decisions = Decisions(flagged, np.ones_like(flagged), decider)
    rows = operating_metrics(class_, exams, decisions, settings)
    rows += predictive_metrics(class_, JudgedExams(exams, decisions), settings)
    if settings.spec.refer is None:
        return rows
    kept = replace(decisions, decided=~_flags([bool(e.refer) for e in decided]))
    rest = operating_metrics(class_, exams, kept, settings)
    return rows + [replace(m, metric=m.metric + NOT_REFERRED) for m in rest]


def _decider(exams: ScoredExams, classify: ClassifySpec, settings: Settings) -> str:
    """What decides, in words; three or more classes have no threshold."""
    if classify.target is not Target.LABELS and len(classify.classes) > 2:  # noqa: PLR2004
        return DECIDER[classify.target]
    point = settings.spec.operating_point
    return f"threshold for {point.in_words}{few_in_words(exams, point)}"


def _flags(values: Sequence[bool]) -> Mask:
    return np.array(values, dtype=np.bool_)


def _of_probabilities(
    class_: str, exams: ScoredExams, settings: Settings
) -> list[Metric]:
    nothing = np.zeros(len(exams.score), dtype=np.bool_)
    judged = {class_: JudgedExams(exams, Decisions(nothing, ~nothing, ""))}
    found = estimate_resampled(_OF_PROBABILITIES, judged, exams, settings)
    rows = calibration_metrics(class_, exams, settings)
    for name, (estimate,) in found.items():
        rows.append(settings.metric(name, class_, estimate, exams.counts))
    return rows


def _about(
    decided: Sequence[DecidedExam], class_: str, classify: ClassifySpec
) -> list[DecidedExam]:
    """Those that state a label, or all of exclusive classes; as in `ScoredExams`."""
    rows = _in_order(decided)
    if classify.target is not Target.LABELS:
        return rows
    return [row for row in rows if class_ in row.prediction.labels]


def _in_order(decided: Sequence[DecidedExam]) -> list[DecidedExam]:
    def place(row: DecidedExam) -> tuple[int, int, str]:
        own = row.prediction
        return own.repeat, own.fold, own.exam_id

    return sorted(decided, key=place)


@dataclass(frozen=True, slots=True, eq=False)
class _Mistakes:
    """All exams together, whatever they were decided to be.

    Attributes:
        exams: `score` is the uncertainty, `positive` whether the decision is wrong.
        refer: Whether each is referred; None where no rule was asked for.
    """

    exams: ScoredExams
    refer: Mask | None

    @classmethod
    def of(cls, decided: Sequence[DecidedExam], classify: ClassifySpec) -> Self:
        ordered = _in_order(decided)
        rows = [exam.prediction for exam in ordered]
        exams = replace(
            ScoredExams.of_class(rows, classify.label_names[0]),
            score=np.array([exam.uncertainty for exam in ordered]),
            positive=_flags([_is_wrong(exam, classify) for exam in ordered]),
        )
        refer = [exam.refer for exam in ordered]
        asked = None not in refer
        return cls(exams, _flags([bool(r) for r in refer]) if asked else None)

    def metrics(self, settings: Settings) -> list[Metric]:
        """Area under risk and coverage; with a rule what is referred, and the rest."""
        exams = self.exams
        aurc = estimate_aurc(exams, settings)
        rows = [settings.metric("aurc", "", aurc, exams.counts)]
        rows.append(self._share("error_rate", exams.positive, None, settings))
        if self.refer is None or settings.spec.refer is None:
            return rows
        how = f"at most {settings.spec.refer.at_most:g} of patients are to be referred"
        kept = self._share(
            "error_rate" + NOT_REFERRED, exams.positive, ~self.refer, settings
        )
        referred = self._referred(self.refer, settings)
        return rows + [
            replace(m, method=f"{how}; {m.method}") for m in (referred, kept)
        ]

    def _referred(self, refer: Mask, settings: Settings) -> Metric:
        """Share of patients, each counted once a repeat: any exam refers them."""
        patient, repeat = self.exams.patient, self.exams.repeat
        place = repeat * self.exams.n_patients + patient
        referred = np.bincount(place, weights=refer)[place] > 0
        patients = replace(self.exams, exam=patient)
        found = estimate_share(
            patients, referred, np.ones_like(refer), settings, "share of patients"
        )
        return settings.metric(_REFERRED_SHARE, "", found, patients.counts)

    def _share(
        self, name: str, right: Mask, used: Mask | None, settings: Settings
    ) -> Metric:
        among = np.ones(len(right), dtype=np.bool_) if used is None else used
        found = estimate_share(self.exams, right, among, settings, "share of exams")
        return settings.metric(name, "", found, self.exams.counts_of(among))


def _is_wrong(exam: DecidedExam, classify: ClassifySpec) -> bool:
    """Whether the decision differs from the truth, of labels from any that is known."""
    row = exam.prediction
    if classify.target is not Target.LABELS:
        return exam.decision != row.label
    said = set(exam.decision.split(LABEL_SEPARATOR)) - {NO_LABEL}
    return any((name in said) != bool(value) for name, value in row.labels.items())
