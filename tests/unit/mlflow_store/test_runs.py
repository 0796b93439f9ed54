import json
from dataclasses import replace
from math import nan
from pathlib import Path

import pandas as pd
import pytest

from tests.unit.mlflow_store.makers import a_metric
from voxray.core.errors import ConfigError
from voxray.mlflow_store import (
    RunStatus,
    describe_run,
    finish,
    log_dataset,
    log_epochs,
    log_figures,
    log_files,
    log_metrics,
    log_params,
    log_table,
    metric_values,
    metrics_markdown,
    resume_run,
    start_fold,
    start_parent,
)
from voxray.mlflow_store.runs import flatten


def fetch(store, run_id):
    with store.client() as client:
        return client.get_run(run_id)


def artifacts(store, run_id, folder):
    with store.client() as client:
        return [f.path for f in client.list_artifacts(run_id, folder)]


def test_folds_hang_under_their_parent(store, run):
    fold = start_fold(store, run, 0, 2, params={"steps": 5})

    found = fetch(store, fold)
    assert found.data.tags["mlflow.parentRunId"] == run.run_id
    assert (found.data.tags["repeat"], found.data.tags["fold"]) == ("0", "2")
    assert found.data.params == {"steps": "5"}


def test_the_parent_page_shows_the_description(store, run):
    describe_run(store, run.run_id, "AUC **0.9**")

    assert fetch(store, run.run_id).data.tags["mlflow.note.content"] == "AUC **0.9**"


def test_a_deleted_experiment_is_not_revived(store, run, fresh_name):
    with store.client() as client:
        client.delete_experiment(run.experiment_id)

    with pytest.raises(ConfigError, match=f"'{fresh_name}' was deleted in MLflow"):
        start_parent(store, fresh_name, "again")


def test_a_resumed_run_keeps_its_id_and_runs_again(store, run):
    finish(store, run.run_id, RunStatus.KILLED)
    assert fetch(store, run.run_id).info.status == "KILLED"

    assert resume_run(store, run.run_id)

    assert fetch(store, run.run_id).info.status == "RUNNING"


def test_a_run_that_is_gone_cannot_be_resumed(store, run):
    with store.client() as client:
        client.delete_run(run.run_id)

    assert not resume_run(store, run.run_id)
    assert not resume_run(store, "0" * 32)


def test_more_than_a_hundred_params_are_recorded(store, run):
    log_params(store, run.run_id, {f"p{i}": i for i in range(130)})

    assert len(fetch(store, run.run_id).data.params) == 130


def test_params_may_be_recorded_again_but_never_change(store, run):
    log_params(store, run.run_id, {"train": {"steps": 5}})
    log_params(store, run.run_id, {"train": {"steps": 5}})

    with pytest.raises(ConfigError, match=r"has train\.steps = '5', not '6'"):
        log_params(store, run.run_id, {"train": {"steps": 6}})


def test_long_values_are_cut_and_say_so():
    flat = flatten({"a": {"b": "x" * 7000}, "empty": {}, "none": None})

    assert len(flat["a.b"]) == 6000
    assert flat["a.b"].endswith("…")
    assert (flat["empty"], flat["none"]) == ("{}", "None")


def test_epochs_are_curves_and_are_recorded_once(store, run):
    rows = [{"epoch": e, "loss": 1.0 / e, "dice": nan} for e in range(1, 4)]

    log_epochs(store, run.run_id, rows[:2])
    log_epochs(store, run.run_id, rows)

    with store.client() as client:
        history = client.get_metric_history(run.run_id, "loss")
        assert client.get_metric_history(run.run_id, "dice") == []
    assert [(p.step, p.value) for p in history] == [(1, 1.0), (2, 0.5), (3, 1 / 3)]


def test_metrics_carry_their_interval(store, run):
    log_metrics(store, run.run_id, [a_metric(), a_metric("dice", "anterior", 0.87)])

    found = fetch(store, run.run_id).data.metrics
    assert (found["auc"], found["auc_low"], found["auc_high"]) == (0.9, 0.8, 0.95)
    assert (found["dice_anterior"], found["dice_anterior_low"]) == (0.87, 0.8)


def test_what_is_not_estimable_is_left_out():
    assert metric_values([a_metric(value=None, low=None, high=None)]) == {}


def test_names_tell_classes_and_subgroups_apart():
    rows = [a_metric(class_="a"), a_metric(class_="b"), a_metric(subset="site=A")]

    names = [n for n in metric_values(rows) if not n.endswith(("_low", "_high"))]

    assert names == ["auc_a", "auc_b", "site_A/auc"]


def test_two_metrics_of_one_name_are_refused():
    with pytest.raises(ValueError, match="two metrics have the name 'auc_malignant'"):
        metric_values([a_metric(), a_metric()])


ODD = ["dose (mg)", "dose [mg]", "T/N/", "..", "50% < x > 2", "größe"]


def test_a_column_of_any_name_is_recorded(store, run):
    rows = [replace(a_metric(), model=f"baseline:{name}") for name in ODD]

    log_metrics(store, run.run_id, rows)

    found = fetch(store, run.run_id).data.metrics
    assert len(found) == 3 * len(ODD)
    assert {"baseline/dose _mg_/auc", "baseline/dose _mg_/auc_2"} <= set(found)
    assert "baseline/T_N_/auc" in found


def test_the_table_shows_interval_and_reason():
    text = metrics_markdown([a_metric(), a_metric("f1", value=None)], "synthetic data")

    assert text.startswith("**synthetic data**\n\n| metric")
    assert "| auc | 0.900 | 0.800 to 0.950 (95%) | 20 | delong-logit |" in text
    assert "| f1 | not estimable |" in text


def test_files_figures_and_tables_stand_on_the_page(store, run, tmp_path):
    table = tmp_path / "oof.parquet"
    pd.DataFrame({"exam_id": ["s-a"], "p_lesion": [0.5]}).to_parquet(table)

    log_files(store, run.run_id, {"card.md": "# card", "sub/x.bin": b"1"}, "notes")
    log_figures(store, run.run_id, {"roc.png": b"png"})
    log_table(store, run.run_id, table)

    assert artifacts(store, run.run_id, "notes") == ["notes/card.md", "notes/sub"]
    assert artifacts(store, run.run_id, "figures") == ["figures/roc.png"]
    found = artifacts(store, run.run_id, "tables")
    assert found == ["tables/oof.csv", "tables/oof.parquet"]


def test_a_missing_file_is_said(store, run):
    with pytest.raises(FileNotFoundError, match=r"gone\.png"):
        log_files(store, run.run_id, {"a.png": Path("/nowhere/gone.png")})


def test_data_and_split_hashes_are_inputs_of_the_run(store, run):
    log_dataset(store, run.run_id, "lesions", {"data": "a" * 64, "split": "b" * 64})

    found = fetch(store, run.run_id)
    inputs = {i.dataset.name: i.dataset for i in found.inputs.dataset_inputs}
    assert inputs["lesions (data)"].digest == "a" * 36
    assert json.loads(inputs["lesions (split)"].source) == {"sha256": "b" * 64}
    assert found.data.tags["sha256.split"] == "b" * 64
