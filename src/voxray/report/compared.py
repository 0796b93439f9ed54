"""A comparison of two predictors in words: one sentence a headline, and a table."""

from collections.abc import Sequence

from voxray.core.comparison import About, Answer, ComparedFigure
from voxray.core.records import Metric
from voxray.core.wording import counted
from voxray.report.baselines import signed
from voxray.report.wording import NOT_ESTIMABLE, estimate, number

TABLE_HEADER = ("figure", "of", "A", "B", "A less B", "patients", "A is")

_SHORT = {"auc": "AUC", "dice": "Dice"}


def compared_sentences(
    figures: Sequence[ComparedFigure], margin: float | None
) -> list[str]:
    """What the comparison says, one sentence for each headline, with its numbers."""
    return [_sentence(figure, margin) for figure in figures if figure.headline]


def _sentence(figure: ComparedFigure, margin: float | None) -> str:
    gap = figure.difference
    n = counted(gap.n_patients, "patient")
    if figure.answer is Answer.SAME:
        what = counted(gap.n_exams, "exam")
        if figure.first.metric == "auc":
            return f"A and B order all {what} alike: there is nothing to tell apart."
        return f"A and B say the same of all {what}: there is nothing to tell apart."
    values = [f.value for f in (figure.first, figure.second)]
    one, other = (NOT_ESTIMABLE if v is None else number(v) for v in values)
    figures = f"{_what(gap)} {one} against {other}, difference {signed(gap)}, {n}"
    return f"{_claim(figure, margin)}: {figures}{_why(gap)}."


def _claim(figure: ComparedFigure, margin: float | None) -> str:
    one, other, better = "A", "B", "A or B is better"
    if figure.about is About.RECIPES:
        one, other = "The recipe of A", "that of B"
        better = "the recipe of A or that of B is better"
    by = "" if margin is None else f"non-inferior by the margin of {margin:g}"
    worse = (figure.difference.high or 0.0) < 0
    told = {
        Answer.SUPERIOR: f"{one} is superior to {other}",
        Answer.INFERIOR: f"{one} is inferior to {other}",
        Answer.NON_INFERIOR: f"{one} is worse than {other}, but {by}"
        if worse
        else f"{one}, compared with {other}, is {by}",
    }
    unknown = f"It cannot be told whether {better}"
    return told.get(
        figure.answer, f"{unknown}, nor that {one} is {by}" if by else unknown
    )


def _what(metric: Metric) -> str:
    kind = _SHORT[metric.metric.removesuffix("_difference")]
    return f"{kind} of {metric.class_}" if metric.class_ else kind


def _why(gap: Metric) -> str:
    """The reason there is no interval, as `method` gives it."""
    _, found, why = gap.method.partition(f"{NOT_ESTIMABLE}: ")
    return f" ({why})" if found and gap.low is None else ""


def compared_rows(figures: Sequence[ComparedFigure]) -> list[tuple[str, ...]]:
    """Rows below `TABLE_HEADER`; recipes and models say which they are."""
    several = len({figure.about for figure in figures}) > 1
    return [_row(figure, several=several) for figure in figures]


def _row(figure: ComparedFigure, *, several: bool) -> tuple[str, ...]:
    gap = figure.difference
    kind = _SHORT[gap.metric.removesuffix("_difference")]
    return (
        f"{kind} ({figure.about})" if several else kind,
        gap.class_,
        estimate(figure.first),
        estimate(figure.second),
        signed(gap),
        str(gap.n_patients),
        str(figure.answer),
    )


def compared_methods(figures: Sequence[ComparedFigure]) -> list[str]:
    """How each kind of difference was computed, once."""
    found: dict[str, None] = {}
    for figure in figures:
        method = figure.difference.method
        if figure.difference.resamples:
            drawn = f"{figure.difference.resamples} resamples"
            method = f"{method}; {drawn}, seed {figure.difference.seed}"
        found[f"{_SHORT[figure.first.metric]} ({figure.about}): {method}"] = None
    return list(found)


def about_in_words(about: About, n_folds: int, n_repeats: int) -> str:
    """What is compared, and what that does not say."""
    networks = counted(n_folds, "network")
    if about is About.RECIPES:
        return (
            f"Compared: two recipes, each trained {n_folds} times in "
            f"{counted(n_repeats, 'repeat')} of the split."
        )
    return (
        f"Compared: two trained models, {networks} each, on the exams that each "
        "network held out. Trained again they may differ otherwise; to compare recipes "
        "give both folds.repeats of at least 2."
    )
