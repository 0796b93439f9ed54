"""How often the intervals hold the truth, in simulated studies of which it is known.

    python -m tests.benchmarks.coverage [--studies 1000] [--resamples 400] [--seed 1]

A study has 100 patients in five folds, each with one scan, or with one to three that
are alike. 40 patients are positive, or each with probability 0.4, as they come. Scores
are normal in both classes, and probabilities are the right ones; Dice is a mixture of
misses and beta values. The table gives the share of 95 % intervals that hold the truth,
beside an interval of the kind that is often published: the percentiles of scans drawn
with replacement, whoever they are of. The truth of sensitivity, specificity and
predictive values is that of the thresholds in use.
"""

import argparse
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit
from scipy.stats import norm

from voxray.core.records import ExamId, Metric, OutOfFoldPrediction, PatientId
from voxray.core.specs import EvaluateSpec
from voxray.evaluate import Settings
from voxray.evaluate.auc import estimate_auc
from voxray.evaluate.bootstrap import weighted_fold_auc
from voxray.evaluate.calibration import calibration_metrics
from voxray.evaluate.estimate import Estimate
from voxray.evaluate.exams import ScoredExams
from voxray.evaluate.one_against_rest import RESAMPLED
from voxray.evaluate.predictive import predictive_metrics
from voxray.evaluate.proportions import decide_by_threshold, operating_metrics
from voxray.evaluate.resampling import JudgedExams, estimate_resampled
from voxray.evaluate.segmentation import segmentation_metrics
from voxray.evaluate.threshold import choose_threshold

Array = NDArray[np.float64]
Ends = tuple[float, float, float]
"""Low, value, high."""


@dataclass(frozen=True, slots=True)
class Design:
    """How patients come into a study.

    Attributes:
        most_scans: Of a patient, from 1 on.
        fixed: Whether 40 of 100 patients are positive, not 40 % on average.
    """

    most_scans: int
    fixed: bool = True


DESIGNS = {
    "1 scan a patient": Design(1),
    "1 to 3 scans": Design(3),
    "1 to 3 scans, as they come": Design(3, fixed=False),
}

NAIVE = "naive "
OF_SUCH = " of studies of this size"
AT_THRESHOLD = ("sensitivity", "specificity", "ppv", "npv")
N_PATIENTS, N_POSITIVE, N_FOLDS = 100, 40, 5
SHIFT, OF_PATIENT, OF_EXAM = 1.5, 0.7, 0.7
SPREAD = float(np.hypot(OF_PATIENT, OF_EXAM))
TRUE_AUC = float(norm.cdf(SHIFT / (SPREAD * np.sqrt(2))))
MISSED = 0.1
TRUE_DICE = (1 - MISSED) * 8 / 11


@dataclass(frozen=True, slots=True, eq=False)
class SimulatedStudy:
    """Predictions of which the truth is known, and the Dice of a mask of each.

    Attributes:
        dice: One per prediction.
    """

    exams: ScoredExams
    dice: Array


def probability(value: Array, share: float = N_POSITIVE / N_PATIENTS) -> Array:
    """Of the class, given the score: two normals of one spread (Bayes' rule)."""
    ratio = SHIFT * (value - SHIFT / 2) / SPREAD**2
    return np.asarray(expit(logit(share) + ratio))


def a_study(
    generator: np.random.Generator, design: Design, n_patients: int = N_PATIENTS
) -> SimulatedStudy:
    """Positive patients come first; scans of one share a part of score and Dice."""
    n_scans = generator.integers(1, design.most_scans + 1, n_patients)
    patient = np.repeat(np.arange(n_patients), n_scans)
    share = N_POSITIVE / N_PATIENTS
    chance = generator.binomial(n_patients, share)
    positive = patient < (round(n_patients * share) if design.fixed else chance)
    of_patient = generator.normal(0, OF_PATIENT, n_patients)[patient]
    value = SHIFT * positive + of_patient + generator.normal(0, OF_EXAM, len(patient))
    overlap = generator.beta(8, 3, n_patients)[patient]
    dice = generator.beta(15 * overlap, 15 * (1 - overlap))
    exams = ScoredExams(
        fold=(patient % N_FOLDS).astype(np.intp),
        repeat=np.zeros(len(patient), np.intp),
        exam=np.arange(len(patient)),
        patient=patient,
        positive=positive,
        score=probability(value),
        fold_names=tuple((0, fold) for fold in range(N_FOLDS)),
    )
    return SimulatedStudy(exams, dice * (generator.random(len(patient)) >= MISSED))


