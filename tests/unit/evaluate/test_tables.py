import json
import math
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.unit.evaluate.makers import BINARY, SPEC, a_mask, a_prediction, a_study
from voxray.core.errors import ManifestError
from voxray.evaluate import (
    evaluate_oof,
    metrics_from_json,
    metrics_to_json,
    read_predictions,
    write_predictions,
)


def test_metrics_read_back_from_their_json():
    metrics = evaluate_oof(a_study(np.random.default_rng(1)), BINARY, SPEC, seed=1)
    text = json.dumps(metrics_to_json(metrics), allow_nan=False)

    assert metrics_from_json(json.loads(text)) == metrics


def test_keys_of_a_metric_are_those_of_the_documentation():
    metrics = evaluate_oof(a_study(np.random.default_rng(1)), BINARY, SPEC, seed=1)

    assert ", ".join(metrics_to_json(metrics)[0]) == (
        "metric, class, unit, value, low, high, level, method, resamples, seed, "
        "n_exams, n_patients, n_positive, subset, model"
    )


def test_metric_without_a_key_is_refused():
    with pytest.raises(ManifestError, match=r"lacks metric, unit, value"):
        metrics_from_json([{"class": "yes"}])


def test_predictions_read_back_with_undefined_dice_and_nan(tmp_path):
    rows = (
        replace(a_prediction("e0", "p0", 0, "yes", 0.25), dice={"lesion": None}),
        replace(a_prediction("e1", "p1", 1, None, 0.5), dice={"lesion": 0.5}),
    )
    write_predictions(rows[::-1], tmp_path / "oof.parquet")

    assert read_predictions(tmp_path / "oof.parquet") == rows


def test_nan_probability_is_not_hidden_by_the_table(tmp_path):
    write_predictions([a_prediction("e", "p", 0, "no", math.nan)], tmp_path / "oof.pq")

    (row,) = read_predictions(tmp_path / "oof.pq")

    assert math.isnan(row.probabilities["yes"])


def test_columns_are_those_of_the_documentation(tmp_path):
    row = replace(a_mask("e0", "p0", 0.5), label="no", probabilities={"no": 1.0})
    write_predictions([row], tmp_path / "oof.parquet")

    assert pq.read_table(tmp_path / "oof.parquet").column_names == [
        "repeat",
        "fold",
        "exam_id",
        "patient_id",
        "label",
        "p_no",
        "dice_lesion",
        "volume_ml_lesion",
        "true_volume_ml_lesion",
    ]


def test_measures_of_masks_read_back_and_have_columns(tmp_path):
    names = ("dice", "iou", "nsd", "hd95_mm", "assd_mm")
    row = replace(a_mask("e0", "p0", 0.5), **{name: {"lesion": 0.5} for name in names})
    empty = replace(
        a_mask("e1", "p1", None), **{name: {"lesion": None} for name in names}
    )
    write_predictions([row, empty], tmp_path / "oof.parquet")

    assert read_predictions(tmp_path / "oof.parquet") == (row, empty)
    columns = pq.read_table(tmp_path / "oof.parquet").column_names
    assert columns[5:10] == [f"{name}_lesion" for name in names]


def test_segmentation_alone_reads_back(tmp_path):
    rows = (a_mask("e0", "p0", 0.5), a_mask("e1", "p1", None, 0.0, 0.0))
    write_predictions(rows, tmp_path / "oof.parquet")

    assert read_predictions(tmp_path / "oof.parquet") == rows


def test_same_predictions_give_the_same_bytes(tmp_path):
    rows = a_study(np.random.default_rng(2))
    write_predictions(rows, tmp_path / "a")
    write_predictions(rows[::-1], tmp_path / "b")

    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_no_predictions_are_an_empty_table(tmp_path):
    write_predictions([], tmp_path / "oof.parquet")

    assert read_predictions(tmp_path / "oof.parquet") == ()


def test_broken_or_missing_table_is_refused(tmp_path):
    (tmp_path / "broken.parquet").write_bytes(b"no parquet")

    for name in ("broken.parquet", "missing.parquet"):
        with pytest.raises(ManifestError, match=rf"cannot read '{name}'"):
            read_predictions(tmp_path / name)


def test_table_without_patients_is_refused(tmp_path):
    pq.write_table(pa.table({"repeat": [0], "fold": [0]}), tmp_path / "a.parquet")

    with pytest.raises(
        ManifestError, match=r"lacks the columns exam_id, label, patient"
    ):
        read_predictions(tmp_path / "a.parquet")
