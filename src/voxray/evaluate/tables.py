"""`evaluation.json` and `oof_predictions.parquet`."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from voxray.core.errors import ManifestError
from voxray.core.files import atomic_path
from voxray.core.records import ExamId, Metric, OutOfFoldPrediction, PatientId

_KEYS: dict[str, pa.DataType] = {
    "repeat": pa.int32(),
    "fold": pa.int32(),
    "exam_id": pa.string(),
    "patient_id": pa.string(),
    "label": pa.string(),
}
_PREFIXES = {
    "p_": "probabilities",
    "dice_": "dice",
    "iou_": "iou",
    "nsd_": "nsd",
    "hd95_mm_": "hd95_mm",
    "assd_mm_": "assd_mm",
    "volume_ml_": "volume_ml",
    "true_volume_ml_": "true_volume_ml",
    "label_": "labels",
}
_WHOLE_NUMBERS = {"labels"}


def metrics_to_json(metrics: Iterable[Metric]) -> list[dict[str, Any]]:
    """Rows of `evaluation.json`; the class stands under "class"."""
    return [
        {
            ("class" if key == "class_" else key): value
            for key, value in asdict(m).items()
        }
        for m in metrics
    ]


def metrics_from_json(rows: Sequence[Mapping[str, Any]]) -> tuple[Metric, ...]:
    """Read what `metrics_to_json` made; keys it does not know are left.

    Raises:
        ManifestError: If a row lacks a key.
    """
    return tuple(_metric(row) for row in rows)


def _metric(row: Mapping[str, Any]) -> Metric:
    renamed = {**row, "class_": row.get("class")}
    names = [field.name for field in fields(Metric)]
    needed = [name for name in names if name not in {"subset", "model"}]
    if missing := [name for name in needed if name not in renamed]:
        msg = f"a row of evaluation.json lacks {', '.join(missing)}; run stage 5 again"
        raise ManifestError(msg)
    return Metric(**{name: renamed[name] for name in names if name in renamed})


def write_predictions(predictions: Sequence[OutOfFoldPrediction], path: Path) -> None:
    """Write one row per exam and repeat, by repeat, fold and exam, as parquet.

    Columns: repeat, fold, exam_id, patient_id, label, then p_, dice_, iou_, nsd_,
    hd95_mm_, assd_mm_, volume_ml_ and true_volume_ml_ with each class, label_ with each
    of several labels. What is undefined is null, and so is a label that nobody stated.
    """
    rows = sorted(predictions, key=lambda row: (row.repeat, row.fold, row.exam_id))
    with atomic_path(path) as temporary:
        pq.write_table(pa.table(_columns(rows)), temporary)


def write_baselines(
    predictions: Mapping[str, Sequence[OutOfFoldPrediction]], path: Path
) -> None:
    """Write what every baseline predicts: its name under "baseline", then as above.

    Columns that a baseline does not fill are null.
    """
    rows = [row for of_one in predictions.values() for row in of_one]
    names = [name for name, of_one in predictions.items() for _ in of_one]
    columns = {"baseline": pa.array(names, pa.string()), **_columns(rows)}
    with atomic_path(path) as temporary:
        pq.write_table(pa.table(columns), temporary)


def _columns(rows: Sequence[OutOfFoldPrediction]) -> dict[str, pa.Array]:
    columns: dict[str, pa.Array] = {
        name: pa.array([getattr(row, name) for row in rows], kind)
        for name, kind in _KEYS.items()
    }
    for prefix, attribute in _PREFIXES.items():
        for class_ in dict.fromkeys(c for row in rows for c in getattr(row, attribute)):
            values = [getattr(row, attribute).get(class_) for row in rows]
            kind = pa.int8() if attribute in _WHOLE_NUMBERS else pa.float64()
            columns[prefix + class_] = pa.array(values, kind)
    return columns


def read_predictions(path: Path) -> tuple[OutOfFoldPrediction, ...]:
    """Read what `write_predictions` wrote.

    Raises:
        ManifestError: If the file is missing or broken, or a column is missing.
    """
    table = read_columns(path, _KEYS)
    return tuple(_prediction(row) for row in table.to_pylist())


def read_columns(path: Path, wanted: Collection[str]) -> pa.Table:
    """Read a table that stage 5 wrote.

    Raises:
        ManifestError: If the file is missing or broken, or a column is missing.
    """
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        msg = f"cannot read {path.name!r}: {error}; run stage 5 again"
        raise ManifestError(msg) from error
    if missing := sorted({*wanted} - set(table.column_names)):
        msg = f"{path.name!r} lacks the columns {', '.join(missing)}"
        raise ManifestError(msg)
    return table


def _prediction(row: Mapping[str, Any]) -> OutOfFoldPrediction:
    volumes = _with_prefix(row, "volume_ml_"), _with_prefix(row, "true_volume_ml_")
    return OutOfFoldPrediction(
        repeat=row["repeat"],
        fold=row["fold"],
        exam_id=ExamId(row["exam_id"]),
        patient_id=PatientId(row["patient_id"]),
        label=row["label"],
        probabilities=_without_none(_with_prefix(row, "p_")),
        dice=_with_prefix(row, "dice_"),
        iou=_with_prefix(row, "iou_"),
        nsd=_with_prefix(row, "nsd_"),
        hd95_mm=_with_prefix(row, "hd95_mm_"),
        assd_mm=_with_prefix(row, "assd_mm_"),
        volume_ml=_without_none(volumes[0]),
        true_volume_ml=_without_none(volumes[1]),
        labels={
            name: int(value)
            for name, value in _without_none(_with_prefix(row, "label_")).items()
        },
    )


def _with_prefix(row: Mapping[str, Any], prefix: str) -> dict[str, float | None]:
    return {
        name.removeprefix(prefix): value
        for name, value in row.items()
        if name.startswith(prefix) and name not in _KEYS
    }


def _without_none(values: Mapping[str, float | None]) -> dict[str, float]:
    return {name: value for name, value in values.items() if value is not None}
