"""What of an experiment goes to its MLflow runs."""

import json
import shutil
from dataclasses import replace

import pandas as pd
import pytest

from tests.unit.stages.makers import KEY, a_context
from voxray.core.errors import ConfigError
from voxray.core.files import write_json, write_text
from voxray.core.ids import Pseudonymizer
from voxray.core.records import ScanId
from voxray.mlflow_store import NewRun
from voxray.stages.study import FoldName
from voxray.stages.tracking import (
    FoldRun,
    _params,
    fold_run,
    open_tracking,
    reopened_parent,
    run_name,
    shared_scan_id,
    without_names,
)


def test_a_training_of_another_store_cannot_be_judged_here(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    context = replace(a_context(tmp_path), workspace=tmp_path)
    write_json(context.folder / "train" / "run.json", {"run": "0" * 32})

    with (
        pytest.raises(ConfigError, match="run again with --from train --force"),
        reopened_parent(context),
    ):
        pass


@pytest.fixture
def context(tmp_path, database, monkeypatch):
    """Of a workspace with a store, a manifest and folds."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    context = replace(a_context(tmp_path), workspace=tmp_path)
    (tmp_path / "tracking").mkdir()
    shutil.copyfile(database, tmp_path / "tracking" / "mlflow.db")
    for name in ("ingest/manifest.csv", "folds/folds.csv"):
        write_text(context.folder / name, "made up")
    return context


def runs_of(tracker):
    with tracker.reach().client() as client:
        (found,) = client.search_experiments(filter_string="name = 'toy'")
        return client.search_runs([found.experiment_id])


class Interrupted(dict[str, int]):
    """Settings that cannot be read to their end."""

    def items(self):
        raise KeyboardInterrupt


def test_a_fold_that_is_killed_at_its_start_leaves_no_second_run(context):
    tracker = open_tracking(context)
    folder = context.folder / "train" / "fold_0"
    fold = FoldRun(FoldName(0, 0), folder, "job", {"plan": Interrupted(a=1)})
    with tracker.start(NewRun("toy", "all folds")).under_way() as parent:
        with (
            pytest.raises(KeyboardInterrupt),
            fold_run(context, tracker, parent, fold),
        ):
            pass
        whole = replace(fold, params={"plan": {"a": 1}})
        with fold_run(context, tracker, parent, whole) as run:
            pass

    (found,) = [r for r in runs_of(tracker) if "fold" in r.data.tags]
    assert found.data.tags["voxray.run"] == run.key
    assert (found.info.status, found.data.params) == ("FINISHED", {"plan.a": "1"})


def test_a_second_evaluation_replaces_what_the_first_said(context):
    tracker = open_tracking(context)
    with tracker.start(NewRun("toy", "all folds")).under_way() as parent:
        pass
    write_json(context.folder / "train" / "run.json", {"run": parent.key})
    later = a_context(context.workspace, evaluate={"level": 0.9}).experiment

    for experiment in (context.experiment, later):
        with reopened_parent(replace(context, experiment=experiment)) as run:
            run.log_metrics([])
        (found,) = runs_of(tracker)
        said = found.data.tags["evaluate.level"]
        assert said == str(experiment.evaluate.level)
        assert len(found.data.tags["sha256.evaluation"]) == 64


def test_settings_of_stage_5_are_no_settings_of_the_training(tmp_path):
    plain = a_context(tmp_path).experiment
    other = a_context(tmp_path, evaluate={"level": 0.9}).experiment

    assert _params(plain) == _params(other)


TABLE = pd.DataFrame({"exam_id": ["SECRET1"], "patient_id": ["SECRET"], "fold": [0]})


def test_readable_ids_are_keyed_for_the_store(tmp_path):
    context = replace(a_context(tmp_path), pseudonymizer=Pseudonymizer(KEY, True))

    shared = without_names(context, TABLE)

    assert "SECRET" not in json.dumps(shared.to_dict())
    assert shared["fold"].tolist() == [0]
    assert shared["exam_id"].nunique() == 1
    assert TABLE["exam_id"][0] == "SECRET1"
    assert shared_scan_id(context, ScanId("SECRET1")).startswith("s-")


def test_keyed_ids_stay_as_they_are(tmp_path):
    context = replace(a_context(tmp_path), pseudonymizer=Pseudonymizer(KEY))

    assert without_names(context, TABLE) is TABLE
    assert shared_scan_id(context, ScanId("s-a")) == "s-a"


def test_a_run_is_named_by_what_changed_since_the_one_before():
    before = {"train.steps": "20", "folds.n": "5", "seed": "1"}

    assert run_name("liver", before, {}) == "liver cross-validation"
    assert run_name("liver", before, before) == "liver with the same settings"
    now = {"train.steps": "80", "folds.n": "5", "train.loss": "dice"}
    name = run_name("liver", now, before)
    assert name == "liver seed=None, train.loss=dice, train.steps=80"


def test_a_name_shows_three_settings_and_says_how_many_more():
    now = {f"train.s{n}": "x" * 50 for n in range(5)}

    name = run_name("liver", now, {"seed": "1"})

    assert name.endswith(f"train.s1={'x' * 40} and 3 more")
