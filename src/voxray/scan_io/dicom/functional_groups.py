"""Frames of enhanced images (DICOM PS3.3 C.7.6.16).

What a frame says of itself stands in its own item of the functional groups, else in
the item that all frames share.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.tag import BaseTag

from voxray.scan_io.dicom import values
from voxray.scan_io.dicom.frame_header import FrameHeader
from voxray.scan_io.dicom.quiet import READ_ERRORS

MOST_FRAMES = 1 << 17
"""In one file. The largest time series that are known have 90,000."""

_MOST_DIMENSIONS = 16
_SHARED = "SharedFunctionalGroupsSequence"
_PER_FRAME = "PerFrameFunctionalGroupsSequence"
_CONTENT = "FrameContentSequence"
_MEASURES = "PixelMeasuresSequence"
_CONVERTED = "UnassignedPerFrameConvertedAttributesSequence"
_CONVERTED_SHARED = "UnassignedSharedConvertedAttributesSequence"
"""Where legacy converted images keep what has no functional group (C.7.6.16.2.25)."""

_Read = Callable[[values.Values, str], Any]
_Groups = Mapping[str, Dataset]
"""The first item of each functional group by its keyword."""


def _six(dataset: values.Values, keyword: str) -> tuple[float, ...] | None:
    return values.reals(dataset, keyword, count=6)


def _texts(dataset: values.Values, keyword: str) -> tuple[str, ...] | None:
    return values.texts(dataset, keyword) or None


def _direction(
    diffusion: values.Values, keyword: str
) -> tuple[float, float, float] | None:
    items = items_of(diffusion, keyword)
    return values.point(items[0], "DiffusionGradientOrientation") if items else None


def _indexes(dataset: values.Values, keyword: str) -> tuple[int, ...] | None:
    texts = values.texts(dataset, keyword)[:_MOST_DIMENSIONS]
    return tuple(map(int, texts)) if all(t.isdecimal() for t in texts) else None


def _of(read: _Read, *places: str) -> tuple[_Read, list[tuple[str, str]]]:
    """How a value is read, and its places: group and element, the first one counts."""
    return read, [(group, element) for group, element in (p.split(".") for p in places)]


_ATTRIBUTES: dict[str, tuple[_Read, list[tuple[str, str]]]] = {
    "position_lps_mm": _of(
        values.point,
        "PlanePositionSequence.ImagePositionPatient",
        f"{_CONVERTED}.ImagePositionPatient",
    ),
    "orientation_lps": _of(_six, "PlaneOrientationSequence.ImageOrientationPatient"),
    "pixel_spacing_mm": _of(values.pair, f"{_MEASURES}.PixelSpacing"),
    "slice_thickness_mm": _of(values.real, f"{_MEASURES}.SliceThickness"),
    "spacing_between_slices_mm": _of(values.real, f"{_MEASURES}.SpacingBetweenSlices"),
    "image_type": _of(
        _texts,
        "MRImageFrameTypeSequence.FrameType",
        "CTImageFrameTypeSequence.FrameType",
        "PETFrameTypeSequence.FrameType",
    ),
    "acquisition_number": _of(
        values.whole,
        f"{_CONTENT}.FrameAcquisitionNumber",
        f"{_CONVERTED}.AcquisitionNumber",
    ),
    "temporal_position": _of(
        values.whole,
        f"{_CONTENT}.TemporalPositionIndex",
        f"{_CONVERTED}.TemporalPositionIdentifier",
    ),
    "echo_time_ms": _of(
        values.real,
        "MREchoSequence.EffectiveEchoTime",
        f"{_CONVERTED}.EchoTime",
        f"{_CONVERTED_SHARED}.EchoTime",
    ),
    "trigger_time_ms": _of(
        values.real,
        "CardiacSynchronizationSequence.NominalCardiacTriggerDelayTime",
        f"{_CONVERTED}.TriggerTime",
    ),
    "b_value": _of(
        values.real,
        "MRDiffusionSequence.DiffusionBValue",
        f"{_CONVERTED}.DiffusionBValue",
    ),
    "diffusion_direction": _of(
        _direction, "MRDiffusionSequence.DiffusionGradientDirectionSequence"
    ),
    "stack": _of(values.text, f"{_CONTENT}.StackID"),
    "dimensions": _of(_indexes, f"{_CONTENT}.DimensionIndexValues"),
}
_GROUPS = {
    BaseTag(tag_for_keyword(group) or 0): group
    for _, places in _ATTRIBUTES.values()
    for group, _ in places
}
_PLACES = {
    BaseTag(tag_for_keyword(keyword) or 0)
    for keyword in (
        "ImagePositionPatient",
        "ImageOrientationPatient",
        "StackID",
        "InStackPositionNumber",
    )
}


def is_enhanced(dataset: Dataset) -> bool:
    """Whether a file has functional groups."""
    return bool(items_of(dataset, _SHARED) or items_of(dataset, _PER_FRAME))


def enhanced_frames(dataset: Dataset) -> tuple[FrameHeader, ...]:
    """Give the frames that the functional groups describe.

    Empty if they describe more or fewer frames than the file says it has: then no
    frame can be trusted to be the one that is described.
    """
    own = items_of(dataset, _PER_FRAME)
    stated = values.whole(dataset, "NumberOfFrames") or 1
    if stated != (len(own) or 1) or stated > MOST_FRAMES:
        return ()
    shared = _stated(next(iter(items_of(dataset, _SHARED)), Dataset()))
    counted = _counted_dimensions(dataset)
    return tuple(_frames(own or [Dataset()], shared, counted))


def _frames(
    own: Sequence[Dataset], shared: Mapping[str, Any], counted: Sequence[int]
) -> Iterator[FrameHeader]:
    known: dict[object, Any] = {}  # equal values are held once
    stacks: dict[str, int] = {}  # by number, since a name could be anything
    for index, item in enumerate(own):
        stated = {**shared, **_stated(item)}
        if (name := stated.get("stack")) is not None:
            stated["stack"] = stacks.setdefault(name, len(stacks) + 1)
        stated["dimensions"] = _counted(stated.get("dimensions"), counted)
        same = {name: known.setdefault(v, v) for name, v in stated.items()}
        yield FrameHeader(index=index, **same)


def _stated(item: Dataset) -> dict[str, Any]:
    """What the groups of one item say, by attribute."""
    groups = _first_items(item)
    found = {}
    for attribute, (read, places) in _ATTRIBUTES.items():
        for group, element in places:
            if group in groups and (value := read(groups[group], element)) is not None:
                found[attribute] = value
                break
    return found


def _first_items(item: Dataset) -> _Groups:
    """The groups of an item, taken from a copy: what is parsed of it is not kept."""
    raw: dict[BaseTag, Any] = {
        tag: item.get_item(tag) for tag in item.keys() & _GROUPS.keys()
    }
    copied = Dataset(raw)
    found = {_GROUPS[tag]: items_of(copied, _GROUPS[tag]) for tag in raw}
    return {group: items[0] for group, items in found.items() if items}


def _counted(
    indexes: tuple[int, ...] | None, counted: Sequence[int]
) -> tuple[int, ...] | None:
    """Index values in the dimensions that are no place."""
    if indexes is None or not counted or len(indexes) <= max(counted):
        return None
    return tuple(indexes[n] for n in counted)


def _counted_dimensions(dataset: Dataset) -> list[int]:
    """Which of the dimensions that the file counts are not the place of a frame."""
    items = items_of(dataset, "DimensionIndexSequence")[:_MOST_DIMENSIONS]
    pointers = [item.get("DimensionIndexPointer") for item in items]
    return [n for n, pointer in enumerate(pointers) if pointer not in _PLACES]


def items_of(dataset: values.Values, keyword: str) -> Sequence[Dataset]:
    """Items of a sequence; none if it is absent or broken."""
    try:
        found = dataset.get(keyword)
    except READ_ERRORS:
        return ()
    return found if isinstance(found, DicomSequence) else ()
