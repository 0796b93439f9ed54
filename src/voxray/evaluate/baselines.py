"""Baselines judged as the network is, and the network against each of them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from voxray.core.records import ALL, NETWORK, Metric, OutOfFoldPrediction
from voxray.core.specs import ClassifySpec, EvaluateSpec, Target, TaskSpec
from voxray.core.specs.task import MEAN_CLASS
from voxray.evaluate.auc import estimate_auc, estimate_macro_auc
from voxray.evaluate.estimate import Estimate, Settings
from voxray.evaluate.exams import ScoredExams, predictions_of
from voxray.evaluate.paired import auc_difference, dice_difference
from voxray.evaluate.segmentation import segmentation_metrics

_HALF = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Rival:
    """Another predictor of the same held-out exams.

    Attributes:
        name: As in `Metric.model`.
        predictions: Of every exam that the network predicts: classes or masks.
        how: What it is, in words; part of `Metric.method`.
        by_construction: Why it can only guess; "" when it was really tried.
        less: Name of the rival it is compared with; "" compares the network with it.
    """

    name: str
    predictions: Sequence[OutOfFoldPrediction]
    how: str
    by_construction: str = ""
    less: str = ""


def compare_baselines(
    network: Sequence[OutOfFoldPrediction],
    rivals: Sequence[Rival],
    task: TaskSpec,
    spec: EvaluateSpec,
    seed: int,
) -> tuple[Metric, ...]:
    """AUC or Dice of every rival, and the paired difference.

    A rival of classes gives "auc" and "auc_difference" (of the positive class, "macro"
    over more than two, or of each label), one of masks "dice" and "dice_difference" per
    structure. The difference is the network less the rival, or the rival less
    `Rival.less`.

    Raises:
        ValueError: If a rival did not predict the same exams.
    """
    settings = Settings(spec, seed)
    by_name = {rival.name: rival.predictions for rival in rivals}
    rows: list[Metric] = []
    for rival in rivals:
        pair = network, rival.predictions
        if rival.less:
            pair = rival.predictions, by_name[rival.less]
        if any(row.probabilities for row in rival.predictions):
            rows += _classes(rival, pair, task.classify, settings)
        else:
            rows += _masks(rival, pair, task, settings)
    return tuple(rows)


def network_rows(metrics: Sequence[Metric]) -> tuple[Metric, ...]:
    """Only what is about the network, and about all exams."""
    return tuple(m for m in metrics if m.model == NETWORK and m.subset == ALL)


_Pair = tuple[Sequence[OutOfFoldPrediction], Sequence[OutOfFoldPrediction]]


def _classes(
    rival: Rival, pair: _Pair, classify: ClassifySpec | None, settings: Settings
) -> list[Metric]:
    if classify is None:
        return []
    rows: list[Metric] = []
    own_first_second = (
        headline_aucs(side, classify) for side in (rival.predictions, *pair)
    )
    for (class_, own), (_, first), (_, second) in zip(*own_first_second, strict=True):
        gap = auc_difference(first, second, settings)
        counts = own[0].counts
        if len(own) > 1:
            counts = replace(counts, n_positive=0)
        rows += [
            settings.metric("auc", class_, _auc(rival, own, settings), counts),
            settings.metric("auc_difference", class_, gap, counts),
        ]
    return [_named(row, rival) for row in rows]


def headline_aucs(
    predictions: Sequence[OutOfFoldPrediction], classify: ClassifySpec
) -> list[tuple[str, list[ScoredExams]]]:
    """What each AUC is of, and the exams once for each class it is the mean over."""
    if classify.target is Target.LABELS:
        return [
            (name, [ScoredExams.of_class(predictions_of(predictions, name), name)])
            for name in classify.columns
        ]
    names = list(classify.classes)
    if len(names) == 2:  # noqa: PLR2004
        class_ = classify.positive_class
        return [(class_, [ScoredExams.of_class(predictions, class_)])]
    return [(MEAN_CLASS, [ScoredExams.of_class(predictions, name) for name in names])]


def _auc(rival: Rival, own: list[ScoredExams], settings: Settings) -> Estimate:
    if rival.by_construction:
        how = f"by construction, not estimated: {rival.by_construction}"
        return Estimate(_HALF, None, None, how)
    if len(own) == 1:
        return estimate_auc(own[0], settings)
    return estimate_macro_auc(own, settings)


def _masks(
    rival: Rival, pair: _Pair, task: TaskSpec, settings: Settings
) -> list[Metric]:
    rows = []
    for class_ in task.segment.classes if task.segment else ():
        dice = segmentation_metrics(rival.predictions, class_, settings)[0]
        gap, counts = dice_difference(*pair, class_, settings)
        rows += [dice, settings.metric("dice_difference", class_, gap, counts)]
    return [_named(row, rival) for row in rows]


def _named(row: Metric, rival: Rival) -> Metric:
    return replace(row, model=rival.name, method=f"{rival.how}; {row.method}")
