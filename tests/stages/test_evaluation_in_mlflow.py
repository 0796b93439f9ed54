"""What of an evaluation elsewhere goes to the store."""

import json

import pandas as pd
import pytest

from tests.stages.contest import School, register, write_model_of, write_patients
from tests.stages.labelled import a_request, evaluated
from tests.stages.registry import *  # noqa: F403 - fixtures
from voxray.mlflow_store import describe_model


@pytest.fixture(scope="module")
def school(tmp_path_factory):
    return School.of(tmp_path_factory.mktemp("school"), 40)


def runs_of(store, name):
    with store.client() as client:
        found = client.get_experiment_by_name(name)
        runs = client.search_runs([found.experiment_id])
    return [run for run in runs if "voxray.evaluated_model" in run.data.tags]


def test_an_evaluation_is_a_run_of_its_version_without_readable_ids(
    tmp_path, school, store, session
):
    write_patients(tmp_path, 24, seed=2)
    register(store, "spots", write_model_of(tmp_path / "model", school.pupil()))
    request = a_request(tmp_path, "models:/spots@candidate")

    code, _, rows = evaluated(request, session)
    again, _, _ = evaluated(request, session)

    assert (code, again) == (0, 0)
    (run,) = runs_of(store, "spots")
    assert run.data.tags["voxray.evaluated_model"] == "models:/spots/1"
    assert run.data.metrics["auc"] == pytest.approx(rows["auc"]["value"])
    assert run.data.metrics["n/exams_judged"] == 24
    assert "24 exams of 24 patients are judged" in run.data.tags["mlflow.note.content"]
    tags = describe_model(store, "models:/spots/1").tags
    (noted,) = (said for tag, said in tags.items() if tag.startswith("evaluation."))
    assert noted.startswith(f"run {run.info.run_id}: auc ill")
    with store.client() as client:
        assert len(client.get_run(run.info.run_id).inputs.model_inputs) == 1
        to = client.download_artifacts(run.info.run_id, "tables", str(tmp_path))
    texts = [path.read_bytes() for path in (tmp_path / "tables").iterdir()]
    assert to
    assert texts
    assert not any(b"p007" in text for text in texts)
    assert json.loads((tmp_path / "tables/evaluation.json").read_text())["metrics"]


def test_the_predictions_on_disk_keep_the_ids_that_were_asked_for(
    tmp_path, school, session
):
    write_patients(tmp_path, 24, seed=2)
    folder = write_model_of(tmp_path / "model", school.pupil())

    evaluated(a_request(tmp_path, str(folder)), session)

    table = pd.read_parquet(tmp_path / "out" / "predictions.parquet")
    assert set(table["patient_id"]) == {f"p{n:03}" for n in range(24)}
