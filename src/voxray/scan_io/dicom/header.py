"""What intake must know of one DICOM file, read without its pixels.

Every value is tolerant: an absent or malformed one is None. Positions and directions
are DICOM's own (LPS, mm); they become RAS+ in `voxray.scan_io.dicom.series`.
"""

import sys
from dataclasses import dataclass, field, fields, replace
from functools import lru_cache, partial
from operator import attrgetter
from typing import Any, TypeVar, cast

from voxray.scan_io.dicom import stored_values, values
from voxray.scan_io.dicom.frame_header import FrameHeader
from voxray.scan_io.dicom.pixel_bytes import PixelBytes

FRAME_SEQUENCES = (
    "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
)
"""What only files of an enhanced kind have (PS3.3 C.7.6.16)."""


@dataclass(frozen=True, slots=True)
class DicomHeader:
    """One file. Identity does not show in its `repr`.

    Attributes:
        patient_age_years: From PatientAge, else from birth date and study date.
        pixel_spacing_mm: Distance between rows, then between columns (PS3.3 10.7.1.3).
        position_lps_mm: Centre of the first voxel.
        orientation_lps: Six: direction along a row, then along a column.
        number_of_slices: Slices in the series, where the header says (PS3.3 C.8.9.1).
        temporal_position: TemporalPositionIdentifier.
        b_value: DiffusionBValue.
        imager_pixel_spacing_mm: At the detector of a radiograph (PS3.3 10.7.1.3).
        contrast_agent: ContrastBolusAgent; what a rule calls "contrast".
        series_time: SeriesDate, a space, SeriesTime.
        diffusion_direction: Unit vector (PS3.3 C.8.13.5.9), LPS.
        burned_in_annotation: BurnedInAnnotation: True for YES, False for NO.
        pixel_offset: Byte at which the pixels begin, if they can be read there as they
            are: whole, integer, little endian, not compressed, in a file not packed.
        pixel_length: Bytes of them, padding included.
        frame: Which frame of its file this header is about; None for the whole file.
        frames: Of a multi-frame or mosaic file, one per frame or tile; empty else.
        stack: Of a frame: which of the stacks in its file, from 1.
        dimensions: Of a frame: what its file counts besides places and stacks.
        mosaic_tiles: Of a tile of a mosaic: tiles that the plane of its file holds
            (see `mosaic.mosaic_tile`). None for whole planes.
        pixel_representation: 0 for unsigned, 1 for signed stored values.
        rescale: Slope and intercept, 1 and 0 where the header says nothing; None if a
            table takes their place, or if they are no numbers.
        padding: Lowest and highest stored value that marks a pixel outside the field of
            view (PS3.3 C.7.5.1.1.2).
        window: Centre and width of the first window; of radiographs only.
        window_function: VOILUTFunction.
        has_voi_table: Whether there is a VOILUTSequence.
        pixel_bytes_expected: From the header, without padding; None if compressed.
        has_pixels: Whether a pixel element is there.
        truncated: Whether the file ends before its pixels do. An image header without
            pixels counts; so does a compressed file whose last fragment is cut.
    """

    sop_class_uid: str | None
    transfer_syntax_uid: str | None
    sop_instance_uid: str | None = field(repr=False)
    series_instance_uid: str | None = field(repr=False)
    study_instance_uid: str | None = field(repr=False)
    frame_of_reference_uid: str | None = field(repr=False)
    patient_id: str | None = field(repr=False)
    issuer_of_patient_id: str | None = field(repr=False)
    patient_sex: str | None = field(repr=False)
    patient_age_years: float | None = field(repr=False)
    institution: str | None = field(repr=False)
    series_description: str | None = field(repr=False)
    modality: str | None
    body_part: str | None
    manufacturer: str | None
    image_type: tuple[str, ...]
    series_number: int | None
    acquisition_number: int | None
    instance_number: int | None
    temporal_position: int | None
    echo_number: int | None
    b_value: float | None
    images_in_acquisition: int | None
    number_of_slices: int | None
    number_of_frames: int | None
    rows: int | None
    columns: int | None
    samples_per_pixel: int | None
    photometric: str | None
    pixel_spacing_mm: tuple[float, float] | None
    slice_thickness_mm: float | None
    spacing_between_slices_mm: float | None
    position_lps_mm: tuple[float, float, float] | None
    orientation_lps: tuple[float, ...] | None
    pixel_bytes_expected: int | None
    has_pixels: bool
    truncated: bool
    imager_pixel_spacing_mm: tuple[float, float] | None = None
    protocol_name: str | None = field(default=None, repr=False)
    contrast_agent: str | None = None
    series_time: str | None = field(default=None, repr=False)
    laterality: str | None = None
    view_position: str | None = None
    echo_time_ms: float | None = None
    trigger_time_ms: float | None = None
    diffusion_direction: tuple[float, float, float] | None = None
    number_of_temporal_positions: int | None = None
    bits_allocated: int | None = None
    burned_in_annotation: bool | None = None
    pixel_offset: int | None = None
    pixel_length: int | None = None
    frame: int | None = None
    frames: tuple[FrameHeader, ...] = ()
    stack: int | None = None
    dimensions: tuple[int, ...] | None = None
    mosaic_tiles: int | None = None
    bits_stored: int | None = None
    high_bit: int | None = None
    pixel_representation: int | None = None
    rescale: tuple[float, float] | None = None
    padding: tuple[int, int] | None = None
    window: tuple[float, float] | None = None
    window_function: str | None = None
    has_voi_table: bool = False
    scanner_model: str | None = None

    def slices(self) -> tuple["DicomHeader", ...]:
        """One header per slice: itself, or one per frame with the frame's own values.

        What a frame does not say stays as the file says it.
        """
        if not self.frames:
            return (self,)
        return tuple(
            replace(self, frames=(), frame=frame.index, **frame.stated())
            for frame in self.frames
        )

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        """Cross processes in few bytes: the names of the fields are left out."""
        return _received, _VALUES_OF(self)


