"""Tables of true and decided classes as pictures."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap

from voxray.core.curves import ConfusionTable
from voxray.report.canvas import INK, SMALL_PT, plain
from voxray.report.panels import PanelLook, panels, titled

_BLUES = LinearSegmentedColormap.from_list("paper to blue", ["#ffffff", "#0072b2"])
_DARK = 0.7  # white letters are readable from this share on
_CELL_IN = 0.95
_LARGEST_IN = 8.0
_LONGEST = 14


def draw_confusion(
    tables: Mapping[str, ConfusionTable], counted: str, note: str = ""
) -> bytes:
    """Draw how often each true class is decided to be which, and the share of its row.

    Args:
        tables: One, or one per label.
        counted: What the numbers are of, such as "exams".
        note: Written below the figure.

    Returns:
        PNG.
    """
    most = max((len(table.classes) for table in tables.values()), default=2)
    side = min(_CELL_IN * most, _LARGEST_IN) + 0.9
    look = PanelLook(side, side, "decided", "true", legend_rows=0)
    with panels(list(tables), look) as made:
        for name, axes in made.axes.items():
            _draw(axes, tables[name])
            said = f"{counted}, and share of the row"
            axes.set_title(titled(name, len(tables) > 1, said))
        return made.png(None, note)


def _draw(axes: Axes, table: ConfusionTable) -> None:
    counts = np.array(table.exams)
    of_row = counts.sum(axis=1, keepdims=True)
    share = np.divide(counts, of_row, out=np.zeros_like(counts), where=of_row > 0)
    axes.grid(visible=False)
    axes.imshow(share, cmap=_BLUES, vmin=0, vmax=1, aspect="equal")
    names = [_short(name) for name in table.classes]
    axes.set_xticks(range(len(names)), names, rotation=30 if len(names) > 2 else 0)  # noqa: PLR2004
    axes.set_yticks(range(len(names)), names, rotation=90, va="center")
    axes.tick_params(length=0)
    for row, column in np.ndindex(*counts.shape):
        axes.text(
            column,
            row,
            f"{counts[row, column]:,.4g}\n{share[row, column]:.0%}",
            ha="center",
            va="center",
            fontsize=SMALL_PT,
            color="white" if share[row, column] > _DARK else INK,
        )


def _short(name: str) -> str:
    text = plain(name)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
