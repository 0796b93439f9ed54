"""Numbers in words: a value never stands without its interval and its count."""

import math
from collections.abc import Iterable, Mapping

from voxray.core.records import PER_PATIENT, Metric
from voxray.core.wording import counted

NOT_ESTIMABLE = "not estimable"

_NAMES = {
    "auc": "Area under the ROC curve (AUC)",
    "auc_pooled": "AUC, all folds pooled",
    "local_threshold": "Threshold that these exams would need",
    "exams_needed": "Exams such a threshold takes",
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
    "ppv": "Positive predictive value",
    "npv": "Negative predictive value",
    "ppv_at_prevalence": "Positive predictive value at the stated prevalence",
    "npv_at_prevalence": "Negative predictive value at the stated prevalence",
    "likelihood_ratio_positive": "Likelihood ratio of a positive decision",
    "likelihood_ratio_negative": "Likelihood ratio of a negative decision",
    "average_precision": "Average precision",
    "f1": "F1 score",
    "mcc": "Matthews correlation",
    "log_loss": "Log loss",
    "ece": "Expected calibration error",
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "accuracy_at_operating_point": "Accuracy at the operating point",
    "balanced_accuracy_at_operating_point": "Balanced accuracy at the operating point",
    "quadratic_kappa": "Quadratic weighted kappa",
    "linear_kappa": "Linear weighted kappa",
    "ordinal_c_index": "Ordinal c-index",
    "class_error": "Mean distance to the true class, in classes",
    "brier": "Brier score",
    "calibration_slope": "Calibration slope",
    "calibration_intercept": "Calibration intercept",
    "aurc": "Area under risk and coverage",
    "error_rate": "Share of wrong decisions",
    "error_rate_not_referred": "Share of wrong decisions, exams not referred",
    "referred_share": "Share of patients referred",
    "sensitivity_not_referred": "Sensitivity, exams not referred",
    "specificity_not_referred": "Specificity, exams not referred",
    "dice": "Dice",
    "iou": "Intersection over union (IoU)",
    "nsd": "Normalised surface Dice (NSD)",
    "hd95_found_mm": "95th percentile Hausdorff distance where not missed, mm",
    "assd_mm": "Average symmetric surface distance, mm",
    "missed_exams": "Exams with structure, none predicted",
    "volume_lower_limit_ml": "Lower limit of agreement of volumes, ml",
    "volume_upper_limit_ml": "Upper limit of agreement of volumes, ml",
    "lesion_sensitivity": "Sensitivity for lesions",
    "false_positive_lesions_per_exam": "False positive lesions a scan",
    "froc_mean_sensitivity": "FROC: mean sensitivity at 1/8 to 8 false positives",
    **{
        f"froc_sensitivity_at_{rate}": f"FROC: sensitivity at {rate} false positives "
        "a scan"
        for rate in ("0.125", "0.25", "0.5", "1", "2", "4", "8")
    },
    "true_negative_exams": "Exams without structure, none predicted",
    "false_positive_exams": "Exams without structure, one predicted",
    "volume_error_ml": "Volume error (predicted - drawn), ml",
    "volume_abs_error_ml": "Absolute volume error, ml",
    "hd95_mm": "95th percentile Hausdorff distance, mm",
}

_MEANINGS = {
    "auc": "The chance that a positive exam gets a higher probability than a negative "
    "one of the same fold. 0.5 is guessing, 1 is perfect.",
    "local_threshold": "The cut that would keep the registered target on these exams. "
    "It was chosen on them, so check it on other patients before use.",
    "exams_needed": "How many exams of the class that the target counts make its share "
    "known to the stated precision.",
    "auc_pooled": "The same over exams of different folds, whose networks need not be "
    "on one scale.",
    "sensitivity": "The share of positive exams that the threshold calls positive.",
    "specificity": "The share of negative exams that the threshold calls negative.",
    "ppv": "The share of exams called positive that are; it depends on how frequent "
    "positive exams are.",
    "npv": "The share of exams called negative that are; it depends on how frequent "
    "positive exams are.",
    "likelihood_ratio_positive": "By how much a positive decision multiplies the "
    "odds: 1 says nothing, 10 a lot.",
    "likelihood_ratio_negative": "By how much a negative decision multiplies the "
    "odds: 1 says nothing, 0.1 a lot.",
    "average_precision": "Mean precision over the positive exams, in the order of "
    "their probability: a random order gives about the prevalence, 1 is perfect.",
    "f1": "Harmonic mean of sensitivity and positive predictive value.",
    "mcc": "Correlation of truth and decision: 0 is guessing, 1 is perfect.",
    "log_loss": "Mean negative log of the probability given to the truth: "
    "0 is perfect.",
    "calibration_slope": "1 is right; below 1 the probabilities are too sure, above 1 "
    "not sure enough.",
    "calibration_intercept": "0 is right; below 0 the probabilities are too high, "
    "above 0 too low.",
    "ece": "How far probability and share of positive exams lie apart, mean over "
    "bins. Noise lifts it: the method says what a perfectly calibrated model shows.",
    "ordinal_c_index": "The share of pairs of exams of different classes that are in "
    "the right order: 0.5 is guessing, 1 is perfect.",
    "ranked_probability_score": "Mean squared error of the probabilities of being at "
    "least each class: 0 is perfect.",
    "accuracy": "The share of exams decided rightly.",
    "balanced_accuracy": "The share decided rightly in each class, mean over classes: "
    "calling every exam the most frequent class gives 1 over the number of classes.",
    "quadratic_kappa": "Agreement of ordered classes, a mistake counting by its "
    "squared distance: 0 is chance, 1 is perfect.",
    "class_error": "How many classes the decided one lies from the true one, mean "
    "over exams.",
    "dice": "Overlap of the predicted with the drawn structure: 0 is none, "
    "1 is identical. Exams where neither has a voxel are left out and counted apart.",
    "iou": "What both have, as a share of what either has: 1 is identical.",
    "nsd": "The share of both surfaces that lies within the tolerance of the other: 1 "
    "is all of it.",
    "hd95_mm": "The distance within which 95 % of each surface lies from the other; 0 "
    "is identical. A missed structure counts as the diagonal of the image.",
    "assd_mm": "The mean distance between the surfaces; a missed structure counts as "
    "the diagonal of the image.",
    "volume_lower_limit_ml": "95 of 100 single exams are expected to differ by more "
    "than this and less than the upper limit (Bland and Altman).",
    "lesion_sensitivity": "The share of drawn lesions that a predicted one finds.",
    "false_positive_lesions_per_exam": "Predicted lesions that find no drawn one.",
    "froc_mean_sensitivity": "Lesions are counted from the highest score on, until "
    "there are as many false ones a scan; the mean over seven rates.",
    "brier": "Mean squared error of the probabilities: 0 is perfect.",
}


