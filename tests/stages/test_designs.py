"""Repeats, values left out and the locked holdout, through all stages."""

import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.stages.cohort import an_experiment, write_cohort
from tests.unit.stages.makers import KEY
from voxray.core.errors import ConfigError, DatasetError
from voxray.core.files import read_json
from voxray.core.specs import Experiment
from voxray.mlflow_store import open_store
from voxray.model import read_package
from voxray.stages.compare import CompareRequest, compare
from voxray.stages.holdout import holdout_command
from voxray.stages.looks import LEDGER
from voxray.stages.run import Session, Span, run_experiment


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    """An empty tracking store, made once: MLflow needs seconds for it."""
    root = tmp_path_factory.mktemp("empty")
    open_store(f"sqlite:///{root / 'mlflow.db'}", root / "artifacts")
    return root / "mlflow.db"


class Place:
    """A cohort, a workspace and what was said."""

    def __init__(self, root: Path, database: Path) -> None:
        self.root, self.said = root, list[str]()
        self.workspace = root / "workspace"
        write_cohort(root, 12)
        (self.workspace / "tracking").mkdir(parents=True)
        shutil.copyfile(database, self.workspace / "tracking" / "mlflow.db")

    @property
    def session(self) -> Session:
        return Session(self.workspace, KEY, say=self.said.append)

    def run(self, experiment: Experiment, last: str = "report") -> None:
        assert run_experiment(experiment, self.session, Span("ingest", last)) == 0

    def look(self, experiment: Experiment) -> None:
        self.said.clear()
        assert holdout_command(experiment, self.session) == 0

    def metrics(self, name: str) -> list[dict[str, object]]:
        (path,) = self.workspace.glob(name)
        found: list[dict[str, object]] = read_json(path)["metrics"]
        return found

    def tags(self, experiment: Experiment) -> dict[str, str]:
        tracking = self.workspace / "tracking"
        store = open_store(
            f"sqlite:///{tracking / 'mlflow.db'}", tracking / "artifacts"
        )
        with store.client() as client:
            found = client.get_experiment_by_name(experiment.name)
            assert found is not None
            runs = client.search_runs([found.experiment_id])
        (parent,) = [r for r in runs if "mlflow.parentRunId" not in r.data.tags]
        tags: dict[str, str] = parent.data.tags
        return tags

    @property
    def n_looks(self) -> int:
        ledger = self.workspace / LEDGER
        return len(ledger.read_text().splitlines()) if ledger.exists() else 0


@pytest.fixture(scope="module")
def make_place(tmp_path_factory, database):
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        yield lambda: Place(tmp_path_factory.mktemp("designs"), database)


def quick(root: Path, **changes: Any) -> Experiment:
    """Classes only, two steps a fold."""
    plain = {
        "train": {"steps": 2, "batch_size": 2, "device": "cpu"},
        "evaluate": {"resamples": 200, "blanked_share": 0},
        "score": {},
    }
    return an_experiment(root, "classify", **(plain | changes))


@pytest.fixture(scope="module")
def repeated(make_place):
    """Two repeats of two folds, and a holdout of four patients."""
    place = make_place()
    folds = {"n": 2, "repeats": 2, "holdout": {"fraction": 0.3}}
    place.experiment = quick(place.root, folds=folds)
    place.run(place.experiment)
    return place


def test_each_repeat_is_trained_predicted_and_reported(repeated):
    folder = repeated.workspace / "tiny-classify"
    rows = pd.read_parquet(folder / "evaluate" / "oof_predictions.parquet")

    assert (folder / "train" / "repeat_1" / "fold_1" / "network.safetensors").is_file()
    assert rows.groupby("repeat").exam_id.nunique().to_dict() == {0: 8, 1: 8}
    subsets = {m["subset"] for m in repeated.metrics("*/evaluate/evaluation.json")}
    assert {"all", "repeat 0", "repeat 1"} <= subsets
    page = (folder / "report" / "index.html").read_text()
    assert "Repeats of the split" in page


def test_the_model_is_of_the_first_repeat_alone(repeated):
    folder = repeated.workspace / "tiny-classify"
    package = read_package(folder / "model")
    trained = folder / "train" / "fold_1" / "network.safetensors"

    assert len(package.networks) == 2
    assert (
        folder / "model" / "fold_1.safetensors"
    ).read_bytes() == trained.read_bytes()


def test_a_repeated_run_is_compared_as_a_recipe(repeated):
    name = "tiny-classify"
    found = compare(CompareRequest(name, name), repeated.workspace)

    assert "2 repeats of the split" in found.heading
    assert any("recipes" in " ".join(row) for row in [*found.rows, found.sentences])


