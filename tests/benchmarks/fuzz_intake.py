"""Damage real files and read them: a scan error or a volume, nothing else.

    python tests/benchmarks/fuzz_intake.py --inputs 20000 --seed 1 [--seconds 600]

Real DICOM, NIfTI, picture and archive files (those of pydicom, and generated ones) are
cut, spliced and edited; then every reader of the intake is called on them. Exit code 1
if one crashes, takes more than a second of processor time or too much memory, warns, or
gives a volume that is none. Such inputs are kept in the folder given with --keep.
"""

import argparse
import faulthandler
import multiprocessing
import signal
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parents[2]))  # for tests.makers
from tests.benchmarks.fuzz_damage import damaged
from tests.benchmarks.fuzz_readers import read_all
from tests.benchmarks.fuzz_seeds import real_files

BATCH = 500
MIB = 1 << 20


class TookTooLongError(BaseException):
    """Raised by the alarm; no reader may catch it."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Stop after so much processor time; a hang in C ends the process at 30 times."""

    def ring(*_: object) -> None:
        raise TookTooLongError

    signal.signal(signal.SIGPROF, ring)
    faulthandler.dump_traceback_later(30 * seconds, exit=True)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        faulthandler.cancel_dump_traceback_later()


@dataclass
class Outcome:
    """What a batch of inputs came to."""

    counts: Counter[str] = field(default_factory=Counter)
    failures: list[tuple[int, str, str]] = field(default_factory=list)
    slowest: tuple[float, int, str] = (0.0, -1, "")
    hungriest: tuple[float, int, str] = (0.0, -1, "")
    n_inputs: int = 0

    def add(self, other: "Outcome") -> None:
        self.counts.update(other.counts)
        self.failures += other.failures
        self.slowest = max(self.slowest, other.slowest)
        self.hungriest = max(self.hungriest, other.hungriest)
        self.n_inputs += other.n_inputs


def run_one(number: int, name: str, path: Path, limits: tuple[float, float]) -> Outcome:
    """Read one input within the limits of seconds and MiB."""
    outcome = Outcome(n_inputs=1)
    before = _reset_peak_mib()
    began = time.process_time()
    try:
        with time_limit(limits[0]):
            outcome.counts.update(read_all(path))
    except TookTooLongError:
        outcome.failures.append((number, name, f"more than {limits[0]:g} s"))
    except BaseException as error:  # noqa: BLE001 - any but a scan error is a finding
        outcome.failures.append((number, name, repr(error)[:300]))
    seconds, mib = time.process_time() - began, _peak_mib() - before
    if mib > limits[1]:
        outcome.failures.append((number, name, f"{mib:.0f} MiB of memory"))
    outcome.slowest = (seconds, number, name)
    outcome.hungriest = (mib, number, name)
    return outcome


def _reset_peak_mib() -> float:
    Path("/proc/self/clear_refs").write_text("5")
    return _status_mib("VmRSS")


def _peak_mib() -> float:
    return _status_mib("VmHWM")


def _status_mib(name: str) -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) / 1024
    return 0.0


def run_batch(numbers: range, seed: int, limits: tuple[float, float], out: Any) -> None:
    """Run inputs in this process and send each outcome; the parent sees a crash."""
    warnings.simplefilter("error")
    with tempfile.TemporaryDirectory() as folder:
        seeds = real_files(Path(folder))
        for number in numbers:
            name, content = damaged(number, seed, seeds)
            path = Path(folder) / f"input{number}"
            path.write_bytes(content)
            out.send(number)
            out.send(run_one(number, name, path, limits))
            path.unlink()
    out.send(None)


def run(arguments: argparse.Namespace) -> Outcome:
    """Run all inputs, in processes that may die."""
    total, next_number = Outcome(), 0
    limits = (arguments.limit_seconds, arguments.limit_mib)
    deadline = time.monotonic() + arguments.seconds
    while next_number < arguments.inputs and time.monotonic() < deadline:
        numbers = range(next_number, min(next_number + BATCH, arguments.inputs))
        receive, send = multiprocessing.Pipe(duplex=False)
        child = multiprocessing.get_context("spawn").Process(
            target=run_batch, args=(numbers, arguments.seed, limits, send)
        )
        child.start()
        send.close()
        next_number = _collect(receive, total, next_number)
        child.join()
        print(f"{total.n_inputs} inputs, {len(total.failures)} failures", flush=True)
    return total


def _collect(receive: Any, total: Outcome, number: int) -> int:
    """Take outcomes until the batch ends; give the number that follows."""
    try:
        while (number_or_end := receive.recv()) is not None:
            number = number_or_end
            total.add(receive.recv())
    except EOFError:
        total.failures.append((number, "?", "the process died"))
        total.n_inputs += 1
    return number + 1


def keep_failures(
    failures: list[tuple[int, str, str]], seed: int, folder: Path
) -> None:
    """Write the inputs that failed, made again from their numbers."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as made:
        seeds = real_files(Path(made))
    for number, _, _ in failures:
        name, content = damaged(number, seed, seeds)
        (folder / f"seed{seed}_{number}_{name}").write_bytes(content)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--inputs", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--limit-seconds", type=float, default=1.0)
    parser.add_argument("--limit-mib", type=float, default=64.0)
    parser.add_argument("--keep", type=Path, default=Path("fuzz_failures"))
    arguments = parser.parse_args()
    total = run(arguments)
    for what, count in sorted(total.counts.items()):
        print(f"{count:8d}  {what}")
    print(f"slowest: {total.slowest}, most memory in MiB: {total.hungriest}")
    for failure in total.failures[:30]:
        print("FAILED", *failure)
    if total.failures:
        keep_failures(total.failures, arguments.seed, arguments.keep)
    print(f"{total.n_inputs} inputs, {len(total.failures)} failures")
    return 1 if total.failures else 0


if __name__ == "__main__":
    raise SystemExit(main())
