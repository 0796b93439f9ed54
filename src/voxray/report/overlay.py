"""Three slices of a scan with its mask, as a radiologist expects them.

Radiological convention: the patient's right is at the left of axial and coronal
slices, anterior is at the left of sagittal slices, superior is up.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from voxray.core.geometry import SpacingMm
from voxray.report.canvas import (
    FONT_PT,
    PALETTE,
    SMALL_PT,
    figure,
    plain,
    to_png,
)

_PERCENTILES = (1.0, 99.0)
_SAMPLE_VOXELS = 2_000_000
_BORDER_SHARE = 0.02
_FILL_ALPHA = 0.28
_GUTTER_IN = 0.24  # room for one letter beside, above and below each slice
_TITLE_IN = 0.28
_FOOT_IN = 0.34
_WIDTH_IN = 6.8
_HEIGHT_IN = 3.2
_MIN_CELL_IN = 1.35
_GROUND = "#000000"
_TEXT = "#f2f2f2"


@dataclass(frozen=True, slots=True)
class View:
    """One plane of an array whose axes are nearest (R, A, S).

    Attributes:
        cut: Array axis it is perpendicular to.
        across: Array axis that runs horizontally, from its high end on the left.
        up: Array axis that runs vertically, high end on top.
        letters: At the left, right, top and bottom.
    """

    name: str
    cut: int
    across: int
    up: int
    letters: tuple[str, str, str, str]


VIEWS = (
    View("axial", 2, 0, 1, ("R", "L", "A", "P")),
    View("coronal", 1, 0, 2, ("R", "L", "S", "I")),
    View("sagittal", 0, 1, 2, ("A", "P", "S", "I")),
)


def draw_overlay(
    volume: NDArray[np.float32],
    mask: NDArray[np.uint8] | None,
    spacing_mm: SpacingMm,
    structures: Mapping[str, int],
    note: str = "",
) -> bytes:
    """Draw axial, coronal and sagittal slices where the mask is largest.

    All slices share one scale in millimetres, so thick slices look as thick as they
    are. Grey values run from the 1st to the 99th percentile of the volume. A volume
    that is one voxel thick gives its one slice.

    Args:
        volume: (i, j, k), axes nearest R, A, S (`core.geometry.to_nearest_ras`).
        mask: Integer, same shape; None or empty: the middle slices, without a mask.
        spacing_mm: Distance between voxel centres along the array's axes.
        structures: Name of each structure to its value in `mask`; colours follow
            their order.
        note: Written below the slices.

    Returns:
        PNG.

    Raises:
        ValueError: If the shapes differ, or the volume is not 3D.
    """
    drawn = np.zeros(volume.shape, dtype=np.uint8) if mask is None else mask
    _check_shapes(volume, drawn)
    views = _views_of(volume.shape)
    window = grey_window(volume)
    centre = [best_slice(drawn, axis, list(structures.values())) for axis in range(3)]
    box = content_box(volume, drawn, window)
    shape = tuple(side.stop - side.start for side in box)
    scale = _inches_per_mm(views, shape, spacing_mm)
    sizes = [_size_in(view, shape, spacing_mm, scale) for view in views]
    foot_in = _FOOT_IN * (2 if note else 1)
    with figure(_width_in(sizes), _height_in(sizes) + foot_in) as made:
        made.set_facecolor(_GROUND)
        seen: set[int] = set()
        for axes, view in zip(_place(made, sizes), views, strict=True):
            position = centre[view.cut]
            _draw_grey(axes, slice_of(volume, view, position, box), window)
            plane = slice_of(drawn, view, position, box)
            _draw_mask(axes, plane, structures)
            seen |= set(np.unique(plane).tolist())
            _letter(axes, view, position, volume.shape[view.cut])
        legend = {} if mask is None else _legend(drawn, seen, structures)
        _draw_foot(made, legend, scale, note)
        return to_png(made)


def _legend(
    mask: NDArray[np.uint8], seen: set[int], structures: Mapping[str, int]
) -> dict[str, str]:
    """Name and colour per structure; one that is not in the picture says so."""
    legend = {}
    for place, (name, value) in enumerate(structures.items()):
        missing = " (on other slices)" if (mask == value).any() else " (none)"
        legend[name + ("" if value in seen else missing)] = _colour(place)
    return legend


def _check_shapes(volume: NDArray[np.float32], mask: NDArray[np.uint8]) -> None:
    if volume.ndim != 3:  # noqa: PLR2004
        msg = f"an overlay needs a volume of 3 axes, got shape {volume.shape}"
        raise ValueError(msg)
    if volume.shape != mask.shape:
        msg = f"volume has shape {volume.shape}, its mask {mask.shape}"
        raise ValueError(msg)


def grey_window(volume: NDArray[np.float32]) -> tuple[float, float]:
    """Darkest and brightest value to show: 1st and 99th percentile.

    Large volumes are read at every n-th voxel. A constant volume gives a window of 1.
    """
    flat = volume.ravel()[:: max(1, volume.size // _SAMPLE_VOXELS)]
    finite = flat[np.isfinite(flat)]
    if not finite.size:
        return 0.0, 1.0
    low, high = (float(v) for v in np.percentile(finite, _PERCENTILES))
    return (low, high) if high > low else (low, low + 1.0)


def _views_of(shape: tuple[int, ...]) -> tuple[View, ...]:
    thin = tuple(view for view in VIEWS if shape[view.cut] == 1)
    return thin[:1] or VIEWS


def best_slice(mask: NDArray[np.uint8], cut: int, values: Sequence[int]) -> int:
    """Slice with most structures, then most voxels; the middle one without a mask.

    Args:
        mask: (i, j, k), 0 is background.
        cut: Array axis the slice is perpendicular to.
        values: Voxel value of each structure.
    """
    others = tuple(axis for axis in range(3) if axis != cut)
    areas = np.count_nonzero(mask, axis=others)
    if not areas.any():
        return int(mask.shape[cut]) // 2
    present = [np.any(mask == value, axis=others) for value in values]
    kinds = np.sum(present, axis=0) if present else np.zeros_like(areas)
    return int(np.lexsort((-areas, -kinds))[0])


def content_box(
    volume: NDArray[np.float32], mask: NDArray[np.uint8], window: tuple[float, float]
) -> tuple[slice, slice, slice]:
    """Part of the array worth showing: without the dark border, and with the mask.

    A plane belongs to the border while less than 2 % of it is brighter than a fifth of
    the grey window.
    """
    bright = volume > window[0] + 0.2 * (window[1] - window[0])
    sides = []
    for axis in range(3):
        others = tuple(other for other in range(3) if other != axis)
        kept = np.mean(bright, axis=others) >= _BORDER_SHARE
        kept |= np.any(mask != 0, axis=others)
        sides.append(_span(kept))
    return sides[0], sides[1], sides[2]


def _span(kept: NDArray[np.bool_]) -> slice:
    if not kept.any():
        return slice(0, len(kept))
    first, last = np.flatnonzero(kept)[[0, -1]].tolist()
    margin = max(2, len(kept) // 40) if len(kept) > 1 else 0
    return slice(max(first - margin, 0), min(last + 1 + margin, len(kept)))


def slice_of(
    array: NDArray[Any],
    view: View,
    position: int,
    box: tuple[slice, slice, slice],
) -> NDArray[Any]:
    """Turn one slice into rows and columns of a picture, first row on top.

    Args:
        array: (i, j, k), axes nearest R, A, S.
        view: Which plane.
        position: Index along `view.cut`.
        box: Part of the array that is kept.
    """
    plane = np.take(array, position, axis=view.cut)  # (across, up): axes keep order
    plane = plane[box[view.across], box[view.up]]
    return np.asarray(plane[::-1, ::-1].T)


def _draw_grey(
    axes: Axes, plane: NDArray[np.float32], window: tuple[float, float]
) -> None:
    axes.imshow(
        plane,
        cmap="gray",
        vmin=window[0],
        vmax=window[1],
        aspect="auto",
        interpolation="bilinear",
    )


def _draw_mask(
    axes: Axes, plane: NDArray[np.uint8], structures: Mapping[str, int]
) -> None:
    picture = np.zeros((*plane.shape, 4))
    for place, value in enumerate(structures.values()):
        inside = plane == value
        if inside.any():
            picture[inside] = to_rgba(_colour(place), _FILL_ALPHA)
            axes.add_collection(_outline(inside, place), autolim=False)
    axes.imshow(picture, aspect="auto", interpolation="nearest")


def _colour(place: int) -> str:
    return PALETTE[place % len(PALETTE)]


def _outline(inside: NDArray[np.bool_], place: int) -> LineCollection:
    return LineCollection(
        list(outline_segments(inside)),
        colors=_colour(place),
        linewidths=1.3,
        capstyle="projecting",
        zorder=3,
    )


def outline_segments(inside: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Edges between voxels inside and outside, exactly where the voxels end.

    Args:
        inside: (rows, columns).

    Returns:
        (n, 2, 2): start and end of each edge as (x, y) = (column, row); voxel centres
        are at whole numbers, so edges are at halves.
    """
    padded = np.pad(inside, 1)
    rows, columns = np.nonzero(padded[1:, 1:-1] != padded[:-1, 1:-1])
    flat = np.stack([columns - 0.5, rows - 0.5, columns + 0.5, rows - 0.5], axis=1)
    rows, columns = np.nonzero(padded[1:-1, 1:] != padded[1:-1, :-1])
    steep = np.stack([columns - 0.5, rows - 0.5, columns - 0.5, rows + 0.5], axis=1)
    return np.concatenate([flat, steep]).reshape(-1, 2, 2)


