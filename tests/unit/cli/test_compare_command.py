"""`voxray compare` on folders and runs as stages 4 and 5 leave them."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.unit.evaluate.makers import a_study
from voxray.core.files import write_json
from voxray.core.ids import Pseudonymizer
from voxray.core.records import OutOfFoldPrediction
from voxray.core.specs import DecisionRule
from voxray.evaluate import write_predictions
from voxray.mlflow_store import NewRun, open_tracker
from voxray.stages.environment import user_key
from voxray.stages.frame import Stage, StageOutcome, StageRecord, write_record
from voxray.stages.track import tracking_place

YES = DecisionRule(classes=("no", "yes"), positive="yes")


def a_stage() -> Stage:
    return Stage(
        number=5,
        name="evaluate",
        title="",
        folder="evaluate",
        config=lambda _: {},
        inputs=lambda _: {},
        run=lambda _: StageOutcome({}, ""),
    )


def write_side(
    folder: Path, rows: Sequence[OutOfFoldPrediction], finished: bool = True
) -> Path:
    """What stage 5 leaves."""
    own = folder / "evaluate"
    own.mkdir(parents=True)
    write_predictions(rows, own / "oof_predictions.parquet")
    write_json(own / "decision.json", {"decision": YES.model_dump(mode="json")})
    if finished:
        record = StageRecord({}, {}, "", {}, StageOutcome({}, ""))
        write_record(own, a_stage(), record, 0.0)
    return folder


@pytest.fixture(autouse=True)
def workspace(tmp_path):
    rows = a_study(np.random.default_rng(1), n_patients=80, n_positive=40)
    coarse = [
        replace(r, probabilities={"no": 1 - round(p, 1), "yes": round(p, 1)})
        for r in rows
        for p in [r.probabilities["yes"]]
    ]
    write_side(tmp_path / "workspace/fine", rows)
    write_side(tmp_path / "workspace/coarse", coarse)
    write_side(tmp_path / "workspace/short", coarse[:-2])
    write_side(tmp_path / "workspace/stopped", rows, finished=False)
    return tmp_path / "workspace"


def test_two_experiments_of_the_workspace_are_compared(call):
    done = call("compare", "fine", "coarse", "--margin", "0.05", "--out", "c.json")
    assert done.exit_code == 0, done.stderr
    heading, sentence, _, header, row, *_ = done.stdout.splitlines()
    assert heading.startswith("Compared: two trained models, 5 networks each")
    assert sentence.startswith(
        "A, compared with B, is non-inferior by the margin of 0.05"
    )
    assert header.split("  ")[0] == "figure"
    assert row.endswith("non-inferior")
    said = json.loads(Path("c.json").read_text())
    assert list(said)[1:] == [
        "a",
        "b",
        "margin",
        "n_folds",
        "n_repeats",
        "left_out",
        "sentences",
        "figures",
    ]
    assert (said["a"], said["b"], said["margin"]) == ("fine", "coarse", 0.05)
    assert said["figures"][0]["difference"]["metric"] == "auc_difference"


def test_folders_may_be_given_by_path(call, workspace):
    paths = [str(workspace / name) for name in ("fine", "coarse")]
    done = call("compare", *paths, "--workspace", "elsewhere")
    assert done.exit_code == 0, done.stderr
    assert "A: fine; B: coarse" in done.stdout


def test_missing_exams_end_in_3(call):
    done = call("compare", "fine", "short")
    assert done.exit_code == 3
    assert "2 of 80 predictions are only in A (fine)" in done.stderr


def test_left_out_exams_are_said_and_strict_minds_them(call):
    arguments = ["compare", "fine", "short", "--common"]
    done, strict = call(*arguments), call(*arguments, "--strict")
    assert "left out: 2 only in A, 0 only in B" in done.stdout
    assert (done.exit_code, strict.exit_code) == (0, 4)


@pytest.mark.parametrize("margin", ["0", "1", "-0.1"])
def test_a_margin_that_is_none_ends_in_2(call, margin):
    done = call("compare", "fine", "coarse", "--margin", margin)
    assert done.exit_code == 2
    assert "--margin must lie between 0 and 1" in done.stderr


def test_a_folder_of_something_else_ends_in_2(call, workspace):
    (workspace / "other").mkdir()
    done = call("compare", "fine", "other")
    assert done.exit_code == 2
    assert "holds no evaluate/oof_predictions.parquet" in done.stderr


def test_an_evaluation_that_was_stopped_ends_in_2(call):
    done = call("compare", "fine", "stopped")
    assert done.exit_code == 2
    assert "stage 5 has not finished" in done.stderr


def test_what_is_neither_folder_nor_run_ends_in_2(call):
    done = call("compare", "fine", "nothing")
    assert done.exit_code == 2
    assert "'nothing' is neither an experiment's folder" in done.stderr


def record(folder, table, uri=None):
    """Record what stage 5 does; returns where the run is found again."""
    tracker = open_tracker(tracking_place(folder.parent, uri), print)
    new = NewRun("coarse", "coarse cross-validation")
    with tracker.start(new).under_way() as run:
        run.log_table("oof_predictions", table)
        run.log_files({"decision.json": folder / "evaluate/decision.json"}, "tables")
    return tracker.run_id(run.key)


def table_of(folder):
    return pd.read_parquet(folder / "evaluate" / "oof_predictions.parquet")


def test_a_run_is_compared_by_the_files_on_its_page(call, workspace):
    run_id = record(workspace / "coarse", table_of(workspace / "coarse"))
    by_id = call("compare", "fine", run_id)
    by_name = call("compare", "fine", "coarse cross-validation")
    assert by_id.exit_code == 0, by_id.stderr
    assert by_id.stdout == by_name.stdout
    assert "B: coarse cross-validation" in by_id.stdout


def test_a_folder_of_readable_ids_is_compared_with_a_run_of_keyed_ones(call, workspace):
    ids = Pseudonymizer(user_key())
    table = table_of(workspace / "coarse")
    keyed = table.assign(
        exam_id=[ids.exam_id(name, None) for name in table["exam_id"]],
        patient_id=[ids.patient_id(name, "") for name in table["patient_id"]],
    )
    run_id = record(workspace / "coarse", keyed)

    done, folders = call("compare", "fine", run_id), call("compare", "fine", "coarse")

    assert done.exit_code == 0, done.stderr
    assert done.stdout.splitlines()[:5] == folders.stdout.splitlines()[:5]


def test_a_run_in_the_store_that_its_experiment_named_is_found(call, workspace):
    uri = f"sqlite:///{workspace}/shared.db"
    run_id = record(workspace / "coarse", table_of(workspace / "coarse"), uri)

    done = call("compare", "fine", run_id)

    assert not (workspace / "tracking" / "mlflow.db").exists()
    assert done.exit_code == 0, done.stderr
