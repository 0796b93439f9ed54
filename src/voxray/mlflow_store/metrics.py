"""Numbers of a run: curves per epoch, evaluated figures with their intervals."""

import math
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from mlflow.entities import Metric as Point

from voxray.core.records import NETWORK, Metric
from voxray.mlflow_store.runs import batched_rows
from voxray.mlflow_store.store import Store

EPOCH = "epoch"
_POINTS_A_BATCH = 1000
_PER_STRUCTURE = (
    *("dice", "iou", "nsd", "hd95", "assd", "volume", "missed"),
    *("lesion", "false_positive_lesions", "froc"),
)


def log_epochs(store: Store, run_id: str, rows: Sequence[Mapping[str, float]]) -> None:
    """Record training curves.

    Epochs that are recorded already are left out, so a resumed run may give its whole
    history again.

    Args:
        store: Where.
        run_id: Run of the fold.
        rows: One per epoch; "epoch" is the step, the other columns are curves. A value
            that is not finite is left out: MLflow would draw it as a huge number.

    Raises:
        KeyError: If a row has no "epoch".
        MachineError: If the store is away.
    """
    now_ms = int(time.time() * 1000)
    names = sorted({name for row in rows for name in row} - {EPOCH})
    with store.client() as client:
        known = {
            n: {p.step for p in client.get_metric_history(run_id, n)} for n in names
        }
        points = [
            Point(name, float(value), now_ms, int(row[EPOCH]))
            for row in rows
            for name, value in row.items()
            if name != EPOCH
            and math.isfinite(value)
            and int(row[EPOCH]) not in known[name]
        ]
        for part in batched_rows(points, _POINTS_A_BATCH):
            client.log_batch(run_id, metrics=part)


def log_metrics(store: Store, run_id: str, metrics: Sequence[Metric]) -> None:
    """Record evaluated figures as `auc`, `auc_low`, `auc_high`, `dice_anterior`.

    What is not estimable is left out; the description says why.

    Raises:
        MachineError: If the store is away.
    """
    now_ms = int(time.time() * 1000)
    points = [Point(n, v, now_ms, 0) for n, v in metric_values(metrics).items()]
    with store.client() as client:
        for part in batched_rows(points, _POINTS_A_BATCH):
            client.log_batch(run_id, metrics=part)


def log_values(store: Store, run_id: str, values: Mapping[str, float]) -> None:
    """Record plain numbers by name.

    Raises:
        MachineError: If the store is away.
    """
    now_ms = int(time.time() * 1000)
    points = [Point(name, float(v), now_ms, 0) for name, v in values.items()]
    with store.client() as client:
        client.log_batch(run_id, metrics=points)


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
    the second ends in `_2`.

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
        number, own = 1, name
        while own in taken:
            number += 1
            own = f"{name}_{number}"
        taken.add(own)
        yield own


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


def metrics_markdown(metrics: Sequence[Metric], note: str = "") -> str:
    """Table of figures with intervals, for a run's page or a model's description.

    Args:
        metrics: In the order they are shown.
        note: Stands above the table in bold, e.g. that data are synthetic.
    """
    lines = [f"**{note}**", ""] if note else []
    lines += ["| metric | value | interval | patients | method |"]
    lines += ["|---|---|---|---|---|"]
    for name, metric in zip(metric_names(metrics), metrics, strict=True):
        cells = [name, _value(metric), _interval(metric), str(metric.n_patients)]
        lines.append(f"| {' | '.join([*cells, metric.method])} |")
    return "\n".join(lines) + "\n"


def _value(metric: Metric) -> str:
    if metric.value is None:
        return "not estimable"
    return f"{metric.value:.0f}" if metric.unit == "exam" else f"{metric.value:.3f}"


def _interval(metric: Metric) -> str:
    if metric.low is None or metric.high is None:
        return ""
    return f"{metric.low:.3f} to {metric.high:.3f} ({metric.level:.0%})"