def _inches_per_mm(
    views: tuple[View, ...], shape: tuple[int, ...], spacing_mm: SpacingMm
) -> float:
    sizes = [_size_in(view, shape, spacing_mm, 1.0) for view in views]
    width = (_WIDTH_IN - 2 * _GUTTER_IN * len(views)) / sum(w for w, _ in sizes)
    return min(width, _HEIGHT_IN / max(h for _, h in sizes))


def _size_in(
    view: View, shape: tuple[int, ...], spacing_mm: SpacingMm, scale: float
) -> tuple[float, float]:
    across = shape[view.across] * spacing_mm[view.across] * scale
    return across, shape[view.up] * spacing_mm[view.up] * scale


def _cell_in(size: tuple[float, float]) -> float:
    return max(size[0] + 2 * _GUTTER_IN, _MIN_CELL_IN)


def _width_in(sizes: list[tuple[float, float]]) -> float:
    return max(sum(_cell_in(size) for size in sizes), 3.2)


def _height_in(sizes: list[tuple[float, float]]) -> float:
    return max(height for _, height in sizes) + 2 * _GUTTER_IN + _TITLE_IN


def _place(made: Figure, sizes: list[tuple[float, float]]) -> list[Axes]:
    """Axes side by side, centred in their cells, tops on one line."""
    width, height = (float(v) for v in made.get_size_inches())
    left = (width - sum(_cell_in(size) for size in sizes)) / 2
    top = height - _TITLE_IN - _GUTTER_IN
    placed = []
    for size in sizes:
        x = left + (_cell_in(size) - size[0]) / 2
        y = top - size[1]
        box = (x / width, y / height, size[0] / width, size[1] / height)
        axes = made.add_axes(box)
        axes.set_axis_off()
        placed.append(axes)
        left += _cell_in(size)
    return placed


