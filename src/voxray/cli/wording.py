"""Numbers, durations and tables as a person reads them in a terminal."""

import math
import textwrap
from collections.abc import Mapping, Sequence

_MINUTE_S, _HOUR_S = 60, 3600
_WIDTH = 88


def duration(seconds: float) -> str:
    """Rounded duration.

    Example:
        >>> duration(3.21), duration(119.7), duration(4000)
        ('3.2 s', '2 min 0 s', '1 h 6 min')
    """
    whole = round(seconds)
    if whole < _MINUTE_S:
        return f"{seconds:.1f} s" if whole < 10 else f"{whole} s"  # noqa: PLR2004
    if whole < _HOUR_S:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // _HOUR_S} h {whole % _HOUR_S // 60} min"


def values(numbers: Mapping[str, float]) -> str:
    """Named numbers with three digits; one that is not finite is left out.

    Example:
        >>> values({"loss": 0.31234, "dice": float("nan")})
        'loss 0.312'
    """
    shown = {name: v for name, v in numbers.items() if math.isfinite(v)}
    return ", ".join(f"{name} {value:.3g}" for name, value in shown.items())


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table with aligned columns.

    Example:
        >>> table(["name", "n"], [["a", "1"], ["long", "2"]])
        ['name  n', 'a     1', 'long  2']
    """
    everything = [header, *rows]
    widths = [max(len(row[c]) for row in everything) for c in range(len(header))]
    padded = (
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in everything
    )
    return [line.rstrip() for line in padded]


def facts(named: Sequence[tuple[str, str]]) -> list[str]:
    """Lines of named facts, the texts folded beside their names.

    Example:
        >>> facts([("n", "1"), ("title", "a set")])
        ['n      1', 'title  a set']
    """
    width = max(len(name) for name, _ in named) + 2
    return [
        (name if number == 0 else "").ljust(width) + line
        for name, text in named
        for number, line in enumerate(textwrap.wrap(text, _WIDTH - width))
    ]
