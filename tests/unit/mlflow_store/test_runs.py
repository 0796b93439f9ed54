import json
import time
from dataclasses import replace
from math import inf, isnan, nan

import pandas as pd
import pytest

from tests.unit.mlflow_store.makers import a_metric
from voxray.core.errors import ConfigError
from voxray.mlflow_store import SHEET, DataUsed, NewRun, RunStatus, parent_page
from voxray.mlflow_store.metrics import epoch_points, metric_values, metrics_markdown
from voxray.mlflow_store.runs import flatten, log_params
from voxray.mlflow_store.sending import sent_ids


@pytest.fixture
def run(tracker, fresh_name):
    """Under way while the test runs."""
    with tracker.start(NewRun(fresh_name, "all folds")).under_way() as run:
        yield run


def fetch(store, run):
    with store.client() as client:
        return client.get_run(sent_ids(run.outbox).run_id)


def history(store, run, name):
    with store.client() as client:
        points = client.get_metric_history(sent_ids(run.outbox).run_id, name)
    return sorted((p.step, p.value) for p in points)


def artifacts(store, run, folder):
    with store.client() as client:
        found = client.list_artifacts(sent_ids(run.outbox).run_id, folder)
    return [f.path for f in found]


def test_folds_hang_under_their_parent(store, tracker, run, fresh_name):
    new = NewRun(fresh_name, "fold 2", tags={"repeat": "0", "fold": "2"})
    with tracker.start(new, run.key).under_way() as fold:
        fold.log_params({"steps": 5})

    found = fetch(store, fold)
    assert found.data.tags["mlflow.parentRunId"] == sent_ids(run.outbox).run_id
    assert (found.data.tags["repeat"], found.data.tags["fold"]) == ("0", "2")
    assert found.data.params == {"steps": "5"}


def test_the_parent_page_shows_figures_of_its_own_run(store, run):
    run.describe(parent_page("AUC 0.9", "8 patients.", [a_metric()], ["roc.png"], "!"))

    text = fetch(store, run).data.tags["mlflow.note.content"]
    address = (
        f"get-artifact?path=figures/roc.png&run_uuid={sent_ids(run.outbox).run_id}"
    )
    assert text.startswith("**!**\n\n**AUC 0.9**\n\n8 patients. Each figure is of")
    assert f"![roc]({address})" in text
    assert "| auc | 0.900 | 0.800 to 0.950 (95%) | 20 | delong-logit |" in text


def test_a_page_of_many_metrics_is_cut_at_a_row_and_says_so():
    rows = [a_metric(subset=f"site={n}") for n in range(300)]

    page = parent_page("AUC 0.9", "8 patients.", rows, [])

    assert len(page) < 8000
    *_, last_row, _, said = page.splitlines()
    assert last_row.endswith("| delong-logit |")
    n_rows = page.count("delong-logit")
    assert said == f"{300 - n_rows} more metrics stand in tables/evaluation.json."


def test_the_page_shows_main_metrics_and_counts_the_others():
    rows = [a_metric(metric=name) for name in ("auc", "ece", "mcc", "dice")]

    page = parent_page("AUC 0.9", "8 patients.", rows, [])

    shown = [line.split(" | ")[0] for line in page.splitlines() if "delong" in line]
    assert shown == ["| auc", "| dice_malignant"]
    assert page.endswith("2 more metrics stand in tables/evaluation.json.\n")


def test_all_figures_on_one_picture_stand_for_each():
    page = parent_page("AUC 0.9", "8 patients.", [a_metric()], ["roc.png", SHEET])

    assert page.count("![") == 1
    assert f"![all](get-artifact?path=figures/{SHEET}&" in page


def test_a_deleted_experiment_is_not_revived(store, tracker, run, fresh_name, said):
    with store.client() as client:
        client.delete_experiment(sent_ids(run.outbox).experiment_id)

    with tracker.start(NewRun(fresh_name, "again")).under_way() as again:
        pass

    assert f"'{fresh_name}' was deleted in MLflow" in said[0]
    assert again.outbox.sent() is None
    with store.client() as client:
        client.restore_experiment(sent_ids(run.outbox).experiment_id)


