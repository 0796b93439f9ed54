"""How threads wait for each other; set before the libraries that start them."""

import os
from collections.abc import MutableMapping

_SPINS = "10000"


def settle_threads(known: MutableMapping[str, str] | None = None) -> None:
    """Let threads that wait for each other soon give way to other programs.

    On a busy machine a training step otherwise takes three times as long, since every
    piece of it waits for threads that spin; on a quiet one nothing changes. To be
    called before torch is imported: its OpenMP reads this once.

    Args:
        known: Variables to use instead of the environment; what is set there stays.
    """
    values = os.environ if known is None else known  # noqa: TID251 - the one write
    if not {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"} & set(values):
        values["GOMP_SPINCOUNT"] = _SPINS
