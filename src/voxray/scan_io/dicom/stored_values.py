"""What a header says of stored values: their bits, their rescale, their padding."""

from voxray.scan_io.dicom import values

RADIOGRAPHS = frozenset({"CR", "DX", "IO", "MG", "PX", "RF", "RG", "XA"})
"""Modalities whose window is a part of the image: a detector has no unit of its own."""
_USUAL_BITS = 16


def rescale(dataset: values.Values) -> tuple[float, float] | None:
    """Slope and intercept (PS3.3 C.11.1), 1 and 0 where absent.

    None if a table takes their place, or if one of them is no number.
    """
    if "ModalityLUTSequence" in dataset:
        return None
    slope = _number(dataset, "RescaleSlope", absent=1.0)
    intercept = _number(dataset, "RescaleIntercept", absent=0.0)
    return None if slope is None or intercept is None else (slope, intercept)


def _number(dataset: values.Values, keyword: str, absent: float) -> float | None:
    number = values.real(dataset, keyword)
    if number is None and values.text(dataset, keyword) is None:
        return absent
    return number


def padding(dataset: values.Values) -> tuple[int, int] | None:
    """Lowest and highest stored value that is padding; None without one."""
    value = values.whole(dataset, "PixelPaddingValue")
    if value is None:
        return None
    limit = values.whole(dataset, "PixelPaddingRangeLimit")
    stated = values.whole(dataset, "BitsAllocated")
    bits = stated if stated in {8, 16, 32} else _USUAL_BITS
    signed = values.whole(dataset, "PixelRepresentation") == 1
    ends = sorted(
        _as_stored(end, bits, signed=signed)
        for end in (value, value if limit is None else limit)
    )
    return ends[0], ends[-1]


def _as_stored(value: int, bits: int, *, signed: bool) -> int:
    """The number that the same bits are among the pixels.

    Writers confuse the two kinds of 16 bits, so that -2000 is stated as 63536.
    """
    n_values = 1 << bits
    value %= n_values
    return value - n_values if signed and value >= n_values >> 1 else value


def window(dataset: values.Values) -> tuple[float, float] | None:
    """Centre and width of the first window; of radiographs only.

    One of no width, or of one grey value, would leave no image, and counts as none.
    """
    if values.text(dataset, "Modality") not in RADIOGRAPHS:
        return None
    centre = values.first_real(dataset, "WindowCenter")
    width = values.first_real(dataset, "WindowWidth")
    return None if centre is None or width is None or width <= 1 else (centre, width)
