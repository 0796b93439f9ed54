"""Several labels, ordered classes and three classes, through all stages."""

import csv
import shutil
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

from tests.stages.many_classes import an_experiment, write_grades, write_sides
from tests.unit.stages.makers import KEY
from voxray.core.errors import DatasetError
from voxray.core.files import read_json
from voxray.core.specs import Target
from voxray.mlflow_store import open_store
from voxray.mlflow_store.signature import score_columns
from voxray.model import read_package
from voxray.stages.models import find_model
from voxray.stages.run import ScoreRequest, Session, Span, run_experiment
from voxray.stages.score import score_command

COHORTS = {"labels": write_sides, "ordinal": write_grades, "kinds": write_grades}


@dataclass
class Finished:
    """A whole run."""

    root: Path
    kind: str
    session: Session
    said: list[str]

    @property
    def folder(self) -> Path:
        return self.root / "workspace" / f"tiny-{self.kind}"

    def metrics(self, name):
        """The network's values of a metric by class."""
        rows = read_json(self.folder / "evaluate" / "evaluation.json")["metrics"]
        asked = {"model": "network", "metric": name}
        return {
            row["class"]: row["value"] for row in rows if asked.items() <= row.items()
        }

    def predictions(self):
        return pd.read_parquet(self.folder / "evaluate" / "oof_predictions.parquet")


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    """An empty tracking store, made once: MLflow needs seconds for it."""
    root = tmp_path_factory.mktemp("empty")
    open_store(f"sqlite:///{root / 'mlflow.db'}", root / "artifacts")
    return root / "mlflow.db"


@pytest.fixture(scope="module")
def run(tmp_path_factory, database):
    """Runs all stages of a kind of task, once."""
    done: dict[str, Finished] = {}

    def once(kind):
        if kind not in done:
            root = tmp_path_factory.mktemp(kind)
            COHORTS[kind](root)
            (root / "workspace" / "tracking").mkdir(parents=True)
            shutil.copyfile(database, root / "workspace" / "tracking" / "mlflow.db")
            said: list[str] = []
            session = Session(root / "workspace", KEY, say=said.append)
            assert run_experiment(an_experiment(root, kind), session) == 0
            done[kind] = Finished(root, kind, session, said)
        return done[kind]

    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        yield once


@pytest.mark.parametrize(
    ("kind", "classes"),
    [
        ("labels", ["macro", "left_block", "right_block"]),
        ("ordinal", ["macro", "low", "mid", "high"]),
        ("kinds", ["macro", "none", "one", "two"]),
    ],
)
def test_what_is_seen_in_the_image_is_learned(run, kind, classes):
    aucs = run(kind).metrics("auc")
    assert list(aucs) == classes
    assert min(aucs.values()) > 0.8


def test_labels_stand_beside_their_probabilities_where_they_are_stated(run):
    frame = run("labels").predictions().set_index("exam_id")
    assert list(frame.columns) == [
        "repeat",
        "fold",
        "patient_id",
        "label",
        "p_left_block",
        "p_right_block",
        "label_left_block",
        "label_right_block",
    ]
    assert frame["label"].isna().all()
    assert frame["label_left_block"].notna().all()
    missing = frame.index[frame["label_right_block"].isna()]
    assert list(missing) == ["c23"]
    assert frame["label_left_block"].sum() == 12


def test_grades_are_predicted_in_order(run):
    found = run("ordinal")
    frame = found.predictions()
    shares = frame[["p_low", "p_mid", "p_high"]]
    assert shares.sum(axis=1).to_numpy() == pytest.approx(1, abs=1e-5)
    assert found.metrics("quadratic_kappa")[""] > 0.8
    assert found.metrics("class_error")[""] < 0.3


