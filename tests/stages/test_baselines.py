"""Baselines in stage 5, on a cohort whose answers are known."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.makers import write_nifti
from voxray.core.errors import ConfigError
from voxray.core.files import read_json
from voxray.core.ids import Pseudonymizer
from voxray.core.specs import Experiment
from voxray.evaluate import read_predictions
from voxray.model import choose_compute
from voxray.stages.blanked import blanked_rival
from voxray.stages.frame import StageContext
from voxray.stages.rivals import Rivals
from voxray.stages.run import Session, Span, run_experiment
from voxray.stages.study import read_study

N_PATIENTS = 24
KEY = b"k" * 32
SPAN = Span("ingest", "evaluate")


def write_cohort(folder, *, same_size):
    """Ill patients are old, their scan is larger, their block bright."""
    rows = ["scan,lesion,age,noise,side"]
    for n in range(N_PATIENTS):
        rng = np.random.default_rng(n)
        ill = n % 2
        shape = (16, 16, 12 if same_size or not ill else 16)
        mask = np.zeros(shape, np.uint8)
        mask[4:10, 4:10, 4:8] = 1
        image = rng.normal(100, 5, shape) + mask * (100 + 30 * ill)
        write_nifti(folder / "scans" / f"c{n:02}.nii.gz", image.astype(np.float32))
        write_nifti(folder / "masks" / f"c{n:02}.nii.gz", mask)
        age = "" if n == 5 else 40 + 20 * ill + n / 100
        rows.append(f"c{n:02},{ill},{age},{rng.random():.3f},{'LR'[n % 3 == 0]}")
    (folder / "labels.csv").write_text("\n".join(rows) + "\n")


def an_experiment(folder: Path, **changes: Any) -> Experiment:
    plain: dict[str, Any] = {
        "name": "known",
        "data": {
            "scans": folder / "scans",
            "masks": folder / "masks",
            "labels": {"table": folder / "labels.csv", "key": {"column": "scan"}},
            "patient": "each_file",
            "ids": "path",
        },
        "task": {
            "classify": {"column": "lesion", "classes": {"well": 0, "ill": 1}},
            "segment": {"classes": {"block": {"value": 1}}},
        },
        "folds": {"n": 2},
        "train": {"steps": 20, "batch_size": 2, "device": "cpu"},
        "evaluate": {
            "resamples": 200,
            "baseline_columns": ["age", "noise", "side"],
            "subgroups": ["side", {"column": "age", "edges": [50]}],
        },
    }
    return Experiment.model_validate(plain | changes)


def run(folder, experiment, span=SPAN):
    said: list[str] = []
    session = Session(folder / "workspace", KEY, say=said.append)
    run_experiment(experiment, session, span)
    return said


def figures(folder):
    rows = read_json(folder / "workspace/known/evaluate/evaluation.json")["metrics"]
    return {
        (row["model"], row["metric"]): row for row in rows if row["subset"] == "all"
    }


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Scans of two sizes, all of stages 1 to 5."""
    folder = tmp_path_factory.mktemp("known")
    write_cohort(folder, same_size=False)
    said = run(folder, an_experiment(folder))
    return folder, said


@pytest.mark.parametrize("name", ["age", "extent", "size", "size+intensity"])
def test_what_tells_the_classes_apart_has_a_perfect_auc(place, name):
    found = figures(place[0])
    assert found[f"baseline:{name}", "auc"]["value"] > 0.95


def test_what_does_not_is_near_one_half(place):
    assert 0.2 < figures(place[0])["baseline:noise", "auc"]["value"] < 0.8


def test_every_baseline_has_a_paired_difference(place):
    found = figures(place[0])
    classes = {model for model, metric in found if metric == "auc_difference"}
    columns = {"age", "noise", "side", "columns"}
    scans = {"extent", "size", "intensity", "size+intensity", "blanked"}
    expected = {f"baseline:{name}" for name in columns | scans} | {"columns+network"}
    assert classes == expected
    masks = {model for model, metric in found if metric == "dice_difference"}
    assert masks == {"baseline:threshold", "baseline:mean_mask"}


def test_a_bright_block_is_found_by_a_threshold_and_a_fixed_one_by_the_mean(place):
    found = figures(place[0])
    assert found["baseline:threshold", "dice"]["value"] > 0.95
    assert found["baseline:mean_mask", "dice"]["value"] > 0.8