def metric_name(metric: str) -> str:
    """What a metric is called on paper.

    Example:
        >>> metric_name("auc"), metric_name("surface_mm"), metric_name("f1_per_patient")
        ('Area under the ROC curve (AUC)', 'Surface mm', 'F1 score, by patient')
    """
    if metric.endswith(PER_PATIENT):
        return f"{metric_name(metric.removesuffix(PER_PATIENT))}, by patient"
    words = metric.replace("_", " ")
    return _NAMES.get(metric, words[:1].upper() + words[1:])


def metric_meanings(metrics: Iterable[Metric]) -> dict[str, str]:
    """One sentence per kind of metric that occurs, in order of appearance."""
    seen = dict.fromkeys(m.metric for m in metrics)
    return {metric_name(m): _MEANINGS[m] for m in seen if m in _MEANINGS}


def estimate(metric: Metric) -> str:
    """Value with its interval, e.g. ``0.873 [0.790, 0.931]``, or that there is none.

    A number of exams is a count of what was seen; it has no interval.
    """
    if metric.value is None:
        return NOT_ESTIMABLE
    if metric.unit == "exam":
        return f"{metric.value:,g} of {metric.n_exams:,}"
    if metric.low is None or metric.high is None:
        return f"{number(metric.value)} [interval {NOT_ESTIMABLE}]"
    return f"{number(metric.value)} [{number(metric.low)}, {number(metric.high)}]"


def counts(metric: Metric) -> str:
    """What the estimate stands on, e.g. ``24 patients, 30 exams, 12 positive``."""
    parts = [counted(metric.n_patients, "patient"), counted(metric.n_exams, "exam")]
    if metric.n_positive:
        parts.append(f"{metric.n_positive:,} positive")
    return ", ".join(parts)


def method(metric: Metric) -> str:
    """How value and interval were made, with the resamples and seed if it drew any."""
    if not metric.resamples:
        return metric.method
    drawn = f"{metric.resamples:,} resamples, seed {metric.seed}"
    return f"{metric.method}; {drawn}" if metric.method else drawn


def number(value: float) -> str:
    """Three decimals for shares, fewer for larger numbers.

    Example:
        >>> number(0.8726), number(-1e-4), number(1234.5)
        ('0.873', '0.000', '1,234')
    """
    if abs(value) < 10:  # noqa: PLR2004
        return f"{value:z.3f}"
    return f"{value:.1f}" if abs(value) < 1000 else f"{value:,.0f}"  # noqa: PLR2004


def short(value: float) -> str:
    """Three digits that count, without a power of ten.

    Example:
        >>> short(0.70312), short(-1024), short(1712345.0), short(40)
        ('0.703', '-1,024', '1,712,345', '40')
    """
    if value == round(value) or abs(value) >= 1000:  # noqa: PLR2004
        return f"{value:,.0f}"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:.{digits}f}"


def probability(value: float) -> str:
    """Three decimals, and never a certainty that rounding made.

    Example:
        >>> probability(0.91234), probability(0.99996), probability(0.0001)
        ('0.912', '> 0.999', '< 0.001')
    """
    smallest, largest = 0.0005, 0.9995
    if 0 < value < smallest:
        return "< 0.001"
    return "> 0.999" if largest <= value < 1 else f"{value:.3f}"


def millilitres(volume_ml: float) -> str:
    """A volume with its unit; small ones keep three decimals.

    Example:
        >>> millilitres(0.0421), millilitres(3.456), millilitres(1234.5)
        ('0.042 ml', '3.46 ml', '1,234.5 ml')
    """
    if 0 < volume_ml < 1:
        return f"{volume_ml:.3f} ml"
    return f"{volume_ml:.2f} ml" if volume_ml < 100 else f"{volume_ml:,.1f} ml"  # noqa: PLR2004


def percent(share: float) -> str:
    """A level as people say it.

    Example:
        >>> percent(0.95), percent(0.975)
        ('95 %', '97.5 %')
    """
    return f"{100 * share:.4g} %"


def listed(numbers: Mapping[str, int]) -> str:
    """Counts in a row, as given.

    Example:
        >>> listed({"lesion": 3, "healthy": 5})
        'lesion 3, healthy 5'
    """
    return ", ".join(f"{name} {n:,}" for name, n in numbers.items())