@pytest.mark.parametrize(
    ("kind", "both", "neither"),
    [
        ("labels", "left_block;right_block", "none"),
        ("ordinal", "high", "low"),
        ("kinds", "two", "none"),
    ],
)
def test_new_scans_get_a_decision(run, kind, both, neither, tmp_path):
    found = run(kind)
    request = ScoreRequest(
        found.root / "new",
        f"models:/tiny-{kind}@candidate",
        tmp_path / "scored",
        readable_ids=True,
    )
    assert score_command(request, found.session) == 0
    text = (tmp_path / "scored" / "scores.csv").read_text()
    rows = {row["scan_id"]: row for row in csv.DictReader(text.splitlines())}
    assert (rows["both"]["decision"], rows["neither"]["decision"]) == (both, neither)
    assert (found.folder / "score" / "scores.csv").read_text().split(",")[:12] == (
        text.split(",")[:12]
    )


def test_scores_of_labels_have_a_threshold_each(run):
    found = run("labels")
    text = (found.folder / "score" / "scores.csv").read_text()
    row = next(csv.DictReader(text.splitlines()))
    package = read_package(found.folder / "model")
    assert package.decision is not None
    assert row["threshold"] == ""
    for name, point in package.decision.operating_points.items():
        assert float(row[f"threshold_{name}"]) == pytest.approx(point.threshold)
    assert list(row) == list(score_columns(package))


@pytest.mark.parametrize(
    ("kind", "target", "said"),
    [
        ("labels", Target.LABELS, "'right_block' when its probability is at least"),
        ("ordinal", Target.ORDINAL, "The median class"),
        ("kinds", Target.EXCLUSIVE, "The likeliest class"),
    ],
)
def test_the_registered_model_says_how_it_decides(run, kind, target, said):
    found = run(kind)
    folder = find_model(found.session.workspace, f"models:/tiny-{kind}@candidate")
    package = read_package(folder)
    assert package.decision is not None
    assert package.plan.target is package.decision.target is target
    assert said in (folder / "card.md").read_text()


@pytest.mark.parametrize("kind", ["labels", "ordinal", "kinds"])
def test_the_report_shows_every_class(run, kind):
    found = run(kind)
    page = (found.folder / "report" / "index.html").read_text()
    for name in found.metrics("auc"):
        assert name in page
    assert "Accuracy" in page
    assert ("Quadratic weighted kappa" in page) == (kind == "ordinal")
    assert (found.folder / "evaluate" / "figures" / "roc.png").is_file()


def held_out_by_hand(folder, numbers):
    """Fold 0 holds out these patients, fold 1 the others."""
    lines = ["repeat,fold,patient_id,group,role"]
    for n in range(8):
        fold = int(n not in numbers)
        lines.append(f"0,{fold},c{n},c{n},held_out")
    (folder / "folds" / "folds.csv").write_text("\n".join(lines) + "\n")


def trained_on_folds_by_hand(tmp_path, database, kind, numbers):
    """What is said when fold 0 of eight patients holds out these."""
    COHORTS[kind](tmp_path, 8)
    tracking = tmp_path / "workspace" / "tracking"
    tracking.mkdir(parents=True)
    shutil.copyfile(database, tracking / "mlflow.db")
    said: list[str] = []
    session = Session(tmp_path / "workspace", KEY, say=said.append)
    train = {"steps": 2, "batch_size": 2, "device": "cpu"}
    experiment = an_experiment(tmp_path, kind, train=train)
    run_experiment(experiment, session, Span("ingest", "split_folds"))
    held_out_by_hand(tmp_path / "workspace" / f"tiny-{kind}", numbers)
    run_experiment(experiment, session, Span("split_folds", "train"))
    return said


def test_a_fold_without_a_label_says_so_and_learns_the_others(tmp_path, database):
    said = trained_on_folds_by_hand(tmp_path, database, "labels", {0, 2, 3, 6, 7})
    assert [line for line in said if "cannot learn" in line] == [
        "fold 1 of 2: its training exams do not differ in the labels 'right_block', "
        "which this network cannot learn; its probabilities of them mean nothing"
    ]


def test_a_fold_of_one_class_is_refused(tmp_path, database):
    with pytest.raises(DatasetError, match="fold 1 of 2: its training exams do not"):
        trained_on_folds_by_hand(tmp_path, database, "kinds", {1, 2, 4, 5, 7})
