from dataclasses import replace

import numpy as np
import pytest

from tests.unit.evaluate.makers import LESION, SPEC, a_mask, by_name, numbers
from voxray.core.records import ExamId, PatientId
from voxray.evaluate import Lesion, LesionStudy, evaluate_oof, froc_curve
from voxray.evaluate.froc import RATES, sensitivity_at

COUNTED = SPEC.model_copy(update={"lesions": ("lesion",)})


def a_lesion(exam, kind, score=None, match=None, repeat=0):
    """A lesion of the patient whose number stands in the exam's name, "e3-0"."""
    patient = "p" + exam[1:].split("-")[0]
    return Lesion(
        repeat,
        0,
        ExamId(exam),
        PatientId(patient),
        "lesion",
        kind,
        1,
        1.0,
        (0, 0, 0),
        score,
        match,
    )


def a_study(seed=1, n_patients=40, exams=1, found=0.7, false_rate=0.6, levels=None):
    """Predictions and lesions; each drawn lesion is found with the same chance."""
    generator = np.random.default_rng(seed)
    rows, lesions = [], []
    for patient in range(n_patients):
        for number in range(exams):
            exam = f"e{patient}-{number}"
            row = a_mask(exam, f"p{patient}", 0.5)
            rows.append(replace(row, fold=patient % 4))
            for _ in range(generator.integers(0, 4)):
                lesions.append(a_lesion(exam, "drawn"))
                if generator.uniform() < found:
                    lesions.append(
                        a_lesion(exam, "predicted", a_score(generator, levels, 1), 1)
                    )
            lesions += [
                a_lesion(exam, "predicted", a_score(generator, levels, 0))
                for _ in range(generator.poisson(false_rate))
            ]
    return rows, lesions


def a_score(generator, levels, signal):
    value = 1 / (1 + np.exp(-generator.normal() - signal))
    return float(np.round(value * levels) / levels if levels else value)


def metrics_of(rows, lesions, spec=COUNTED):
    return by_name(evaluate_oof(rows, LESION, spec, seed=1, lesions=lesions))


def by_hand(rows, lesions):
    """Of each rate the highest sensitivity over all thresholds that keep it."""
    n_drawn = sum(one.kind == "drawn" for one in lesions)
    points = [(0.0, 0.0)]
    for cut in {one.score for one in lesions if one.score is not None}:
        above = [one for one in lesions if one.score is not None and one.score >= cut]
        hits = sum(one.match is not None for one in above)
        points.append(((len(above) - hits) / len(rows), hits / n_drawn))
    return [max(hit for false, hit in points if false <= rate) for rate in RATES]


@pytest.mark.parametrize("levels", [None, 5])
def test_sensitivities_are_those_of_all_thresholds_tried(levels):
    for seed in range(8):
        rows, lesions = a_study(seed, exams=1 + seed % 2, false_rate=3, levels=levels)
        study = LesionStudy.of(rows, lesions, "lesion")
        found = sensitivity_at(study, np.ones((1, 40)))[0]

        expected = by_hand(rows, lesions)
        assert found == pytest.approx([*expected, np.mean(expected)])


def test_curve_is_monais():
    from monai.metrics.froc import compute_froc_curve_data  # takes seconds

    rows, lesions = a_study(false_rate=2)
    scores = {
        hit: np.array([x.score for x in lesions if x.score and (x.match == 1) == hit])
        for hit in (True, False)
    }
    n_drawn = sum(one.kind == "drawn" for one in lesions)
    false, sensitivity = compute_froc_curve_data(
        scores[False], scores[True], n_drawn, len(rows)
    )

    curve = froc_curve(LesionStudy.of(rows, lesions, "lesion"))

    for x, y in zip(false[:-1], sensitivity[:-1], strict=True):
        near = np.isclose(curve.false_positives, x)
        assert np.isclose(curve.sensitivity[near], y).any()


def test_weights_of_patients_are_copies_of_patients():
    rows, lesions = a_study(n_patients=12, false_rate=2)
    copies = [f"e{n}-0" for n in (3, 5)]
    twice = [
        replace(r, exam_id=ExamId(f"{r.exam_id}c")) for r in rows if r.exam_id in copies
    ]
    extra = [x for x in lesions if x.exam_id in copies]
    weights = np.ones((1, 12))
    names = sorted({row.patient_id for row in rows})
    for number in (3, 5):
        weights[0, names.index(PatientId(f"p{number}"))] = 2

    weighted = sensitivity_at(LesionStudy.of(rows, lesions, "lesion"), weights)
    copied = LesionStudy.of(rows + twice, lesions + extra, "lesion")

    assert weighted == pytest.approx(sensitivity_at(copied, np.ones((1, 12))))