@pytest.mark.parametrize(
    ("error", "status"), [(KeyboardInterrupt, "KILLED"), (ValueError, "FAILED")]
)
def test_a_run_ends_as_its_block_does_and_can_go_on(
    store, tracker, fresh_name, error, status
):
    run = tracker.start(NewRun(fresh_name, "fold"))
    with pytest.raises(error), run.under_way():
        raise error
    assert fetch(store, run).info.status == status

    again = tracker.resume(run.key)
    assert again is not None
    assert fetch(store, again).info.status == "RUNNING"
    assert fetch(store, again).info.run_id == fetch(store, run).info.run_id
    again.finish(RunStatus.FINISHED)
    assert fetch(store, again).info.status == "FINISHED"


def test_more_than_a_hundred_params_are_recorded(store, run):
    run.log_params({f"p{i}": i for i in range(130)})

    assert len(fetch(store, run).data.params) == 130


def test_params_may_be_recorded_again_but_never_change(store, run):
    run.log_params({"train": {"steps": 5}})
    run.log_params({"train": {"steps": 5}})

    with pytest.raises(ConfigError, match=r"has train\.steps = '5', not '6'"):
        log_params(store, sent_ids(run.outbox).run_id, {"train.steps": "6"})


def test_long_values_are_cut_and_say_so():
    flat = flatten({"a": {"b": "x" * 7000}, "empty": {}, "none": None})

    assert len(flat["a.b"]) == 6000
    assert flat["a.b"].endswith("…")
    assert (flat["empty"], flat["none"]) == ("{}", "None")


EPOCHS = [{"epoch": e, "loss": 1.0 / e, "seconds": 0.5} for e in range(1, 4)]


def test_a_resumed_run_gives_its_history_again_and_each_epoch_is_there_once(
    store, tracker, run
):
    run.log_epochs(EPOCHS[:2])
    run.finish(RunStatus.KILLED)
    with tracker.resume(run.key).under_way() as again:
        again.log_epochs(EPOCHS, now=True)

    assert history(store, run, "loss") == [(1, 1.0), (2, 0.5), (3, 1 / 3)]


def test_the_time_of_an_epoch_is_that_of_training():
    points = epoch_points(EPOCHS, began_ms=1000, first=1)

    assert points[0] == ("loss", 0.5, 2000, 2)
    assert points[-1] == ("seconds", 0.5, 2500, 3)


def test_a_curve_has_no_value_that_is_not_finite():
    points = epoch_points([{"epoch": 1, "loss": nan, "dice": inf, "rate": 1.0}], 0)

    assert points == [("rate", 1.0, 0, 1)]


def test_small_epochs_are_taken_together(run):
    n_before = len(run.outbox.waiting())
    run.log_epochs(EPOCHS[:1])
    run.log_epochs(EPOCHS[:2])
    assert len(run.outbox.waiting()) == n_before
    assert run._n_epochs == 1


def test_metrics_carry_their_interval(store, run):
    run.log_metrics([a_metric(), a_metric("dice", "anterior", 0.87)])

    found = fetch(store, run).data.metrics
    assert (found["auc"], found["auc_low"], found["auc_high"]) == (0.9, 0.8, 0.95)
    assert (found["dice_anterior"], found["dice_anterior_low"]) == (0.87, 0.8)


def test_more_than_a_thousand_points_are_recorded(store, run):
    run.log_epochs([{"epoch": e, "loss": float(e)} for e in range(1200)], now=True)

    assert len(history(store, run, "loss")) == 1200


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

    run.log_metrics(rows)

    found = fetch(store, run).data.metrics
    assert len(found) == 3 * len(ODD)
    assert {"baseline/dose _mg_/auc", "baseline/dose _mg_/auc_2"} <= set(found)
    assert "baseline/T_N_/auc" in found


def test_the_table_shows_interval_and_reason():
    text = metrics_markdown([a_metric(), a_metric("f1", value=None)])

    assert text.startswith("| metric")
    assert "| auc | 0.900 | 0.800 to 0.950 (95%) | 20 | delong-logit |" in text
    assert "| f1 | not estimable |" in text


