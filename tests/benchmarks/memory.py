"""Memory of a process and all below it while it runs, from /proc."""

import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.runs import environment

MIB = 1 << 20
_EVERY_S = 0.1


@dataclass(frozen=True)
class Memory:
    """Bytes of a process tree.

    Attributes:
        resident: All pages in memory; pages that processes share count for each, and
            pages of mapped files count though the system may drop them at any time.
        shared_out: The same, but a page that n processes share counts 1/n each (Pss).
        anonymous: What no file holds: arrays, weights, heaps. This is what can run out.
    """

    resident: int = 0
    shared_out: int = 0
    anonymous: int = 0

    def __add__(self, other: "Memory") -> "Memory":
        """Of both."""
        return Memory(
            self.resident + other.resident,
            self.shared_out + other.shared_out,
            self.anonymous + other.anonymous,
        )

    def peak(self, other: "Memory") -> "Memory":
        """The larger of each."""
        return Memory(
            max(self.resident, other.resident),
            max(self.shared_out, other.shared_out),
            max(self.anonymous, other.anonymous),
        )

    def __str__(self) -> str:
        """In MiB."""
        return (
            f"anonymous {self.anonymous / MIB:6.0f} MiB, "
            f"Pss {self.shared_out / MIB:6.0f}, RSS {self.resident / MIB:6.0f}"
        )


def run_and_watch(arguments: Sequence[str], log: Path) -> tuple[float, Memory]:
    """Run a program; its wall time and its peak, looked at ten times a second.

    Raises:
        CalledProcessError: If it fails; the log says why.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    began, peak = time.monotonic(), Memory()
    with log.open("wb") as out:
        process = subprocess.Popen(arguments, env=environment(), stdout=out, stderr=out)
        while process.poll() is None:
            peak = peak.peak(tree(process.pid))
            time.sleep(_EVERY_S)
    if process.returncode:
        print(log.read_text(errors="replace")[-2000:])
        raise subprocess.CalledProcessError(process.returncode, list(arguments))
    return time.monotonic() - began, peak


def tree(pid: int) -> Memory:
    """Of a process and all below it now; nothing of one that is gone."""
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        children = [c for t in tasks for c in (t / "children").read_text().split()]
    except OSError:
        return Memory()
    found = own(rollup)
    for child in children:
        found = found + tree(int(child))
    return found


def own(rollup: str) -> Memory:
    """What `smaps_rollup` says; see proc(5)."""
    lines = (line.split() for line in rollup.splitlines()[1:])
    kib = {words[0].rstrip(":"): int(words[1]) for words in lines}
    return Memory(*(1024 * kib[name] for name in ("Rss", "Pss", "Anonymous")))
