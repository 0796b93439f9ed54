"""How often the intervals hold the truth, in simulated studies of which it is known.

100 patients, 40 of them positive, 1 to 3 scans each, five folds. Number of studies from
the environment: VOXRAY_STUDIES, 1000 by default. Run with `make bench` and `-s`.
"""

import os
from collections import Counter

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import norm

from voxray.core.records import ExamId, OutOfFoldPrediction, PatientId
from voxray.core.specs import EvaluateSpec, TaskSpec
from voxray.evaluate import evaluate_oof
from voxray.evaluate.exams import ScoredExams
from voxray.evaluate.threshold import choose_threshold

TASK = TaskSpec.model_validate(
    {
        "classify": {"column": "y", "classes": {"no": 0, "yes": 1}},
        "segment": {"classes": {"lesion": {"value": 1}}},
    }
)
SPEC = EvaluateSpec(resamples=500)
N_PATIENTS, N_POSITIVE, N_FOLDS = 100, 40, 5
SHIFT, OF_PATIENT, OF_EXAM = 1.5, 0.7, 0.7
TRUE_AUC = float(norm.cdf(SHIFT / np.sqrt(2 * (OF_PATIENT**2 + OF_EXAM**2))))
MISSED = 0.1
TRUE_DICE = (1 - MISSED) * 8 / 11


def a_study(generator, scans):
    rows = []
    for patient in range(N_PATIENTS):
        positive = patient < N_POSITIVE
        of_patient = generator.normal(0, OF_PATIENT)
        overlap = generator.beta(8, 3)
        for scan in range(generator.integers(scans[0], scans[1] + 1)):
            score = SHIFT * positive + of_patient + generator.normal(0, OF_EXAM)
            missed = generator.random() < MISSED
            dice = 0.0 if missed else generator.beta(15 * overlap, 15 * (1 - overlap))
            rows.append(
                OutOfFoldPrediction(
                    repeat=0,
                    fold=patient % N_FOLDS,
                    exam_id=ExamId(f"e{patient}-{scan}"),
                    patient_id=PatientId(f"p{patient}"),
                    label="yes" if positive else "no",
                    probabilities={"yes": expit(score), "no": 1 - expit(score)},
                    dice={"lesion": dice},
                    volume_ml={"lesion": 1.0},
                    true_volume_ml={"lesion": 1.0},
                )
            )
    return rows


def true_rates(rows):
    """Sensitivity and specificity that the thresholds in use really have."""
    exams = ScoredExams.of_class(rows, "yes")
    spread = np.hypot(OF_PATIENT, OF_EXAM)
    right = np.zeros(len(exams.score))
    for fold in range(N_FOLDS):
        own = exams.fold == fold
        cut = choose_threshold(
            exams.score[~own], exams.positive[~own], SPEC.operating_point
        )
        cut = np.log(cut / (1 - cut))
        sensitivity = norm.sf(cut, SHIFT, spread)
        right[own] = np.where(
            exams.positive[own], sensitivity, norm.cdf(cut, 0, spread)
        )
    return right[exams.positive].mean(), right[~exams.positive].mean()


@pytest.mark.bench
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("scans", [(1, 1), (1, 3)])
def test_intervals_hold_the_truth_as_often_as_they_say(scans):
    generator = np.random.default_rng(20260101)
    n_studies = int(os.environ.get("VOXRAY_STUDIES", "1000"))
    held: Counter[str] = Counter()
    for study in range(n_studies):
        rows = a_study(generator, scans)
        found = {m.metric: m for m in evaluate_oof(rows, TASK, SPEC, study)}
        sensitivity, specificity = true_rates(rows)
        truth = {"auc": TRUE_AUC, "sensitivity": sensitivity}
        truth |= {"auc_pooled": TRUE_AUC, "specificity": specificity, "dice": TRUE_DICE}
        for name, value in truth.items():
            held[name] += bool(found[name].low <= value <= found[name].high)

    shares = {name: round(count / n_studies, 3) for name, count in held.items()}
    print(f"scans {scans}, {n_studies} studies, level 0.95: {shares}")
    assert all(0.9 < share < 0.995 for share in shares.values()), shares
