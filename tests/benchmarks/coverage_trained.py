"""How often the interval of a cross-validated AUC holds the truth, with real training.

    python -m tests.benchmarks.coverage_trained [--studies 1000] [--seed 1]

`coverage` draws scores. Here the folds of each simulated study train a logistic
regression, so that every fold learned from patients that other folds are judged on.
The first feature alone carries the class, two normals some standard deviations apart,
the others none. The truth is the mean AUC of the five regressions on 4,000 patients
that no study has; of the paired difference, that less the mean AUC of five regressions
on the first two features. 40 % of the patients are positive, each with one scan.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold

from voxray.core.specs import EvaluateSpec
from voxray.evaluate import Settings
from voxray.evaluate.auc import estimate_auc
from voxray.evaluate.estimate import Estimate
from voxray.evaluate.exams import ScoredExams
from voxray.evaluate.paired import auc_difference

Array = NDArray[np.float64]
N_FOLDS, N_NEW, N_SIMPLE, SHARE = 5, 4000, 2, 0.4
SETTINGS = Settings(EvaluateSpec(), 1)


@dataclass(frozen=True, slots=True)
class Cohort:
    """Patients with features.

    Attributes:
        features: (patients, features).
        positive: (patients,) bool.
    """

    features: Array
    positive: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Design:
    """A size of study.

    Attributes:
        apart: Standard deviations between the classes, in the first feature.
    """

    n_patients: int
    n_features: int
    apart: float

    def draw(self, generator: np.random.Generator, n: int) -> Cohort:
        """Patients in random order, a fixed share of them positive."""
        positive = generator.permutation(np.arange(n) < round(SHARE * n))
        features = generator.normal(size=(n, self.n_features))
        features[:, 0] += self.apart * positive
        return Cohort(features, positive)


DESIGNS = [
    Design(n, features, apart)
    for n, features in ((100, 10), (400, 10), (400, 100))
    for apart in (0.0, 1.0, 2.0)
]


@dataclass(frozen=True, slots=True)
class Held:
    """What folds say of the patients they hold out, and how good they really are."""

    exams: ScoredExams
    truth: float


def cross_validated(
    known: Cohort, new: Cohort, n_features: int, parts: list[NDArray[np.intp]]
) -> Held:
    """A regression per fold on the first features."""
    n = len(known.positive)
    fold, score, truths = np.zeros(n, np.intp), np.zeros(n), []
    for number, held_out in enumerate(parts):
        rest = np.setdiff1d(np.arange(n), held_out)
        fitted = LogisticRegression(max_iter=300).fit(
            known.features[rest, :n_features], known.positive[rest]
        )
        fold[held_out] = number
        of_held_out = known.features[held_out, :n_features]
        score[held_out] = expit(fitted.decision_function(of_held_out))
        of_new = fitted.decision_function(new.features[:, :n_features])
        truths.append(roc_auc_score(new.positive, of_new))
    exams = ScoredExams(
        fold=fold,
        repeat=np.zeros(n, np.intp),
        exam=np.arange(n),
        patient=np.arange(n),
        positive=known.positive,
        score=score,
        fold_names=tuple((0, number) for number in range(N_FOLDS)),
    )
    return Held(exams, float(np.mean(truths)))


def one_study(
    design: Design, generator: np.random.Generator
) -> Iterator[tuple[Estimate, float]]:
    """The AUC and the paired difference, each with its truth."""
    known = design.draw(generator, design.n_patients)
    new = design.draw(generator, N_NEW)
    seed = int(generator.integers(2**31))
    splitter = StratifiedKFold(N_FOLDS, shuffle=True, random_state=seed)
    parts = [part for _, part in splitter.split(known.features, known.positive)]
    network = cross_validated(known, new, design.n_features, parts)
    simple = cross_validated(known, new, N_SIMPLE, parts)
    yield estimate_auc(network.exams, SETTINGS), network.truth
    gap = auc_difference([network.exams], [simple.exams], SETTINGS)
    yield gap, network.truth - simple.truth


def line(design: Design, studies: int, seed: int) -> str:
    """Mean truth, and share of intervals that hold it, of both."""
    generator = np.random.default_rng([seed, design.n_patients, design.n_features])
    held = np.zeros((studies, 2), np.bool_)
    truths = np.zeros((studies, 2))
    for study in range(studies):
        for column, (found, truth) in enumerate(one_study(design, generator)):
            low, high = found.low, found.high
            truths[study, column] = truth
            held[study, column] = (
                low is not None and high is not None and (low <= truth <= high)
            )
    (auc, gap), (of_auc, of_gap) = truths.mean(axis=0), held.mean(axis=0)
    return (
        f"| {design.n_patients} | {design.n_features} | {auc:.3f} | {of_auc:.3f} "
        f"| {gap:+.3f} | {of_gap:.3f} |"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    print("| patients | features | AUC | held | difference | held |")
    print("|---|---|---|---|---|---|")
    for chosen in DESIGNS:
        print(line(chosen, asked.studies, asked.seed), flush=True)
