from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from tests.unit.evaluate.makers import (
    SETTINGS,
    SPEC,
    a_prediction,
    a_study,
    numbers,
)
from voxray.evaluate.auc import (
    estimate_auc,
    estimate_macro_auc,
    fold_mean_auc,
)
from voxray.evaluate.bootstrap import (
    patient_strata,
    patient_weights,
    weighted_fold_auc,
)
from voxray.evaluate.delong import delong_spread, placements
from voxray.evaluate.estimate import Settings
from voxray.evaluate.exams import ScoredExams

scores = st.lists(
    st.tuples(st.integers(0, 8), st.booleans()), min_size=2, max_size=40
).filter(lambda rows: len({positive for _, positive in rows}) == 2)


def exams_of(rows):
    return ScoredExams.of_class(rows, "yes")


def delong_by_definition(score, positive):
    """Variance from all pairs, as in DeLong 1988: the slow way."""
    x, y = score[positive], score[~positive]
    won = (x[:, None] > y) + 0.5 * (x[:, None] == y)
    v10, v01 = won.mean(axis=1), won.mean(axis=0)
    return v10.var(ddof=1) / len(x) + v01.var(ddof=1) / len(y)


@settings(deadline=None, max_examples=100)
@given(scores)
def test_mean_placement_is_scikit_learns_auc_on_both_sides(rows):
    score = np.array([s for s, _ in rows], dtype=float)
    positive = np.array([p for _, p in rows])
    won, clear = placements(score, positive)

    assert won.mean() == pytest.approx(roc_auc_score(positive, score))
    assert clear.mean() == pytest.approx(won.mean())
    assert won.min() >= 0
    assert clear.max() <= 1


def test_placements_by_hand_with_a_tie():
    won, clear = placements(
        np.array([0.1, 0.5, 0.5, 0.9]), np.array([False, False, True, True])
    )

    assert won.tolist() == [0.75, 1.0]
    assert clear.tolist() == [1.0, 0.75]


def test_delong_variance_of_one_fold_is_the_definition():
    exams = exams_of(a_study(np.random.default_rng(1), n_folds=1))

    slow = delong_by_definition(exams.score, exams.positive)

    assert delong_spread(exams).variance == pytest.approx(slow)


def test_delong_variance_of_equal_folds_is_that_of_one_divided_by_their_number():
    one = a_study(np.random.default_rng(1), n_folds=1)
    copies = [
        replace(r, fold=f, exam_id=f"{f}{r.exam_id}", patient_id=f"{f}{r.patient_id}")
        for f in range(4)
        for r in one
    ]

    ratio = (
        delong_spread(exams_of(copies)).variance / delong_spread(exams_of(one)).variance
    )

    assert ratio == pytest.approx(1 / 4)


def test_auc_is_the_mean_over_folds_of_scikit_learns():
    rows = a_study(np.random.default_rng(2))
    folds = [[r for r in rows if r.fold == f] for f in range(5)]
    oracle = np.mean(
        [
            roc_auc_score([r.label for r in f], [r.probabilities["yes"] for r in f])
            for f in folds
        ]
    )

    assert estimate_auc(exams_of(rows), SETTINGS).value == pytest.approx(oracle)


def test_scores_of_different_folds_are_not_ranked_against_each_other():
    rows = [
        a_prediction("s0", "p0", 0, "no", 0.80),
        a_prediction("s1", "p1", 0, "yes", 0.90),
        a_prediction("s2", "p2", 1, "no", 0.10),
        a_prediction("s3", "p3", 1, "yes", 0.20),
    ]

    assert estimate_auc(exams_of(rows), SETTINGS).value == 1.0
    assert estimate_auc(exams_of(rows), SETTINGS, pooled=True).value == 0.75


def test_fold_of_one_class_is_left_out_and_named():
    rows = a_study(np.random.default_rng(3))
    rows = [replace(r, label="no") if r.fold == 2 else r for r in rows]

    estimate = estimate_auc(exams_of(rows), SETTINGS)

    assert "mean over 4 folds" in estimate.method
    assert "one class only is held out: fold 2 of repeat 0" in estimate.method


def test_fewer_than_10_positive_patients_have_a_value_but_no_interval():
    rows = a_study(np.random.default_rng(4), n_positive=7)
    estimate = estimate_auc(exams_of(rows), SETTINGS)

    assert estimate.value is not None
    assert (estimate.low, estimate.high) == (None, None)
    assert "not estimable: 7 positive patients, at least 10 needed" in estimate.method


def test_fewer_than_10_negative_patients_are_too_few_too():
    rows = a_study(np.random.default_rng(4), n_positive=55)

    assert "5 negative patients" in estimate_auc(exams_of(rows), SETTINGS).method


