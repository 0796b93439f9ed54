"""Frames of enhanced images (DICOM PS3.3 C.7.6.16).

What a frame says of itself stands in its own item of the functional groups, else in
the item that all frames share.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.tag import BaseTag

from voxray.scan_io.dicom import values
from voxray.scan_io.dicom.frame_header import FrameHeader
from voxray.scan_io.dicom.quiet import READ_ERRORS

MOST_FRAMES = 1 << 17
"""In one file. The largest time series that are known have 90,000."""

_SHARED = "SharedFunctionalGroupsSequence"
_PER_FRAME = "PerFrameFunctionalGroupsSequence"
_CONTENT = "FrameContentSequence"
_MEASURES = "PixelMeasuresSequence"
_FRAME_TYPES = (
    "MRImageFrameTypeSequence",
    "CTImageFrameTypeSequence",
    "PETFrameTypeSequence",
    "XAXRFFrameCharacteristicsSequence",
)
_UNASSIGNED = "UnassignedPerFrameConvertedAttributesSequence"
_CONVERTED = (_UNASSIGNED, "UnassignedSharedConvertedAttributesSequence")
"""Where legacy converted images keep what has no functional group (C.7.6.16.2.25)."""

_PLACES = {
    BaseTag(0x00200032),  # ImagePositionPatient
    BaseTag(0x00209056),  # StackID
    BaseTag(0x00209057),  # InStackPositionNumber
    BaseTag(0x00200037),  # ImageOrientationPatient
}
_MOST_DIMENSIONS = 16
_Value = TypeVar("_Value")


def is_enhanced(dataset: Dataset) -> bool:
    """Whether a file has functional groups."""
    return bool(items_of(dataset, _SHARED) or items_of(dataset, _PER_FRAME))


def enhanced_frames(dataset: Dataset) -> tuple[FrameHeader, ...]:
    """Give the frames that the functional groups describe.

    Empty if they describe more or fewer frames than the file says it has: then no
    frame can be trusted to be the one that is described.
    """
    shared = (items_of(dataset, _SHARED) or [Dataset()])[0]
    own = items_of(dataset, _PER_FRAME)
    stated = values.whole(dataset, "NumberOfFrames") or 1
    if stated != (len(own) or 1) or stated > MOST_FRAMES:
        return ()
    groups = [_Groups(frame, shared) for frame in own or [Dataset()]]
    counted = _counted_dimensions(dataset)
    stacks = _numbered([frame.stack_id() for frame in groups])
    return tuple(
        _frame(index, frame, stack, counted)
        for index, (frame, stack) in enumerate(zip(groups, stacks, strict=True))
    )


def _frame(
    index: int, groups: "_Groups", stack: int | None, counted: Sequence[int]
) -> FrameHeader:
    first = groups.first
    return FrameHeader(
        index=index,
        position_lps_mm=first(
            values.point, "PlanePositionSequence", "ImagePositionPatient"
        ),
        orientation_lps=first(
            _six, "PlaneOrientationSequence", "ImageOrientationPatient"
        ),
        pixel_spacing_mm=first(values.pair, "PixelMeasuresSequence", "PixelSpacing"),
        slice_thickness_mm=first(
            values.real, "PixelMeasuresSequence", "SliceThickness"
        ),
        spacing_between_slices_mm=first(
            values.real, "PixelMeasuresSequence", "SpacingBetweenSlices"
        ),
        image_type=groups.frame_type(),
        acquisition_number=groups.acquisition_number(),
        temporal_position=groups.temporal_position(),
        echo_time_ms=groups.echo_time_ms(),
        trigger_time_ms=groups.trigger_time_ms(),
        b_value=first(values.real, "MRDiffusionSequence", "DiffusionBValue"),
        diffusion_direction=groups.diffusion_direction(),
        stack=stack,
        dimensions=groups.dimensions(counted),
    )


def _six(dataset: values.Values, keyword: str) -> tuple[float, ...] | None:
    return values.reals(dataset, keyword, count=6)


class _Groups:
    """The functional groups of one frame over those that all frames share."""

    def __init__(self, own: Dataset, shared: Dataset) -> None:
        self._levels = (own, shared)

    def first(
        self,
        read: Callable[[values.Values, str], _Value | None],
        sequence: str,
        keyword: str,
    ) -> _Value | None:
        """Value of the frame's own group, else of the shared one, else converted."""
        for name in (sequence, *_CONVERTED):
            for level in self._levels:
                for item in items_of(level, name)[:1]:
                    if (value := read(item, keyword)) is not None:
                        return value
        return None

    def stack_id(self) -> str | None:
        return self.first(values.text, _CONTENT, "StackID")

    def frame_type(self) -> tuple[str, ...] | None:
        for sequence in _FRAME_TYPES:
            if found := self.first(_texts, sequence, "FrameType"):
                return found
        return None

    def acquisition_number(self) -> int | None:
        own = self.first(values.whole, _CONTENT, "FrameAcquisitionNumber")
        return own or self.first(values.whole, _UNASSIGNED, "AcquisitionNumber")

    def temporal_position(self) -> int | None:
        own = self.first(values.whole, _CONTENT, "TemporalPositionIndex")
        return own or self.first(
            values.whole, _UNASSIGNED, "TemporalPositionIdentifier"
        )

    def echo_time_ms(self) -> float | None:
        effective = self.first(values.real, "MREchoSequence", "EffectiveEchoTime")
        if effective is not None:
            return effective
        return self.first(values.real, _UNASSIGNED, "EchoTime")

    def trigger_time_ms(self) -> float | None:
        delay = self.first(
            values.real,
            "CardiacSynchronizationSequence",
            "NominalCardiacTriggerDelayTime",
        )
        if delay is not None:
            return delay
        return self.first(values.real, _UNASSIGNED, "TriggerTime")

    def diffusion_direction(self) -> tuple[float, float, float] | None:
        return self.first(_direction, "MRDiffusionSequence", "")

    def dimensions(self, counted: Sequence[int]) -> tuple[int, ...] | None:
        """Index values of the frame in the dimensions that are neither place."""
        if not counted:
            return None
        found = self.first(_indexes, _CONTENT, "DimensionIndexValues")
        if found is None or len(found) <= max(counted):
            return None
        return tuple(found[n] for n in counted)