_VALUES_OF = attrgetter(*(f.name for f in fields(DicomHeader)))
_Shared = TypeVar("_Shared")


def _received(*values: Any) -> DicomHeader:  # noqa: ANN401 - of every field its own type
    """Make a header from another process, which shares values with others again."""
    return DicomHeader(*map(_shared, values))


def _shared(value: _Shared) -> _Shared:
    """An equal value that other headers have: a series says most things many times."""
    if isinstance(value, str):
        return cast("_Shared", sys.intern(value))
    if isinstance(value, tuple):
        return cast("_Shared", _shared_tuple(value, tuple(map(type, value))))
    return value


@lru_cache(maxsize=256)
def _shared_tuple(value: _Shared, _kinds: tuple[type, ...]) -> _Shared:
    """Remembered by kinds too, since (3, 3) and (3.0, 3.0) are equal."""
    return value


KEYWORDS = [
    "ImageType",
    "SOPClassUID",
    "SOPInstanceUID",
    "StudyDate",
    "Modality",
    "Manufacturer",
    "ManufacturerModelName",
    "InstitutionName",
    "SeriesDescription",
    "PatientID",
    "IssuerOfPatientID",
    "PatientBirthDate",
    "PatientSex",
    "PatientAge",
    "BodyPartExamined",
    "SliceThickness",
    "SpacingBetweenSlices",
    "EchoNumbers",
    "DiffusionBValue",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "SeriesNumber",
    "AcquisitionNumber",
    "InstanceNumber",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "FrameOfReferenceUID",
    "TemporalPositionIdentifier",
    "ImagesInAcquisition",
    "NumberOfSlices",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "Rows",
    "Columns",
    "PixelSpacing",
    "BitsAllocated",
    "ImagerPixelSpacing",
    "ProtocolName",
    "ContrastBolusAgent",
    "SeriesDate",
    "SeriesTime",
    "ImageLaterality",
    "Laterality",
    "ViewPosition",
    "EchoTime",
    "TriggerTime",
    "DiffusionGradientOrientation",
    "NumberOfTemporalPositions",
    "BurnedInAnnotation",
    "NumberOfFrames",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "PixelPaddingValue",
    "PixelPaddingRangeLimit",
    "WindowCenter",
    "WindowWidth",
    "RescaleIntercept",
    "RescaleSlope",
    "VOILUTFunction",
    "ModalityLUTSequence",
    "VOILUTSequence",
    *FRAME_SEQUENCES,
]
"""Elements that a header is made of."""


