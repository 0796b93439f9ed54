"""Two sets of predictions as pairs of the same exam, or a refusal that says why not."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from voxray.core.errors import ConfigError, DatasetError
from voxray.core.records import OutOfFoldPrediction
from voxray.core.specs import DecisionRule, Target, TaskSpec
from voxray.evaluate.checks import check_predictions

_Row = OutOfFoldPrediction
_Rows = Sequence[OutOfFoldPrediction]
_Key = tuple[int, str]
_SAME_VOLUME = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """One of the two that are compared.

    Attributes:
        letter: "A" or "B".
        title: What a person calls it.
        task: What it predicts.
        predictions: One per exam and repeat, checked.
        by_patient: How the exams of a patient become one where patients are what is
            judged; see `patient_rule`. "" where exams are.
    """

    letter: str
    title: str
    task: TaskSpec
    predictions: _Rows
    by_patient: str = ""

    @property
    def name(self) -> str:
        """For messages, e.g. "A (lidc_nodules)"."""
        return f"{self.letter} ({self.title})"


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """Both on the same exams of the same folds, in the same order.

    Attributes:
        task: What both predict.
        left_out: Predictions of each that the other has not.
        unshared: Task that only one of them has, in words; "" when both have the same.
    """

    first: Side
    second: Side
    task: TaskSpec
    left_out: tuple[int, int] = (0, 0)
    unshared: str = ""

    @property
    def by_patient(self) -> str:
        """How exams become patients, where both sides say the same; else ""."""
        one, other = self.first.by_patient, self.second.by_patient
        return one if one == other else ""

    @property
    def n_repeats(self) -> int:
        """Repeats of the split that both have."""
        return len({row.repeat for row in self.first.predictions})

    @property
    def n_folds(self) -> int:
        """Folds of all repeats."""
        return len({(row.repeat, row.fold) for row in self.first.predictions})


def make_side(
    letter: str,
    title: str,
    predictions: _Rows,
    decision: DecisionRule | None,
    by_patient: str = "",
) -> Side:
    """Gather one side, and check that figures can be computed from it.

    Args:
        letter: "A" or "B".
        title: What a person calls it.
        predictions: As in `oof_predictions.parquet`.
        decision: As in `decision.json`: the classes and which of them is positive.
        by_patient: See `Side`.

    Raises:
        DatasetError: If a prediction is missing, not finite or twice there, or its
            label is unknown; or if there are classes and no decision.
    """
    name = f"{letter} ({title})"
    if decision is None and any(row.probabilities for row in predictions):
        msg = f"{name}: there are class probabilities, but no decision; run stage 5"
        raise DatasetError(msg)
    structures = dict.fromkeys(s for row in predictions for s in row.dice)
    task: dict[str, object] = {}
    if structures:
        values = enumerate(structures, start=1)
        task["segment"] = {"classes": {s: {"value": n} for n, s in values}}
    if decision is not None:
        task["classify"] = _classify(decision)
    if not task:
        msg = f"{name}: there is no prediction; run stages 4 and 5 first"
        raise DatasetError(msg)
    rows = tuple(predictions)
    made = Side(letter, title, TaskSpec.model_validate(task), rows, by_patient)
    try:
        check_predictions(made.predictions, made.task)
    except DatasetError as error:
        msg = f"{name}: {error}"
        raise DatasetError(msg) from error
    return made


def _classify(decision: DecisionRule) -> dict[str, object]:
    if decision.target is Target.LABELS:
        return {"columns": decision.classes}
    return {
        "column": "label",
        "classes": {name: name for name in decision.classes},
        "positive": decision.positive,
        "ordinal": decision.target is Target.ORDINAL,
    }


def make_pair(first: Side, second: Side, *, common: bool = False) -> Pair:
    """Pair the predictions of the same exam in the same fold.

    Args:
        first: One side.
        second: The other.
        common: Compare what both have where one has more: exams, repeats, or a task.

    Raises:
        ConfigError: If they do not predict the same: one has no masks, other classes,
            another positive class, another structure.
        DatasetError: If an exam has another patient, label or drawn mask on the other
            side, was held out in another fold, or is not there.
    """
    unshared = _check_tasks(first, second, common=common)
    own = {_key(row): row for row in first.predictions}
    other = {_key(row): row for row in second.predictions}
    both = [(own[key], other[key]) for key in sorted(own.keys() & other.keys())]
    if not both:
        raise DatasetError(_nothing_shared(first, second))
    names = first.name, second.name
    for check in (_patients, _labels, _drawn, _folds):
        check(both, names)
    left_out = len(own) - len(both), len(other) - len(both)
    if any(left_out) and not common:
        raise DatasetError(_not_the_same(first, second, own, other))
    task = first.task if not unshared else _shared_task(first.task, second.task)
    sides = [
        replace(side, predictions=tuple(rows))
        for side, rows in zip((first, second), zip(*both, strict=True), strict=True)
    ]
    return Pair(sides[0], sides[1], task, left_out, unshared)


def _key(row: _Row) -> _Key:
    return row.repeat, row.exam_id


def _check_tasks(first: Side, second: Side, *, common: bool) -> str:
    """Say which task only one has, where that is allowed."""
    unshared = []
    for what, of_task in (("classes", _classes), ("masks", _structures)):
        one, other = of_task(first.task), of_task(second.task)
        if bool(one) != bool(other):
            has, lacks = (first, second) if one else (second, first)
            unshared.append(f"{has.name} predicts {what}, {lacks.name} does not")
        elif one != other:
            msg = (
                f"{first.name} and {second.name} predict other {what}: "
                f"{', '.join(one)} against {', '.join(other)}; only the same can be "
                "compared"
            )
            raise ConfigError(msg)
    if len(unshared) > 1:
        raise ConfigError("; ".join(unshared))
    if unshared and not common:
        msg = f"{unshared[0]}; add --common to compare what both predict"
        raise ConfigError(msg)
    _check_positive(first, second)
    return "; ".join(unshared)


def _classes(task: TaskSpec) -> list[str]:
    if task.classify is None:
        return []
    return [f"{name!r}" for name in sorted(task.classify.label_names)]


def _structures(task: TaskSpec) -> list[str]:
    return sorted(f"{name!r}" for name in task.segment.classes) if task.segment else []


def _check_positive(first: Side, second: Side) -> None:
    one, other = first.task.classify, second.task.classify
    if one is None or other is None:
        return
    if one.target is not other.target:
        msg = (
            f"the classes of {first.name} are {one.target}, those of {second.name} "
            f"{other.target}; only the same can be compared"
        )
        raise ConfigError(msg)
    if len(one.classes) == 2 and one.positive != other.positive:  # noqa: PLR2004
        msg = (
            f"the positive class of {first.name} is {one.positive!r}, that of "
            f"{second.name} {other.positive!r}; set task.classify.positive alike"
        )
        raise ConfigError(msg)


def _shared_task(first: TaskSpec, second: TaskSpec) -> TaskSpec:
    return TaskSpec(
        classify=first.classify if second.classify else None,
        segment=first.segment if second.segment else None,
    )


_Both = Sequence[tuple[_Row, _Row]]
_Names = tuple[str, str]


def _patients(both: _Both, names: _Names) -> None:
    _refuse(
        [(a, b) for a, b in both if a.patient_id != b.patient_id],
        both,
        "belong to another patient",
        lambda row: f"patient {row.patient_id!r}",
        names,
    )


def _labels(both: _Both, names: _Names) -> None:
    classified = [(a, b) for a, b in both if a.probabilities and b.probabilities]
    _refuse(
        [(a, b) for a, b in classified if (a.label, a.labels) != (b.label, b.labels)],
        both,
        "have another label",
        lambda row: f"{dict(row.labels) or row.label!r}",
        names,
    )


def _drawn(both: _Both, names: _Names) -> None:
    segmented = [(a, b) for a, b in both if a.dice and b.dice]
    _refuse(
        [(a, b) for a, b in segmented if not _same_volumes(a, b)],
        both,
        "have another drawn mask",
        lambda row: ", ".join(
            f"{name} of {ml:.3f} ml" for name, ml in row.true_volume_ml.items()
        ),
        names,
    )


def _same_volumes(one: _Row, other: _Row) -> bool:
    return one.true_volume_ml.keys() == other.true_volume_ml.keys() and all(
        abs(ml - other.true_volume_ml[name]) <= _SAME_VOLUME * max(ml, 1)
        for name, ml in one.true_volume_ml.items()
    )


def _folds(both: _Both, names: _Names) -> None:
    _refuse(
        [(a, b) for a, b in both if a.fold != b.fold],
        both,
        "were held out in another fold",
        lambda row: f"fold {row.fold} of repeat {row.repeat}",
        names,
        "; use the same seed and folds for both",
    )


def _refuse(
    differing: _Both,
    both: _Both,
    what: str,
    said: Callable[[_Row], str],
    names: _Names,
    remedy: str = "",
) -> None:
    """Raise when any pair differs: how many exams, and the first of them."""
    if not differing:
        return
    n, of = (_n_exams(row for row, _ in pairs) for pairs in (differing, both))
    one, other = differing[0]
    msg = (
        f"{n} of {of} exams {what} in {names[1]} than in {names[0]}; first: exam "
        f"{one.exam_id!r}, {said(one)} against {said(other)}{remedy}"
    )
    raise DatasetError(msg)


def _n_exams(rows: Iterable[_Row]) -> int:
    return len({row.exam_id for row in rows})


def _nothing_shared(first: Side, second: Side) -> str:
    counts = [_n_exams(side.predictions) for side in (first, second)]
    names = [side.predictions[0].exam_id for side in (first, second)]
    return (
        f"no exam is in both: {first.name} predicts {counts[0]}, such as "
        f"{names[0]!r}, {second.name} {counts[1]}, such as {names[1]!r}; were they "
        "made from the same scans, with the same key for pseudonyms?"
    )


def _not_the_same(
    first: Side, second: Side, own: dict[_Key, _Row], other: dict[_Key, _Row]
) -> str:
    parts = []
    for side, mine, its in ((first, own, other), (second, other, own)):
        if only := sorted(mine.keys() - its.keys()):
            repeat, exam = only[0]
            parts.append(
                f"{len(only)} of {len(mine)} predictions are only in {side.name}, "
                f"first: exam {exam!r} of repeat {repeat}"
            )
    n_both = len(own.keys() & other.keys())
    return f"{'; '.join(parts)}; add --common to compare the {n_both} that both have"
