"""What a DICOM mask says it was drawn on."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from pydicom.dataset import Dataset

from voxray.core.errors import UnreadableScanError
from voxray.scan_io.dicom import values
from voxray.scan_io.dicom.quiet import READ_ERRORS, kind_of, quiet_pydicom
from voxray.scan_io.masks.dataset import items, read_dataset

_UNNAMED = "-"
_MODALITIES = {"SEG", "RTSTRUCT"}
_RT_SERIES = (
    "ReferencedFrameOfReferenceSequence",
    "RTReferencedStudySequence",
    "RTReferencedSeriesSequence",
)
_CONTOURS = ("ROIContourSequence", "ContourSequence")

Instance = tuple[str, int | None]
"""SOPInstanceUID, and the number of a frame from 1; None for the whole instance."""


@dataclass(frozen=True, slots=True)
class MaskReferences:
    """The scan of a mask, as the mask names it. All of it is identity.

    Attributes:
        drawn_on: Images that single frames or contours name.
        listed: Images that the file names as a whole.
        series: SeriesInstanceUIDs.
        frames: FrameOfReferenceUIDs.
    """

    drawn_on: frozenset[Instance] = field(repr=False)
    listed: frozenset[Instance] = field(repr=False)
    series: frozenset[str] = field(repr=False)
    frames: frozenset[str] = field(repr=False)


def is_mask_modality(modality: str | None) -> bool:
    """Whether files of this DICOM modality are masks."""
    return modality in _MODALITIES


def read_mask_references(path: Path) -> MaskReferences:
    """Read what a SEG or an RTSTRUCT refers to; pixels are not read.

    Raises:
        UnreadableScanError: If the file cannot be read, or is neither.
    """
    dataset = read_dataset(path, _UNNAMED, pixels=False)
    if not is_mask_modality(values.text(dataset, "Modality")):
        problem = "DICOM, but neither SEG nor RTSTRUCT"
        raise UnreadableScanError(_UNNAMED, problem)
    try:
        with quiet_pydicom():
            return _references(dataset)
    except READ_ERRORS as error:
        problem = f"the DICOM mask cannot be read: {kind_of(error)}"
        raise UnreadableScanError(_UNNAMED, problem) from error


def _references(dataset: Dataset) -> MaskReferences:
    series = [
        *items(dataset, "ReferencedSeriesSequence"),
        *items(dataset, *_RT_SERIES),
    ]
    uids = {values.text(item, "SeriesInstanceUID") for item in series}
    listed = [
        image
        for item in series
        for keyword in ("ReferencedInstanceSequence", "ContourImageSequence")
        for image in items(item, keyword)
    ]
    return MaskReferences(
        drawn_on=_instances([*_sources(dataset), *_contour_images(dataset)]),
        listed=_instances(listed),
        series=frozenset(uid for uid in uids if uid),
        frames=_frames_of_reference(dataset),
    )


def _sources(dataset: Dataset) -> Iterable[Dataset]:
    """Images that frames of a SEG were drawn on (PS3.3 C.7.6.16.2.6)."""
    for groups in (
        "SharedFunctionalGroupsSequence",
        "PerFrameFunctionalGroupsSequence",
    ):
        yield from items(
            dataset, groups, "DerivationImageSequence", "SourceImageSequence"
        )


def _contour_images(dataset: Dataset) -> Iterable[Dataset]:
    return items(dataset, *_CONTOURS, "ContourImageSequence")


def _instances(images: Iterable[Dataset]) -> frozenset[Instance]:
    found: set[Instance] = set()
    for image in images:
        uid = values.text(image, "ReferencedSOPInstanceUID")
        numbers = values.texts(image, "ReferencedFrameNumber")
        if uid:
            frames = {(uid, int(n)) for n in numbers if n.isascii() and n.isdigit()}
            found |= frames or {(uid, None)}
    return frozenset(found)


def _frames_of_reference(dataset: Dataset) -> frozenset[str]:
    places = [
        values.text(dataset, "FrameOfReferenceUID"),
        *(
            values.text(item, "FrameOfReferenceUID")
            for item in items(dataset, "ReferencedFrameOfReferenceSequence")
        ),
        *(
            values.text(item, "ReferencedFrameOfReferenceUID")
            for item in items(dataset, "StructureSetROISequence")
        ),
    ]
    return frozenset(uid for uid in places if uid)