def _direction(diffusion: values.Values, _: str) -> tuple[float, float, float] | None:
    items = items_of(diffusion, "DiffusionGradientDirectionSequence")
    return values.point(items[0], "DiffusionGradientOrientation") if items else None


def _texts(dataset: values.Values, keyword: str) -> tuple[str, ...] | None:
    return values.texts(dataset, keyword) or None


def _indexes(dataset: values.Values, keyword: str) -> tuple[int, ...] | None:
    texts = values.texts(dataset, keyword)[:_MOST_DIMENSIONS]
    return tuple(map(int, texts)) if all(t.isdecimal() for t in texts) else None


def _counted_dimensions(dataset: Dataset) -> list[int]:
    """Which of the dimensions that the file counts are not the place of a frame."""
    items = items_of(dataset, "DimensionIndexSequence")[:_MOST_DIMENSIONS]
    pointers = [item.get("DimensionIndexPointer") for item in items]
    return [n for n, pointer in enumerate(pointers) if pointer not in _PLACES]


def _numbered(names: Sequence[str | None]) -> list[int | None]:
    """Numbers from 1 for the stacks; a name of a stack could be anything."""
    numbers: dict[str, int] = {}
    return [
        None if name is None else numbers.setdefault(name, len(numbers) + 1)
        for name in names
    ]


def items_of(dataset: values.Values, keyword: str) -> Sequence[Dataset]:
    """Items of a sequence; none if it is absent or broken."""
    try:
        found = dataset.get(keyword)
    except READ_ERRORS:
        return ()
    return found if isinstance(found, DicomSequence) else ()
