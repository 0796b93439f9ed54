"""What every figure shares: colours, type size, and the same bytes each time."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

DPI = 150
FONT_PT = 10.0
SMALL_PT = 9.0
INK = "#1a1a1a"
GREY = "#8a8a8a"

ORANGE = "#e69f00"
BLUE = "#0072b2"
BAND = "#cfe2f0"
"""Pale blue behind a line; light enough that grey lines show on it in print."""

PALETTE = (ORANGE, "#56b4e9", "#009e73", "#f0e442", "#d55e00", "#cc79a7", BLUE)
"""Okabe and Ito, Color universal design, 2008; bright ones first, for dark images."""

LINE_COLOURS = (BLUE, "#d55e00", "#009e73", "#cc79a7", "#b07a00", "#3a8fc0")
"""The same hues, dark enough for thin lines on white paper."""

LINE_STYLES = ("-", "--", "-.", ":")

_STYLE: dict[str, Any] = {
    "font.family": ["DejaVu Sans"],  # ships with matplotlib: same letters everywhere
    "font.size": FONT_PT,
    "axes.titlesize": FONT_PT,
    "axes.titlelocation": "left",
    "axes.labelsize": FONT_PT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.labelsize": SMALL_PT,
    "ytick.labelsize": SMALL_PT,
    "legend.fontsize": SMALL_PT,
    "legend.frameon": False,
    "axes.unicode_minus": True,
    "path.simplify": False,
    "text.parse_math": False,  # a dollar sign in a name is a dollar sign
}


@contextmanager
def figure(width_in: float, height_in: float) -> Iterator[Figure]:
    """Give an empty figure whose look does not depend on the user's matplotlibrc.

    Text and lines get their style when they are made, so everything is drawn and saved
    inside the block.
    """
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)  # type: ignore[arg-type]
        made = Figure(figsize=(width_in, height_in), dpi=DPI, facecolor="white")
        FigureCanvasAgg(made)
        yield made


def to_png(made: Figure) -> bytes:
    """PNG of a figure; the same figure gives the same bytes on one machine."""
    stream = io.BytesIO()
    made.savefig(
        stream,
        format="png",
        dpi=DPI,
        facecolor=made.get_facecolor(),
        metadata={"Software": None},
    )
    return stream.getvalue()


def write_note(made: Figure, note: str) -> None:
    """Put the experiment's note under a figure, so that it travels with the picture."""
    if note:
        made.supxlabel(plain(note), fontsize=SMALL_PT, color="#8c3b00", wrap=True)


def plain(text: str) -> str:
    """Text without line breaks and control characters.

    Example:
        >>> plain("two" + chr(10) + "lines")
        'two lines'
    """
    return "".join(c if c.isprintable() else " " for c in text)


def light_grid(axes: Axes) -> None:
    """Thin lines behind the data."""
    axes.grid(visible=True, color="#e3e3e3", linewidth=0.6)
    axes.set_axisbelow(True)