def _letter(axes: Axes, view: View, position: int, n_slices: int) -> None:
    gap = 3
    places = (
        (0.0, 0.5, -gap, 0, "right", "center"),
        (1.0, 0.5, gap, 0, "left", "center"),
        (0.5, 1.0, 0, gap, "center", "bottom"),
        (0.5, 0.0, 0, -gap, "center", "top"),
    )
    for letter, (x, y, dx, dy, ha, va) in zip(view.letters, places, strict=True):
        axes.annotate(
            letter,
            (x, y),
            xytext=(dx, dy),
            xycoords="axes fraction",
            textcoords="offset points",
            ha=ha,
            va=va,
            color=_TEXT,
            fontsize=FONT_PT,
            fontweight="bold",
            annotation_clip=False,
        )
    axes.annotate(
        f"{view.name} {position + 1}/{n_slices}",
        (0.5, 1.0),
        xytext=(0, 72 * _GUTTER_IN + 1),
        xycoords="axes fraction",
        textcoords="offset points",
        ha="center",
        va="bottom",
        color=_TEXT,
        fontsize=SMALL_PT,
    )


def _draw_foot(
    made: Figure, legend: Mapping[str, str], scale: float, note: str
) -> None:
    """Scale bar at the left, colours of the structures beside it, note below."""
    width, height = (float(v) for v in made.get_size_inches())
    y = (_FOOT_IN * (1.5 if note else 0.5)) / height
    bar_mm = scale_bar_mm(0.9 / scale)
    ends = [0.15 / width, (0.15 + bar_mm * scale) / width]
    made.add_artist(Line2D(ends, [y, y], color=_TEXT, lw=2))
    x = 0.15 + bar_mm * scale + 0.08
    text: dict[str, Any] = {"va": "center", "color": _TEXT, "fontsize": SMALL_PT}
    made.text(x / width, y, f"{bar_mm:g} mm", **text)
    x += 0.75
    for name, colour in legend.items():
        ends = [x / width, (x + 0.22) / width]
        made.add_artist(Line2D(ends, [y, y], color=colour, lw=4))
        made.text((x + 0.28) / width, y, plain(name), **text)
        x += 0.45 + 0.085 * len(name)
    if note:
        x_note, y_note = 0.15 / width, _FOOT_IN * 0.55 / height
        made.text(x_note, y_note, plain(note), **{**text, "color": "#ffb46b"})


def scale_bar_mm(longest_mm: float) -> float:
    """Longest of 1, 2, 5, 10, 20, 50 ... mm that fits.

    Example:
        >>> scale_bar_mm(64.0), scale_bar_mm(9.9)
        (50.0, 5.0)
    """
    power = 10.0 ** np.floor(np.log10(longest_mm))
    step = max(s for s in (1.0, 2.0, 5.0) if s * power <= longest_mm * (1 + 1e-9))
    return float(step * power)
