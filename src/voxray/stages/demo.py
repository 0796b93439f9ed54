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
    exit_code = run_experiment(experiment, session)
    report = session.workspace / experiment.name / "report" / "index.html"
    session.say(f"look at the report: {report}")
    session.say("look at the experiment: make ui, or voxray ui")
    return exit_code
