"""All figures of a run on one picture, for a page that shows pictures as they are."""

import io
from collections.abc import Iterator, Mapping, Sequence

import matplotlib.image as mpimg
import numpy as np
from numpy.typing import NDArray

from voxray.report.canvas import DPI, figure, to_png

WIDTH_PX = 940
"""What MLflow's run page has room for beside its panels on a screen of 1920 pixels."""

ROW_PX = 340
_GAP_PX = 12

Picture = NDArray[np.float32]


def draw_sheet(figures: Mapping[str, bytes]) -> bytes:
    """PNG of all figures in rows of one height, in their order, `WIDTH_PX` wide.

    Args:
        figures: PNG bytes by name; at least one.

    Raises:
        ValueError: If there is no figure.
    """
    if not figures:
        msg = "a sheet needs at least one figure"
        raise ValueError(msg)
    pictures = [mpimg.imread(io.BytesIO(png)) for png in figures.values()]
    rows = list(_rows(pictures))
    height_px = len(rows) * (ROW_PX + _GAP_PX)
    with figure(WIDTH_PX / DPI, height_px / DPI) as made:
        for number, row in enumerate(rows, start=1):
            left_px = 0
            for picture in row:
                width_px = _width_px(picture)
                left, width = left_px / WIDTH_PX, width_px / WIDTH_PX
                bottom = 1 - number / len(rows)
                axes = made.add_axes((left, bottom, width, ROW_PX / height_px))
                axes.imshow(picture, aspect="auto", interpolation="hanning")
                axes.set_axis_off()
                left_px += width_px + _GAP_PX
        return to_png(made)


def _rows(pictures: Sequence[Picture]) -> Iterator[list[Picture]]:
    """As many side by side as fit."""
    row: list[Picture] = []
    used_px = 0
    for picture in pictures:
        width_px = _width_px(picture)
        if row and used_px + width_px > WIDTH_PX:
            yield row
            row, used_px = [], 0
        row.append(picture)
        used_px += width_px + _GAP_PX
    yield row


def _width_px(picture: Picture) -> int:
    height, width = picture.shape[:2]
    return int(min(round(width * ROW_PX / height), WIDTH_PX))
