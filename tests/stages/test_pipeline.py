"""All eight stages, one after another, on a tiny cohort."""

import csv
import shutil
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
import pytest

from tests.makers import nifti_source
from tests.stages.cohort import an_experiment, write_cohort, write_exam
from tests.unit.model.makers import a_plan
from tests.unit.stages.makers import KEY
from voxray.core.errors import ScanError
from voxray.core.files import read_json
from voxray.core.ids import Pseudonymizer
from voxray.core.progress import ignore_progress
from voxray.core.seen import recognised
from voxray.core.specs import Experiment, Plan, SeenScans
from voxray.core.specs.experiment import TrackSpec
from voxray.manifest import read_manifest
from voxray.mlflow_store import Store, describe_model, open_store
from voxray.model import read_package
from voxray.stages import STAGE_NAMES
from voxray.stages.preprocess import _Exam, _PrepareExam
from voxray.stages.run import Session, Span, run_experiment

PRIVATE = ("ingest/", "score/private/")
TRAIN = Span("ingest", "train")


class KilledError(Exception):
    """Raised in the middle of training."""


@dataclass
class Place:
    """A cohort and a workspace beside it."""

    root: Path
    experiment: Experiment
    exit_code: int | None = None

    @property
    def folder(self) -> Path:
        return self.root / "workspace" / self.experiment.name

    @property
    def store(self) -> Store:
        tracking = self.root / "workspace" / "tracking"
        uri = self.experiment.track.uri or f"sqlite:///{tracking / 'mlflow.db'}"
        return open_store(uri, tracking / "artifacts")

    def run(self, span=None, said=None, listen=ignore_progress):
        lines = [] if said is None else said
        session = Session(self.root / "workspace", KEY, say=lines.append, listen=listen)
        return run_experiment(self.experiment, session, span)

    def runs(self):
        """Parents and children of the experiment, as the tracking store has them."""
        with self.store.client() as client:
            found = client.get_experiment_by_name(self.experiment.name)
            assert found is not None
            runs = client.search_runs([found.experiment_id])
        parents = [r for r in runs if "mlflow.parentRunId" not in r.data.tags]
        return parents, [r for r in runs if r not in parents]

    def table(self, name: str) -> list[dict[str, str]]:
        with (self.folder / name).open(encoding="utf-8", newline="") as stream:
            return list(csv.DictReader(stream))


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    """An empty tracking store, made once: MLflow needs seconds for it."""
    root = tmp_path_factory.mktemp("empty")
    open_store(f"sqlite:///{root / 'mlflow.db'}", root / "artifacts")
    return root / "mlflow.db"


