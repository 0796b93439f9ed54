import pytest

from tests.unit.report.makers import a_metric
from voxray.core.comparison import About, Answer, ComparedFigure
from voxray.report.compared import (
    about_in_words,
    compared_methods,
    compared_rows,
    compared_sentences,
)


def a_figure(answer, about=About.MODELS, headline=True, **gap):
    difference = {
        "metric": "auc_difference",
        "value": 0.013,
        "low": -0.004,
        "high": 0.03,
        "method": "paired DeLong",
        **gap,
    }
    return ComparedFigure(
        about,
        a_metric(value=0.874),
        a_metric(value=0.861),
        a_metric(**difference),
        answer,
        headline,
    )


NUMBERS = (
    "AUC of lesion 0.874 against 0.861, "
    "difference +0.013 [-0.004, +0.030], 24 patients."
)


@pytest.mark.parametrize(
    ("answer", "margin", "claim"),
    [
        (Answer.SUPERIOR, None, "A is superior to B"),
        (Answer.INFERIOR, 0.02, "A is inferior to B"),
        (
            Answer.NON_INFERIOR,
            0.02,
            "A, compared with B, is non-inferior by the margin of 0.02",
        ),
        (Answer.CANNOT_TELL, None, "It cannot be told whether A or B is better"),
        (
            Answer.CANNOT_TELL,
            0.001,
            "It cannot be told whether A or B is better, nor that A is non-inferior by "
            "the margin of 0.001",
        ),
    ],
)
def test_one_sentence_has_the_answer_and_the_numbers(answer, margin, claim):
    said = compared_sentences([a_figure(answer)], margin)
    assert said == [f"{claim}: {NUMBERS}"]


def test_worse_within_the_margin_is_said_so():
    figure = a_figure(Answer.NON_INFERIOR, value=-0.01, low=-0.018, high=-0.002)
    (said,) = compared_sentences([figure], 0.02)
    assert said.startswith("A is worse than B, but non-inferior by the margin of 0.02:")


def test_why_there_is_no_interval_is_said():
    why = "paired difference; not estimable: 6 positive patients, at least 10 needed"
    figure = a_figure(Answer.CANNOT_TELL, low=None, high=None, method=why)
    (said,) = compared_sentences([figure], None)
    assert said.endswith("24 patients (6 positive patients, at least 10 needed).")


def test_equal_predictions_are_said_to_be_equal():
    (said,) = compared_sentences([a_figure(Answer.SAME)], None)
    assert said == "A and B order all 30 exams alike: there is nothing to tell apart."


def test_recipes_are_called_recipes():
    (said,) = compared_sentences([a_figure(Answer.SUPERIOR, About.RECIPES)], None)
    assert said.startswith("The recipe of A is superior to that of B: ")
    assert about_in_words(About.RECIPES, 10, 2).endswith(
        "each trained 10 times in 2 repeats of the split."
    )


def test_models_come_with_what_they_do_not_say():
    said = about_in_words(About.MODELS, 5, 1)
    assert "two trained models, 5 networks each" in said
    assert "to compare recipes give both folds.repeats" in said


def test_details_are_in_the_table_and_not_in_a_sentence():
    figures = [a_figure(Answer.SUPERIOR), a_figure(Answer.CANNOT_TELL, headline=False)]
    assert len(compared_sentences(figures, None)) == 1
    assert [row[-1] for row in compared_rows(figures)] == ["superior", "cannot tell"]


def test_a_row_has_every_number_with_its_interval():
    assert compared_rows([a_figure(Answer.SUPERIOR)]) == [
        (
            "AUC",
            "lesion",
            "0.874 [0.710, 0.950]",
            "0.861 [0.710, 0.950]",
            "+0.013 [-0.004, +0.030]",
            "24",
            "superior",
        )
    ]


def test_models_and_recipes_in_one_table_are_told_apart():
    figures = [a_figure(Answer.SUPERIOR), a_figure(Answer.SUPERIOR, About.RECIPES)]
    assert [row[0] for row in compared_rows(figures)] == [
        "AUC (models)",
        "AUC (recipes)",
    ]


def test_each_method_is_said_once_with_its_resamples():
    figures = [a_figure(Answer.SUPERIOR, resamples=400)] * 2
    assert compared_methods(figures) == [
        "AUC (models): paired DeLong; 400 resamples, seed 1"
    ]
