"""The registered ensemble: fitted and judged on patients that no network saw."""

import csv
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tests.stages.cohort import an_experiment, write_cohort
from tests.unit.stages.makers import KEY
from voxray.core.errors import LeakageError
from voxray.core.files import read_json
from voxray.core.ids import Pseudonymizer
from voxray.core.records import FoldRole
from voxray.folds import read_folds
from voxray.mlflow_store import open_store
from voxray.model import choose_compute, read_package
from voxray.score import ScoreRequest, score_folder
from voxray.stages.calibration_patients import calibration_patients
from voxray.stages.run import Session, Span, run_experiment

DECISIONS = {
    "resamples": 200,
    "refer": {"at_most": 0.3},
    "operating_point": {"at_least": 0.7},
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A whole run; its folder, its session and its experiment."""
    root = tmp_path_factory.mktemp("kept")
    write_cohort(root, 20)
    experiment = an_experiment(
        root,
        "classify",
        folds={"n": 2, "calibration": {"fraction": 0.4}},
        evaluate=DECISIONS,
    )
    tracking = root / "workspace" / "tracking"
    open_store(f"sqlite:///{tracking / 'mlflow.db'}", tracking / "artifacts")
    session = Session(root / "workspace", KEY)
    assert run_experiment(experiment, session) == 0
    return root / "workspace" / "tiny-classify", session, experiment


def kept_patients(folder):
    rows = read_folds(folder / "folds" / "folds.csv")
    return {row.patient_id for row in rows if row.role == "calibration"}


def test_patients_kept_for_calibration_are_predicted_by_no_single_network(run):
    folder, _, _ = run
    kept = kept_patients(folder)
    held_out = pd.read_parquet(folder / "evaluate" / "oof_predictions.parquet")
    own = pd.read_parquet(folder / "evaluate" / "calibration_predictions.parquet")

    assert len(kept) == 8
    assert set(own.patient_id) == kept
    assert not kept & set(held_out.patient_id)
    assert len(held_out) + len(own) == 20
    assert read_json(folder / "folds" / "audit.json")["n_calibration"] == 8


def test_they_are_scored_as_the_registered_model_scores_them(run, tmp_path):
    """The same scans through `voxray score`: the same probabilities."""
    folder, session, experiment = run
    own = pd.read_parquet(folder / "evaluate" / "calibration_predictions.parquet")
    request = ScoreRequest(experiment.data.scans, folder / "model", tmp_path / "out")
    score_folder(request, Pseudonymizer(session.key), compute=choose_compute("cpu"))
    scores = pd.read_csv(tmp_path / "out" / "scores.csv").set_index("exam_id")

    np.testing.assert_allclose(scores.loc[own.exam_id, "p_ill"], own.p_ill, atol=1e-5)


def test_rule_says_where_it_comes_from_and_refers(run):
    folder, _, _ = run
    rule = read_package(folder / "model").decision
    card = (folder / "model" / "card.md").read_text()
    with (folder / "score" / "scores.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["status"] == "scored"]

    assert rule is not None
    assert rule.fitted_on == "calibration"
    assert rule.operating_point is not None
    assert (rule.operating_point.n_positive, rule.operating_point.n_negative) == (4, 4)
    assert "Fitted on patients kept out of all training" in card
    assert "| sensitivity | ill | as registered |" in card
    assert rows
    assert {row["refer"] for row in rows} <= {"true", "false"}
    assert all(0 < float(row["uncertainty"]) <= 0.5 for row in rows)
    assert all(row["disagreement"] for row in rows)


def test_figures_as_registered_stand_beside_those_of_the_networks(run):
    folder, _, _ = run
    metrics = read_json(folder / "evaluate" / "evaluation.json")["metrics"]
    named = {(row["model"], row["metric"]) for row in metrics}

    assert ("registered", "sensitivity") in named
    assert ("ensemble", "auc") in named
    assert ("network", "sensitivity") in named
    assert (folder / "evaluate" / "figures" / "risk_coverage.png").is_file()
    assert "How it decides" in (folder / "report" / "index.html").read_text()


def test_networks_are_not_asked_again_for_another_operating_point(run):
    folder, session, experiment = run
    table = folder / "evaluate" / "calibration_predictions.parquet"
    before = table.stat().st_mtime_ns
    changed = experiment.model_copy(
        update={
            "evaluate": experiment.evaluate.model_validate(
                {**DECISIONS, "operating_point": {"metric": "specificity"}}
            )
        }
    )

    run_experiment(changed, session, Span(first="evaluate", last="evaluate"))

    assert table.stat().st_mtime_ns == before
    decision = read_json(folder / "evaluate" / "decision.json")["decision"]
    assert decision["operating_point"]["metric"] == "specificity"


def test_patient_with_another_role_is_refused(run):
    folder, _, _ = run
    rows = read_folds(folder / "folds" / "folds.csv")
    kept = next(row for row in rows if row.role == "calibration")
    trained = [r for r in rows if (r.patient_id, r.fold) != (kept.patient_id, 1)]
    held_out = [*rows, replace(kept, fold=1, role=FoldRole.HELD_OUT)]

    for table in (trained, held_out):
        with pytest.raises(
            LeakageError, match="has another role in fold 1 of repeat 0"
        ):
            calibration_patients(table)
