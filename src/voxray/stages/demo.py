"""`voxray demo`: make the embedded cohort, then run all eight stages on it."""

from collections.abc import Sequence
from pathlib import Path

from voxray.demo import make_cohort
from voxray.stages.config import load_experiment
from voxray.stages.environment import variables
from voxray.stages.run import Session, run_experiment

COHORT_FOLDER = "demo-cohort"


def run_demo(session: Session, sets: Sequence[str] = ()) -> int:
    """Run the demonstration in the session's workspace; returns the exit code."""
    cohort = session.workspace.resolve() / COHORT_FOLDER
    known = {**variables(), "VOXRAY_DEMO": str(cohort)}
    experiment = load_experiment(Path("demo"), sets, known)
    session.say(f"making the embedded cohort in {cohort}")
    make_cohort(cohort, experiment.seed, session.listen)
    session.say(experiment.note)
    session.say("afterwards, look at runs and models: make ui, or voxray ui")
    return run_experiment(experiment, session)
