"""What of an experiment goes to its MLflow runs."""

import json
from dataclasses import replace

import pandas as pd
import pytest

from tests.unit.stages.makers import KEY, a_context
from voxray.core.errors import ConfigError
from voxray.core.files import write_json
from voxray.core.ids import Pseudonymizer
from voxray.core.records import ScanId
from voxray.stages.tracking import (
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
