from dataclasses import replace

import numpy as np
import pytest

from tests.unit.evaluate.makers import BINARY, SETTINGS, SPEC, THREE, a_study, by_name
from tests.unit.evaluate.test_classes import LABELS, two_labels
from tests.unit.evaluate.test_oof import three_classes
from voxray.evaluate import evaluate_oof
from voxray.evaluate.classes import judge
from voxray.evaluate.estimate import Settings
from voxray.evaluate.one_against_rest import RESAMPLED
from voxray.evaluate.resampling import estimate_resampled

NAMES = [metric.name for metric in RESAMPLED]


def classify_of(task):
    assert task.classify is not None
    return task.classify


def estimates(rows, spec=SPEC):
    judged = judge(rows, classify_of(BINARY), SETTINGS)
    settings = Settings(spec, seed=1)
    whole = judged["yes"].exams
    found = estimate_resampled(RESAMPLED, judged, whole, settings)
    return {name: own[0] for name, own in found.items()}


def width(found):
    return found.high - found.low


@pytest.mark.parametrize("name", NAMES)
def test_exams_of_a_patient_do_not_count_as_patients(name):
    """Copies of every exam: the interval stays, a naive one would halve."""
    one = a_study(np.random.default_rng(3))
    copies = [replace(r, exam_id=f"{r.exam_id}-{n}") for r in one for n in range(4)]

    few, many = estimates(one)[name], estimates(copies)[name]

    assert many.value == pytest.approx(few.value, abs=0.02)
    assert width(many) == pytest.approx(width(few), rel=0.1)


@pytest.mark.parametrize("name", NAMES)
def test_repeats_do_not_narrow_the_interval(name):
    one = a_study(np.random.default_rng(4))
    twice = one + [replace(r, repeat=1) for r in one]

    few, many = estimates(one)[name], estimates(twice)[name]

    assert (many.value, many.low) == pytest.approx((few.value, few.low))


@pytest.mark.parametrize("name", NAMES)
def test_few_positive_patients_have_no_interval(name):
    rows = a_study(np.random.default_rng(5), n_patients=40, n_positive=9)

    found = estimates(rows)[name]

    assert found.value is not None
    assert found.low is found.high is None
    assert "not estimable: 9 positive patients, at least 10 needed" in found.method


@pytest.fixture(scope="module")
def many_studies():
    """Values of 30 studies drawn anew."""
    quick = replace_resamples(200)
    rows = (a_study(np.random.default_rng(n), exams=2) for n in range(100, 130))
    return [{n: e.value for n, e in estimates(own, quick).items()} for own in rows]


@pytest.mark.parametrize("name", NAMES)
def test_the_spread_is_that_of_studies_drawn_anew(many_studies, name):
    seen = np.std([values[name] for values in many_studies])
    said = width(estimates(a_study(np.random.default_rng(7), exams=2))[name]) / 4

    # of the calibration error it is too wide: a draw adds the noise of the bins again,
    # and the bias is taken off the lower end
    assert 0.5 * seen < said < (4 if name == "ece" else 1.5) * seen


def test_perfect_scores_have_a_value_and_say_that_no_spread_is_seen():
    found = estimates(a_study(np.random.default_rng(6), signal=50))

    assert found["average_precision"].value == 1
    assert "not estimable: no spread is seen" in found["average_precision"].method
    assert found["f1"].value == 1


def test_folds_of_one_class_each_are_said_in_words():
    rows = [
        replace(row, fold=int(row.label == "yes"))
        for row in a_study(np.random.default_rng(10))
    ]
    found = estimates(rows)

    assert found["average_precision"].value is None
    assert "no fold holds out both classes" in found["average_precision"].method
    assert "no exam could be decided without its own" in found["f1"].method
    assert found["brier"].low is not None


def test_decisions_that_are_all_alike_have_no_correlation():
    rows = [
        replace(row, probabilities={"no": 0.5, "yes": 0.5})
        for row in a_study(np.random.default_rng(11))
    ]
    found = estimates(rows)["mcc"]

    assert found.value is None
    assert "not estimable: every exam is decided alike" in found.method


def test_guessing_is_in_the_intervals_of_permuted_labels():
    outside = 0
    for seed in range(10):
        rows = a_study(np.random.default_rng(seed), signal=0)
        found = estimates(rows)
        outside += not found["mcc"].low <= 0 <= found["mcc"].high
        precision = found["average_precision"]
        chance = float(precision.method.split("order gives ")[1].split()[0])
        outside += not precision.low <= chance <= precision.high
    assert outside <= 3


@pytest.mark.parametrize(
    ("rows", "task", "names"),
    [(three_classes(), THREE, "abc"), (two_labels(), LABELS, ("nodule", "fluid"))],
)
def test_macro_is_the_mean_over_classes(rows, task, names):
    metrics = evaluate_oof(rows, task, SPEC, seed=1)
    macro = by_name(metrics, "macro")

    for name in NAMES:
        each = [by_name(metrics, class_)[name].value for class_ in names]
        assert macro[name].value == pytest.approx(np.mean(each))
        assert f"mean over {len(names)} classes" in macro[name].method
        assert macro[name].n_positive == 0


def test_order_of_predictions_changes_no_interval():
    rows = a_study(np.random.default_rng(8), exams=2)
    assert estimates(rows) == estimates(rows[::-1])


def test_draws_beyond_a_block_are_all_used():
    rows = a_study(np.random.default_rng(9))
    few, many = (estimates(rows, replace_resamples(n))["brier"] for n in (300, 700))

    assert (few.resamples, many.resamples) == (300, 700)
    assert width(few) == pytest.approx(width(many), rel=0.2)
    assert few != many


def replace_resamples(n):
    return SPEC.model_copy(update={"resamples": n})
