"""The rule that is registered, fitted where it may be, and what is known of it."""

from collections.abc import Sequence
from pathlib import Path

from voxray.core.files import write_json
from voxray.core.records import PER_PATIENT, OutOfFoldPrediction
from voxray.core.specs import DecisionRule
from voxray.evaluate import (
    DecisionEvidence,
    FittedOn,
    Settings,
    fit_decision,
    judge_decision,
    judged_by_patient,
)
from voxray.report import draw_risk_coverage
from voxray.stages.calibration_patients import predict_calibration
from voxray.stages.evidence_files import DECISION_FILE
from voxray.stages.frame import StageContext
from voxray.stages.study import Study

RISK_FIGURE = "risk_coverage.png"


def fit_and_judge(
    context: StageContext,
    study: Study,
    predictions: Sequence[OutOfFoldPrediction],
    folder: Path,
) -> DecisionEvidence:
    """Write `decision.json`; say how the rule does on exams it was not fitted on.

    Args:
        context: Of stage 5.
        study: What earlier stages left.
        predictions: Of the single networks, out of fold: those of the first repeat,
            whose networks are registered, fit the rule where no patients were kept for
            it.
        folder: Of stage 5.
    """
    experiment = context.experiment
    kept = predict_calibration(context, study, folder)
    used = kept or [row for row in predictions if row.repeat == 0]
    on: FittedOn = "calibration" if kept else "out_of_fold"
    rule = fit_decision(used, experiment.task, experiment.evaluate, on)
    fitted = rule.model_dump(mode="json") if rule else None
    by_patient = judged_by_patient(experiment.task.classify, experiment.evaluate)
    write_json(folder / DECISION_FILE, {"decision": fitted, "by_patient": by_patient})
    if rule is None or experiment.task.classify is None:
        return DecisionEvidence((), None)
    for line in cautions(rule):
        context.say(f"evaluate: {line}")
    settings = Settings(experiment.evaluate, experiment.seed)
    return judge_decision(used, experiment.task.classify, settings, on)


def risk_figures(evidence: DecisionEvidence, context: StageContext) -> dict[str, bytes]:
    """The curve of risk and coverage by file name; nothing without one."""
    if evidence.curve is None:
        return {}
    classify, note = context.experiment.task.classify, context.experiment.note
    by_patient = classify is not None and classify.level == "patient"
    name = "aurc" + (PER_PATIENT if by_patient else "")
    aurc = next(m for m in evidence.metrics if m.metric == name)
    return {RISK_FIGURE: draw_risk_coverage(evidence.curve, aurc, note)}


def cautions(rule: DecisionRule) -> list[str]:
    """What a person must know of a rule before trusting it; a line each."""
    points = {**rule.operating_points, rule.positive: rule.operating_point}
    few = [
        f"operating point of {name!r}: of new patients a {point.metric} of "
        f"{point.expected:.3f} is to be expected, not {point.at_least:g}: it was "
        f"chosen on {point.n_positive} positive and {point.n_negative} negative ones"
        for name, point in points.items()
        if point
        and point.expected is not None
        and point.at_least is not None
        and point.expected < point.at_least
    ]
    if rule.fitted_on == "calibration":
        return few
    return [
        *few,
        "the decision is tried on single networks; registered is their ensemble, "
        "whose shift is not measured (folds.calibration would)",
    ]