def test_masks_as_they_are_have_a_sensitivity_and_a_rate():
    rows, lesions = a_study()
    metrics = metrics_of(rows, lesions)
    drawn = [one for one in lesions if one.kind == "drawn"]
    hits = [one for one in lesions if one.match]
    false = [one for one in lesions if one.kind == "predicted" and not one.match]

    low, value, high = numbers(metrics["lesion_sensitivity"])
    assert value == pytest.approx(len(hits) / len(drawn))
    assert low < value < high
    rate = metrics["false_positive_lesions_per_exam"]
    low, value, high = numbers(rate)
    assert value == pytest.approx(len(false) / len(rows))
    assert 0 < low < value < high
    assert rate.n_exams == rate.n_patients == 40
    assert rate.n_positive == len({one.patient_id for one in drawn})
    assert "one-to-one, IoU of at least 0.1, best score first" in rate.method


def test_each_rate_has_an_interval_by_patients():
    metrics = metrics_of(*a_study(false_rate=3))

    for rate in RATES:
        metric = metrics[f"froc_sensitivity_at_{rate:g}"]
        low, value, high = numbers(metric)
        assert low < value < high
        assert metric.resamples == 400
    assert numbers(metrics["froc_mean_sensitivity"])[1] == pytest.approx(
        np.mean([metrics[f"froc_sensitivity_at_{rate:g}"].value for rate in RATES])
    )


def test_copies_of_lesions_do_not_narrow_the_interval():
    rows, lesions = a_study(n_patients=30)
    alike = [x for x in lesions for _ in range(5)]

    narrow, wide = (
        numbers(metrics_of(rows, some)["lesion_sensitivity"])
        for some in (lesions, alike)
    )
    assert wide[2] - wide[0] == pytest.approx(narrow[2] - narrow[0], rel=0.25)


def test_everything_found_and_nothing_false_still_has_intervals():
    rows, lesions = a_study(found=1, false_rate=0)
    metrics = metrics_of(rows, lesions)

    low, value, high = numbers(metrics["froc_sensitivity_at_1"])
    assert (value, high) == pytest.approx((1, 1))
    assert 0.8 < low < 1
    low, value, high = numbers(metrics["false_positive_lesions_per_exam"])
    assert (low, value) == (0, 0)
    assert high == pytest.approx(-np.log(0.025) / 40)


def test_few_patients_with_lesions_have_no_interval():
    rows, lesions = a_study(n_patients=8)
    metrics = metrics_of(rows, lesions)

    for name in ("lesion_sensitivity", "froc_sensitivity_at_2"):
        assert metrics[name].low is None
        assert "patients with a lesion, at least 10 needed" in metrics[name].method
    false = metrics["false_positive_lesions_per_exam"]
    assert "not estimable: 8 patients" in false.method


def test_no_drawn_lesion_has_no_sensitivity():
    rows, lesions = a_study(false_rate=2)
    metrics = metrics_of(rows, [one for one in lesions if one.score and not one.match])

    assert metrics["lesion_sensitivity"].value is None
    assert (
        "not estimable: no lesion is drawn" in metrics["froc_mean_sensitivity"].method
    )
    assert metrics["false_positive_lesions_per_exam"].value > 1


def test_repeats_are_not_more_patients_or_lesions():
    rows, lesions = a_study()
    again = [replace(row, repeat=1) for row in rows]
    once = metrics_of(rows, lesions)
    twice = metrics_of(rows + again, lesions + [replace(x, repeat=1) for x in lesions])

    for name in ("lesion_sensitivity", "false_positive_lesions_per_exam"):
        assert numbers(twice[name]) == pytest.approx(numbers(once[name]))
        assert twice[name].n_exams == once[name].n_exams


def test_lesions_are_not_counted_unless_asked():
    rows, lesions = a_study()

    assert "lesion_sensitivity" not in metrics_of(rows, lesions, SPEC)
    assert "lesion_sensitivity" not in metrics_of(rows, None)


def test_lesions_of_exams_that_are_not_judged_are_left_out():
    rows, lesions = a_study()
    some = [row for row in rows if row.fold == 1]
    own = [one for one in lesions if one.exam_id in {row.exam_id for row in some}]

    assert metrics_of(some, lesions) == metrics_of(some, own)
