"""Numbers of a run: curves per epoch, evaluated figures with their intervals."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from mlflow.entities import Metric as MlflowMetric
from mlflow.utils.validation import MAX_ENTITY_KEY_LENGTH

from voxray.core.records import NETWORK, Metric
from voxray.mlflow_store.runs import batched_rows
from voxray.mlflow_store.store import Store

Point = tuple[str, float | None, int, int]
"""Name, value, time in ms since 1970, step; None, there NaN, for what is outdated."""

EPOCH = "epoch"
_SECONDS = "seconds"
_POINTS_A_BATCH = 1000
_MOST_CHARACTERS = MAX_ENTITY_KEY_LENGTH - len("_high")
_END_CHARACTERS = 80
_PER_STRUCTURE = (
    *("dice", "iou", "nsd", "hd95", "assd", "volume", "missed"),
    *("lesion", "false_positive_lesions", "froc"),
)


def epoch_points(
    history: Sequence[Mapping[str, float]], began_ms: int, first: int = 0
) -> list[Point]:
    """Training curves as points.

    The time of a point is that of its epoch in training, so it is the same when a
    resumed run gives its history again, and the store keeps one of two equal points.

    Args:
        history: One row per epoch; "epoch" is the step, "seconds" how long it took, the
            other columns are curves. A value that is not finite is left out: MLflow
            would draw it as a huge number.
        began_ms: When the run began, since 1970.
        first: Rows before this one are left out; their seconds count.

    Raises:
        KeyError: If a row has no "epoch".
    """
    points: list[Point] = []
    passed_s = 0.0
    for number, row in enumerate(history):
        passed_s += row.get(_SECONDS, 0.0)
        at_ms = began_ms + round(1000 * passed_s)
        if number >= first:
            points += [
                (name, float(value), at_ms, int(row[EPOCH]))
                for name, value in row.items()
                if name != EPOCH and math.isfinite(value)
            ]
    return points


def log_points(store: Store, run_id: str, points: Sequence[Point]) -> None:
    """Record numbers in batches; a point that is there already is left as it is.

    Raises:
        MachineError: If the store is away.
    """
    rows = [
        MlflowMetric(name, math.nan if value is None else value, at_ms, step)
        for name, value, at_ms, step in points
    ]
    with store.client() as client:
        for part in batched_rows(rows, _POINTS_A_BATCH):
            client.log_batch(run_id, metrics=part)


def metric_values(metrics: Sequence[Metric]) -> dict[str, float]:
    """Value and interval ends by name; what is None is absent."""
    values: dict[str, float] = {}
    for name, metric in zip(metric_names(metrics), metrics, strict=True):
        ends = {name: metric.value, f"{name}_low": metric.low}
        ends[f"{name}_high"] = metric.high
        values.update({key: float(v) for key, v in ends.items() if v is not None})
    return values


def metric_names(metrics: Sequence[Metric]) -> list[str]:
    """One name per metric, distinct within an evaluation.

    The class is part of the name for figures of a structure, and where one metric
    stands for several classes. A subgroup comes first: `site_a/auc`; so does what is
    not the network: `baseline/size/auc`. What MLflow does not take becomes `_`; of
    names that are equal then, such as those of the columns `dose (mg)` and `dose [mg]`,
    or that MLflow's 250 characters cut short, the second ends in `_2`.

    Raises:
        ValueError: If two metrics are of one thing.
    """
    counts = Counter(map(_kind, metrics))
    names = [_name(m, counts[_kind(m)] > 1) for m in metrics]
    things = Counter((*_kind(m), m.class_) for m in metrics)
    for name, metric in zip(names, metrics, strict=True):
        if things[(*_kind(metric), metric.class_)] > 1:
            msg = f"two metrics have the name {name!r}: same metric, class and subset"
            raise ValueError(msg)
    return list(_distinct(names))


def _distinct(names: Sequence[str]) -> Iterator[str]:
    taken: set[str] = set()
    for name in names:
        number, own = 1, _short(name)
        while own in taken:
            number += 1
            own = _short(f"{name}_{number}")
        taken.add(own)
        yield own


def _short(name: str) -> str:
    """Without its middle, if it is too long: figure and end of a group's name stay."""
    n_left = _MOST_CHARACTERS - _END_CHARACTERS - len("__")
    is_long = len(name) > _MOST_CHARACTERS
    return f"{name[:n_left]}__{name[-_END_CHARACTERS:]}" if is_long else name


def _kind(metric: Metric) -> tuple[str, str, str]:
    return metric.model, metric.metric, metric.subset


def _name(metric: Metric, several: bool) -> str:  # noqa: FBT001 - private
    with_class = several or metric.metric.startswith(_PER_STRUCTURE)
    parts = [metric.metric]
    if with_class and metric.class_:
        parts = [f"{metric.metric}_{metric.class_}"]
    if metric.subset != "all":
        parts = [metric.subset, *parts]
    if metric.model != NETWORK:
        parts = [*metric.model.split(":", 1), *parts]
    return "/".join(map(_part, parts))


def _part(text: str) -> str:
    """Part of a name between slashes; MLflow refuses names like `a//b` and `a/../b`."""
    kept = "".join(c if c.isalnum() or c in "_-. " else "_" for c in text)
    return kept if kept.strip(".") else "_"


def metrics_markdown(metrics: Sequence[Metric]) -> str:
    """Table of figures with intervals, in this order, for a run's page."""
    lines = ["| metric | value | interval | patients | method |"]
    lines += ["|---|---|---|---|---|"]
    for name, metric in zip(metric_names(metrics), metrics, strict=True):
        cells = [name, _value(metric), _interval(metric), str(metric.n_patients)]
        lines.append(f"| {' | '.join([*cells, metric.method])} |")
    return "\n".join(lines) + "\n"


def _value(metric: Metric) -> str:
    if metric.value is None:
        return "not estimable"
    return f"{metric.value:.0f}" if metric.unit == "exam" else f"{metric.value:z.3f}"


def _interval(metric: Metric) -> str:
    if metric.low is None or metric.high is None:
        return ""
    return f"{metric.low:z.3f} to {metric.high:z.3f} ({metric.level:.0%})"
