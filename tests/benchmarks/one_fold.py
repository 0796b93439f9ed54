"""Train and judge the first fold only: a fifth of the time of a cross-validation."""

import os
import signal
from collections.abc import Sequence
from pathlib import Path

from tests.benchmarks.runs import command, started

from voxray.core.records import Metric
from voxray.evaluate import evaluate_oof
from voxray.model import choose_compute
from voxray.stages.config import load_experiment
from voxray.stages.environment import user_key
from voxray.stages.evidence_files import FOLDER
from voxray.stages.held_out import _judge
from voxray.stages.run import Session, make_context
from voxray.stages.study import read_study

_SECOND = "  fold 2 of "


def train_first_fold(experiment: str, workspace: Path, sets: Sequence[str]) -> None:
    """Run all stages up to training; stop when the second fold takes its first step.

    Args:
        experiment: YAML file, or the name of one that voxray ships.
        workspace: Where; a fold that is trained already is not trained again.
        sets: "key.path=value".
    """
    line = command(
        *("run", experiment, "--workspace", workspace, "--until", "train"),
        *(word for pair in sets for word in ("--set", pair)),
        every_step=True,
    )
    said, is_done = [], False
    with started(line) as process:
        for text in process.stdout or ():
            said.append(text)
            if text.startswith(_SECOND) and not is_done:
                is_done = True
                os.killpg(process.pid, signal.SIGKILL)
    if process.returncode and not is_done:
        raise RuntimeError("".join(said[-20:]))


def judge_first_fold(
    experiment: str, workspace: Path, sets: Sequence[str]
) -> tuple[Metric, ...]:
    """Every metric on the held-out patients of the first fold."""
    spec = load_experiment(Path(experiment), sets)
    context = make_context(spec, Session(workspace, user_key()))
    study = read_study(context)
    name = study.folds()[0]
    folder = context.folder / FOLDER
    judge = _judge(context, study, name, folder, choose_compute(spec.train.device))
    exams = study.exams_of(study.patients(name).held_out)
    found = [judge.predict(exam) for exam in exams]
    predictions = [row for of_exam in found for row in of_exam.predictions]
    lesions = [row for of_exam in found for row in of_exam.lesions]
    return evaluate_oof(predictions, spec.task, spec.evaluate, spec.seed, lesions)
