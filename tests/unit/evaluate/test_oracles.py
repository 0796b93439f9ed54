"""Every value against a computation that shares no code with it."""

import math
from itertools import combinations

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import expit, logit
from scipy.stats import somersd
from sklearn import metrics as sk
from sklearn.linear_model import LogisticRegression

from tests.unit.evaluate.makers import BALANCED, BALANCED_SPEC, BINARY, a_study
from tests.unit.evaluate.test_classes import GRADES, three_grades
from tests.unit.evaluate.test_resampling import classify_of
from voxray.evaluate import evaluate_oof
from voxray.evaluate.classes import judge
from voxray.evaluate.precision import chance_precision

N_STUDIES = 25
CLOSE = 1e-9
QUICK = BALANCED_SPEC.model_copy(update={"resamples": 200})


def studies(n=N_STUDIES):
    """Sizes, prevalences and signals of all kinds, some scores equal."""
    for seed in range(n):
        generator = np.random.default_rng(seed)
        rows = a_study(
            generator,
            n_patients=int(generator.integers(40, 90)),
            n_positive=int(generator.integers(12, 28)),
            exams=int(generator.integers(1, 4)),
            signal=float(generator.uniform(0, 2)),
        )
        step = 0.02 if seed % 3 == 0 else 1e-9
        yield [rounded(row, step) for row in rows]


def rounded(row, step):
    share = min(max(round(row.probabilities["yes"] / step) * step, 0.01), 0.99)
    row.probabilities["yes"], row.probabilities["no"] = share, 1 - share
    return row


@pytest.fixture(scope="module")
def judged():
    """Arrays of each study, and what was found."""
    return [arrays(rows) for rows in studies()]


def arrays(rows):
    own = judge(rows, classify_of(BINARY), BALANCED)["yes"]
    found = evaluate_oof(rows, BINARY, QUICK, seed=1)
    values = {m.metric: m.value for m in found}
    return own.exams, own.decisions.flagged, values


def largest_difference(judged, name, oracle):
    pairs = [(values[name], oracle(e, flagged)) for e, flagged, values in judged]
    defined = [(own, other) for own, other in pairs if own is not None]
    assert len(defined) > N_STUDIES / 2
    return max(abs(own - other) for own, other in defined)


def in_folds(of_fold):
    def mean(exams, _):
        parts = exams.usable_folds()
        return np.mean([of_fold(exams.positive[p], exams.score[p]) for p in parts])

    return mean


def slope(exams, _):
    x = logit(exams.score)[:, None]
    fitted = LogisticRegression(C=math.inf, tol=1e-12, solver="newton-cholesky")
    return fitted.fit(x, exams.positive).coef_[0, 0]


def intercept(exams, _):
    x = logit(exams.score)
    return brentq(lambda a: (expit(x + a) - exams.positive).sum(), -20, 20, xtol=1e-13)


def calibration_error(exams, _):
    """Bins by a plain walk through the sorted scores."""
    n_bins = min(10, max(1, exams.n_patients // 10))
    ordered = sorted(exams.score)
    cuts = {
        ordered[math.ceil(k / n_bins * (len(ordered) - 1))] for k in range(1, n_bins)
    }
    total = 0.0
    for number in range(len(cuts) + 1):
        own = [sum(c <= s for c in cuts) == number for s in exams.score]
        if any(own):
            gap = exams.positive[own].mean() - exams.score[own].mean()
            total += sum(own) * abs(gap)
    return total / len(ordered)


def ratios(exams, flagged):
    """By hand: scikit-learn gives neither where one is undefined."""
    hit = (exams.positive & flagged).sum() / exams.positive.sum()
    false = (~exams.positive & flagged).sum() / (~exams.positive).sum()
    return hit / false, (1 - hit) / (1 - false) if false < 1 else math.nan


ORACLES = {
    "average_precision": in_folds(sk.average_precision_score),
    "f1": lambda e, f: sk.f1_score(e.positive, f),
    "mcc": lambda e, f: sk.matthews_corrcoef(e.positive, f),
    "ppv": lambda e, f: sk.precision_score(e.positive, f),
    "npv": lambda e, f: sk.precision_score(~e.positive, ~f),
    "sensitivity": lambda e, f: sk.recall_score(e.positive, f),
    "specificity": lambda e, f: sk.recall_score(~e.positive, ~f),
    "likelihood_ratio_positive": lambda e, f: ratios(e, f)[0],
    "likelihood_ratio_negative": lambda e, f: ratios(e, f)[1],
    "brier": lambda e, _: sk.brier_score_loss(e.positive, e.score),
    "log_loss": lambda e, _: sk.log_loss(e.positive, e.score),
    "calibration_slope": slope,
    "calibration_intercept": intercept,
    "ece": calibration_error,
}
LOOSER = {"calibration_slope": 1e-5, "calibration_intercept": 1e-6}


@pytest.mark.parametrize("name", ORACLES)
def test_every_value_is_that_of_an_independent_oracle(judged, name):
    difference = largest_difference(judged, name, ORACLES[name])
    assert difference < LOOSER.get(name, CLOSE)


def trapezoid(positive, score):
    precision, recall, _ = sk.precision_recall_curve(positive, score)
    return sk.auc(recall, precision)


WRONG = {
    "average_precision": in_folds(trapezoid),
    "f1": lambda e, f: sk.fbeta_score(e.positive, f, beta=2),
    "brier": lambda e, _: np.abs(e.positive - e.score).mean(),
    "likelihood_ratio_positive": lambda _, f: f.mean() / (~f).mean(),
    "calibration_slope": lambda e, f: slope(e, f) + 0.01,
    "ece": lambda e, _: abs(e.positive.mean() - e.score.mean()),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_oracle_is_told_from_the_right_one(judged, name):
    assert largest_difference(judged, name, WRONG[name]) > 1e-3


def test_grades_are_those_of_independent_oracles():
    rows = three_grades()
    order = ("low", "mid", "high")
    truth = np.array([order.index(row.label) for row in rows])
    shares = np.array([[row.probabilities[n] for n in order] for row in rows])
    said = (np.cumsum(shares, axis=1) >= 0.5).argmax(axis=1)
    found = {
        m.metric: m.value for m in evaluate_oof(rows, GRADES, QUICK, 1) if not m.class_
    }

    linear = sk.cohen_kappa_score(truth, said, weights="linear")
    assert found["linear_kappa"] == pytest.approx(linear, abs=CLOSE)
    assert found["mcc"] == pytest.approx(sk.matthews_corrcoef(truth, said), abs=CLOSE)
    cumulative = np.cumsum(shares, axis=1) - (truth[:, None] <= np.arange(3))
    ranked = (cumulative**2).sum(axis=1).mean() / 2
    assert found["ranked_probability_score"] == pytest.approx(ranked, abs=CLOSE)
    folds = np.array([row.fold for row in rows])
    concordance = [
        (1 + somersd(truth[folds == f], (shares @ np.arange(3))[folds == f]).statistic)
        / 2
        for f in range(5)
    ]
    assert found["ordinal_c_index"] == pytest.approx(np.mean(concordance), abs=CLOSE)


def test_chance_precision_is_the_mean_over_all_orders():
    for n, n_positive in ((1, 1), (4, 1), (5, 2), (6, 3)):
        scores = [
            sk.average_precision_score(
                [k in own for k in range(n)], np.arange(n, 0, -1)
            )
            for own in combinations(range(n), n_positive)
        ]
        assert chance_precision(n_positive, n) == pytest.approx(np.mean(scores))
