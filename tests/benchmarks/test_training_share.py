"""Where the time of training goes, and its speed against a plain MONAI script.

    pytest -m bench -s tests/benchmarks/test_training_share.py
    python -m tests.benchmarks.test_training_share hippocampus --steps 100 --blocks 3

Needs VOXRAY_SHARED_DATA. Blocks of `voxray run` and of `monai_script.py`, the latter
with 0 and with 2 loader workers, take turns, so that a busy machine hits all; what each
prints after a step is timed here. Both train the same network at the same batch,
precision and kinds of augmentation. "all" counts validation, checkpoints and waiting
for data; "median" is of single steps. The share of the network's forward and backward
is the one that the training wrote beside its weights.
"""

import argparse
import json
import os
import re
import signal
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median

import pytest
from tests.benchmarks.runs import (
    ROOT,
    command,
    shared_data,
    started,
    voxray,
)

pytestmark = [pytest.mark.bench, pytest.mark.timeout(7200)]

WANTED_SHARE = 0.85
NETWORK = "forward_backward"
_WARM_UP = 5  # steps of a block that are not counted
_FOLDERS = {"hippocampus": ("images", "labels"), "lidc_nodules": ("images", "masks")}
_OUR_STEP = re.compile(r"^  fold 1 of \d+: (\d+)")
_OUR_END = re.compile(r"^  fold 2 of \d+: \d+")
_THEIR_STEP = re.compile(r"^step (\d+)")


@dataclass(frozen=True)
class Pace:
    """Times at which the steps of one block ended."""

    ends_s: tuple[float, ...]

    @property
    def all_per_s(self) -> float:
        """Steps a second, with all that lies between them."""
        return (len(self.ends_s) - 1) / (self.ends_s[-1] - self.ends_s[0])

    @property
    def median_per_s(self) -> float:
        """The same of the typical step."""
        return 1 / median(b - a for a, b in pairwise(self.ends_s))


def timed_steps(
    arguments: Sequence[str], step: re.Pattern[str], end: re.Pattern[str] | None
) -> Pace:
    """Run a program, note when it says that a step is done, stop it at the end."""
    ends_s: dict[int, float] = {}
    said = []
    with started(arguments) as process:
        for line in process.stdout or ():
            said.append(line)
            if found := step.match(line):
                ends_s.setdefault(int(found[1]), time.monotonic())
            if end is not None and end.match(line):
                os.killpg(process.pid, signal.SIGKILL)
    assert len(ends_s) > _WARM_UP + 1, "".join(said[-30:])
    return Pace(tuple(ends_s.values())[_WARM_UP:])


@dataclass(frozen=True)
class Contest:
    """One experiment that is prepared, trained by both."""

    name: str
    workspace: Path

    @property
    def folder(self) -> Path:
        """The experiment's own."""
        return self.workspace / self.name

    def prepare(self) -> None:
        """All stages before the training."""
        voxray("run", self.name, *self._place, "--until", "split_folds")

    def ours(self, steps: int) -> Pace:
        """Train the first fold; stop when the second one begins."""
        sets = ("--set", f"train.steps={steps}", "--from", "train", "--until", "train")
        line = command("run", self.name, *self._place, *sets, every_step=True)
        return timed_steps(line, _OUR_STEP, _OUR_END)

    def theirs(self, steps: int, workers: int) -> Pace:
        """Train with the plain script."""
        shared = shared_data()
        assert shared is not None
        scans, masks = (shared / self.name / f for f in _FOLDERS[self.name])
        script = ROOT / "tests" / "benchmarks" / "monai_script.py"
        line = [sys.executable, script, self.folder, "--scans", scans, "--masks", masks]
        more = ["--steps", steps, "--workers", workers]
        return timed_steps([str(word) for word in (*line, *more)], _THEIR_STEP, None)

    def shares(self) -> dict[str, float]:
        """What the training of the first fold wrote; empty if it wrote none."""
        path = self.folder / "train" / "fold_0" / "history.json"
        said = json.loads(path.read_text()).get("time", {})
        return dict(said.get("shares", {}))

    @property
    def _place(self) -> tuple[str, str]:
        return ("--workspace", str(self.workspace))


def measure(contest: Contest, steps: int, blocks: int) -> tuple[float, float]:
    """Print the figures; the share of the network, the ratio to the faster script."""
    paces = defaultdict(list)
    for block in range(blocks):
        paces["voxray"].append(contest.ours(steps + block))  # another job each time
        for workers in (0, 2):
            name = f"MONAI, {workers} workers"
            paces[name].append(contest.theirs(steps, workers))
    shares = contest.shares()
    print(f"\n{contest.name}: {blocks} blocks of {steps} steps, in turns")
    for line in table(paces):
        print(line)
    for name, share in sorted(shares.items(), key=lambda item: -item[1]):
        print(f"  share of the wall time: {name} {share:.1%}")
    rates = {name: mean_rate(found) for name, found in paces.items()}
    own = rates.pop("voxray")
    return shares.get(NETWORK, float("nan")), own / max(rates.values())


def table(paces: dict[str, list[Pace]]) -> Iterator[str]:
    """One line each: steps a second, all and median, and the ratio of ours to it."""
    own = mean_rate(paces["voxray"])
    own_median = median(pace.median_per_s for pace in paces["voxray"])
    for name, found in paces.items():
        rate, typical = mean_rate(found), median(pace.median_per_s for pace in found)
        each = " ".join(f"{pace.all_per_s:.2f}" for pace in found)
        yield (
            f"  {name:16}  all {rate:.2f} steps/s ({each}), median {typical:.2f}; "
            f"voxray to it: all {own / rate:.2f}, median {own_median / typical:.2f}"
        )


def mean_rate(paces: Sequence[Pace]) -> float:
    """Steps a second over several blocks."""
    steps = sum(len(pace.ends_s) - 1 for pace in paces)
    return steps / sum(pace.ends_s[-1] - pace.ends_s[0] for pace in paces)


@pytest.mark.skipif(shared_data() is None, reason="needs VOXRAY_SHARED_DATA")
@pytest.mark.parametrize("name", sorted(_FOLDERS))
def test_the_network_takes_most_of_the_time_of_training(name, tmp_path):
    contest = Contest(name, tmp_path)
    contest.prepare()

    share, ratio = measure(contest, steps=100, blocks=3)

    assert share >= WANTED_SHARE
    assert ratio >= 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="+", choices=sorted(_FOLDERS))
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--blocks", type=int, default=3)
    parser.add_argument("--workspace", type=Path)
    chosen = parser.parse_args()
    top = chosen.workspace or Path(tempfile.mkdtemp(prefix="training_share_"))
    for one in chosen.names:
        asked = Contest(one, top)
        asked.prepare()
        measure(asked, chosen.steps, chosen.blocks)