def intervals(study: SimulatedStudy, settings: Settings) -> dict[str, Ends]:
    """What `evaluation.json` would say, by metric; without one: absent."""
    exams = study.exams
    judged = JudgedExams(
        exams, decide_by_threshold(exams, settings.spec.operating_point)
    )
    metrics = [
        *operating_metrics("yes", exams, judged.decisions, settings),
        *predictive_metrics("yes", judged, settings),
        *calibration_metrics("yes", exams, settings),
        *segmentation_metrics(masks_of(study), "lesion", settings),
    ]
    wanted = [m for m in RESAMPLED if m.name in {"brier", "average_precision"}]
    drawn = estimate_resampled(wanted, {"yes": judged}, exams, settings)
    found: dict[str, Metric | Estimate] = {m.metric: m for m in metrics}
    found |= {name: own[0] for name, own in drawn.items()}
    for name, pooled in (("auc", False), ("auc_pooled", True)):
        found[name] = estimate_auc(exams, settings, pooled=pooled)
    ends = ((name, one.low, one.value, one.high) for name, one in found.items())
    return {
        name: (low, value, high)
        for name, low, value, high in ends
        if low is not None and value is not None and high is not None
    }


def masks_of(study: SimulatedStudy) -> list[OutOfFoldPrediction]:
    one = {"lesion": 1.0}
    return [
        OutOfFoldPrediction(
            repeat=0,
            fold=int(fold),
            exam_id=ExamId(f"e{number}"),
            patient_id=PatientId(f"p{patient}"),
            dice={"lesion": float(dice)},
            volume_ml=one,
            true_volume_ml=one,
        )
        for number, (fold, patient, dice) in enumerate(
            zip(study.exams.fold, study.exams.patient, study.dice, strict=True)
        )
    ]


def naive_intervals(
    study: SimulatedStudy, settings: Settings, generator: np.random.Generator
) -> dict[str, Ends]:
    """Percentiles of scans drawn with replacement, whoever they are of."""
    exams = study.exams
    n, draws = len(exams.score), settings.spec.resamples
    weights = generator.multinomial(n, np.full(n, 1 / n), size=draws).astype(float)
    as_patients = ScoredExams(
        exams.fold,
        exams.repeat,
        exams.exam,
        exams.exam,
        exams.positive,
        exams.score,
        exams.fold_names,
    )
    decided = decide_by_threshold(exams, settings.spec.operating_point)
    ill = weights[:, exams.positive]
    drawn = {
        "auc": weighted_fold_auc(as_patients, weights),
        "sensitivity": ill @ decided.flagged[exams.positive] / ill.sum(axis=1),
        "dice": weights @ study.dice / n,
    }
    found = {}
    for name, values in drawn.items():
        low, middle, high = map(float, np.quantile(values, [0.025, 0.5, 0.975]))
        found[NAIVE + name] = low, middle, high
    return found


def true_shares(exams: ScoredExams, settings: Settings) -> dict[str, float]:
    """What the thresholds in use really reach; each fold weighs the same."""
    flagged = np.zeros((2, 0))
    for fold in range(N_FOLDS):
        other = exams.fold != fold
        cut = choose_threshold(
            exams.score[other],
            exams.positive[other],
            settings.spec.operating_point,
            exams.patient[other],
        )
        ratio = logit(cut) - logit(N_POSITIVE / N_PATIENTS)
        place = ratio * SPREAD**2 / SHIFT + SHIFT / 2
        beyond = norm.sf(place, [SHIFT, 0], SPREAD)
        flagged = np.append(flagged, beyond[:, None], axis=1)
    ill, well = flagged.mean(axis=1)
    share = N_POSITIVE / N_PATIENTS
    found, false = share * ill, (1 - share) * well
    return {
        "sensitivity": float(ill),
        "specificity": float(1 - well),
        "ppv": float(found / (found + false)),
        "npv": float((1 - share - false) / (1 - found - false)),
    }


