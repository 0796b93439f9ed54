"""Experiments, contexts and a stage that copies one number."""

from pathlib import Path
from typing import Any

from voxray.core.hashing import sha256_file
from voxray.core.ids import Pseudonymizer
from voxray.core.progress import ignore_progress
from voxray.core.records import Sha256
from voxray.core.specs import Experiment
from voxray.stages.frame import Stage, StageContext, StageOutcome

KEY = b"k" * 32

PLAIN_YAML = """
name: toy
data: {scans: scans, masks: masks, labels: {table: labels.csv}}
task: {segment: {classes: {lesion: {value: 1}}}}
"""


def write_yaml(folder: Path, text: str = PLAIN_YAML, name: str = "toy.yaml") -> Path:
    """Write an experiment file."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def an_experiment(folder: Path, **sections: Any) -> Experiment:
    """Segment scans/ with masks/ in this folder; `sections` replace or add."""
    plain: dict[str, Any] = {
        "name": "toy",
        "data": {
            "scans": folder / "scans",
            "masks": folder / "masks",
            "patient": "each_file",
            "ids": "path",
        },
        "task": {"segment": {"classes": {"lesion": {"value": 1}}}},
        "folds": {"n": 2},
    }
    return Experiment.model_validate(plain | sections)


def a_context(folder: Path, **sections: Any) -> StageContext:
    """A context below this folder; what is said is lost."""
    experiment = an_experiment(folder, **sections)
    workspace = folder / "workspace"
    return StageContext(
        experiment=experiment,
        folder=workspace / experiment.name,
        workspace=workspace,
        pseudonymizer=Pseudonymizer(KEY, readable=True),
        listen=ignore_progress,
        workers=1,
        say=lambda _line: None,
    )


def a_copying_stage(runs: list[str], **changes: Any) -> Stage:
    """Copies workspace/input.txt into its folder; notes every run in `runs`."""

    def inputs(context: StageContext) -> dict[str, Sha256]:
        return {"input": sha256_file(context.workspace / "input.txt")}

    def run(context: StageContext) -> StageOutcome:
        runs.append("run")
        target = context.folder / "copy" / "copy.txt"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((context.workspace / "input.txt").read_bytes())
        return StageOutcome({"files": 1}, "1 file", n_unused=2)

    plain: dict[str, Any] = {
        "number": 1,
        "name": "copy",
        "title": "copy one file",
        "folder": "copy",
        "config": lambda experiment: {"seed": experiment.seed},
        "inputs": inputs,
        "run": run,
    }
    return Stage(**(plain | changes))


def put_input(context: StageContext, text: str = "1") -> None:
    """What the copying stage reads."""
    context.workspace.mkdir(parents=True, exist_ok=True)
    (context.workspace / "input.txt").write_text(text, encoding="utf-8")
