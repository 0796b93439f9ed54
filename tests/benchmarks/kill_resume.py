"""Kill a training at drawn times until it is done: are the weights the same?

    python tests/benchmarks/kill_resume.py --kills 20 --seed 1 [--workspace DIR] …

A training with a fixed number of steps runs once without a disturbance. Then it runs
again in another workspace, and is killed (SIGKILL to its process group, from this
process) some seconds after its start; the seconds are drawn evenly over the time that
the undisturbed run took, with its start and the writing of files. Each start continues
what the one before left. A run that finishes before its time is compared and begins
anew, until all kills are used. With --separate each kill has a run of its own.

Exit code 1 if a weight of any finished run differs from the undisturbed one, or a start
fails. The machine may be busy: only the times of the kills depend on it.
"""

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).parents[2]))  # for tests.makers
from tests.benchmarks.runs import (
    blocks,
    command,
    environment,
    hippocampi,
    settings,
    shared_data,
)

_STAGE = re.compile(r"^(\d \w+): ", re.MULTILINE)
_STEP = re.compile(r"^  (fold \d+ of \d+): (\d+(?:/\d+)?)", re.MULTILINE)
_WITH_STEPS = "4 train"

Weights = dict[str, str]


class DiffersError(Exception):
    """A weight is not what it is without a kill, or a start failed."""


@dataclass(frozen=True)
class Training:
    """The command whose weights are compared.

    Attributes:
        experiment: YAML file.
        arguments: More of the command line: `--set`, `--until`.
    """

    experiment: Path
    arguments: tuple[str, ...]

    def start(self, workspace: Path, log: Path) -> subprocess.Popen[bytes]:
        """Start it in a process group of its own; what it says goes to the log."""
        workspace.mkdir(parents=True, exist_ok=True)
        line = command(
            "run",
            self.experiment,
            "--workspace",
            workspace,
            *self.arguments,
            every_step=True,
        )
        with log.open("wb") as out:
            return subprocess.Popen(
                line, env=environment(), stdout=out, stderr=out, start_new_session=True
            )


def weights(workspace: Path) -> Weights:
    """Hash of each fold's weights, by the folder's name."""
    files = sorted(workspace.glob("bench/train/*/network.safetensors"))
    return {f.parent.name: sha256(f.read_bytes()).hexdigest() for f in files}


def undisturbed(training: Training, workspace: Path) -> tuple[float, Weights]:
    """How long it takes, and what comes of it."""
    log = workspace.with_suffix(".log")
    began = time.monotonic()
    code = training.start(workspace, log).wait()
    if code != 0:
        msg = f"the undisturbed run ended with {code}:\n{tail(log)}"
        raise DiffersError(msg)
    return time.monotonic() - began, weights(workspace)


def killed_after(training: Training, workspace: Path, seconds: float) -> str | None:
    """Start and kill; where it was then, or None if it was done before."""
    log = workspace.with_suffix(".log")
    process = training.start(workspace, log)
    try:
        code = process.wait(seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return where(log.read_text(errors="replace"))
    if code != 0:
        msg = f"a start ended with {code}:\n{tail(log)}"
        raise DiffersError(msg)
    return None


def where(said: str) -> str:
    """The stage and the step that a run had reached, from what it said."""
    stages = _STAGE.findall(said)
    if not stages:
        return "before the first stage"
    steps = _STEP.findall(said) if stages[-1] == _WITH_STEPS else []
    return ", ".join(
        [stages[-1], *(f"{fold}, step {step}" for fold, step in steps[-1:])]
    )


def tail(log: Path) -> str:
    """The last lines of a log."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-15:])


def disturbed(
    training: Training,
    workspace: Path,
    times_s: Iterator[float],
    options: argparse.Namespace,
) -> Iterator[Weights]:
    """Kill until all kills are used; yield the weights of each run that finished."""
    left = options.kills
    fresh = True
    while left:
        if fresh:
            shutil.rmtree(workspace, ignore_errors=True)
        seconds = next(times_s)
        place = killed_after(training, workspace, seconds)
        if place is not None:
            left -= 1
            print(f"kill {options.kills - left:3}  after {seconds:6.1f} s  {place}")
        fresh = place is None
        if place is not None and (options.separate or not left):
            fresh = finish(training, workspace)
        if fresh:
            print("    finished: " + short(found := weights(workspace)), flush=True)
            yield found


def finish(training: Training, workspace: Path) -> bool:
    """Run to the end."""
    if killed_after(training, workspace, 1e6) is not None:
        msg = "a run without a kill did not end"
        raise DiffersError(msg)
    return True


def short(found: Weights) -> str:
    """The hashes, shortened."""
    return ", ".join(f"{name} {digest[:12]}" for name, digest in found.items())


def compare(training: Training, folder: Path, options: argparse.Namespace) -> None:
    """Show all that was done and what came of it.

    Raises:
        DiffersError: If any finished run gave other weights.
    """
    took_s, expected = undisturbed(training, folder / "undisturbed")
    print(f"undisturbed: {took_s:.1f} s, {short(expected)}", flush=True)
    rng = np.random.default_rng(options.seed)
    times_s = iter(lambda: float(rng.uniform(0, took_s)), None)
    finished = list(disturbed(training, folder / "killed", times_s, options))
    for name, digest in finished[-1].items():
        print(f"killed       {name}  {digest}")
    for name, digest in expected.items():
        print(f"undisturbed  {name}  {digest}")
    different = sum(found != expected for found in finished)
    if different or not expected:
        msg = f"{different} of {len(finished)} finished runs differ"
        raise DiffersError(msg)
    print(f"equal: {options.kills} kills, {len(finished)} finished runs")


def parsed() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--kills", type=int, default=20)
    add("--seed", type=int, default=1)
    add("--steps", type=int, default=60, help="train.steps")
    add("--scans", type=int, default=24)
    add("--folds", type=int, default=2)
    add("--data", choices=("hippocampus", "made"), help="default: hippocampus if there")
    add("--until", default="train", help="last stage, e.g. report")
    add("--set", action="append", default=[], metavar="KEY=VALUE", help="more settings")
    add("--separate", action="store_true", help="each kill has a run of its own")
    add("--workspace", type=Path, help="kept; a temporary folder by default")
    return parser.parse_args()


def main() -> int:
    """Returns the exit code."""
    options = parsed()
    folder = options.workspace or Path(tempfile.mkdtemp(prefix="kill_resume_"))
    shutil.rmtree(folder / "undisturbed", ignore_errors=True)
    data = options.data or ("hippocampus" if shared_data() else "made")
    make = hippocampi if data == "hippocampus" else blocks
    experiment = make(folder / "cohort", options.scans)
    sets = [f"train.steps={options.steps}", f"folds.n={options.folds}", *options.set]
    training = Training(experiment, ("--until", options.until, *settings(sets)))
    try:
        compare(training, folder, options)
    except DiffersError as error:
        print(f"FAILED, see {folder}: {error}")
        return 1
    if options.workspace is None:
        shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