def test_files_figures_and_tables_stand_on_the_page(store, run):
    table = pd.DataFrame({"exam_id": ["s-a"], "p_lesion": [0.5]})

    run.log_files({"card.md": "# card", "sub/x.bin": b"1"}, "notes")
    run.log_figures({"roc.png": b"png"})
    run.log_table("oof", table)

    assert artifacts(store, run, "notes") == ["notes/card.md", "notes/sub"]
    assert artifacts(store, run, "figures") == ["figures/roc.png"]
    assert artifacts(store, run, "tables") == ["tables/oof.csv", "tables/oof.parquet"]


def test_data_and_split_are_data_sets_of_the_run_with_their_counts(store, run):
    parts = {"scans": "a" * 64, "split": "b" * 64}
    run.log_data([DataUsed("lesions", n, h, {"patients": 8}) for n, h in parts.items()])

    found = fetch(store, run)
    inputs = {i.dataset.name: i.dataset for i in found.inputs.dataset_inputs}
    assert inputs["lesions (scans)"].digest.startswith("a" * 27 + "-")
    assert json.loads(inputs["lesions (split)"].source) == {"sha256": "b" * 64}
    assert json.loads(inputs["lesions (split)"].profile) == {"patients": 8}
    assert found.data.tags["sha256.split"] == "b" * 64


def test_names_that_are_too_long_for_mlflow_are_cut_and_stay_distinct(store, run):
    sites = [f"{'site' * 80} {end}" for end in "ab"]
    metrics = [a_metric(name, subset=s) for s in sites for name in ("auc", "brier")]

    run.log_metrics(metrics)

    found = set(fetch(store, run).data.metrics)
    assert found == set(metric_values(metrics))
    assert len(found) == 12
    assert max(map(len, found)) == 250
    ends = {name.removesuffix("_low").removesuffix("_high")[-7:] for name in found}
    assert ends == {"e a/auc", "e b/auc", "a/brier", "b/brier"}


def test_a_number_that_is_said_again_is_no_second_point(store, run):
    for seconds in (1.5, 1.5, 2.5):
        run.log_values({"seconds": seconds})
        time.sleep(0.002)

    assert history(store, run, "seconds") == [(0, 1.5), (0, 2.5)]
    assert fetch(store, run).data.metrics["seconds"] == 2.5


def test_a_lower_figure_of_a_later_evaluation_counts(store, run):
    run.log_metrics([a_metric(value=0.9)])
    run.log_metrics([a_metric(value=0.85, low=None, high=None)])

    found = fetch(store, run).data.metrics
    assert found["auc"] == 0.85
    assert isnan(found["auc_low"])
    assert isnan(found["auc_high"])


def test_figures_of_an_earlier_evaluation_are_deleted(store, run):
    run.log_figures({"roc.png": b"1", "dice.png": b"1"})
    run.log_figures({"roc.png": b"2"})

    assert artifacts(store, run, "figures") == ["figures/roc.png"]


def test_equal_data_of_other_counts_are_another_data_set(store, tracker, fresh_name):
    def counted(n):
        with tracker.start(NewRun(fresh_name, f"fold {n}")).under_way() as run:
            run.log_data([DataUsed("lesions", "scans", "a" * 64, {"patients": n})])
        (found,) = fetch(store, run).inputs.dataset_inputs
        return found.dataset

    few, many = counted(3), counted(4)

    assert (few.profile, many.profile) == ('{"patients": 3}', '{"patients": 4}')
    assert few.digest.startswith("a" * 27 + "-")


def test_a_run_that_goes_on_has_no_end(store, tracker, fresh_name):
    run = tracker.start(NewRun(fresh_name, "fold"))
    run.finish()
    again = tracker.resume(run.key)

    found = fetch(store, run)
    assert (found.info.status, found.info.end_time or None) == ("RUNNING", None)
    again.finish()
    assert fetch(store, run).info.end_time
