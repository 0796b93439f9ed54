"""How the stored values of one slice become grey: see `grey` for what is done."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from voxray.scan_io.dicom import stored_values
from voxray.scan_io.dicom.grey import is_colour, is_inverted, is_radiograph
from voxray.scan_io.dicom.header import DicomHeader
from voxray.scan_io.dicom.tables import Table
from voxray.scan_io.dicom.window import Grey, Window

_LUMINANCE = np.array([0.299, 0.587, 0.114])
"""Of red, green and blue (PS3.3 C.7.6.3.1.2: the Y of YBR_FULL)."""
_EXACT = 1 << 23  # float32 holds every whole number up to twice this


@dataclass(frozen=True, slots=True, eq=False)
class GreyRule:
    """How the stored values of one slice become grey.

    Attributes:
        slope, intercept: Of the modality; not used if there is a table.
        table: Of the modality.
        voi: Table for presentation.
        window: For presentation, where there is no table for it.
        flip: v becomes flip - v; None if grey is not inverted.
        padding: Lowest and highest stored value that is padding.
    """

    slope: float
    intercept: float
    table: Table | None = None
    voi: Table | None = None
    window: Window | None = None
    flip: float | None = None
    padding: tuple[int, int] | None = None

    def apply(self, stored: NDArray[Any], out: Grey) -> None:
        """Turn stored values into grey ones.

        Args:
            stored: (row, column).
            out: Of the same shape; gets the grey values.
        """
        with np.errstate(over="ignore", invalid="ignore"):  # not finite is a finding
            self._apply(stored, out)

    def _apply(self, stored: NDArray[Any], out: Grey) -> None:
        if self.table is not None:
            out[...] = self.table.look_up(stored)
        else:
            rescale(stored, self.slope, self.intercept, out)
        if self.voi is not None:
            out[...] = self.voi.look_up(out)
        elif self.window is not None:
            out[...] = self.window.apply(out)
        if self.flip is not None:
            np.subtract(np.float32(self.flip), out, out=out)

    def is_padding(self, stored: NDArray[Any]) -> NDArray[np.bool_] | None:
        """Which pixels are padding; None if there is no such value."""
        if self.padding is None:
            return None
        low, high = self.padding
        return np.asarray((stored >= low) & (stored <= high))


def rescale(stored: NDArray[Any], slope: float, intercept: float, out: Grey) -> None:
    """Stored values to values of the modality (PS3.3 C.11.1), in double precision.

    Whole numbers of 16 bits and a whole intercept need none: the sum is exact.
    """
    exact = intercept.is_integer() and abs(intercept) < _EXACT
    if slope == 1 and stored.dtype.itemsize <= 2 and exact:  # noqa: PLR2004
        np.add(stored, np.float32(intercept), out=out, dtype=np.float32)
    else:
        out[...] = stored.astype(np.float64) * slope + intercept


def one_colour(colours: NDArray[Any], which: int | None) -> Grey:
    """One (row, column) of red, green and blue (row, column, 3), or the luminance."""
    if which is not None:
        return np.asarray(colours[..., which], dtype=np.float32)
    return np.asarray(colours[..., :3] @ _LUMINANCE, dtype=np.float32)


def grey_rule(
    header: DicomHeader, dataset: Dataset | None, frame: int | None
) -> GreyRule:
    """Make the rule for one slice.

    Args:
        header: Of the slice.
        dataset: Of its file; may be None where `needs_dataset` is false.
        frame: Of an enhanced file, whose frames have a rescale of their own.

    Raises:
        ValueError: If slope or intercept is no number, or a table is cut off.
        LookupError: If a table has no item.
    """
    table = None if dataset is None else _table(dataset, "ModalityLUTSequence", header)
    slope, intercept = _rescale_of(header, dataset, frame, table)
    shown = is_radiograph(header)
    voi = None
    if shown and dataset is not None:
        voi = _table(dataset, "VOILUTSequence", header)
    rule = GreyRule(
        slope,
        intercept,
        table,
        voi,
        Window.of(header) if shown and voi is None else None,
        padding=header.padding,
    )
    return _flipped(rule, header) if is_inverted(header) else rule


def needs_dataset(header: DicomHeader) -> bool:
    """Whether the header alone does not say how a slice becomes grey."""
    shown_by_table = header.has_voi_table and is_radiograph(header)
    is_enhanced = header.frame is not None and header.mosaic_tiles is None
    return header.rescale is None or shown_by_table or is_enhanced or is_colour(header)


def _table(dataset: Dataset, keyword: str, header: DicomHeader) -> Table | None:
    items = dataset.get(keyword)
    if not items:
        return None
    little_endian = dataset.file_meta.TransferSyntaxUID.is_little_endian
    signed = header.pixel_representation == 1
    return Table.from_item(items[0], little_endian=little_endian, signed=signed)


def _rescale_of(
    header: DicomHeader, dataset: Dataset | None, frame: int | None, table: Table | None
) -> tuple[float, float]:
    if table is not None:
        return 1.0, 0.0
    own = _frame_rescale(dataset, frame) if dataset is not None else None
    found = header.rescale if own is None else stored_values.rescale(own)
    if found is None:
        msg = "slope or intercept is no number"
        raise ValueError(msg)
    return found


def _frame_rescale(dataset: Dataset, frame: int | None) -> Dataset | None:
    """What an enhanced file says of one frame, else of all (PS3.3 C.7.6.16.2.9)."""
    if frame is None:
        return None
    per_frame = dataset.get("PerFrameFunctionalGroupsSequence") or []
    shared = dataset.get("SharedFunctionalGroupsSequence") or []
    for groups in (*per_frame[frame : frame + 1], *shared[:1]):
        items = groups.get("PixelValueTransformationSequence")
        if items:
            found: Dataset = items[0]
            return found
    return None


def _flipped(rule: GreyRule, header: DicomHeader) -> GreyRule:
    return replace(rule, flip=_lowest_and_highest(rule, header))


def _lowest_and_highest(rule: GreyRule, header: DicomHeader) -> float:
    """The sum of both ends of what the values could be; 0 for real numbers."""
    last_table = rule.voi or rule.table
    if rule.window is not None:
        return rule.window.ends_sum
    if last_table is not None:
        return last_table.highest
    if header.bits_stored is None:
        return 0.0
    stored = -1.0 if header.pixel_representation else (1 << header.bits_stored) - 1.0
    return stored * rule.slope + 2 * rule.intercept