def test_one_class_has_no_auc_and_says_so():
    rows = [replace(r, label="no") for r in a_study(np.random.default_rng(5))]
    estimate = estimate_auc(exams_of(rows), SETTINGS)

    assert estimate.value is None
    assert estimate.method == "not estimable: no fold holds out both classes"


def test_perfect_ranking_does_not_get_an_interval_of_no_width():
    rows = a_study(np.random.default_rng(6), signal=50)
    estimate = estimate_auc(exams_of(rows), SETTINGS)

    assert estimate.value == estimate.high == 1.0
    assert estimate.low is not None
    assert 0.8 < estimate.low < 0.97
    assert "Newcombe" in estimate.method


def obuchowski(exams):
    """Equations 4 to 7 of Obuchowski 1997, as loops over the exams of one fold."""
    rows = [*zip(exams.score, exams.patient, exams.positive, strict=True)]
    ill, well = ([(s, p) for s, p, y in rows if y == side] for side in (True, False))
    wins = np.array([[(i > w) + 0.5 * (i == w) for w, _ in well] for i, _ in ill])
    auc = wins.mean()
    sums: dict[int, list[float]] = {}
    for side, own, values in ((0, ill, wins.mean(1)), (1, well, wins.mean(0))):
        for (_, patient), value in zip(own, values, strict=True):
            sums.setdefault(patient, [0.0, 0.0])[side] += (value - auc) / len(own)
    parts = np.array(list(sums.values()))
    n = [len({p for _, p in own}) for own in (ill, well)]
    of_each = [k / (k - 1) * (parts[:, side] ** 2).sum() for side, k in enumerate(n)]
    both = len(parts) / (len(parts) - 1) * (parts[:, 0] * parts[:, 1]).sum()
    return sum(of_each) + 2 * both


@pytest.mark.parametrize("seed", range(10))
def test_exams_of_a_patient_give_the_variance_of_obuchowski(seed):
    rng = np.random.default_rng(seed)
    rows = [
        replace(row, label=rng.choice(["yes", "no"]), fold=0)
        for row in a_study(rng, n_patients=20, n_positive=10, exams=3)
    ]
    exams = exams_of(rows)
    assert delong_spread(exams).variance == pytest.approx(obuchowski(exams), rel=1e-12)


def test_patients_alone_in_fold_and_class_do_not_narrow_the_interval():
    """15 ill patients in 10 folds against the same number in 3."""
    rows = a_study(np.random.default_rng(3), n_patients=60, n_positive=15, n_folds=3)
    ill = sorted({row.patient_id for row in rows if row.label == "yes"})
    fold = {patient: n % 10 for n, patient in enumerate(ill)}
    scattered = [
        replace(row, fold=fold.get(row.patient_id, int(row.patient_id[1:]) % 10))
        for row in rows
    ]
    widths = [
        high - low
        for own in (rows, scattered)
        for low, _, high in [numbers(estimate_auc(exams_of(own), SETTINGS))]
    ]
    assert widths[1] > 0.9 * widths[0]


def test_a_mean_over_classes_without_a_spread_of_positive_patients_has_no_interval():
    """10 ill patients in 10 folds: drawn within fold and class they never vary."""
    rows = a_study(np.random.default_rng(3), n_patients=60, n_positive=10, n_folds=10)
    ill = sorted({row.patient_id for row in rows if row.label == "yes"})
    fold = {patient: n for n, patient in enumerate(ill)}
    rows = [replace(row, fold=fold.get(row.patient_id, row.fold)) for row in rows]
    found = estimate_macro_auc([exams_of(rows), exams_of(rows)], SETTINGS)
    assert found.value is not None
    assert found.low is None
    assert "no spread is seen" in found.method


def test_patients_of_folds_with_one_class_do_not_count():
    """22 ill patients, of whom 20 are held out without a healthy one."""
    rows = [a_prediction(f"a{n}", f"a{n}", 0, "yes", 0.9 + n / 100) for n in range(2)]
    rows += [a_prediction(f"b{n}", f"b{n}", 0, "no", n / 40) for n in range(20)]
    rows += [a_prediction(f"c{n}", f"c{n}", 1, "yes", 0.5) for n in range(20)]
    found = estimate_auc(exams_of(rows), SETTINGS)
    assert (found.value, found.low) == (1, None)
    assert "2 positive patients, at least 10 needed in folds of both" in found.method


def test_copied_exams_do_not_narrow_the_interval():
    """Three copies of each exam say nothing new about the patient."""
    one = a_study(np.random.default_rng(8), n_patients=80, n_positive=40)
    copies = [replace(r, exam_id=f"{r.exam_id}-{n}") for r in one for n in range(3)]
    widths = []
    for rows in (one, copies):
        low, _, high = numbers(estimate_auc(exams_of(rows), SETTINGS))
        widths.append(high - low)

    assert widths[1] == pytest.approx(widths[0], rel=0.15)


