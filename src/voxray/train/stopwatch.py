"""Where the time of a fold goes."""

import time
from collections.abc import Callable, Mapping

STEP_PHASES = ("data", "augmentation", "forward_backward", "optimiser")
PHASES = (*STEP_PHASES, "validation", "checkpoint", "other")
_WORDS = {
    "data": "waiting for data",
    "augmentation": "augmentation",
    "forward_backward": "network",
    "optimiser": "optimiser",
    "validation": "validation",
    "checkpoint": "checkpoints",
    "other": "other",
}


class Stopwatch:
    """Adds up seconds by phase.

    Where work runs beside the processor, waiting for it costs speed: there only every
    so many steps are watched, and stand for the others. The first is not among them: it
    compiles the network.
    """

    def __init__(self, wait: Callable[[], None], every: int) -> None:
        self.wait, self.every = wait, every
        self.seconds = dict.fromkeys(PHASES, 0.0)
        self._last_s = time.monotonic()
        self._watching = True

    def begin_step(self, step: int) -> None:
        """From here on laps belong to this step."""
        watching = step % self.every == self.every // 2
        if watching:
            self.wait()
        self._watching = watching
        self._last_s = time.monotonic()

    def lap(self, phase: str) -> None:
        """What passed since the last lap went into this phase."""
        if phase in STEP_PHASES:
            if not self._watching:
                return
            self.wait()
        now_s = time.monotonic()
        weight = self.every if phase in STEP_PHASES else 1
        self.seconds[phase] += (now_s - self._last_s) * weight
        self._last_s = now_s

    def restart(self) -> None:
        """Forget what passed since the last lap."""
        self._last_s = time.monotonic()


def shares(seconds: Mapping[str, float], total_s: float) -> dict[str, float]:
    """Share of the wall time by phase; "other" is what no phase accounts for.

    Args:
        seconds: By phase.
        total_s: Wall time of the fold.
    """
    known = {name: seconds.get(name, 0.0) for name in PHASES if name != "other"}
    total_s = max(total_s, sum(known.values()), 1e-9)
    found = {name: known_s / total_s for name, known_s in known.items()}
    return {**found, "other": 1 - sum(found.values())}


def limit_in_words(found: Mapping[str, float]) -> str:
    """One line: "91 % network, 4 % augmentation, …: the network limits"."""
    ordered = sorted(found, key=lambda name: -found[name])
    parts = [f"{found[n]:.0%} {_WORDS[n]}".replace("%", " %") for n in ordered]
    return f"{', '.join(parts)}: {_WORDS[ordered[0]]} limits the speed"