_TEXTS = {
    "series_instance_uid": "SeriesInstanceUID",
    "study_instance_uid": "StudyInstanceUID",
    "frame_of_reference_uid": "FrameOfReferenceUID",
    "patient_id": "PatientID",
    "issuer_of_patient_id": "IssuerOfPatientID",
    "institution": "InstitutionName",
    "series_description": "SeriesDescription",
    "modality": "Modality",
    "body_part": "BodyPartExamined",
    "manufacturer": "Manufacturer",
    "scanner_model": "ManufacturerModelName",
    "photometric": "PhotometricInterpretation",
    "protocol_name": "ProtocolName",
    "contrast_agent": "ContrastBolusAgent",
    "view_position": "ViewPosition",
    "window_function": "VOILUTFunction",
}
_WHOLES = {
    "series_number": "SeriesNumber",
    "acquisition_number": "AcquisitionNumber",
    "instance_number": "InstanceNumber",
    "temporal_position": "TemporalPositionIdentifier",
    "echo_number": "EchoNumbers",
    "images_in_acquisition": "ImagesInAcquisition",
    "number_of_slices": "NumberOfSlices",
    "number_of_frames": "NumberOfFrames",
    "rows": "Rows",
    "columns": "Columns",
    "samples_per_pixel": "SamplesPerPixel",
    "number_of_temporal_positions": "NumberOfTemporalPositions",
    "bits_allocated": "BitsAllocated",
    "bits_stored": "BitsStored",
    "high_bit": "HighBit",
    "pixel_representation": "PixelRepresentation",
}
_REALS = {
    "b_value": "DiffusionBValue",
    "slice_thickness_mm": "SliceThickness",
    "spacing_between_slices_mm": "SpacingBetweenSlices",
    "echo_time_ms": "EchoTime",
    "trigger_time_ms": "TriggerTime",
}
"""Fields that are one element as it stands."""


def header_from(
    dataset: values.Values,
    file_meta: values.Values,
    pixels: PixelBytes,
    frames: tuple[FrameHeader, ...] = (),
) -> DicomHeader:
    """Take a header from the elements of a file."""
    text = partial(_shared_text, dataset)
    meta = partial(_shared_text, file_meta)
    orientation = values.reals(dataset, "ImageOrientationPatient", count=6)
    times = filter(None, map(text, ("SeriesDate", "SeriesTime")))
    said = text("BurnedInAnnotation") or ""
    return DicomHeader(
        **_plain_fields(dataset),
        sop_class_uid=text("SOPClassUID") or meta("MediaStorageSOPClassUID"),
        transfer_syntax_uid=meta("TransferSyntaxUID"),
        sop_instance_uid=values.text(dataset, "SOPInstanceUID"),
        patient_sex=values.sex(dataset),
        patient_age_years=values.age_years(dataset),
        image_type=_shared(values.texts(dataset, "ImageType")),
        pixel_spacing_mm=_shared(values.pair(dataset, "PixelSpacing")),
        position_lps_mm=values.point(dataset, "ImagePositionPatient"),
        orientation_lps=_shared(orientation),
        pixel_bytes_expected=pixels.expected,
        has_pixels=pixels.present,
        truncated=pixels.truncated,
        imager_pixel_spacing_mm=values.pair(dataset, "ImagerPixelSpacing"),
        series_time=" ".join(times) or None,
        laterality=text("ImageLaterality") or text("Laterality"),
        diffusion_direction=values.point(dataset, "DiffusionGradientOrientation"),
        burned_in_annotation={"YES": True, "NO": False}.get(said),
        pixel_offset=pixels.place,
        pixel_length=pixels.length,
        frames=frames,
        rescale=_shared(stored_values.rescale(dataset)),
        padding=_shared(stored_values.padding(dataset)),
        window=stored_values.window(dataset),
        has_voi_table="VOILUTSequence" in dataset,
    )


def _plain_fields(dataset: values.Values) -> dict[str, Any]:
    fields: dict[str, Any]
    fields = {name: _shared_text(dataset, key) for name, key in _TEXTS.items()}
    fields |= {name: values.whole(dataset, key) for name, key in _WHOLES.items()}
    fields |= {name: values.real(dataset, key) for name, key in _REALS.items()}
    return fields


def _shared_text(dataset: values.Values, keyword: str) -> str | None:
    value = values.text(dataset, keyword)
    return None if value is None else sys.intern(value)
