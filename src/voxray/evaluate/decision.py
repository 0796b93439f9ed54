"""Fit the rule that is registered, and try it on exams it was not fitted on."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from voxray.core.calibration import calibrated
from voxray.core.decision import calibrate, decide, refers, uncertainty
from voxray.core.errors import DatasetError
from voxray.core.records import ExamId, OutOfFoldPrediction
from voxray.core.specs import (
    Calibration,
    ClassifySpec,
    DecisionRule,
    EvaluateSpec,
    OperatingPoint,
    OperatingPointSpec,
    Referral,
    Target,
    TaskSpec,
)
from voxray.evaluate.calibrators import (
    Fitted,
    fit_classes,
    fit_kind,
    settle_classes,
    settle_two_sided,
)
from voxray.evaluate.checks import check_predictions
from voxray.evaluate.exams import ScoredExams, predictions_of, scored_per_class
from voxray.evaluate.patients import patient_predictions
from voxray.evaluate.referral import fit_referral
from voxray.evaluate.threshold import choose_threshold, expected_rate

FittedOn = Literal["out_of_fold", "calibration"]
_Predictions = Sequence[OutOfFoldPrediction]
_Kinds = Mapping[str, Fitted | None]

_NOBODY = 1.0
"""An uncertainty that no exam has."""


def fit_decision(
    predictions: _Predictions,
    task: TaskSpec,
    spec: EvaluateSpec,
    fitted_on: FittedOn = "out_of_fold",
) -> DecisionRule | None:
    """Make the rule that is registered: probabilities in, a class out.

    Calibration, then the threshold, then who is referred are fitted on all these
    predictions, an exam's repeats averaged. What is reported of them comes from
    `crossfit`.

    Args:
        predictions: Of the single networks out of fold, or of their ensemble on the
            patients of `folds.calibration`.
        task: Without classes there is no rule.
        spec: What is asked for.
        fitted_on: Which of both.

    Returns:
        None without classification; without an operating point for more than two
        classes, where the likeliest class decides, or the median of ordered ones; with
        one per label for labels that do not exclude each other.

    Raises:
        ConfigError: If the calibration asked for is not for such classes.
        DatasetError: If a probability is not finite, all exams are of one class, or
            there are too few for the calibration or the referrals asked for.
    """
    if task.classify is None:
        return None
    # of masks nothing is decided; those of calibration patients are not even measured
    check_predictions(predictions, TaskSpec(classify=task.classify))
    try:
        kinds = _settle(predictions, task.classify, spec)
        rule = _fit(_mean_over_repeats(predictions), task.classify, spec, kinds)
    except DatasetError as error:
        if fitted_on == "out_of_fold":
            raise
        msg = f"patients of folds.calibration: {error}; or take a larger fraction"
        raise DatasetError(msg) from error
    return rule.model_copy(update={"fitted_on": fitted_on})


@dataclass(frozen=True, slots=True)
class DecidedExam:
    """An exam, and what a rule says that was fitted without it.

    Attributes:
        prediction: With the probabilities that the rule gives it.
        decision: As in `scores.csv`.
        uncertainty: From `core.decision.uncertainty`.
        refer: None where no rule was asked for.
        rule: The one that says it.
    """

    prediction: OutOfFoldPrediction
    decision: str
    uncertainty: float
    refer: bool | None
    rule: DecisionRule


def crossfit(
    predictions: _Predictions, classify: ClassifySpec, spec: EvaluateSpec
) -> tuple[DecidedExam, ...]:
    """Decide each exam by a whole rule that its own part had no part in.

    A part is a fold of a repeat; the rule is fitted on the other folds of the repeat,
    by the functions that fit the registered one, and applied by those that apply it.

    Returns:
        Without the exams of parts for which no rule could be fitted on the others.

    Raises:
        As `fit_decision`, of all predictions together.
    """
    kinds = _settle(predictions, classify, spec)
    found: list[DecidedExam] = []
    for repeat, fold in sorted({(row.repeat, row.fold) for row in predictions}):
        same = [row for row in predictions if row.repeat == repeat]
        others = [row for row in same if row.fold != fold]
        try:
            rule = _without_referral(others, classify, spec.operating_point, kinds)
        except DatasetError:
            continue  # a class is in this part only: counted as not decided
        rule = _or_nobody(rule, others, spec)
        found += _decided([row for row in same if row.fold == fold], rule)
    return tuple(found)


def decided_patients(
    decided: Sequence[DecidedExam], classify: ClassifySpec, patient_rule: str
) -> tuple[DecidedExam, ...]:
    """Each patient as one exam, decided by the rule that decided its exams.

    Referred is a patient of whom any exam is.

    Args:
        decided: From `crossfit`.
        classify: Classes and what a label is about.
        patient_rule: See `patient_predictions`.
    """
    by_place: dict[tuple[int, str], list[DecidedExam]] = defaultdict(list)
    for exam in decided:
        by_place[exam.prediction.repeat, exam.prediction.patient_id].append(exam)
    rows = [exam.prediction for exam in decided]
    found = []
    for row in patient_predictions(rows, classify, patient_rule):
        own = by_place[row.repeat, row.patient_id]
        rule = own[0].rule
        asked = [exam.refer for exam in own if exam.refer is not None]
        found.append(
            DecidedExam(
                prediction=row,
                decision=decide(row.probabilities, rule),
                uncertainty=uncertainty(row.probabilities, rule),
                refer=any(asked) if asked else None,
                rule=rule,
            )
        )
    return tuple(found)


def _settle(
    predictions: _Predictions, classify: ClassifySpec, spec: EvaluateSpec
) -> _Kinds:
    """Which calibration each class or label has; decided once, on all patients."""
    scored = scored_per_class(predictions, classify)
    if len(scored) == 1 or classify.target is Target.LABELS:
        asked = spec.calibration
        return {name: settle_two_sided(own, asked) for name, own in scored.items()}
    return {"": settle_classes(predictions, classify.label_names, spec.calibration)}


def _fit(
    predictions: _Predictions,
    classify: ClassifySpec,
    spec: EvaluateSpec,
    kinds: _Kinds,
) -> DecisionRule:
    rule = _without_referral(predictions, classify, spec.operating_point, kinds)
    return _with_referral(rule, predictions, spec)


def _with_referral(
    rule: DecisionRule, predictions: _Predictions, spec: EvaluateSpec
) -> DecisionRule:
    if spec.refer is None:
        return rule
    decided = _decided(predictions, rule)
    patients = [exam.prediction.patient_id for exam in decided]
    values = [exam.uncertainty for exam in decided]
    return rule.model_copy(
        update={"refer": fit_referral(values, patients, spec.refer.at_most)}
    )


def _or_nobody(
    rule: DecisionRule, others: _Predictions, spec: EvaluateSpec
) -> DecisionRule:
    """With the referral of the others; where they can refer nobody, it is nobody.

    They are fewer than all, or more of them are alike: no reason to leave out figures.
    """
    try:
        return _with_referral(rule, others, spec)
    except DatasetError:
        assert spec.refer is not None  # nothing else is refused
        n = len({row.patient_id for row in others})
        nobody = Referral(at_most=spec.refer.at_most, uncertainty=_NOBODY, n_patients=n)
        return rule.model_copy(update={"refer": nobody})


def _without_referral(
    predictions: _Predictions,
    classify: ClassifySpec,
    point: OperatingPointSpec,
    kinds: _Kinds,
) -> DecisionRule:
    classes, target = classify.label_names, classify.target
    if target is Target.LABELS:
        each = {
            name: _two_sided(predictions_of(predictions, name), name, point, kinds)
            for name in classes
        }
        return DecisionRule(
            classes=classes,
            positive="",
            target=target,
            calibrations={n: how for n, (how, _) in each.items() if how is not None},
            operating_points={name: chosen for name, (_, chosen) in each.items()},
        )
    positive = classify.positive_class
    if len(classes) == 2:  # noqa: PLR2004
        calibration, chosen = _two_sided(predictions, positive, point, kinds)
        return DecisionRule(
            classes=classes,
            positive=positive,
            calibration=calibration,
            operating_point=chosen,
        )
    tempered = fit_classes(predictions, classes) if kinds[""] else None
    return DecisionRule(
        classes=classes, positive=positive, target=target, calibration=tempered
    )


def _two_sided(
    predictions: _Predictions, name: str, point: OperatingPointSpec, kinds: _Kinds
) -> tuple[Calibration | None, OperatingPoint]:
    exams = ScoredExams.of_class(predictions, name)
    if exams.n_positive == 0 or exams.n_negative == 0:
        which = "positive" if exams.n_positive else "negative"
        msg = (
            f"no threshold for {name!r}: all {exams.n_patients} predicted patients "
            f"are {which}; a decision rule needs both classes"
        )
        raise DatasetError(msg)
    calibration = fit_kind(exams.score, exams.positive, kinds[name])
    if calibration is None and point.metric == "net_benefit":
        raise DatasetError(_not_calibrated(name, exams, kinds[name]))
    score = calibrated(exams.score, calibration)
    cut = choose_threshold(score, exams.positive, point, exams.patient)
    rate = point.metric in {"sensitivity", "specificity"}
    chosen = OperatingPoint(
        metric=point.metric,
        at_least=point.at_least if rate else None,
        asked=point.in_words,
        threshold=cut,
        expected=expected_rate(exams, point),
        n_positive=exams.n_positive,
        n_negative=exams.n_negative,
    )
    return calibration, chosen


def _not_calibrated(name: str, exams: ScoredExams, kind: Fitted | None) -> str:
    why = (
        "higher probabilities do not go with it"
        if kind
        else f"{exams.n_positive} positive and {exams.n_negative} negative patients "
        "are too few to calibrate"
    )
    return (
        f"evaluate.operating_point: net_benefit needs calibrated probabilities, and of "
        f"{name!r} {why}; ask for a sensitivity, a specificity or a cost"
    )


def _mean_over_repeats(predictions: _Predictions) -> list[OutOfFoldPrediction]:
    """One row per exam: of several networks that never saw it the mean."""
    grouped: dict[ExamId, list[OutOfFoldPrediction]] = defaultdict(list)
    for row in predictions:
        grouped[row.exam_id].append(row)
    return [
        replace(
            rows[0],
            probabilities={
                name: float(np.mean([row.probabilities[name] for row in rows]))
                for name in rows[0].probabilities
            },
        )
        for rows in grouped.values()
    ]


def _decided(predictions: _Predictions, rule: DecisionRule) -> list[DecidedExam]:
    return [_by_rule(row, rule) for row in predictions]


def _by_rule(row: OutOfFoldPrediction, rule: DecisionRule) -> DecidedExam:
    said = calibrate(row.probabilities, rule)
    found = uncertainty(said, rule)
    calibrated_row = replace(row, probabilities=said)
    refer = refers(found, rule)
    return DecidedExam(calibrated_row, decide(said, rule), found, refer, rule)
