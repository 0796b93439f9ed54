"""Two predictors of the same held-out exams: which one is ahead, and how surely."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from scipy.stats import rankdata

from voxray.core.comparison import About, Answer, ComparedFigure, answer_of
from voxray.core.records import PER_PATIENT, Metric, OutOfFoldPrediction
from voxray.core.specs import ClassifySpec, Target
from voxray.core.specs.task import MEAN_CLASS
from voxray.evaluate.auc import estimate_auc, estimate_macro_auc
from voxray.evaluate.baselines import headline_aucs
from voxray.evaluate.estimate import Estimate, Settings
from voxray.evaluate.exams import ScoredExams
from voxray.evaluate.paired import auc_difference, dice_difference
from voxray.evaluate.pairing import Pair
from voxray.evaluate.patients import patient_predictions
from voxray.evaluate.recipes import (
    ratio_of_tested,
    recipe_auc_difference,
    recipe_dice_difference,
)
from voxray.evaluate.segmentation import segmentation_metrics

FIRST, SECOND, BETWEEN = "A", "B", "A less B"

_Rows = Sequence[OutOfFoldPrediction]


def compare_pair(
    pair: Pair, settings: Settings, margin: float | None = None
) -> tuple[ComparedFigure, ...]:
    """AUC of classes and Dice of structures: of each, and the paired difference.

    The models are compared always; the recipes too when the split was repeated, and
    then they give the headlines. Of several classes or labels the mean is the headline,
    and each class follows.

    Args:
        pair: Aligned predictions.
        settings: Level, resamples, seed.
        margin: See `answer_of`.
    """
    figures: list[ComparedFigure] = []
    for about in _asked(pair):
        figures += _classes(pair, settings, about, margin)
        figures += _masks(pair, settings, about, margin)
    last = figures[-1].about
    return tuple(replace(f, headline=f.headline and f.about is last) for f in figures)


def _asked(pair: Pair) -> tuple[About, ...]:
    several = pair.n_repeats > 1 and pair.n_folds > pair.n_repeats
    return (About.MODELS, About.RECIPES) if several else (About.MODELS,)


@dataclass(frozen=True, slots=True, eq=False)
class _Auc:
    """Of which class an AUC is, and the exams once per class it is the mean over.

    Attributes:
        whole: Of labels all predictions; see `auc_difference`.
    """

    class_: str
    exams: list[ScoredExams]
    whole: ScoredExams | None = None


def _aucs(predictions: _Rows, classify: ClassifySpec) -> list[_Auc]:
    """The headline first; then each class where that is a mean."""
    headlines = [_Auc(*found) for found in headline_aucs(predictions, classify)]
    if classify.target is Target.LABELS:
        return [_mean_of_labels(predictions, classify.columns), *headlines]
    one_each = [
        _Auc(name, [exams])
        for name, exams in zip(classify.classes, headlines[0].exams, strict=False)
    ]
    return [*headlines, *(one_each if len(classify.classes) > 2 else [])]  # noqa: PLR2004


def _mean_of_labels(predictions: _Rows, labels: Sequence[str]) -> _Auc:
    """Exams that state each label; patients are numbered alike over all labels."""
    rows = sorted(predictions, key=lambda p: (p.repeat, p.fold, p.exam_id))
    each = []
    for label in labels:
        stated = np.array([label in row.labels for row in rows])
        named = [replace(r, label=label if r.labels.get(label) else None) for r in rows]
        all_exams = ScoredExams.of_class(named, label)
        arrays = ("fold", "repeat", "exam", "patient", "positive", "score")
        kept = {name: getattr(all_exams, name)[stated] for name in arrays}
        each.append(replace(all_exams, **kept))
    return _Auc(MEAN_CLASS, each, ScoredExams.of_class(rows, labels[0]))


def _classes(
    pair: Pair, settings: Settings, about: About, margin: float | None
) -> Iterator[ComparedFigure]:
    classify = pair.task.classify
    if classify is None:
        return
    ratio = ratio_of_tested(pair.first.predictions) if about is About.RECIPES else 0.0
    for level, rows in enumerate(_levels(pair, classify)):
        sides = [_aucs(predictions, classify) for predictions in rows.of_each]
        for number, (one, other) in enumerate(zip(*sides, strict=True)):
            if about is About.RECIPES:
                of = one.exams, other.exams
                gap = recipe_auc_difference(*of, ratio, settings.level)
            else:
                gap = auc_difference(one.exams, other.exams, settings, one.whole)
            counts = (one.whole or one.exams[0]).counts
            if len(one.exams) > 1:
                counts = replace(counts, n_positive=0)
            yield _figure(
                about,
                [
                    settings.metric(rows.name, one.class_, estimate, counts)
                    for estimate in (_auc(one, settings), _auc(other, settings))
                ],
                settings.metric(f"{rows.name}_difference", one.class_, gap, counts),
                margin,
                headline=level == number == 0,
                same=_same_order(one, other),
            )


class _Level(NamedTuple):
    """Whom an AUC counts, and the predictions of both sides for them."""

    name: str
    of_each: tuple[_Rows, _Rows]


def _levels(pair: Pair, classify: ClassifySpec) -> Iterator[_Level]:
    """Patients first where they are what is judged; then exams."""
    exams = pair.first.predictions, pair.second.predictions
    if pair.by_patient:
        one, other = (
            patient_predictions(rows, classify, pair.by_patient) for rows in exams
        )
        yield _Level(f"auc{PER_PATIENT}", (one, other))
    yield _Level("auc", exams)


def _auc(of: _Auc, settings: Settings) -> Estimate:
    if len(of.exams) == 1:
        return estimate_auc(of.exams[0], settings)
    return estimate_macro_auc(of.exams, settings, of.whole)


def _same_order(one: _Auc, other: _Auc) -> bool:
    """Whether exams are ordered alike within each fold, which is all an AUC knows.

    So it is of two models that differ in their calibration only.
    """
    return all(
        np.array_equal(rankdata(a.score[part]), rankdata(b.score[part]))
        for a, b in zip(one.exams, other.exams, strict=True)
        for part in (a.fold == fold for fold in np.unique(a.fold))
    )


def _masks(
    pair: Pair, settings: Settings, about: About, margin: float | None
) -> Iterator[ComparedFigure]:
    first, second = pair.first.predictions, pair.second.predictions
    for class_ in pair.task.segment.classes if pair.task.segment else ():
        gap, counts = dice_difference(first, second, class_, settings)
        if about is About.RECIPES and gap.low is not None:
            ratio, level = ratio_of_tested(first), settings.level
            gap = recipe_dice_difference(first, second, class_, ratio, level)
        yield _figure(
            about,
            [_dice(rows, class_, settings) for rows in (first, second)],
            settings.metric("dice_difference", class_, gap, counts),
            margin,
            headline=True,
            same=[r.dice.get(class_) for r in first]
            == [r.dice.get(class_) for r in second],
        )


def _dice(rows: _Rows, class_: str, settings: Settings) -> Metric:
    found = segmentation_metrics(rows, class_, settings)
    return next(metric for metric in found if metric.metric == "dice")


def _figure(
    about: About,
    of_each: Sequence[Metric],
    difference: Metric,
    margin: float | None,
    *,
    headline: bool,
    same: bool,
) -> ComparedFigure:
    answer = answer_of(difference, margin)
    return ComparedFigure(
        about,
        replace(of_each[0], model=FIRST),
        replace(of_each[1], model=SECOND),
        replace(difference, model=BETWEEN),
        Answer.SAME if same and difference.value == 0 else answer,
        headline,
    )