def test_each_baseline_predicts_the_exams_of_the_network(place):
    folder = place[0] / "workspace/known/evaluate"
    network = pd.read_parquet(folder / "oof_predictions.parquet")
    table = pd.read_parquet(folder / "baseline_predictions.parquet")
    for _, own in table.groupby("baseline"):
        assert sorted(own["exam_id"]) == sorted(network["exam_id"])


def test_the_headline_says_what_was_beaten(place):
    line = next(s for s in place[1] if s.startswith("5 evaluate: auc"))
    assert "the scan's extent" in line


def test_possibly_mislabelled_scans_are_listed(place):
    path = place[0] / "workspace/known/evaluate/possibly_mislabelled.csv"
    with path.open(newline="") as stream:
        head = next(csv.reader(stream))
    assert head[:4] == ["rank", "kind", "exam_id", "patient_id"]


def test_blanked_networks_that_cannot_be_trained_are_left_out_and_said(place, tmp_path):
    folder, said = place[0], list[str]()
    tight = {"steps": 20, "batch_size": 2, "device": "cpu", "memory_gb": 1e-6}
    context = StageContext(
        an_experiment(folder, train=tight),
        folder / "workspace" / "known",
        folder / "workspace",
        Pseudonymizer(KEY, True),
        lambda _: None,
        1,
        said.append,
    )
    network = read_predictions(context.folder / "evaluate/oof_predictions.parquet")
    rivals = Rivals(context, read_study(context), network)

    found = blanked_rival(rivals, tmp_path, choose_compute("cpu"))

    assert found is None
    assert said[-1].startswith("warning: no network on blanked images: ")
    assert "raise train.memory_gb" in said[-1]


def test_blanked_networks_are_not_trained_again_for_another_interval(place):
    folder, _ = place
    path = folder / "workspace/known/evaluate/blanked/fold_0/predictions.json"
    before = path.stat().st_mtime_ns
    experiment = an_experiment(folder)
    spec = experiment.evaluate.model_copy(update={"level": 0.9})
    run(folder, experiment.model_copy(update={"evaluate": spec}))
    assert path.stat().st_mtime_ns == before
    assert figures(folder)["network", "auc"]["level"] == 0.9


def test_an_evaluation_depends_on_the_manifest_it_reads_columns_from(place):
    record = read_json(place[0] / "workspace/known/evaluate/stage.json")
    inputs = set(record["made_from"]["inputs"])
    assert {"ingest/manifest.csv", "preprocess", "train"} <= inputs


def test_an_unknown_column_is_refused_before_training(tmp_path):
    write_cohort(tmp_path, same_size=True)
    spec = an_experiment(tmp_path).evaluate
    wrong = spec.model_copy(update={"baseline_columns": ("agee",)})
    experiment = an_experiment(tmp_path).model_copy(update={"evaluate": wrong})
    with pytest.raises(ConfigError, match="column 'agee'; did you mean 'age'"):
        run(tmp_path, experiment)
    assert not list(tmp_path.rglob("schedule.json"))


def test_blanked_images_of_one_size_are_half_by_construction(tmp_path):
    write_cohort(tmp_path, same_size=True)
    experiment = an_experiment(
        tmp_path,
        task={"classify": {"column": "lesion", "classes": {"well": 0, "ill": 1}}},
        train={"steps": 2, "batch_size": 2, "device": "cpu"},
        evaluate={"resamples": 200},
    )
    run(tmp_path, experiment)
    found = figures(tmp_path)["baseline:blanked", "auc"]
    assert (found["value"], found["low"]) == (0.5, None)
    assert "all blanked inputs are equal" in found["method"]
    assert not (tmp_path / "workspace/known/evaluate/blanked").exists()


def test_subgroups_have_figures_and_say_what_they_cannot_tell(place):
    folder, _ = place
    rows = read_json(folder / "workspace/known/evaluate/evaluation.json")["metrics"]
    found = {(r["subset"], r["metric"]): r for r in rows if r["subset"] != "all"}
    subsets = ["side=L", "side=R", "age<50", "age>=50", "age=unknown"]
    assert list(dict.fromkeys(subset for subset, _ in found)) == subsets
    assert found["side=R", "dice"]["value"] is not None
    assert "one of 20 comparisons" in found["side=R", "dice_less_rest"]["method"]
    young = found["age<50", "auc"]
    assert young["value"] is None
    assert "0 positive and 12 negative patients" in young["method"]
    assert (folder / "workspace/known/evaluate/figures/subgroups.png").is_file()
