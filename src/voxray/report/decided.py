"""The decision rule in words: what it was chosen for and on, and how it does."""

from collections.abc import Iterable, Sequence

from voxray.core.records import (
    ALL,
    DECIDED_NETWORK,
    ENSEMBLE,
    NETWORK,
    PER_PATIENT,
    REGISTERED,
    Metric,
)
from voxray.core.specs import DecisionRule, OperatingPoint, Target
from voxray.core.wording import cut_in_words
from voxray.report.wording import estimate

_WITHOUT_THRESHOLD = {
    Target.EXCLUSIVE: "The likeliest class.",
    Target.ORDINAL: "The median class: the first at which the probabilities, summed in "
    "order, reach one half.",
}
_SCORES = {
    "out_of_fold": "out-of-fold scores",
    "calibration": "ensemble's scores",
}
_MEANS = {
    "out_of_fold": "Mind: it was tried on single fold networks, and registered is "
    "their ensemble, whose probabilities are distributed a little differently. By how "
    "much was not measured: its sensitivity and specificity may be others. Patients "
    "kept out by folds.calibration would tell.",
    "calibration": "Fitted on patients kept out of all training (folds.calibration), "
    "with the ensemble that is registered. Its figures below are of rules fitted on "
    "the others of them, so none was used to choose.",
}
_SHOWN = (
    "sensitivity",
    "specificity",
    "ppv",
    "npv",
    "sensitivity_not_referred",
    "specificity_not_referred",
    "referred_share",
    "error_rate",
    "error_rate_not_referred",
    "aurc",
    "calibration_slope",
    "calibration_intercept",
    "brier",
)
_BY_PATIENT = {"sensitivity" + PER_PATIENT, "specificity" + PER_PATIENT}
_WHOSE = {
    REGISTERED: "as registered",
    ENSEMBLE: "ensemble before calibration",
    DECIDED_NETWORK: "single networks with this rule",
    NETWORK: "single networks",
}


def rule_in_words(rule: DecisionRule) -> list[str]:
    """How an exam is decided and referred, a sentence or two a line."""
    if rule.operating_points:
        points = rule.operating_points.items()
        said = [_threshold(name, point, rule) for name, point in points]
        lines = ["Each label by itself.", *said]
    elif rule.operating_point is not None:
        lines = [_threshold(rule.positive, rule.operating_point, rule)]
    else:
        lines = [_WITHOUT_THRESHOLD[rule.target]]
    return [*lines, _calibration(rule), _referral(rule), _MEANS[rule.fitted_on]]


def decided_rows(metrics: Iterable[Metric]) -> tuple[Metric, ...]:
    """Figures of the rule on exams that it was not fitted on.

    As registered, and the ensemble's probabilities before calibration; without patients
    of `folds.calibration` those of the single networks.
    """
    shown = {*_SHOWN, *_BY_PATIENT}
    rows = [m for m in metrics if m.subset == ALL and m.metric in shown]
    whose = {REGISTERED, ENSEMBLE}
    if not any(m.model == REGISTERED for m in rows):
        whose = {DECIDED_NETWORK, NETWORK}
    own = [
        m
        for m in rows
        if m.model in whose and not (m.model == NETWORK and m.metric in _BY_PATIENT)
    ]
    return tuple(sorted(own, key=lambda m: _place(m.metric)))


def _place(metric: str) -> int:
    return _SHOWN.index(metric.removesuffix(PER_PATIENT))


def whose_in_words(metric: Metric) -> str:
    """Whose probabilities and decisions a figure is of."""
    return _WHOSE[metric.model]


def registered_line(metrics: Iterable[Metric]) -> str:
    """Sensitivity and specificity as registered, in a line; "" where not measured."""
    named = {*_SHOWN[:2], *_BY_PATIENT}
    rows = [m for m in metrics if m.model == REGISTERED and m.metric in named]
    said = [f"{m.metric} {m.class_} {estimate(m)}" for m in rows]
    return f"as registered: {', '.join(said)}" if said else ""


def decision_section(rule: DecisionRule | None, metrics: Sequence[Metric]) -> list[str]:
    """Lines of the card, in Markdown."""
    if rule is None:
        return ["None: the model draws masks.", ""]
    rows = [
        f"| {m.metric} | {m.class_} | {whose_in_words(m)} | {estimate(m)} | "
        f"{m.n_patients} |"
        for m in decided_rows(metrics)
    ]
    table = [
        "",
        "| metric | class | of | figure | patients |",
        "|---|---|---|---|---|",
        *rows,
    ]
    said = [f"- {line}" for line in rule_in_words(rule)]
    return [*said, *(table if rows else []), ""]


def _threshold(name: str, point: OperatingPoint, rule: DecisionRule) -> str:
    said = (
        f"{name!r} when its probability is at least {cut_in_words(point.threshold)}, "
        f"chosen for {point.in_words} on the {_SCORES[rule.fitted_on]} of "
        f"{point.n_positive} positive and {point.n_negative} negative patients."
    )
    if point.expected is None or point.at_least is None:
        return said
    short = ", less than asked for, as there are too few patients"
    less = short if point.expected < point.at_least - 1e-9 else ""
    return (
        f"{said} Expected {point.metric} on new patients: {point.expected:.3f}{less}."
    )


def _calibration(rule: DecisionRule) -> str:
    used = [how for how in (rule.calibration, *rule.calibrations.values()) if how]
    if not used:
        return "Probabilities are not calibrated."
    kinds = ", ".join(sorted({how.kind for how in used}))
    return f"Probabilities are calibrated ({kinds}) on the same scores."


def _referral(rule: DecisionRule) -> str:
    if rule.refer is None:
        return "No exam is referred to a person: no rule was stated (evaluate.refer)."
    return (
        f"Referred to a person: exams of an uncertainty of at least "
        f"{rule.refer.uncertainty:.4f}, chosen on {rule.refer.n_patients} patients so "
        f"that at most {rule.refer.at_most:g} of new patients are expected to be."
    )
