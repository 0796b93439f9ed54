from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest

from tests.unit.evaluate.makers import BINARY, LESION, SPEC, THREE, a_mask, a_study
from voxray.core.records import NETWORK
from voxray.core.specs import TaskSpec
from voxray.evaluate import Rival, compare_baselines, evaluate_oof, network_rows
from voxray.evaluate.tables import write_baselines

ROWS = a_study(np.random.default_rng(1), signal=2)


def constant(rows, share=0.5):
    said = {"no": 1 - share, "yes": share}
    return [replace(row, probabilities=said) for row in rows]


def compared(*rivals, network=ROWS, task=BINARY):
    rows = compare_baselines(network, rivals, task, SPEC, 1)
    return {(row.model, row.metric): row for row in rows}


def test_a_rival_is_judged_as_the_network_is():
    (network, *_) = evaluate_oof(ROWS, BINARY, SPEC, 1)
    rival = compared(Rival("baseline:same", ROWS, "itself"))["baseline:same", "auc"]
    ends = rival.value, rival.low, rival.high
    assert ends == (network.value, network.low, network.high)
    assert rival.method == f"itself; {network.method}"


def test_one_score_for_all_is_half_and_the_network_is_ahead():
    rival = Rival("baseline:b", constant(ROWS), "blank", by_construction="all equal")
    found = compared(rival)
    auc, gap = found["baseline:b", "auc"], found["baseline:b", "auc_difference"]
    assert (auc.value, auc.low) == (0.5, None)
    assert "by construction" in auc.method
    (network, *_) = evaluate_oof(ROWS, BINARY, SPEC, 1)
    assert network.value == pytest.approx(gap.value + 0.5)
    assert gap.low > 0


def test_a_rival_may_be_compared_with_another():
    base = Rival("baseline:age", constant(ROWS), "age")
    both = Rival("columns+network", ROWS, "both", less="baseline:age")
    gap = compared(base, both)["columns+network", "auc_difference"]
    assert gap.value > 0.3


def test_more_classes_are_compared_by_their_mean():
    rows = [
        replace(row, label="abc"[n % 3], probabilities={"a": 0.2, "b": 0.5, "c": 0.3})
        for n, row in enumerate(ROWS)
    ]
    found = compared(Rival("baseline:x", rows, "x"), network=rows, task=THREE)
    assert found["baseline:x", "auc_difference"].class_ == "macro"
    auc = found["baseline:x", "auc"]
    assert (auc.value, auc.n_positive) == (0.5, 0)
    assert "not estimable: no spread is seen" in auc.method


def test_masks_are_compared_by_dice():
    network = [a_mask(f"e{n}", f"p{n}", 0.8 + 0.01 * n) for n in range(12)]
    rival = [a_mask(f"e{n}", f"p{n}", 0.3 + 0.02 * n) for n in range(12)]
    found = compared(
        Rival("baseline:threshold", rival, "t"), network=network, task=LESION
    )
    assert found["baseline:threshold", "dice"].value == pytest.approx(0.41)
    assert found["baseline:threshold", "dice_difference"].low > 0


def test_rows_of_the_network_stand_apart():
    network = evaluate_oof(ROWS, BINARY, SPEC, 1)
    rivals = compare_baselines(ROWS, [Rival("baseline:x", ROWS, "x")], BINARY, SPEC, 1)
    assert network_rows([*network, *rivals]) == network
    assert {row.model for row in network} == {NETWORK}


def test_predictions_of_baselines_stand_in_one_table(tmp_path):
    masks = [a_mask("e0", "p0", 0.5)]
    write_baselines({"size": ROWS[:2], "threshold": masks}, tmp_path / "b.parquet")
    table = pq.read_table(tmp_path / "b.parquet").to_pylist()
    assert [row["baseline"] for row in table] == ["size", "size", "threshold"]
    assert table[0]["dice_lesion"] is None
    assert table[2]["dice_lesion"] == 0.5


def test_each_label_is_compared_for_itself():
    task = TaskSpec.model_validate({"classify": {"columns": ["a", "b"]}})
    rows = [
        replace(
            row,
            label=None,
            labels={"a": int(row.label == "yes"), "b": n % 2},
            probabilities={"a": row.probabilities["yes"], "b": 0.5},
        )
        for n, row in enumerate(ROWS)
    ]
    found = compare_baselines(
        rows, [Rival("baseline:x", constant_labels(rows), "x")], task, SPEC, 1
    )
    gaps = {m.class_: m.value or 0 for m in found if m.metric == "auc_difference"}
    assert gaps["a"] > 0.3
    assert gaps["b"] == 0


def constant_labels(rows):
    return [replace(row, probabilities={"a": 0.5, "b": 0.5}) for row in rows]