def fixed_truths() -> dict[str, float]:
    """Those that are the same in every study; two are read off a million patients."""
    exams = a_study(np.random.default_rng(0), Design(1), 1_000_000).exams
    order = np.argsort(-exams.score)
    hits = np.cumsum(exams.positive[order])
    precision = (hits / np.arange(1, len(order) + 1))[exams.positive[order]]
    return {
        "auc": TRUE_AUC,
        "auc_pooled": TRUE_AUC,
        "brier": float(((exams.score - exams.positive) ** 2).mean()),
        "average_precision": float(precision.mean()),
        "calibration_slope": 1.0,
        "calibration_intercept": 0.0,
        "dice": TRUE_DICE,
    }


@dataclass(frozen=True, slots=True)
class Coverage:
    """How intervals of one metric did.

    Attributes:
        share: Of studies with an interval, those whose interval holds the truth.
        above: Those whose interval lies above it.
        error: Mean of value less truth.
        n: Studies with an interval.
    """

    share: float
    above: float
    error: float
    n: int


def simulate(
    design: Design, n_studies: int, resamples: int, seed: int
) -> dict[str, Coverage]:
    """Draw studies and count.

    Returns:
        By metric. The average precision of folds is higher the smaller they are, so it
        is there twice: against all patients there could be, and against its own mean
        over studies (`OF_SUCH`).
    """
    settings = Settings(EvaluateSpec(resamples=resamples), seed)
    generator = np.random.default_rng([seed, design.most_scans])
    fixed = fixed_truths()
    seen: defaultdict[str, list[tuple[Ends, float]]] = defaultdict(list)
    for _ in range(n_studies):
        study = a_study(generator, design)
        truth = fixed | true_shares(study.exams, settings)
        found = intervals(study, settings)
        found |= naive_intervals(study, settings, generator)
        for name, ends in found.items():
            if (key := name.removeprefix(NAIVE)) in truth:
                seen[name].append((ends, truth[key]))
    precision = [ends for ends, _ in seen["average_precision"]]
    usual = float(np.mean([value for _, value, _ in precision]))
    seen["average_precision" + OF_SUCH] = [(ends, usual) for ends in precision]
    return {name: counted(pairs) for name, pairs in sorted(seen.items())}


def counted(pairs: list[tuple[Ends, float]]) -> Coverage:
    low, value, high = np.array([ends for ends, _ in pairs]).T
    truth = np.array([value for _, value in pairs])
    return Coverage(
        share=float(((low <= truth) & (truth <= high)).mean()),
        above=float((low > truth).mean()),
        error=float((value - truth).mean()),
        n=len(pairs),
    )


def table(results: Mapping[str, Mapping[str, Coverage]]) -> Iterator[str]:
    """Markdown: one row per metric, one pair of columns per design."""
    yield "| figure | " + " | ".join(results) + " |"
    yield "|---|" + "---|" * len(results)
    for name in next(iter(results.values())):
        cells = [cell(by_name[name]) for by_name in results.values()]
        yield f"| `{name}` | " + " | ".join(cells) + " |"


def cell(found: Coverage) -> str:
    below = 1 - found.share - found.above
    sides = f"{below:.3f} below, {found.above:.3f} above"
    return f"{found.share:.3f} ({sides}; mean error {found.error:+.4f})"


def main(say: Callable[[str], None] = print) -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=1000)
    parser.add_argument("--resamples", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    results = {}
    for name, design in DESIGNS.items():
        results[name] = simulate(design, asked.studies, asked.resamples, asked.seed)
        fewest = min(found.n for found in results[name].values())
        say(
            f"{name}: {asked.studies} studies, at least {fewest} with "
            f"an interval, {asked.resamples} resamples"
        )
    for line in table(results):
        say(line)
    return 0


if __name__ == "__main__":
    sys.exit(main())