def test_repeats_do_not_narrow_the_interval():
    one = a_study(np.random.default_rng(9))
    twice = one + [replace(r, repeat=1) for r in one]

    single = estimate_auc(exams_of(one), SETTINGS)
    double = estimate_auc(exams_of(twice), SETTINGS)

    assert double.low == pytest.approx(single.low)
    assert double.high == pytest.approx(single.high)


def test_permuted_labels_give_an_interval_around_one_half():
    generator = np.random.default_rng(10)
    values, held = [], 0
    for _ in range(40):
        rows = a_study(generator)
        labels = generator.permutation([r.label for r in rows])
        rows = [replace(r, label=str(x)) for r, x in zip(rows, labels, strict=True)]
        estimate = estimate_auc(exams_of(rows), SETTINGS)
        low, value, high = numbers(estimate)
        values.append(value)
        held += low <= 0.5 <= high

    assert np.mean(values) == pytest.approx(0.5, abs=0.04)
    assert held >= 34


def test_same_seed_gives_the_same_interval_in_any_order():
    rows = a_study(np.random.default_rng(11), exams=2)
    there, back = exams_of(rows), exams_of(rows[::-1])

    assert estimate_auc(there, SETTINGS) == estimate_auc(back, SETTINGS)
    one, other = (
        estimate_macro_auc([there, there], Settings(SPEC, seed)) for seed in (1, 2)
    )
    assert one.value == other.value
    assert one.low != other.low


def test_weight_one_for_everybody_is_the_plain_auc():
    exams = exams_of(a_study(np.random.default_rng(12), exams=2))

    aucs = weighted_fold_auc(exams, np.ones((3, exams.n_patients)))

    assert aucs == pytest.approx([fold_mean_auc(exams)] * 3)


def test_whole_weights_are_the_same_as_copies_of_a_patient():
    rows = a_study(np.random.default_rng(13), n_patients=12, n_positive=6, n_folds=2)
    weights = np.random.default_rng(0).integers(1, 4, 12)
    copies = [
        replace(row, exam_id=f"{row.exam_id}-{n}", patient_id=f"{row.patient_id}-{n}")
        for row, weight in zip(rows, weights, strict=True)
        for n in range(weight)
    ]

    weighted = weighted_fold_auc(exams_of(rows), weights[None].astype(float))

    assert weighted[0] == pytest.approx(fold_mean_auc(exams_of(copies)))


def test_resample_without_a_class_in_any_fold_has_no_auc():
    exams = exams_of(a_study(np.random.default_rng(14)))
    weights = np.zeros((1, exams.n_patients))

    assert np.isnan(weighted_fold_auc(exams, weights)).all()


def test_every_stratum_keeps_its_weight_and_one_patient_alone_counts_once():
    strata = np.array([0, 0, 0, 0, 1, 1, 2])
    weights = patient_weights(strata, 500, np.random.default_rng(0))

    assert weights[:, :4].sum(axis=1) == pytest.approx(4)
    assert weights[:, 4:6].sum(axis=1) == pytest.approx(2)
    assert (weights[:, 6] == 1).all()
    assert weights[:, 0].var() == pytest.approx(4 / 3 * 3 / 4, rel=0.15)


def test_patients_alone_in_their_class_are_drawn_together():
    exams = exams_of(a_study(np.random.default_rng(15), 6, 1, n_folds=1))

    strata = patient_strata(exams, np.array([1, 0, 0, 0, 0, 2]))

    assert strata[0] == strata[5]
    assert len(set(strata.tolist())) == 2


def test_fold_with_one_positive_still_has_a_variance():
    rows = a_study(np.random.default_rng(16), n_patients=60, n_positive=11, n_folds=10)

    low, value, high = numbers(estimate_auc(exams_of(rows), SETTINGS))

    assert low < value < high


def test_folds_of_one_positive_each_get_newcombes_interval():
    rows = a_study(np.random.default_rng(17), n_patients=60, n_positive=12, n_folds=12)

    assert "Newcombe" in estimate_auc(exams_of(rows), SETTINGS).method


def test_macro_of_perfect_or_missing_classes_says_why_it_has_no_interval():
    perfect = exams_of(a_study(np.random.default_rng(18), signal=50))
    rare = exams_of(a_study(np.random.default_rng(18), n_positive=7))
    lonely = exams_of(a_study(np.random.default_rng(18), n_positive=0))

    assert "no spread" in estimate_macro_auc([perfect, perfect], SETTINGS).method
    assert "a class has 7 pos" in estimate_macro_auc([rare, rare], SETTINGS).method
    assert estimate_macro_auc([lonely, rare], SETTINGS).value is None
