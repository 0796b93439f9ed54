"""One small picture for each class, side by side, in one figure."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from voxray.report.canvas import figure, light_grid, plain, to_png, write_note

MOST_PANELS = 12
_COLUMNS = 3
_LEFT_IN, _BOTTOM_IN, _TOP_IN, _GAP_IN = 0.75, 0.65, 0.55, 0.35
_LEGEND_ROW_IN = 0.24
_NOTE_IN = 0.3


@dataclass(frozen=True, slots=True)
class PanelLook:
    """How large panels are, and what their axes say.

    Attributes:
        width_in: Of the axes of each.
        height_in: Of the axes of each.
        xlabel: Below each.
        ylabel: Left of each.
        legend_rows: Height kept for the legend below all.
    """

    width_in: float
    height_in: float
    xlabel: str
    ylabel: str
    legend_rows: int = 2


class Panels:
    """Axes by class in one figure; the first twelve classes have one."""

    def __init__(self, made: Figure, axes: dict[str, Axes], n_left: int) -> None:
        """Keep the axes that were made; `n_left` classes have none."""
        self._made = made
        self.axes = axes
        self.n_left = n_left

    def png(self, legend_from: Axes | None, note: str) -> bytes:
        """Finish the figure: one legend for all panels, and the note.

        Args:
            legend_from: Axes that every kind of line is drawn on; None: no legend.
            note: Written below.
        """
        if legend_from is not None:
            handles, labels = legend_from.get_legend_handles_labels()
            place = (0.02, _NOTE_IN / self._made.get_figheight())
            self._made.legend(
                handles, labels, loc="lower left", bbox_to_anchor=place, ncol=2
            )
        write_note(self._made, note)
        return to_png(self._made)


@contextmanager
def panels(names: Sequence[str], look: PanelLook) -> Iterator[Panels]:
    """Give one set of axes per name, in rows of three.

    A name stands above its axes when there are several, cut where it is too long.
    """
    shown = list(names)[:MOST_PANELS]
    n_columns = min(len(shown), _COLUMNS) or 1
    n_rows = math.ceil(len(shown) / _COLUMNS) or 1
    cell = (look.width_in + _LEFT_IN + _GAP_IN, look.height_in + _BOTTOM_IN + _TOP_IN)
    below = _NOTE_IN + look.legend_rows * _LEGEND_ROW_IN
    size = (n_columns * cell[0], n_rows * cell[1] + below)
    with figure(*size) as made:
        axes = {}
        for place, name in enumerate(shown):
            row, column = divmod(place, _COLUMNS)
            left = column * cell[0] + _LEFT_IN
            bottom = below + (n_rows - 1 - row) * cell[1] + _BOTTOM_IN
            made_axes = made.add_axes(
                (
                    left / size[0],
                    bottom / size[1],
                    look.width_in / size[0],
                    look.height_in / size[1],
                )
            )
            light_grid(made_axes)
            made_axes.set(xlabel=look.xlabel, ylabel=look.ylabel)
            axes[name] = made_axes
        yield Panels(made, axes, len(names) - len(shown))


def titled(name: str, several: bool, said: str) -> str:  # noqa: FBT001
    """Title of a panel: the class where there are several, then what is said.

    Example:
        >>> titled("lesion", False, "AP 0.9")
        'AP 0.9'
    """
    longest = 34
    short = plain(name)
    short = short if len(short) <= longest else f"{short[: longest - 1]}…"
    return f"{short}\n{said}" if several else said