def test_nothing_looks_at_the_holdout_unless_asked(repeated):
    holdout = set(holdout_patients(repeated))
    rows = pd.read_parquet(
        repeated.workspace / "tiny-classify" / "evaluate" / "oof_predictions.parquet"
    )
    assert len(holdout) == 4
    assert not holdout & set(rows.patient_id)


def holdout_patients(place: Place) -> list[str]:
    table = pd.read_csv(place.workspace / "tiny-classify" / "folds" / "folds.csv")
    return table[table.role == "holdout"].patient_id.unique().tolist()


def test_looks_are_counted_once_a_model_and_shown_everywhere(repeated):
    place, experiment = repeated, repeated.experiment

    place.look(experiment)
    assert "holdout: this is look 1; it is counted" in place.said
    (folder,) = (place.workspace / "tiny-classify" / "holdout").iterdir()
    rows = pd.read_parquet(folder / "predictions.parquet")
    assert set(rows.patient_id) == set(holdout_patients(place))
    metrics = place.metrics("*/holdout/*/evaluation.json")
    assert {m["subset"] for m in metrics} == {"holdout"}
    assert {m["model"] for m in metrics} == {"network"}
    assert all(str(m["method"]).startswith("look 1 at the locked") for m in metrics)
    assert place.tags(experiment)["holdout.looks"] == "1"
    page = (place.workspace / "tiny-classify" / "report" / "index.html").read_text()
    assert "look 1 at 4 patients" in page

    before = (folder / "evaluation.json").read_bytes()
    place.look(experiment)
    assert any("has had look 1" in line for line in place.said)
    assert (folder / "evaluation.json").read_bytes() == before
    assert place.n_looks == 1

    changed = replaced(experiment, train={"steps": 3, "batch_size": 2, "device": "cpu"})
    place.run(changed, "register_model")
    place.look(changed)
    assert "holdout: this is look 2; it is counted" in place.said
    assert "looked at 1 time before" in place.said[-2]
    assert place.n_looks == 2

    (place.workspace / LEDGER).unlink()
    place.look(changed)
    assert any("lacks 2 looks that results or MLflow" in line for line in place.said)
    assert any("has had look 2" in line for line in place.said)


def replaced(experiment: Experiment, **changes: Any) -> Experiment:
    said = experiment.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return Experiment.model_validate(said | changes)


@pytest.fixture(scope="module")
def by_site(make_place):
    """A fold for each of two sites."""
    place = make_place()
    place.experiment = quick(place.root, folds={"scheme": "leave_one_out_of:site"})
    place.run(place.experiment)
    return place


def test_each_site_is_left_out_and_has_figures_of_its_own(by_site):
    table = pd.read_csv(by_site.workspace / "tiny-classify" / "folds" / "folds.csv")
    held_out = table[table.role == "held_out"].groupby("fold").patient_id.nunique()
    metrics = by_site.metrics("*/evaluate/evaluation.json")
    n = {m["subset"]: m["n_patients"] for m in metrics if m["metric"] == "auc"}

    assert held_out.to_dict() == {0: 10, 1: 2}
    assert n["left out: site=A"] == 10
    assert n["left out: site=B"] == 2
    assert any("site = 'B' has 2 patients" in line for line in by_site.said)
    page = (by_site.workspace / "tiny-classify" / "report" / "index.html").read_text()
    assert "One value left out at a time" in page
    assert "each value left out, with their intervals" in page
    figures = by_site.workspace / "tiny-classify" / "evaluate" / "figures"
    assert (figures / "design_parts.png").is_file()


def test_a_look_without_a_holdout_is_refused(by_site):
    with pytest.raises(ConfigError, match="keeps no holdout"):
        holdout_command(by_site.experiment, by_site.session)
    assert by_site.n_looks == 0


def test_a_look_before_the_model_is_registered_is_refused(make_place):
    place = make_place()
    experiment = quick(place.root, folds={"n": 2, "holdout": {"fraction": 0.3}})
    place.run(experiment, "split_folds")

    with pytest.raises(ConfigError, match="'train' has not finished"):
        holdout_command(experiment, place.session)
    assert place.n_looks == 0


def test_a_patient_seen_at_two_sites_stops_the_run(make_place):
    place = make_place()
    table = (place.root / "labels.csv").read_text().replace("SECRET-P1,", "SECRET-P11,")
    (place.root / "labels.csv").write_text(table)
    experiment = quick(place.root, folds={"scheme": "leave_one_out_of:site"})

    with pytest.raises(DatasetError, match="1 of 11 patients have scans of several"):
        place.run(experiment, "split_folds")
