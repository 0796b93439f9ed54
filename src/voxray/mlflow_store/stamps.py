"""Single numbers carry the time at which they were said first.

A store keeps one of two points that are equal in name, step, time and value. So a
number that a killed command says again is no second point, and a changed one is the
newest.
"""

import contextlib
from collections.abc import Mapping
from pathlib import Path

from voxray.core.errors import ManifestError
from voxray.core.files import read_json, write_json

Stamped = tuple[str, float | None, int, int]
"""Name, value, time in ms since 1970, step; None for a number that holds no longer."""


def stamped(
    path: Path, values: Mapping[str, float], now_ms: int, *, whole: bool
) -> list[Stamped]:
    """Give numbers their time, and keep it.

    Args:
        path: Keeps values and times by name.
        values: What is said now.
        now_ms: The time of what was not said like this before.
        whole: Whether what was said before and is not in `values` holds no longer.

    Returns:
        A point per name, of step 0.
    """
    before = _read(path)
    gone = dict.fromkeys(before.keys() - values.keys()) if whole else {}
    said: dict[str, float | None] = {**values, **gone}
    after = {name: _stamp(before.get(name), v, now_ms) for name, v in said.items()}
    write_json(path, {"values": {**before, **after}}, durable=True)
    return [(name, value, at_ms, 0) for name, (value, at_ms) in after.items()]


def _stamp(
    before: tuple[float | None, int] | None, value: float | None, now_ms: int
) -> tuple[float | None, int]:
    if before is None:
        return value, now_ms
    return before if before[0] == value else (value, max(now_ms, before[1] + 1))


def _read(path: Path) -> dict[str, tuple[float | None, int]]:
    with contextlib.suppress(ManifestError):
        found = read_json(path)["values"]
        return {name: (value, at_ms) for name, (value, at_ms) in found.items()}
    return {}
