"""Does the operating point keep its sensitivity on patients it was not chosen on?

Patients are split into halves anew, many times. Threshold and calibration are fitted on
one half and judged on the other: by the plain quantile, and by the rule of voxray.

    python -m tests.benchmarks.operating_point oof_predictions.parquet ...
    python -m tests.benchmarks.operating_point workspace/EXPERIMENT

Of an experiment with `folds.calibration` the ensemble as registered is judged too, and
what a threshold of single networks would do to it.
"""

import argparse
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from voxray.core.calibration import calibrated
from voxray.core.records import Metric, OutOfFoldPrediction
from voxray.core.specs import ClassifySpec, EvaluateSpec, OperatingPointSpec
from voxray.evaluate import judge_decision, read_predictions
from voxray.evaluate.calibration import calibration_metrics
from voxray.evaluate.calibrators import fit_platt
from voxray.evaluate.decision import FittedOn
from voxray.evaluate.estimate import Settings
from voxray.evaluate.exams import ScoredExams
from voxray.evaluate.threshold import choose_threshold

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

N_SPLITS = 100
SPEC = EvaluateSpec(calibration="auto")


@dataclass(frozen=True, slots=True)
class Held:
    """What one half shows of a threshold chosen on the other."""

    plain: float
    sensitivity: float
    by_patient: float
    specificity: float


def halves(exams: ScoredExams, generator: np.random.Generator) -> Mask:
    """Half of the patients with a positive exam, and half of the others."""
    positive = np.bincount(exams.patient, weights=exams.positive) > 0
    chosen = np.zeros(exams.n_patients, dtype=np.bool_)
    for side in (positive, ~positive):
        members = generator.permutation(np.flatnonzero(side))
        chosen[members[: len(members) // 2]] = True
    return chosen[exams.patient]


def plain_quantile(score: Array, at_least: float) -> float:
    """Lowest score that keeps it on the exams it is chosen on: the usual way."""
    falling = np.sort(score)[::-1]
    return float(falling[math.ceil(at_least * len(falling) - 1e-9) - 1])


def resplit(exams: ScoredExams, at_least: float, seed: int) -> Iterator[Held]:
    """Choose on one half of the patients, look at the other, many times."""
    generator = np.random.default_rng(seed)
    point = OperatingPointSpec(metric="sensitivity", at_least=at_least)
    for _ in range(N_SPLITS):
        used = halves(exams, generator)
        score, positive = exams.score[used], exams.positive[used]
        how = fit_platt(score, positive)
        cut = choose_threshold(
            calibrated(score, how), positive, point, exams.patient[used]
        )
        flagged = calibrated(exams.score, how) >= cut
        plain = exams.score >= plain_quantile(score[positive], at_least)
        own = ~used & exams.positive
        yield Held(
            plain=float(plain[own].mean()),
            sensitivity=float(flagged[own].mean()),
            by_patient=_mean_of_patients(flagged[own], exams.patient[own]),
            specificity=float(1 - flagged[~used & ~exams.positive].mean()),
        )


def _mean_of_patients(flagged: Mask, patient: NDArray[np.intp]) -> float:
    n_exams = np.bincount(patient)
    share = np.bincount(patient, weights=flagged)[n_exams > 0] / n_exams[n_exams > 0]
    return float(share.mean())


def report(
    name: str,
    predictions: Sequence[OutOfFoldPrediction],
    positive: str,
    arguments: argparse.Namespace,
) -> None:
    """Print what the re-splits and the cross-fitted calibration show."""
    exams = ScoredExams.of_class(predictions, positive)
    counts = exams.counts
    print(
        f"\n{name}: {counts.n_exams} exams of {counts.n_patients} patients, "
        f"{exams.n_positive} of them {positive!r}"
    )
    found = list(resplit(exams, arguments.at_least, arguments.seed))
    print(f"sensitivity {arguments.at_least:g} asked for, {N_SPLITS} halves:")
    for what, values in (
        ("sensitivity, plain quantile", [h.plain for h in found]),
        ("sensitivity, order statistic by patient", [h.sensitivity for h in found]),
        ("  the same, mean of patients", [h.by_patient for h in found]),
        ("specificity, order statistic by patient", [h.specificity for h in found]),
    ):
        low, high = np.quantile(values, [0.05, 0.95])
        print(
            f"  {what:42} mean {np.mean(values):.4f}  sd {np.std(values, ddof=1):.4f}"
            f"  5 to 95 %: {low:.3f} to {high:.3f}"
        )
    for row in calibration(predictions, positive, arguments.seed):
        print(f"  {row.model:18} {row.metric:22} {_interval(row)}")


def calibration(
    predictions: Sequence[OutOfFoldPrediction], positive: str, seed: int
) -> list[Metric]:
    """Slope and intercept before, and after a calibration fitted on other exams."""
    classes = list(predictions[0].probabilities)
    classify = ClassifySpec(
        column="label",
        classes={name: number for number, name in enumerate(classes)},
        positive=positive,
    )
    settings = Settings(SPEC, seed)
    before = calibration_metrics(
        positive, ScoredExams.of_class(predictions, positive), settings
    )
    on: FittedOn = "out_of_fold"
    after = judge_decision(predictions, classify, settings, on).metrics
    shown = {"calibration_slope", "calibration_intercept", "brier"}
    return [
        *(replace(row, model="before") for row in before),
        *(replace(row, model="after") for row in after if row.metric in shown),
    ]


def _interval(row: Metric) -> str:
    if row.value is None or row.low is None or row.high is None:
        return row.method
    return f"{row.value:.3f} [{row.low:.3f}, {row.high:.3f}]"


def shift(place: Path, arguments: argparse.Namespace) -> None:
    """What a threshold of single networks does to the ensemble, if both are known."""
    kept = place / "evaluate" / "calibration_predictions.parquet"
    if not kept.is_file():
        return
    single = read_predictions(place / "evaluate" / "oof_predictions.parquet")
    positive = arguments.positive or list(single[0].probabilities)[-1]
    exams = ScoredExams.of_class(single, positive)
    point = OperatingPointSpec(metric="sensitivity", at_least=arguments.at_least)
    cut = choose_threshold(exams.score, exams.positive, point, exams.patient)
    mean = ScoredExams.of_class(read_predictions(kept), positive)
    own = choose_threshold(mean.score, mean.positive, point, mean.patient)
    flagged = mean.score >= cut
    print(
        f"\nthreshold of single networks {cut:.4f}, of the ensemble {own:.4f}; the "
        f"ensemble at the former: sensitivity {flagged[mean.positive].mean():.4f}, "
        f"specificity {1 - flagged[~mean.positive].mean():.4f}"
    )


def tables(place: Path) -> Iterator[tuple[str, Path]]:
    """The table itself, or those of an experiment's folder."""
    if place.is_file():
        yield str(place), place
        return
    folder = place / "evaluate"
    yield f"{place.name}: single networks", folder / "oof_predictions.parquet"
    kept = folder / "calibration_predictions.parquet"
    if kept.is_file():
        yield f"{place.name}: ensemble as registered", kept
    else:
        print(f"{place}: no patients were kept for calibration (folds.calibration)")


def main() -> None:
    """Judge each table that is named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("places", nargs="+", type=Path)
    parser.add_argument("--positive", help="class; the last one by default")
    parser.add_argument("--at-least", type=float, default=0.95)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    for place in arguments.places:
        for name, table in tables(place):
            rows = read_predictions(table)
            positive = arguments.positive or list(rows[0].probabilities)[-1]
            report(name, rows, positive, arguments)
        shift(place, arguments)


if __name__ == "__main__":
    main()
