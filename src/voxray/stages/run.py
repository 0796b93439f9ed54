"""Run the stages of an experiment, one after another."""

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from voxray.core.errors import ConfigError, ScanError
from voxray.core.ids import Pseudonymizer
from voxray.core.progress import Listener, ignore_progress
from voxray.core.specs import Experiment
from voxray.core.wording import counted
from voxray.stages import STAGE_NAMES, load_stage
from voxray.stages.frame import (
    Stage,
    StageContext,
    StageOutcome,
    require_stage,
    run_stage,
)
from voxray.stages.workspace import check_outside, claimed, identity_of


def default_workers() -> int:
    """Processes for work per scan: one per processor this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1


def say_nothing(_line: str) -> None:
    """Show nothing."""


@dataclass(frozen=True, slots=True)
class Session:
    """What a command line decides for every command.

    Attributes:
        workspace: Holds all experiments and the tracking store.
        key: The user's secret, for ids.
        strict: Whether an unused input ends in exit code 4.
        workers: Processes for work per scan.
        listen: Gets progress events.
        say: Shows one line.
    """

    workspace: Path
    key: bytes
    strict: bool = False
    workers: int = 1
    listen: Listener = ignore_progress
    say: Callable[[str], None] = say_nothing


@dataclass(frozen=True, slots=True)
class Span:
    """Which stages run.

    Attributes:
        first: Name of the first; earlier ones must be complete and are not run.
        last: Name of the last.
        force: Run them even if they are up to date.
    """

    first: str = STAGE_NAMES[0]
    last: str = STAGE_NAMES[-1]
    force: bool = False

    def names(self) -> tuple[str, ...]:
        """Stages from first to last.

        Raises:
            ConfigError: If a name is unknown, or the last comes before the first.
        """
        start, end = _position(self.first), _position(self.last)
        if end < start:
            msg = f"--until {self.last} comes before --from {self.first}"
            raise ConfigError(msg)
        return STAGE_NAMES[start : end + 1]


@dataclass(frozen=True, slots=True)
class ScoreRequest:
    """What `voxray score` is asked for.

    Attributes:
        scans: Folder of new scans, or one file.
        model: `models:/NAME@ALIAS`, `models:/NAME/VERSION` or a model folder.
        out: Where the scores go.
        readable_ids: Whether ids are file names: public data only.
        limit: At most so many scans are scored.
    """

    scans: Path
    model: str
    out: Path
    readable_ids: bool = False
    limit: int | None = None


def run_experiment(
    experiment: Experiment, session: Session, span: Span | None = None
) -> int:
    """Run the stages of an experiment that are not up to date.

    The last line said has counts.

    Args:
        experiment: What to do.
        session: Where, and for whom.
        span: Which stages; all by default.

    Returns:
        Exit code: 0, or 4 when a scan failed or, with `session.strict`, when something
        was not used.

    Raises:
        VoxrayError: Whatever stops a stage; its `exit_code` is the command's.
    """
    chosen = span or Span()
    names = chosen.names()
    check_paths(experiment)
    context = make_context(experiment, session)
    for scans in (experiment.data.scans, experiment.score.scans):
        check_outside(context.folder, scans)
    with claimed_by(context):
        for name in STAGE_NAMES[: STAGE_NAMES.index(names[0])]:
            require_stage(load_stage(name), context)
        outcomes = [_run_one(load_stage(n), context, force=chosen.force) for n in names]
    if names[-1] == "report":
        session.say(f"report: {context.folder / 'report' / 'index.html'}")
    session.say(closing_line(outcomes, context.folder))
    return exit_code(outcomes, strict=session.strict)


@contextlib.contextmanager
def claimed_by(context: StageContext) -> Iterator[None]:
    """Use the folder of an experiment alone, while the block runs; see `claimed`."""
    experiment = context.experiment
    identity = identity_of(experiment, _keyed_scans(experiment, context.pseudonymizer))
    with claimed(context.folder, identity):
        yield


def make_context(experiment: Experiment, session: Session) -> StageContext:
    """What every stage of this experiment gets."""
    readable = experiment.data.ids == "path"
    return StageContext(
        experiment=experiment,
        folder=session.workspace / experiment.name,
        workspace=session.workspace,
        pseudonymizer=Pseudonymizer(session.key, readable=readable),
        listen=session.listen,
        workers=session.workers,
        say=session.say,
    )


def check_paths(experiment: Experiment) -> None:
    """Check that the folders and the table an experiment names are there.

    Raises:
        ConfigError: One line for each that is not.
    """
    data = experiment.data
    named = {
        "data.scans": data.scans,
        "data.masks": data.masks,
        "data.labels.table": data.labels.table if data.labels else None,
        "score.scans": experiment.score.scans,
    }
    problems = [
        f"{key}: {str(path)!r} does not exist"
        for key, path in named.items()
        if path is not None and not path.exists()
    ]
    if problems:
        raise ConfigError("\n".join(problems))


def exit_code(outcomes: Sequence[StageOutcome], *, strict: bool) -> int:
    """0 when every input is accounted for, else that of a failed scan (4)."""
    failed = any(outcome.n_failed for outcome in outcomes)
    unused = any(outcome.n_unused for outcome in outcomes)
    return ScanError.exit_code if failed or (strict and unused) else 0


def closing_line(outcomes: Sequence[StageOutcome], folder: Path) -> str:
    """The last line of a run, with counts."""
    skipped = sum(outcome.skipped for outcome in outcomes)
    unused = sum(outcome.n_unused for outcome in outcomes)
    failed = sum(outcome.n_failed for outcome in outcomes)
    return (
        f"finished {counted(len(outcomes), 'stage')}, {skipped} of them up to date: "
        f"{counted(unused, 'input')} not used, {counted(failed, 'scan')} failed; "
        f"see {folder}"
    )


def _run_one(stage: Stage, context: StageContext, *, force: bool) -> StageOutcome:
    head = f"{stage.number} {stage.name}"
    context.say(f"{head}: {stage.title}")
    outcome = run_stage(stage, context, force)
    up_to_date = "up to date: " if outcome.skipped else ""
    context.say(f"{head}: {up_to_date}{outcome.message}")
    return outcome


def _keyed_scans(experiment: Experiment, pseudonymizer: Pseudonymizer) -> str:
    return pseudonymizer.study_id(f"scan folder {experiment.data.scans.resolve()}")


def _position(name: str) -> int:
    if name not in STAGE_NAMES:
        msg = f"there is no stage {name!r}; stages: {', '.join(STAGE_NAMES)}"
        raise ConfigError(msg)
    return STAGE_NAMES.index(name)
