from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from tests.unit.evaluate.makers import BINARY, THREE, a_study, numbers
from tests.unit.evaluate.test_resampling import classify_of
from voxray.core.calibration import log_odds
from voxray.core.records import DECIDED_NETWORK, ENSEMBLE, REGISTERED
from voxray.core.specs import ClassifySpec, EvaluateSpec
from voxray.evaluate import in_parts, judge_decision
from voxray.evaluate.decision import crossfit
from voxray.evaluate.estimate import Settings

CLASSIFY = classify_of(BINARY)
LABELS = ClassifySpec(columns=("x", "y"))
SPEC = EvaluateSpec.model_validate(
    {"resamples": 400, "calibration": "auto", "refer": {"at_most": 0.2}}
)
SETTINGS = Settings(SPEC, seed=1)


def an_ensemble(seed, n=200, sharpen=3.0):
    """Too sure by a factor, on patients dealt into parts."""
    rows = a_study(np.random.default_rng(seed), n, n // 2)
    sure = []
    for row in rows:
        p = float(1 / (1 + np.exp(-sharpen * log_odds(row.probabilities["yes"]))))
        sure.append(replace(row, fold=0, probabilities={"no": 1 - p, "yes": p}))
    return in_parts(sure, CLASSIFY, 1)


def of(metrics, model):
    return {m.metric: m for m in metrics if m.model == model}


def test_registered_ensemble_is_judged_before_and_after_calibration():
    rows = an_ensemble(0)
    found = judge_decision(rows, CLASSIFY, SETTINGS, "calibration").metrics
    before, after = of(found, ENSEMBLE), of(found, REGISTERED)

    assert numbers(before["calibration_slope"])[2] < 0.9
    low, _, high = numbers(after["calibration_slope"])
    assert low < 1 < high
    assert after["brier"].value < before["brier"].value
    assert {"auc"} == before.keys() - after.keys()


def test_auc_of_the_ensemble_is_that_of_all_its_patients_together():
    rows = an_ensemble(1)
    found = of(
        judge_decision(rows, CLASSIFY, SETTINGS, "calibration").metrics, ENSEMBLE
    )
    truth = [row.label == "yes" for row in rows]
    known = roc_auc_score(truth, [row.probabilities["yes"] for row in rows])
    assert found["auc"].value == pytest.approx(known)


def test_slope_before_is_that_of_logistic_regression():
    rows = an_ensemble(2)
    found = of(
        judge_decision(rows, CLASSIFY, SETTINGS, "calibration").metrics, ENSEMBLE
    )
    x = log_odds(np.array([row.probabilities["yes"] for row in rows]))[:, None]
    truth = [row.label == "yes" for row in rows]
    known = LogisticRegression(C=np.inf, tol=1e-8).fit(x, truth).coef_[0, 0]
    assert found["calibration_slope"].value == pytest.approx(known, abs=1e-3)


def test_figures_of_decisions_are_those_of_the_crossfitted_exams():
    rows = an_ensemble(3)
    found = of(
        judge_decision(rows, CLASSIFY, SETTINGS, "calibration").metrics, REGISTERED
    )
    decided = crossfit(rows, CLASSIFY, SPEC)
    ill = [e for e in decided if e.prediction.label == "yes"]
    wrong = [e.decision != e.prediction.label for e in decided]
    kept = [w for w, e in zip(wrong, decided, strict=True) if not e.refer]

    def shown(name):
        return found[name].value

    assert shown("sensitivity") == np.mean([e.decision == "yes" for e in ill])
    assert shown("error_rate") == pytest.approx(np.mean(wrong))
    assert shown("error_rate_not_referred") == pytest.approx(np.mean(kept))
    assert shown("referred_share") == pytest.approx(np.mean([e.refer for e in decided]))
    assert found["sensitivity_not_referred"].n_exams == sum(not e.refer for e in ill)
    assert 0.1 < shown("referred_share") < 0.3


def test_patient_is_referred_once_however_many_exams():
    rows = [
        replace(r, fold=r.fold) for r in a_study(np.random.default_rng(4), 60, 30, 3)
    ]
    metrics = judge_decision(rows, CLASSIFY, SETTINGS, "out_of_fold").metrics
    found = of(metrics, DECIDED_NETWORK)
    decided = crossfit(rows, CLASSIFY, SPEC)
    referred = {e.prediction.patient_id for e in decided if e.refer}

    assert found["referred_share"].value == pytest.approx(len(referred) / 60)
    assert found["referred_share"].n_exams == 60


def test_out_of_fold_only_what_the_network_has_no_figures_of():
    rows = a_study(np.random.default_rng(5))
    spec = EvaluateSpec(resamples=400)
    found = judge_decision(rows, CLASSIFY, Settings(spec, 1), "out_of_fold")

    assert {m.model for m in found.metrics} == {DECIDED_NETWORK}
    assert {m.metric for m in found.metrics} == {
        "calibration_slope",
        "calibration_intercept",
        "brier",
        "log_loss",
        "aurc",
        "error_rate",
    }
    assert found.curve is not None


def test_exams_that_could_not_be_decided_are_counted_in_the_method():
    rows = a_study(np.random.default_rng(6), 60, 20)
    rows = [replace(r, fold=0 if r.label == "yes" else 1 + r.fold) for r in rows]
    found = judge_decision(rows, CLASSIFY, SETTINGS, "calibration").metrics

    method = of(found, REGISTERED)["error_rate"].method
    assert "20 exams could not be decided" in method


def test_labels_are_wrong_together_when_one_of_them_is():
    generator = np.random.default_rng(7)
    rows = []
    for row in a_study(generator, 80, 40):
        there = int(row.label == "yes")
        p = row.probabilities["yes"]
        labels = {"x": there} if row.exam_id < "e040" else {"x": there, "y": 1 - there}
        shares = {"x": p, "y": 1 - p}
        rows.append(replace(row, label=None, labels=labels, probabilities=shares))
    rows += [
        replace(rows[n], exam_id=f"f{n}", patient_id=f"q{n}", labels={"x": 1, "y": 0})
        for n in range(20)
    ]
    found = judge_decision(rows, LABELS, SETTINGS, "calibration").metrics
    by_class = {(m.metric, m.class_) for m in found if m.model == REGISTERED}

    assert {("sensitivity", "x"), ("sensitivity", "y"), ("error_rate", "")} <= by_class
    y = next(m for m in found if (m.metric, m.class_) == ("specificity", "y"))
    assert y.n_exams == 20


def three_classes():
    generator = np.random.default_rng(8)
    rows = []
    for n, row in enumerate(a_study(generator, 90, 45)):
        shares = generator.dirichlet(np.where(np.arange(3) == n % 3, 4, 1))
        named = dict(zip("abc", shares.tolist(), strict=True))
        rows.append(replace(row, label="abc"[n % 3], probabilities=named))
    return rows


def test_three_classes_have_their_decisions_too():
    rows = three_classes()
    found = judge_decision(rows, classify_of(THREE), SETTINGS, "calibration").metrics

    error = of(found, REGISTERED)["error_rate"].value
    assert 0 < error < 0.6
    assert {m.class_ for m in found if m.metric == "ppv"} == {"a", "b", "c"}


@pytest.mark.parametrize(
    ("ordinal", "decider"),
    [(False, "likeliest class decides"), (True, "median class decides")],
)
def test_no_threshold_is_claimed_of_three_classes(ordinal, decider):
    classify = classify_of(THREE).model_copy(update={"ordinal": ordinal})
    rows = three_classes()
    found = judge_decision(rows, classify, SETTINGS, "calibration").metrics
    own = [m for m in found if m.metric in {"sensitivity", "ppv"}]

    assert own
    assert all(decider in m.method for m in own)
    assert not any("threshold for" in m.method for m in found)


def several_exams(n_patients=60):
    """Two exams a patient, of which the second says less."""
    rows = a_study(np.random.default_rng(8), n_patients, n_patients // 2, 2)
    return in_parts([replace(row, fold=0) for row in rows], CLASSIFY, 1)


def test_patient_is_positive_when_any_exam_was_decided_to_be():
    rows = several_exams()
    metrics = judge_decision(rows, CLASSIFY, SETTINGS, "calibration").metrics
    found = of(metrics, REGISTERED)
    flagged: dict[str, bool] = {}
    ill: dict[str, bool] = {}
    for exam in crossfit(rows, CLASSIFY, SPEC):
        patient = exam.prediction.patient_id
        flagged[patient] = flagged.get(patient, False) or exam.decision == "yes"
        ill[patient] = ill.get(patient, False) or exam.prediction.label == "yes"

    sensitivity = found["sensitivity_per_patient"]
    known = np.mean([flagged[p] for p in flagged if ill[p]])
    assert sensitivity.value == pytest.approx(known)
    assert sensitivity.n_exams == sensitivity.n_patients == sum(ill.values())
    assert "positive when any exam is" in sensitivity.method
    wrong = np.mean([flagged[p] != ill[p] for p in flagged])
    assert found["error_rate_per_patient"].value == pytest.approx(wrong)
    assert wrong != pytest.approx(found["error_rate"].value)
    assert "auc_per_patient" in of(metrics, ENSEMBLE)


def test_patient_referred_by_one_exam_is_left_out_of_the_rest():
    rows = several_exams()
    metrics = judge_decision(rows, CLASSIFY, SETTINGS, "calibration").metrics
    found = of(metrics, REGISTERED)
    decided = crossfit(rows, CLASSIFY, SPEC)
    referred = {e.prediction.patient_id for e in decided if e.refer}

    assert found["error_rate_not_referred_per_patient"].n_exams == 60 - len(referred)
    assert "referred_share_per_patient" not in found


def test_curve_is_of_patients_where_the_task_is_about_them():
    rows = several_exams()
    by_patient = CLASSIFY.model_copy(update={"level": "patient"})
    exams = judge_decision(rows, CLASSIFY, SETTINGS, "calibration")
    patients = judge_decision(rows, by_patient, SETTINGS, "calibration")
    error = of(patients.metrics, REGISTERED)["error_rate_per_patient"].value

    assert exams.curve
    assert patients.curve
    assert exams.curve.risk[-1] == of(exams.metrics, REGISTERED)["error_rate"].value
    assert patients.curve.risk[-1] == pytest.approx(error)