@pytest.fixture(scope="module")
def make_place(tmp_path_factory, database):
    """Makes a cohort, a workspace and an experiment."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)

        def make(task="both", **changes):
            root = tmp_path_factory.mktemp(task)
            write_cohort(root)
            tracking = root / "workspace" / "tracking"
            tracking.mkdir(parents=True)
            shutil.copyfile(database, tracking / "mlflow.db")
            return Place(root, an_experiment(root, task, **changes))

        yield make


@pytest.fixture(scope="module")
def whole(make_place):
    """Both tasks, all eight stages, run once."""
    place = make_place("both")
    place.exit_code = place.run()
    return place


def test_a_whole_run_succeeds(whole):
    assert whole.exit_code == 0


@pytest.mark.parametrize(
    "name",
    [
        "ingest/files.parquet",
        "ingest/manifest.csv",
        "ingest/quarantine.csv",
        "ingest/summary.json",
        "ingest/linkage.csv",
        "preprocess/statistics.parquet",
        "preprocess/plan.json",
        "folds/folds.csv",
        "folds/audit.json",
        "train/run.json",
        "train/fold_0/network.safetensors",
        "train/fold_1/schedule.json",
        "train/fold_1/history.json",
        "evaluate/oof_predictions.parquet",
        "evaluate/evaluation.json",
        "evaluate/figures/roc.png",
        "evaluate/figures/dice.png",
        "evaluate/figures/bland_altman.png",
        "evaluate/figures/froc.png",
        "evaluate/lesions.parquet",
        "evaluate/worst_exams.csv",
        "model/package.json",
        "model/fold_0.safetensors",
        "model/fold_1.safetensors",
        "model/card.md",
        "model/seen.json",
        "model/figures/roc.png",
        "score/scores.csv",
        "score/status.jsonl",
        "score/summary.json",
        "score/private/linkage.csv",
        "report/index.html",
    ],
)
def test_every_stage_leaves_its_files(whole, name):
    assert (whole.folder / name).is_file()


def test_private_folders_are_closed_and_nothing_else_names_a_person(whole):
    for name in PRIVATE:
        assert (whole.folder / name).stat().st_mode & 0o777 == 0o700
    shared = [p for p in (whole.root / "workspace").rglob("*") if p.is_file()]
    for path in shared:
        name = path.relative_to(whole.root / "workspace").as_posix()
        inner = name.removeprefix(f"{whole.experiment.name}/")
        if not inner.startswith(PRIVATE):
            assert b"SECRET" not in path.read_bytes(), name
            if not name.startswith("tracking/"):  # artifacts have addresses
                assert str(whole.root).encode() not in path.read_bytes(), name


def test_no_pickle_is_left_anywhere(whole):
    suffixes = Counter(p.suffix for p in (whole.root / "workspace").rglob("*"))
    assert not {".pkl", ".pickle", ".pt", ".pth", ".ckpt"} & set(suffixes)


def test_each_exam_is_predicted_once_by_the_fold_that_held_it_out(whole):
    frame = pd.read_parquet(whole.folder / "evaluate" / "oof_predictions.parquet")
    assert [c for c in frame.columns if not c.startswith("true_")] == [
        "repeat",
        "fold",
        "exam_id",
        "patient_id",
        "label",
        "p_healthy",
        "p_ill",
        "dice_lesion",
        "iou_lesion",
        "nsd_lesion",
        "hd95_mm_lesion",
        "assd_mm_lesion",
        "volume_ml_lesion",
    ]
    held_out = {
        (row["fold"], row["patient_id"])
        for row in whole.table("folds/folds.csv")
        if row["role"] == "held_out"
    }
    pairs = set(zip(frame["fold"].astype(str), frame["patient_id"], strict=True))
    assert pairs == held_out
    assert len(frame) == 8
    masks = whole.folder / "evaluate" / "oof_masks"
    assert {p.name for p in masks.iterdir()} == {
        f"{exam}.nii.gz" for exam in frame["exam_id"]
    }


def test_every_lesion_has_a_row_and_every_predicted_one_a_score(whole):
    rows = pd.read_parquet(whole.folder / "evaluate" / "lesions.parquet")
    drawn, predicted = (rows[rows["kind"] == kind] for kind in ("drawn", "predicted"))
    assert len(drawn) == 4
    assert drawn["volume_ml"].tolist() == pytest.approx([6 * 6 * 4 / 1000] * 4)
    assert drawn[["voxel_i", "voxel_j", "voxel_k"]].drop_duplicates().shape == (1, 3)
    assert predicted["score"].between(0.5 - 1e-3, 1).all()
    assert drawn["match"].notna().sum() == predicted["match"].notna().sum()
    measured = pd.read_parquet(whole.folder / "evaluate" / "oof_predictions.parquet")
    volumes = predicted.groupby("exam_id")["volume_ml"].sum()
    for exam, volume in volumes.items():
        (said,) = measured.loc[measured["exam_id"] == exam, "volume_ml_lesion"]
        assert volume == pytest.approx(said)


def test_the_worst_masks_are_pictured_in_the_report(whole):
    listed = whole.table("evaluate/worst_exams.csv")
    assert listed
    page = (whole.folder / "report" / "index.html").read_text(encoding="utf-8")
    assert "The worst masks" in page
    for row in listed:
        picture = whole.folder / "evaluate/worst_exams/lesion" / f"{row['exam_id']}.png"
        shown = whole.folder / "report/img" / f"worst-lesion-{row['exam_id']}.png"
        assert picture.read_bytes() == shown.read_bytes()


def test_every_figure_says_how_it_was_computed(whole):
    metrics = read_json(whole.folder / "evaluate" / "evaluation.json")["metrics"]
    assert {"auc", "auc_pooled", "sensitivity", "specificity", "dice"} <= {
        m["metric"] for m in metrics
    }
    for metric in metrics:
        counts_exams = metric["metric"].endswith("_exams")
        assert metric["unit"] == ("exam" if counts_exams else "patient")
        assert metric["method"]
        assert metric["seed"] == whole.experiment.seed


def test_the_model_folder_is_whole_and_its_references_are_the_scans(whole):
    package = read_package(whole.folder / "model")
    assert package.networks == ("fold_0.safetensors", "fold_1.safetensors")
    assert package.references.spacing_mm == ((1.0, 1.0),) * 3
    assert package.references.n_scans == 8
    assert package.decision is not None
    assert package.note == "A test."
    assert "8 exams of 8 patients" in (whole.folder / "model" / "card.md").read_text()


def seen_in(place):
    """Patients that the registered model recognises among all that were ingested."""
    said = read_json(place.folder / "model" / "seen.json")
    records = read_manifest(place.folder / "ingest" / "manifest.csv")
    seen = SeenScans.model_validate(said)
    readable = place.experiment.data.ids == "path"
    return records, recognised(records, seen, Pseudonymizer(KEY, readable=readable))


def test_the_model_recognises_everyone_it_was_trained_on(whole):
    records, seen = seen_in(whole)
    assert seen == {record.patient_id for record in records}
    assert len(seen) == 8


def test_the_registered_model_was_asked_about_real_scans(whole):
    ref = f"models:/{whole.experiment.model_name}@candidate"
    said = describe_model(whole.store, ref).tags["read_back"]
    assert said.startswith("3 exams scored from their files, largest gap ")
    assert float(said.split()[-1]) < 1e-3


def test_new_scans_are_scored_and_a_strange_one_is_refused(whole):
    rows = whole.table("score/scores.csv")
    assert Counter(row["status"] for row in rows) == {"scored": 2, "refused": 1}
    assert [row["scan_id"] for row in rows] == sorted(row["scan_id"] for row in rows)
    for row in rows:
        assert row["scan_id"].startswith("s-")
        if row["status"] == "scored":
            assert (whole.folder / "score" / row["mask"]).is_file()


def test_the_report_holds_no_address_of_the_network(whole):
    page = (whole.folder / "report" / "index.html").read_text(encoding="utf-8")
    assert "A test." in page
    assert "<script src=" not in page
    assert "AUC" in page or "auc" in page


def test_one_parent_run_holds_a_run_per_fold(whole):
    parents, children = whole.runs()
    said = read_json(whole.folder / "train" / "run.json")
    assert [run.data.tags["voxray.run"] for run in parents] == [said["run"]]
    (parent,) = parents
    assert {run.data.tags["fold"] for run in children} == {"0", "1"}
    above = {run.data.tags["mlflow.parentRunId"] for run in children}
    assert above == {parent.info.run_id}
    assert {run.info.status for run in (*parents, *children)} == {"FINISHED"}
    assert parent.data.params["train.steps"] == "4"
    assert not any("scans" in name for name in parent.data.params)
    for run in children:
        assert "loss" in run.data.metrics
    hashes = {"sha256.code", "sha256.environment", "sha256.scans", "sha256.split"}
    assert all(hashes <= set(run.data.tags) for run in (*parents, *children))


def test_the_parent_page_says_it_all(whole):
    ((parent,), _) = whole.runs()
    page = parent.data.tags["mlflow.note.content"]
    assert page.startswith("**A test.**")
    assert "8 patients in 2 folds, split by patient." in page
    assert (
        f"![all](get-artifact?path=figures/all.png&run_uuid={parent.info.run_id})"
        in page
    )
    with whole.store.client() as client:
        figures = client.list_artifacts(parent.info.run_id, "figures")
    assert "figures/all.png" in {figure.path for figure in figures}
    assert "| auc |" in page
    assert "| dice_" in page
    profiles = [i.dataset.profile for i in parent.inputs.dataset_inputs]
    assert '{"patients": 8, "exams": 8, "scans": 8}' in profiles


def test_nothing_waits_when_the_store_answers(whole):
    spool = whole.root / "workspace" / "tracking" / "spool"
    assert len(list(spool.iterdir())) == 3
    assert not list(spool.glob("*/000*"))
    assert not list(spool.glob("*/alive"))


def test_the_model_is_registered_as_a_candidate(whole):
    with whole.store.client() as client:
        version = client.get_model_version_by_alias("tiny-both", "candidate")
    assert version.version in {"1", 1}


def test_a_second_run_does_nothing(whole):
    stamps = _stamps(whole.folder)
    said: list[str] = []
    assert whole.run(said=said) == 0
    skipped = [line.split()[1].rstrip(":") for line in said if ": up to date: " in line]
    assert skipped == list(STAGE_NAMES)
    assert "finished 8 stages, 8 of them up to date" in said[-1]
    assert _stamps(whole.folder) == stamps
    assert len(whole.runs()[1]) == 2


def _stamps(folder):
    files = (p for p in folder.rglob("*") if p.is_file() and p.name != ".lock")
    return {p: p.stat().st_mtime_ns for p in files}


def test_permuted_labels_are_the_same_labels_on_other_patients(make_place):
    plain, permuted = (
        make_place("classify", data={"permute_labels": seed, "ids": "path"})
        for seed in (None, 3)
    )
    labels = []
    for place in (plain, permuted):
        place.run(Span("ingest", "split_folds"))
        rows = place.table("ingest/manifest.csv")
        labels.append({row["scan_id"]: row["label_lesion"] for row in rows})
    assert labels[0].keys() == labels[1].keys()
    assert labels[0] != labels[1]
    assert Counter(labels[0].values()) == Counter(labels[1].values())


def test_the_holdout_is_in_no_plan_no_fold_and_no_reference(make_place):
    holdout = {"column": "site", "value": "B"}
    place = make_place("classify", folds={"n": 2, "holdout": holdout})
    for n, name in ((6, "SECRET6"), (7, "SECRET7")):
        write_exam(place.root, name, n, ill=n == 7, spacing=3.0)
    assert place.run() == 0
    kept_out = {
        row["patient_id"]
        for row in place.table("folds/folds.csv")
        if row["role"] == "holdout"
    }
    frame = pd.read_parquet(place.folder / "evaluate" / "oof_predictions.parquet")
    assert len(kept_out) == 2
    assert not kept_out & set(frame["patient_id"])
    assert not kept_out & seen_in(place)[1]
    package = read_package(place.folder / "model")
    assert package.references.n_scans == 6
    assert package.references.spacing_mm == ((1.0, 1.0),) * 3
    assert package.plan.spacing_mm == (1.0, 1.0, 1.0)
    assert {v.n_exams for v in package.fold_values} <= {2, 3}
    assert "6 exams of 6 patients" in (place.folder / "model" / "card.md").read_text()
    assert not (place.folder / "evaluate" / "oof_masks").exists()


@dataclass
class Killed:
    """What was seen when a killed training was run again."""

    place: Place
    status: str
    before: dict[str, str]
    said: list[str]


@pytest.fixture(scope="module")
def killed(make_place):
    """Masks alone, trained by a run that was killed in fold 2 and then run again."""
    train = {"steps": 22, "batch_size": 2, "device": "cpu"}
    place = make_place("segment", train=train, score={})

    def listen(event):
        if event.task == "fold 2 of 2" and event.done == 21:
            raise KilledError

    with pytest.raises(KilledError):
        place.run(TRAIN, listen=listen)
    status = place.runs()[0][0].info.status
    seen = Killed(place, status, read_json(place.folder / "train" / "run.json"), [])
    place.run(TRAIN, seen.said)
    return seen


@pytest.fixture
def segmented(killed, tmp_path):
    """A copy of the trained workspace, to do anything with."""
    shutil.copytree(killed.place.root / "workspace", tmp_path / "workspace")
    return replace(killed.place, root=tmp_path)


def test_training_that_was_killed_goes_on_in_the_same_run(killed):
    assert killed.status == "FAILED"
    assert "fold 1 of 2: trained already" in killed.said
    assert "fold 2 of 2: continued after epoch 1" in killed.said
    assert read_json(killed.place.folder / "train" / "run.json") == killed.before
    parents, children = killed.place.runs()
    assert (len(parents), len(children)) == (1, 2)
    assert {run.info.status for run in (*parents, *children)} == {"FINISHED"}
    assert not list(killed.place.folder.rglob("*.ckpt"))


def test_weights_that_were_touched_are_trained_again(segmented):
    file = segmented.folder / "train" / "fold_0" / "network.safetensors"
    before = file.read_bytes()
    file.write_bytes(before[:-1] + bytes([before[-1] ^ 1]))
    said: list[str] = []
    segmented.run(TRAIN, said)
    assert any("output fold_0/network.safetensors" in line for line in said)
    assert "fold 1 of 2: trained already" not in said
    assert "fold 2 of 2: trained already" in said
    assert file.read_bytes() == before
    folds = Counter(run.data.tags["fold"] for run in segmented.runs()[1])
    assert folds == {"0": 2, "1": 1}  # a curve holds each epoch once


def test_in_another_tracking_store_the_folds_are_recorded_again(segmented, database):
    other = segmented.root / "other" / "mlflow.db"
    other.parent.mkdir()
    shutil.copyfile(database, other)
    moved = {"track": TrackSpec(uri=f"sqlite:///{other}")}
    place = replace(segmented, experiment=segmented.experiment.model_copy(update=moved))
    said: list[str] = []
    place.run(TRAIN, said)
    assert "train: runs again, changed: setting track.uri" in said
    assert {"fold 1 of 2: trained already", "fold 2 of 2: trained already"} <= {*said}
    parents, children = place.runs()
    assert (len(parents), len(children)) == (1, 2)
    for run in children:
        wanted = {"loss", "learning_rate", "augmentation"}
        wanted |= {"share_forward_backward", "train_seconds"}
        assert wanted <= set(run.data.metrics)
        assert "schedule.steps" in run.data.params


class Asked:
    """Which held-out exams a network was asked about; may stop at one of them."""

    def __init__(self, killed_at: int | None = None) -> None:
        self.done: list[int] = []
        self.killed_at = killed_at

    def __call__(self, event):
        if event.task == "predicting held-out exams":
            self.done.append(event.done)
            if event.done == self.killed_at:
                raise KilledError


JUDGING = Span("evaluate", "evaluate")


@pytest.fixture
def judged(segmented):
    """Stage 5 was killed in the second fold, and run again."""
    first, second = Asked(killed_at=6), Asked()
    with pytest.raises(KilledError):
        segmented.run(JUDGING, listen=first)
    segmented.run(JUDGING, listen=second)
    assert (first.done, second.done) == ([1, 2, 3, 4, 5, 6], [5, 6, 7, 8])
    return segmented


def test_judging_in_another_way_asks_no_network_again(judged):
    predictions = judged.folder / "evaluate" / "oof_predictions.parquet"
    before, asked = predictions.read_bytes(), Asked()
    spec = judged.experiment.evaluate.model_copy(update={"resamples": 201})
    changed = judged.experiment.model_copy(update={"evaluate": spec})
    replace(judged, experiment=changed).run(JUDGING, listen=asked)
    assert asked.done == []
    assert predictions.read_bytes() == before


def test_a_mask_that_was_touched_is_predicted_again(judged):
    masks = sorted((judged.folder / "evaluate" / "oof_masks").iterdir())
    before, asked = masks[0].read_bytes(), Asked()
    masks[0].write_bytes(masks[1].read_bytes())
    stray = masks[0].with_name("of_an_earlier_task.nii.gz")
    stray.write_bytes(before)
    judged.run(JUDGING, listen=asked)
    assert len(asked.done) == 4
    assert masks[0].read_bytes() == before
    assert not stray.exists()


def test_masks_alone_are_evaluated_registered_and_reported(segmented):
    assert segmented.run() == 0
    frame = pd.read_parquet(segmented.folder / "evaluate" / "oof_predictions.parquet")
    assert "dice_lesion" in frame.columns
    assert not [c for c in frame.columns if c.startswith("p_")]
    assert read_package(segmented.folder / "model").decision is None
    assert not (segmented.folder / "evaluate" / "figures" / "roc.png").exists()
    assert (segmented.folder / "report" / "index.html").is_file()


def test_a_scan_that_upsets_a_library_stops_no_other(tmp_path, make_place):
    place = make_place("segment")
    place.run(Span("ingest", "ingest"))
    (record, *_) = read_manifest(place.folder / "ingest" / "manifest.csv")
    source = nifti_source(place.root / "scans" / record.path.name)
    odd = Plan.model_construct(**dict(a_plan()) | {"spacing_mm": ("x", "x", "x")})
    with pytest.raises(ScanError, match=f"{record.scan_id}.*failed: RuntimeError"):
        _PrepareExam(odd, tmp_path)(
            _Exam(record.exam_id, {record.channel: (record, source)}, None)
        )
