"""The benchmarks' short cut gives what the stages give."""

from pathlib import Path

import yaml

from tests.benchmarks.one_fold import judge_first_fold, train_first_fold
from tests.stages.cohort import an_experiment, write_cohort


def a_file(folder: Path) -> str:
    experiment = an_experiment(folder, "segment", folds={"n": 2})
    said = experiment.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump(said))
    return str(path)


def test_the_first_fold_alone_is_trained_and_its_held_out_exams_are_judged(tmp_path):
    write_cohort(tmp_path)
    file, workspace = a_file(tmp_path), tmp_path / "workspace"

    train_first_fold(file, workspace, ["train.steps=5"])
    metrics = judge_first_fold(file, workspace, ["train.steps=5"])

    folds = workspace / "tiny-segment" / "train"
    assert (folds / "fold_0" / "network.safetensors").is_file()
    assert {m.n_exams for m in metrics if m.metric == "dice"} == {4}
