"""From stored values to grey values in which bright is high.

In this order: modality rescale or table; of radiographs the table or window for
presentation; inversion of MONOCHROME1. Colours of 2D images become luminance. Values of
CT and PET are physical and are neither windowed nor inverted.
"""

from voxray.core.findings import FindingCode
from voxray.scan_io.dicom.header import DicomHeader
from voxray.scan_io.dicom.stored_values import RADIOGRAPHS
from voxray.scan_io.dicom.window import Window

_PHYSICAL = {"CT", "PT"}


def grey_facts(header: DicomHeader) -> dict[FindingCode, str]:
    """Say how the stored values of a file become grey, with the detail of each.

    Args:
        header: Of a file, a frame or a slice.

    Returns:
        By code; empty if they are grey as they are stored.
    """
    facts = {
        FindingCode.COLOUR_TO_GREY: _colour_fact(header),
        FindingCode.INVERTED_GREY: _inversion_fact(header),
        FindingCode.WINDOW_APPLIED: _window_fact(header),
        FindingCode.PADDING_VALUE: _padding_fact(header),
    }
    return {code: detail for code, detail in facts.items() if detail is not None}


def is_colour(header: DicomHeader) -> bool:
    """Whether the pixels are colours, or indexes of some."""
    several = (header.samples_per_pixel or 1) > 1
    kind = header.photometric
    return several or bool(kind and not kind.startswith("MONOCHROME"))


def is_inverted(header: DicomHeader) -> bool:
    """Whether values are inverted when read."""
    dark_is_high = header.photometric == "MONOCHROME1"
    return dark_is_high and header.modality not in _PHYSICAL


def is_radiograph(header: DicomHeader) -> bool:
    """Whether a window for presentation is a part of the image."""
    return header.modality in RADIOGRAPHS and not is_colour(header)


def _colour_fact(header: DicomHeader) -> str | None:
    if not is_colour(header):
        return None
    kind = header.photometric or "colour"
    return f"{kind}; luminance is 0.299 red + 0.587 green + 0.114 blue"


def _inversion_fact(header: DicomHeader) -> str | None:
    if not is_inverted(header):
        return None
    return "MONOCHROME1; v becomes lowest + highest value that can be stored - v"


def _window_fact(header: DicomHeader) -> str | None:
    if not is_radiograph(header):
        return None
    if header.has_voi_table:
        return "the first value-of-interest table is applied"
    if header.window is None:
        return None
    centre, width = header.window
    window = Window.of(header)
    ends = "" if window is None or window.is_sigmoid else _ends(window)
    kind = header.window_function or "LINEAR"
    return f"{kind} window, centre {centre:g}, width {width:g}{ends}"


def _ends(window: Window) -> str:
    return f": values below {window.low:g} and above {window.high:g} are cut off"


def _padding_fact(header: DicomHeader) -> str | None:
    if header.padding is None or is_colour(header):
        return None
    low, high = header.padding
    stored = f"stored value {low}" if low == high else f"stored values {low} to {high}"
    slope, intercept = header.rescale or (1.0, 0.0)
    if (slope, intercept) == (1.0, 0.0):
        return stored
    ends = [f"{end * slope + intercept:g}" for end in dict.fromkeys((low, high))]
    return f"{stored}, after rescale {' to '.join(ends)}"
